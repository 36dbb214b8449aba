"""Clients of a server: one HTTP/1.1 connection, and a normal client that is measured."""

import asyncio
import json
import ssl
import statistics
import subprocess
import sys
import time

from processes import kill_group, spawn
from report import check
from server import NOW

# Each address may have a limited number of connections, and has its own ports.
SOURCES = [f"127.0.0.{n}" for n in range(2, 22)]


class Truncated(Exception):
    """A response began and did not end."""


class Closed(Exception):
    """The connection closed without a response."""


class Client:
    """One HTTP/1.1 connection."""

    @classmethod
    async def open(cls, port, source="127.0.0.1", protocol=None):
        """With a protocol, over TLS with any certificate."""
        client, tls = cls(), None
        if protocol:
            tls = ssl.create_default_context()
            tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
            tls.set_alpn_protocols([protocol])
        opened = asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0), ssl=tls)
        client.reader, client.writer = await opened
        return client

    async def request(self, method, path, body=b"", headers=""):
        """The status and the body of the response."""
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
        began = False
        try:
            self.writer.write(head.encode() + body)
            line = await self.reader.readline()
            began = bool(line)
            length = 0
            while True:
                field = await self.reader.readuntil(b"\r\n")
                if field == b"\r\n":
                    break
                if field.lower().startswith(b"content-length:"):
                    length = int(field.split(b":")[1])
            response = await self.reader.readexactly(length)
            return int(line.split()[1]), response
        except (asyncio.IncompleteReadError, OSError) as error:
            raise (Truncated if began else Closed)(repr(error)) from error

    async def post(self, events):
        body = json.dumps(events).encode()
        return await self.request("POST", "/events", body, "Content-Type: application/json\r\n")

    def close(self):
        self.writer.close()


def event(user, name, number):
    return {"eventId": name, "userId": user, "type": "page_view", "occurredAt": NOW + number}


async def measure(server, seconds):
    """The figures of a normal client. It is a process of its own (this file), so that the attack does not delay it."""
    protocol = ["http/1.1"] if "--tls-cert" in server.line else []
    line = [sys.executable, __file__, str(server.port), str(seconds), *protocol]
    child = spawn(line, None, stdout=subprocess.PIPE)
    try:
        while child.poll() is None:
            await asyncio.sleep(0.05)
        check(child.returncode == 0, "the normal client failed")
        return json.load(child.stdout)
    finally:
        kill_group(child)


async def normal_client(port, seconds, protocol=None):
    """Sends one event after another: every tenth on a new connection, the others on one that it keeps."""
    took, responses, kept = [], {}, None
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        began, number, client = time.monotonic(), sum(responses.values()), None
        is_new = number % 10 == 9
        try:
            client = await Client.open(port, protocol=protocol) if is_new or kept is None else kept
            status, _ = await client.post(event(f"u{number % 100}", f"{began}", number))
            kept = kept if is_new else client
        except (Truncated, Closed, OSError) as error:
            status, kept = type(error).__name__, None
        responses[status] = responses.get(status, 0) + 1
        if status == 202:
            took.append((time.monotonic() - began) * 1000)
        if is_new and client:
            client.close()
        await asyncio.sleep(0.005)
    cuts = statistics.quantiles(took, n=100) if len(took) > 1 else [float("inf")] * 99
    requests = sum(responses.values())
    return {
        "requests": requests,
        "accepted": len(took) / max(1, requests),
        "others": {status: count for status, count in responses.items() if status != 202},
        "p50": cuts[49],
        "p99": cuts[98],
    }


def times(figures):
    return f"{figures['p50']:.1f} ms, {figures['p99']:.1f} ms"


if __name__ == "__main__":
    print(json.dumps(asyncio.run(normal_client(int(sys.argv[1]), float(sys.argv[2]), *sys.argv[3:]))))
