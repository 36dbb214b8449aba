"""What scripts against the real server have in common: the program on a folder of its own, and how they tell what they found."""

import json
import os
import pathlib
import resource
import signal
import socket
import subprocess
import sys
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PROGRAM = pathlib.Path(os.environ.get("MARTECH_SERVER", ROOT / "target" / "release" / "martech-server")).resolve()
TOKEN = "token-of-a-script-for-tests"


class Server:
    """The real program, with a data folder of its own, on a port that stays the same."""

    def __init__(self, folder, *flags):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.folder, self.flags, self.process = pathlib.Path(folder), flags, None

    def start(self):
        log = open(self.folder / "log", "ab")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MARTECH_")}
        environment["MARTECH_ADMIN_TOKEN"] = TOKEN
        command = [PROGRAM, "--addr", f"127.0.0.1:{self.port}", "--data-dir", self.folder / "data", *self.flags]
        self.process = subprocess.Popen(command, stderr=log, env=environment)
        log.close()
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.02)
        fail(f"the server did not start: {self.tail()}")

    def stop(self):
        """By SIGTERM; how long it took."""
        started = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            fail("the server did not stop within a minute")
        if code != 0:
            fail(f"the server stopped with code {code}: {self.tail()}")
        return time.monotonic() - started

    def events(self):
        """How many are in the store."""
        ask = urllib.request.Request(f"http://127.0.0.1:{self.port}/health", headers={"Authorization": f"Bearer {TOKEN}"})
        with urllib.request.urlopen(ask, timeout=60) as answer:
            return json.load(answer)["checks"]["lake"]["events"]

    def memory(self):
        """Resident bytes: now, and the most there were."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        figures = dict(line.split(":", 1) for line in status.splitlines())
        return tuple(int(figures[name].split()[0]) << 10 for name in ("VmRSS", "VmHWM"))

    def tail(self):
        return "\n".join((self.folder / "log").read_text(errors="replace").splitlines()[-20:])

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def table(*rows):
    for name, figure, reach in rows:
        reach = f"   reach: {reach}" if reach else ""
        print(f"{name:<52}{figure!s:>24}{reach}")


def mib(size):
    return f"{size / (1 << 20):.0f} MiB"


def check(is_so, otherwise):
    if not is_so:
        fail(otherwise)


def fail(message):
    print(f"FAILED: {message}", file=sys.stderr)
    sys.exit(1)


def prepare(files):
    """Ends with a word where the program is missing, or so many files cannot be open."""
    if not PROGRAM.exists():
        fail(f"{PROGRAM} is not there: cargo build --release -p martech-server, or set MARTECH_SERVER")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if most != resource.RLIM_INFINITY and most < files:
        fail(f"a process may open {most} files here, which is too few: see ulimit -Hn")
