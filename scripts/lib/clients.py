"""Clients of a real server: one connection of HTTP/1.1, and an honest sender who is measured."""

import asyncio
import json
import multiprocessing
import ssl
import statistics
import time

from report import fail
from server import NOW, TOKEN

# Two weeks ago: events without a key may be 30 days old.
NOW = (int(time.time()) // 86_400 - 14) * 86_400_000
# Each has so many connections as one address may, and ports of its own.
SOURCES = [f"127.0.0.{n}" for n in range(2, 22)]


class Cut(Exception):
    """An answer that began and did not end."""


class Closed(Exception):
    """The connection ended without an answer."""


class Client:
    """One connection of HTTP/1.1."""

    @classmethod
    async def open(cls, port, source="127.0.0.1", protocol=None):
        """Over TLS where a protocol is named; the certificate may be anybody's."""
        client, tls = cls(), None
        if protocol:
            tls = ssl.create_default_context()
            tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
            tls.set_alpn_protocols([protocol])
        opened = asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0), ssl=tls)
        client.reader, client.writer = await opened
        return client

    async def ask(self, method, path, body=b"", headers=""):
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
        begun = False
        try:
            self.writer.write(head.encode() + body)
            line = await self.reader.readline()
            begun = bool(line)
            length = 0
            while True:
                field = await self.reader.readuntil(b"\r\n")
                if field == b"\r\n":
                    break
                if field.lower().startswith(b"content-length:"):
                    length = int(field.split(b":")[1])
            answer = await self.reader.readexactly(length)
            return int(line.split()[1]), answer
        except (asyncio.IncompleteReadError, OSError) as error:
            raise (Cut if begun else Closed)(repr(error)) from error

    async def post(self, events):
        body = json.dumps(events).encode()
        return await self.ask("POST", "/events", body, "Content-Type: application/json\r\n")

    async def read(self, path):
        status, answer = await self.ask("GET", path, headers=f"Authorization: Bearer {TOKEN}\r\n")
        if status != 200:
            fail(f"GET {path}: {status} {answer!r}")
        return json.loads(answer)

    def close(self):
        self.writer.close()


def event(user, name, number):
    return {"eventId": name, "userId": user, "type": "page_view", "occurredAt": NOW + number}


async def every(client, path, what):
    """All pages of an answer."""
    found, cursor = [], ""
    while True:
        page = await client.read(path + cursor)
        found += page[what]
        if not page.get("nextCursor"):
            return found
        cursor = f"&cursor={page['nextCursor']}"


async def honest(server, seconds):
    """How honest requests fare, measured in a process that does nothing else."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        result = pool.apply_async(measure, (server.port, seconds, "http/1.1" if "--tls-cert" in server.flags else None))
        while not result.ready():
            await asyncio.sleep(0.05)
        return result.get()


def measure(port, seconds, protocol):
    """Sends one event after the other. Every tenth comes on a connection of its own; the others share one."""

    async def run():
        took, answers = [], {}
        ends = time.monotonic() + seconds
        kept = None
        while time.monotonic() < ends:
            started = time.monotonic()
            number = sum(answers.values())
            is_new = number % 10 == 9
            client = None
            try:
                client = await Client.open(port, protocol=protocol) if is_new or kept is None else kept
                status, _ = await client.post(event(f"u{number % 100}", f"{started}", number))
                kept = kept if is_new else client
            except (Cut, Closed, OSError) as error:
                status, kept = type(error).__name__, None
            answers[status] = answers.get(status, 0) + 1
            if status == 202:
                took.append((time.monotonic() - started) * 1000)
            if is_new and client:
                client.close()
            await asyncio.sleep(0.005)
        cuts = statistics.quantiles(took, n=100) if len(took) > 1 else [float("inf")] * 99
        requests = sum(answers.values())
        return {
            "requests": requests,
            "taken": len(took) / max(1, requests),
            "others": {status: count for status, count in answers.items() if status != 202},
            "p50": cuts[49],
            "p99": cuts[98],
        }

    return asyncio.run(run())
