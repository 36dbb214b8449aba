"""One sender who would take all there is of something, beside an honest sender who should not notice."""

import asyncio
import gzip
import json
import pathlib
import socket
import subprocess
import tempfile
import time

from clients import NOW, SOURCES, Client, Closed, Cut, event, every, honest
from real_server import TOKEN, Server, check, mib, table

MEMORY_BOUND = 512 << 20
DAY = 86_400_000
# Times before it are taken for seconds.
FIRST_DAY = 1_200
CONTENT = "Content-Type: application/json\r\n"
ADMIN = f"Authorization: Bearer {TOKEN}\r\n"


class Attack:
    """An attack on a server, from now until its end."""

    def __init__(self, server, arguments, seconds):
        self.server, self.arguments = server, arguments
        self.ends = time.monotonic() + seconds
        self.counts = {}

    def count(self, what, many=1):
        self.counts[what] = self.counts.get(what, 0) + many

    def greatest(self, what, figure):
        self.counts[what] = max(self.counts.get(what, 0), figure)

    def goes_on(self):
        return time.monotonic() < self.ends

    async def pause(self, seconds):
        await asyncio.sleep(max(0, min(seconds, self.ends - time.monotonic())))


async def beside(arguments, crowd, flags=(), seconds=20, then=None):
    """Runs an attack, a list of tasks made by `crowd`, beside an honest sender."""
    seconds = seconds * 0.4 if arguments.short else seconds
    with tempfile.TemporaryDirectory() as folder, Server(folder, *flags) as server:
        calm = await honest(server, 1)
        before = (server.folder / "log").stat().st_size
        attack = Attack(server, arguments, seconds)
        tasks = [asyncio.create_task(task) for task in crowd(attack)]
        await attack.pause(seconds / 5)
        attacked = await honest(server, max(1, attack.ends - time.monotonic() - 0.5))
        await asyncio.gather(*tasks)
        if then:
            await then(attack)
        _, peak = server.memory()
        after = await honest(server, 1)
        log = (server.folder / "log").stat().st_size - before
        table(
            *((what, f"{figure:,}", "") for what, figure in attack.counts.items()),
            ("honest requests", f"{attacked['requests']:,}", ""),
            ("  taken", f"{attacked['taken']:.1%}", ">= 95 %"),
            ("  p50, p99 before the attack", f"{calm['p50']:.1f} ms, {calm['p99']:.1f} ms", ""),
            ("  p50, p99 during it", f"{attacked['p50']:.1f} ms, {attacked['p99']:.1f} ms", "p99 < 500 ms"),
            ("  p50, p99 after it", f"{after['p50']:.1f} ms, {after['p99']:.1f} ms", ""),
            ("peak of the resident memory", mib(peak), "< 512 MiB"),
            ("lines of the log meanwhile", f"{log:,} B", "< 1 MB"),
        )
        check(attacked["taken"] >= 0.95, f"honest requests were answered {attacked['others']}")
        check(attacked["p99"] < 5_000, "honest clients waited for seconds")
        check(after["taken"] == 1, f"honest requests were answered {after['others']} after the attack")
        check(peak < MEMORY_BOUND, "more memory than there may be")
        check(log < 1_000_000, "the log grew")
        return attack


def faults(arguments):
    """A small body with a long answer: no two neighbours are wrong in the same way."""
    events = 10_000 if arguments.short else 100_000
    return gzip.compress(("[" + ",".join(["{}", '{"x":1}'] * (events // 2)) + "]").encode())


async def readers(arguments):
    """Clients that ask for long answers and read them slowly."""

    async def reader(attack, number, body):
        head = f"POST /events?results=all HTTP/1.1\r\nHost: x\r\n{CONTENT}Content-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n"
        loop = asyncio.get_running_loop()
        while attack.goes_on():
            stream = socket.socket()
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            stream.setblocking(False)
            try:
                stream.bind((SOURCES[number % len(SOURCES)], 0))
                await loop.sock_connect(stream, ("127.0.0.1", attack.server.port))
                await loop.sock_sendall(stream, head.encode() + body)
                attack.count("questions")
                while attack.goes_on():
                    read = await asyncio.wait_for(loop.sock_recv(stream, 512), attack.ends - time.monotonic() + 1)
                    if not read:
                        attack.count("answers that were given up")
                        break
                    await attack.pause(0.5)
            except (OSError, asyncio.TimeoutError):
                attack.count("answers that were given up")
            finally:
                stream.close()

    body = faults(arguments)
    count = 40 if arguments.short else 400
    await beside(arguments, lambda attack: [reader(attack, n, body) for n in range(count)], seconds=25)


def frame(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def literal(index, text):
    """A header of the static table with another value, not indexed (RFC 7541)."""
    prefix = bytes([index]) if index < 15 else bytes([15, index - 15])
    return prefix + bytes([len(text)]) + text.encode()


async def streams(arguments):
    """Clients of HTTP/2 that ask for long answers and grant their streams no room."""
    body = faults(arguments)
    headers = b"\x83\x87" + literal(1, "localhost") + literal(4, "/events?results=all")
    headers += literal(31, "application/json") + literal(26, "gzip")
    settings, ping, ack = 4, 6, 1

    async def client(attack, number):
        while attack.goes_on():
            try:
                connection = await Client.open(attack.server.port, SOURCES[number % len(SOURCES)], protocol="h2")
                writer, reader = connection.writer, connection.reader
                writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(settings, 0, 0, b"\0\4" + bytes(4)))
                for stream in range(1, 40, 2):
                    writer.write(frame(1, 4, stream, headers) + frame(0, 1, stream, body))
                    attack.count("questions")
                while attack.goes_on():
                    head = await asyncio.wait_for(reader.readexactly(9), attack.ends - time.monotonic() + 1)
                    payload = await reader.readexactly(int.from_bytes(head[:3], "big"))
                    if head[3] == ping and not head[4] & ack:
                        writer.write(frame(ping, ack, 0, payload))
                    elif head[3] == 3:
                        attack.count("streams that were reset")
            except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError):
                pass
            else:
                connection.close()

    with tempfile.TemporaryDirectory() as folder:
        key, certificate = f"{folder}/key.pem", f"{folder}/cert.pem"
        made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        made += ["-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=localhost"]
        subprocess.run(made, check=True, capture_output=True)
        count = 4 if arguments.short else 40
        flags = ("--tls-cert", certificate, "--tls-key", key, "--write-timeout", "2s" if arguments.short else "5s")
        attack = await beside(arguments, lambda attack: [client(attack, n) for n in range(count)], flags, 25)
        check(attack.counts.get("streams that were reset", 0) > 0, "no stalled stream was reset")


async def bodies(arguments):
    """Large bodies that are sent but for their end, and then a byte now and then."""
    length = 16 << 20

    async def body(attack, source):
        while attack.goes_on():
            try:
                connection = await Client.open(attack.server.port, source)
                writer, reader = connection.writer, connection.reader
                head = f"POST /events HTTP/1.1\r\nHost: x\r\n{CONTENT}Content-Length: {length}\r\n\r\n["
                writer.write(head.encode())
                for _ in range(length // (1 << 20)):
                    writer.write(b" " * ((1 << 20) - 2))
                    await writer.drain()
                attack.count("bodies that were held")
                while attack.goes_on():
                    writer.write(b" ")
                    try:
                        await asyncio.wait_for(reader.readexactly(12), 1)
                        attack.count("bodies that were given up")
                        break
                    except asyncio.TimeoutError:
                        pass
            except (OSError, asyncio.IncompleteReadError):
                attack.count("bodies that were given up")
                await attack.pause(0.2)
            else:
                connection.close()

    def crowd(attack):
        return [body(attack, source) for source in SOURCES[:2] for _ in range(4)]

    await beside(arguments, crowd, seconds=20)


async def days(arguments):
    """Events of thousands of days, from somebody with a token: others may send those of the last month only."""

    async def sender(attack, number):
        client = None
        for begin in range(number * 1_000, 2_000 if arguments.short else 20_000, 2_000):
            events = [
                {**event(f"u{day % 50}", f"day-{day}", day), "occurredAt": (day + FIRST_DAY) * DAY}
                for day in range(begin, begin + 1_000)
            ]
            while attack.goes_on():
                client = client or await Client.open(attack.server.port, SOURCES[number])
                try:
                    status, answer = await client.ask("POST", "/events", json.dumps(events).encode(), CONTENT + ADMIN)
                except (Cut, Closed):
                    client = None
                    continue
                if status == 202:
                    attack.count("events on days of their own", json.loads(answer)["accepted"])
                    break
                check(status in (429, 503), f"{status} {answer!r}")
                attack.count("times that their sender was told to wait")
                await attack.pause(0.5)

    await beside(arguments, lambda attack: [sender(attack, n) for n in range(2)], ("--roll-age", "2s"), 40)


async def names(arguments):
    """Searches for so many long texts that no list of them fits, and questions about all of them."""
    batches = 10 if arguments.short else 600

    async def sender(attack, number):
        client = await Client.open(attack.server.port, SOURCES[number])
        for batch in range(number, batches, 2):
            events = [
                {"userId": f"u{n}", "type": "search", "occurredAt": NOW + n, "properties": {"query": f"{batch}-{n}-" + "x" * 500}}
                for n in range(1_000)
            ]
            status, answer = await client.ask("POST", "/events", json.dumps(events).encode(), CONTENT + ADMIN)
            if status == 202:
                attack.count("searches", json.loads(answer)["accepted"])
            else:
                await attack.pause(0.2)

    async def questions(attack):
        clients = [await Client.open(attack.server.port) for _ in range(6)]
        asked = [client.ask("GET", "/stats?from=2020-01-01", headers=ADMIN) for client in clients]
        for status, answer in await asyncio.gather(*asked):
            check(status == 200, f"{status} {answer!r}")
            attack.count("questions about all of them")
            attack.greatest("bytes of the longest answer", len(answer))

    await beside(arguments, lambda attack: [sender(attack, n) for n in range(2)], seconds=40, then=questions)


async def lines(arguments):
    """Requests that are mistaken, each in a way that would make a long line."""

    async def client(attack, number):
        connection = None
        while attack.goes_on():
            try:
                connection = connection or await Client.open(attack.server.port, SOURCES[number])
                status, _ = await connection.ask("GET", f"/{number}-" + "x" * 8_000)
                check(status == 404, f"{status}")
                status, _ = await connection.ask("POST", "/events", b'{"userId":"u1","type":"nonsense"}', CONTENT)
                check(status == 400, f"{status}")
                attack.count("mistaken requests", 2)
            except (Cut, Closed, OSError):
                connection = None

    await beside(arguments, lambda attack: [client(attack, n) for n in range(3)], seconds=12)


async def disk(arguments):
    """A disk that fills up, under the load of senders who come again, and has room later."""
    senders = 8 if arguments.short else 32
    with tempfile.TemporaryDirectory() as folder:
        data = pathlib.Path(folder) / "data"
        data.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128m", "tmpfs", data], check=True)
        try:
            with Server(folder, "--journal-size", "16MiB", "--min-free-space", "0B") as server:
                attack = Attack(server, arguments, 25 if arguments.short else 60)
                await full(attack, data, senders)
                log = (server.folder / "log").stat().st_size
                table(*((what, f"{figure:,}", "") for what, figure in attack.counts.items()), ("lines of the log", f"{log:,} B", "< 100 kB"))
                check(log < 100_000, "the log grew")
                server.stop()
        finally:
            subprocess.run(["umount", data], check=True)


async def full(attack, data, senders):
    took, stop = [], asyncio.Event()

    async def sender(number):
        client, n = await Client.open(attack.server.port), 0
        while not stop.is_set():
            started = time.monotonic()
            body = {**event(f"u{number}", f"disk-{number}-{n}", n), "properties": {"text": "x" * 4_000}}
            status, _ = await client.post(body)
            check(status in (202, 429, 503), f"{status}")
            attack.count(f"answers {status}")
            if status != 202:
                took.append(time.monotonic() - started)
            n += status == 202
            await asyncio.sleep(0.02)

    filler = data / "filler"
    with open(filler, "wb", buffering=0) as file:
        tasks = [asyncio.create_task(sender(n)) for n in range(senders)]
        await asyncio.sleep(2)
        check(attack.counts.get("answers 202"), "nothing is taken while there is room")
        try:
            while True:
                file.write(bytes(1 << 12))
        except OSError:
            pass
    # Until the server knows, and then for as long again.
    while not took:
        await asyncio.sleep(0.1)
        check(attack.goes_on(), "the disk did not fill up")
    await attack.pause(attack.ends - time.monotonic() - 8)
    at_once = sorted(took)[: len(took) * 9 // 10]
    filler.unlink()
    before = attack.counts["answers 202"]
    while attack.counts["answers 202"] < before + 50:
        await asyncio.sleep(0.05)
        check(attack.goes_on(), "nothing is taken although there is room again")
    stop.set()
    await asyncio.gather(*tasks)
    attack.counts["of ten refusals, nine took at most, ms"] = round(at_once[-1] * 1000)
    check(at_once[-1] < 1, "senders waited to be told that the disk is full")
    client = await Client.open(attack.server.port)
    users = await every(client, "/users?limit=1000", "users")
    check(sum(user["events"] for user in users) == attack.counts["answers 202"], "events are missing, or there twice")


ATTACKS = {
    "readers": readers,
    "streams": streams,
    "bodies": bodies,
    "days": days,
    "names": names,
    "lines": lines,
    "disk": disk,
}
