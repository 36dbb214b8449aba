"""The processes that a script starts. They end with the script, and a process that ends too early fails the script.

`run` runs a script in a working folder. However the script ends (its last line, a failed check, Ctrl-C, SIGTERM), `run`
kills every process that is left, with its children. A `Process` that ends without being asked to fails the script at
once. After a failure, `run` prints the end of each log and keeps the folder.
"""

import contextlib
import os
import pathlib
import random
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time

from report import fail

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()

started = []


def run(name, main, *arguments):
    """Runs main(folder, ...) with an empty folder, target/scripts/NAME."""
    folder = TARGET / "scripts" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    sys.stdout.reconfigure(line_buffering=True)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    signal.signal(signal.SIGCHLD, lambda *_: check_processes())
    try:
        try:
            main(folder, *arguments)
        finally:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for process in started:
                process.kill()
    except BaseException as error:
        for process in started:
            print(f"--- the end of {process.log}\n{process.log_end()}", file=sys.stderr)
        if isinstance(error, KeyboardInterrupt):
            sys.exit(130)
        raise
    shutil.rmtree(folder)


def check_processes():
    """Fails if a process ended that was not asked to."""
    for process in started:
        if process.should_run and process.child.poll() is not None:
            process.should_run = False
            fail(f"{process.name} ended unexpectedly, with code {process.child.returncode}")


def wait_until(what, condition, seconds=60):
    """Waits until condition() is true, and returns its value."""
    ends = time.monotonic() + seconds
    while not (value := condition()):
        check_processes()
        if time.monotonic() > ends:
            fail(f"waited {seconds} s in vain until {what}")
        time.sleep(0.02)
    return value


class Process:
    """A process that listens on a port of 127.0.0.1: the same port and the same log each time it is started."""

    def __init__(self, name, line, port, log, **variables):
        self.name, self.line, self.port, self.log, self.variables = name, line, port, log, variables
        self.child, self.should_run = None, False

    def start(self):
        """Returns when the process listens."""
        try:
            with open(self.log, "ab") as log:
                self.child = spawn(self.line, self.variables, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        except OSError as error:
            fail(f"{self.name} does not start: {error}")
        self.should_run = True
        if self not in started:
            started.append(self)
        wait_until(f"{self.name} listens", lambda: listens(self.port))
        return self

    def stop(self):
        """Asks the process to end, and returns the seconds that this took. It must end with code 0."""
        began, self.should_run = time.monotonic(), False
        self.child.terminate()
        try:
            code = self.child.wait(60)
        except subprocess.TimeoutExpired:
            fail(f"{self.name} does not end within a minute of SIGTERM")
        self.kill()
        if code:
            fail(f"{self.name} ended with code {code} after SIGTERM")
        return time.monotonic() - began

    def kill(self):
        self.should_run = False
        child, self.child = self.child, None
        if child:
            kill_group(child)

    def memory(self):
        """Resident bytes: now, and the peak."""
        lines = pathlib.Path(f"/proc/{self.child.pid}/status").read_text().splitlines()
        figures = dict(line.split(":", 1) for line in lines)
        return tuple(int(figures[name].split()[0]) << 10 for name in ("VmRSS", "VmHWM"))

    def processor_seconds(self):
        """User and system time together."""
        fields = pathlib.Path(f"/proc/{self.child.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def log_end(self):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.kill()


def command(line, variables=None, text=None, **options):
    """Runs a command to its end, with a text as its input. Returns its exit code and the output that goes to pipes."""
    try:
        child = spawn(line, variables, text=True, **options)
    except OSError as error:
        fail(f"{line[0]} does not start: {error}")
    try:
        output, errors = child.communicate(text)
        return child.returncode, output, errors
    finally:
        kill_group(child)


def must(line, variables=None, **options):
    """Runs a command that must succeed."""
    code, *_ = command(line, variables, **options)
    if code:
        fail(f"{' '.join(map(str, line))} ended with code {code}")


def children_seconds():
    """The processor time of all commands and processes that ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def spawn(line, variables, **options):
    """In a process group of its own, which Ctrl-C does not reach and which is killed as a whole."""
    line = [str(part) for part in line]
    return subprocess.Popen(line, env={**environment(), **(variables or {})}, start_new_session=True, **options)


def environment():
    """The caller's variables, without the settings of a server."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("MARTECH_", "OTEL_"))}


def kill_group(child):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def free_port():
    """A port below those of outgoing connections, so that none of them takes it before, or between two starts."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def allow_open_files(count):
    """Raises the limit of open files as far as it goes. Fails if that is less than `count`."""
    _, limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    if limit != resource.RLIM_INFINITY and limit < count:
        fail(f"a process may open {limit} files, and {count} are needed: see ulimit -Hn")
