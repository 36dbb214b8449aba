"""Attacks by one sender that exhausts a resource of the server, while a normal client works."""

import asyncio
import gzip
import json
import socket
import subprocess
import time

from clients import NOW, SOURCES, Client, Closed, Truncated, event, measure, times
from processes import must
from report import check, mib, table
from server import TOKEN, Server

MEMORY_BOUND = 512 << 20
DAY = 86_400_000
# The first day whose milliseconds are not read as seconds.
FIRST_DAY = 1_200
JSON = "Content-Type: application/json\r\n"
ADMIN = f"Authorization: Bearer {TOKEN}\r\n"


class Attack:
    """An attack on a server, with a time to end and counts of what happens."""

    def __init__(self, server, seconds):
        self.server, self.counts = server, {}
        self.ends = time.monotonic() + seconds

    def count(self, what, number=1):
        self.counts[what] = self.counts.get(what, 0) + number

    def left(self):
        return max(0, self.ends - time.monotonic())

    async def pause(self, seconds):
        await asyncio.sleep(min(seconds, self.left()))

    def rows(self):
        return [(what, f"{count:,}", "") for what, count in self.counts.items()]


async def run_attack(folder, seconds, attackers, flags=(), then=None):
    """Runs the attackers, a list of coroutines of an `Attack`, while a normal client is measured."""
    with Server(folder, *flags) as server:
        calm, log_before = await measure(server, 1), server.log.stat().st_size
        attack = Attack(server, seconds)
        tasks = [asyncio.create_task(attacker) for attacker in attackers(attack)]
        await attack.pause(seconds / 5)
        attacked = await measure(server, max(1, attack.left() - 0.5))
        await asyncio.gather(*tasks)
        if then:
            await then(attack)
        _, peak = server.memory()
        after, log = await measure(server, 1), server.log.stat().st_size - log_before
        table(
            *attack.rows(),
            ("requests of the normal client", f"{attacked['requests']:,}", ""),
            ("  accepted", f"{attacked['accepted']:.1%}", ">= 95 %"),
            ("  p50, p99 before the attack", times(calm), ""),
            ("  p50, p99 during the attack", times(attacked), "p99 < 500 ms"),
            ("  p50, p99 after the attack", times(after), ""),
            ("peak memory", mib(peak), "< 512 MiB"),
            ("log lines of the attack", f"{log:,} B", "< 1 MB"),
        )
        check(attacked["accepted"] >= 0.95, f"the normal client got {attacked['others']}")
        check(attacked["p99"] < 5_000, "the normal client waited for seconds")
        check(after["accepted"] == 1, f"the normal client got {after['others']} after the attack")
        check(peak < MEMORY_BOUND, "the server took too much memory")
        check(log < 1_000_000, "the attack fills the log")
        return attack


def invalid_events(short):
    """A small body with a long response: no two neighbours have the same error."""
    events = 10_000 if short else 100_000
    return gzip.compress(("[" + ",".join(["{}", '{"x":1}'] * (events // 2)) + "]").encode())


async def readers(folder, short):
    """Clients request long responses and read them slowly."""
    body = invalid_events(short)
    head = f"POST /events?results=all HTTP/1.1\r\nHost: x\r\n{JSON}Content-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n"

    async def reader(attack, number):
        loop = asyncio.get_running_loop()
        while attack.left():
            connection = socket.socket()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.setblocking(False)
            try:
                connection.bind((SOURCES[number % len(SOURCES)], 0))
                await loop.sock_connect(connection, ("127.0.0.1", attack.server.port))
                await loop.sock_sendall(connection, head.encode() + body)
                attack.count("requests")
                while attack.left():
                    read = await asyncio.wait_for(loop.sock_recv(connection, 512), attack.left() + 1)
                    if not read:
                        attack.count("responses that the server gave up")
                        break
                    await attack.pause(0.5)
            except (OSError, asyncio.TimeoutError):
                attack.count("responses that the server gave up")
            finally:
                connection.close()

    count, seconds = (40, 6) if short else (400, 25)
    await run_attack(folder, seconds, lambda attack: [reader(attack, n) for n in range(count)])


def frame(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def literal(index, text):
    """A header of the static table with another value, not indexed (RFC 7541)."""
    prefix = bytes([index]) if index < 15 else bytes([15, index - 15])
    return prefix + bytes([len(text)]) + text.encode()


async def streams(folder, short):
    """HTTP/2 clients request long responses and close the windows of their streams."""
    body = invalid_events(short)
    headers = b"\x83\x87" + literal(1, "localhost") + literal(4, "/events?results=all")
    headers += literal(31, "application/json") + literal(26, "gzip")
    settings, ping, ack = 4, 6, 1

    async def client(attack, number):
        while attack.left():
            try:
                connection = await Client.open(attack.server.port, SOURCES[number % len(SOURCES)], protocol="h2")
                writer, reader = connection.writer, connection.reader
                writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(settings, 0, 0, b"\0\4" + bytes(4)))
                for stream in range(1, 40, 2):
                    writer.write(frame(1, 4, stream, headers) + frame(0, 1, stream, body))
                    attack.count("requests")
                while attack.left():
                    head = await asyncio.wait_for(reader.readexactly(9), attack.left() + 1)
                    payload = await reader.readexactly(int.from_bytes(head[:3], "big"))
                    if head[3] == ping and not head[4] & ack:
                        writer.write(frame(ping, ack, 0, payload))
                    elif head[3] == 3:
                        attack.count("streams that the server reset")
            except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError):
                pass
            else:
                connection.close()

    key, certificate = folder / "key.pem", folder / "cert.pem"
    line = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    line += ["-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=localhost"]
    must(line, stderr=subprocess.DEVNULL)
    count, seconds, timeout = (4, 8, "2s") if short else (40, 25, "5s")
    flags = ("--tls-cert", certificate, "--tls-key", key, "--write-timeout", timeout)
    done = await run_attack(folder, seconds, lambda attack: [client(attack, n) for n in range(count)], flags)
    check(done.counts.get("streams that the server reset", 0) > 0, "the server reset no stalled stream")


async def bodies(folder, short):
    """Clients send large bodies except for the end, and then a byte now and then."""
    length = 16 << 20

    async def body(attack, source):
        while attack.left():
            try:
                connection = await Client.open(attack.server.port, source)
                writer, reader = connection.writer, connection.reader
                writer.write(f"POST /events HTTP/1.1\r\nHost: x\r\n{JSON}Content-Length: {length}\r\n\r\n[".encode())
                for _ in range(length // (1 << 20)):
                    writer.write(b" " * ((1 << 20) - 2))
                    await writer.drain()
                attack.count("bodies that were held")
                while attack.left():
                    writer.write(b" ")
                    try:
                        await asyncio.wait_for(reader.readexactly(12), 1)
                        attack.count("bodies that the server gave up")
                        break
                    except asyncio.TimeoutError:
                        pass
            except (OSError, asyncio.IncompleteReadError):
                attack.count("bodies that the server gave up")
                await attack.pause(0.2)
            else:
                connection.close()

    bodies = lambda attack: [body(attack, source) for source in SOURCES[:2] for _ in range(4)]
    await run_attack(folder, 6 if short else 20, bodies)


async def days(folder, short):
    """A sender with a token sends events of thousands of days. Senders without one may send the last month only."""

    async def sender(attack, number):
        client = None
        for begin in range(number * 1_000, 2_000 if short else 20_000, 2_000):
            events = [
                {**event(f"u{day % 50}", f"day-{day}", day), "occurredAt": (day + FIRST_DAY) * DAY}
                for day in range(begin, begin + 1_000)
            ]
            while attack.left():
                client = client or await Client.open(attack.server.port, SOURCES[number])
                try:
                    status, response = await client.request("POST", "/events", json.dumps(events).encode(), JSON + ADMIN)
                except (Truncated, Closed):
                    client = None
                    continue
                if status == 202:
                    attack.count("days of events", json.loads(response)["accepted"])
                    break
                check(status in (429, 503), f"{status} {response!r}")
                attack.count("refusals of their sender")
                await attack.pause(0.5)

    await run_attack(folder, 8 if short else 40, lambda attack: [sender(attack, n) for n in range(2)], ("--roll-age", "2s"))


async def names(folder, short):
    """Searches for so many long texts that no list of them fits in memory, and queries over all of them."""
    batches = 10 if short else 600

    async def sender(attack, number):
        client = await Client.open(attack.server.port, SOURCES[number])
        for batch in range(number, batches, 2):
            events = [
                {"userId": f"u{n}", "type": "search", "occurredAt": NOW + n, "properties": {"query": f"{batch}-{n}-" + "x" * 500}}
                for n in range(1_000)
            ]
            status, response = await client.request("POST", "/events", json.dumps(events).encode(), JSON + ADMIN)
            if status == 202:
                attack.count("searches", json.loads(response)["accepted"])
            else:
                await attack.pause(0.2)

    async def queries(attack):
        clients = [await Client.open(attack.server.port) for _ in range(6)]
        requests = [client.request("GET", "/stats?from=2020-01-01", headers=ADMIN) for client in clients]
        responses = await asyncio.gather(*requests)
        for status, response in responses:
            check(status == 200, f"{status} {response!r}")
        attack.count("queries over all of them", len(responses))
        attack.count("bytes of the longest response", max(len(response) for _, response in responses))

    await run_attack(folder, 6 if short else 40, lambda attack: [sender(attack, n) for n in range(2)], then=queries)


async def lines(folder, short):
    """Clients send wrong requests, each of which would make a long log line."""

    async def client(attack, number):
        connection = None
        while attack.left():
            try:
                connection = connection or await Client.open(attack.server.port, SOURCES[number])
                status, _ = await connection.request("GET", f"/{number}-" + "x" * 8_000)
                check(status == 404, f"{status}")
                status, _ = await connection.request("POST", "/events", b'{"userId":"u1","type":"nonsense"}', JSON)
                check(status == 400, f"{status}")
                attack.count("wrong requests", 2)
            except (Truncated, Closed, OSError):
                connection = None

    await run_attack(folder, 5 if short else 12, lambda attack: [client(attack, n) for n in range(3)])


async def disk(folder, short):
    """A disk becomes full while clients send and retry, and has space again later."""
    server = Server(folder, "--journal-size", "16MiB", "--min-free-space", "0B")
    server.data.mkdir()
    must(["mount", "-t", "tmpfs", "-o", "size=128m", "tmpfs", server.data])
    try:
        with server:
            attack = Attack(server, 60)
            await fill(attack, senders=8 if short else 32, refusals=200 if short else 5_000)
            log = server.log.stat().st_size
            table(*attack.rows(), ("log lines", f"{log:,} B", "< 100 kB"))
            check(log < 100_000, "the full disk fills the log")
            server.stop()
    finally:
        must(["umount", server.data])


async def fill(attack, senders, refusals):
    took, stop = [], asyncio.Event()

    async def sender(number):
        client, n = await Client.open(attack.server.port), 0
        while not stop.is_set():
            began = time.monotonic()
            body = {**event(f"u{number}", f"disk-{number}-{n}", n), "properties": {"text": "x" * 4_000}}
            status, _ = await client.post(body)
            check(status in (202, 429, 503), f"{status}")
            attack.count(f"responses {status}")
            if status != 202:
                took.append(time.monotonic() - began)
            n += status == 202
            await asyncio.sleep(0.02)

    async def until(what, condition):
        while not condition():
            check(attack.left(), f"waited in vain until {what}")
            await asyncio.sleep(0.02)

    accepted = lambda: attack.counts.get("responses 202", 0)
    filler = attack.server.data / "filler"
    with open(filler, "wb", buffering=0) as file:
        tasks = [asyncio.create_task(sender(n)) for n in range(senders)]
        await until("the server accepts events", lambda: accepted() > 20 * senders)
        try:
            while True:
                file.write(bytes(1 << 12))
        except OSError:
            pass
    await until("the server refuses events", lambda: len(took) >= refusals)
    fast = sorted(took)[: len(took) * 9 // 10]
    filler.unlink()
    before = accepted()
    await until("the server accepts events again", lambda: accepted() >= before + 50)
    stop.set()
    await asyncio.gather(*tasks)
    attack.count("nine of ten refusals within, ms", round(fast[-1] * 1000))
    check(fast[-1] < 1, "refusals took too long")
    users, _ = attack.server.pages("/users", "users", limit=1000)
    check(sum(user["events"] for user in users) == accepted(), "events are missing, or stored twice")


ATTACKS = {
    "readers": readers,
    "streams": streams,
    "bodies": bodies,
    "days": days,
    "names": names,
    "lines": lines,
    "disk": disk,
}
