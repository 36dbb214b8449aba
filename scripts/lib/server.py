"""The real martech-server: target/release/martech-server, or the program that MARTECH_SERVER names."""

import http.client
import json
import os
import pathlib
import subprocess
import time
import typing
import urllib.parse
from decimal import Decimal

import processes
from report import fail

PROGRAM = pathlib.Path(os.environ.get("MARTECH_SERVER", processes.ROOT / "target/release/martech-server")).resolve()
TOKEN = "admin-token-of-a-test-script"
# Two weeks ago: events without a secret key may be 30 days old.
NOW = (int(time.time()) // 86_400 - 14) * 86_400_000


class Response(typing.NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    text: str


class Server(processes.Process):
    """A server with a data folder and a log in `folder`. Its metrics are off unless an address is given."""

    def __init__(self, folder, *flags, name="server", metrics="off", **variables):
        self.data, port = folder / name, processes.free_port()
        line = [PROGRAM, "--addr", f"127.0.0.1:{port}", "--metrics-addr", metrics, "--data-dir", self.data, *flags]
        super().__init__(f"martech-{name}", line, port, folder / f"{name}.log", MARTECH_ADMIN_TOKEN=TOKEN, **variables)
        self.url = f"http://127.0.0.1:{port}"

    def start(self):
        check_program()
        return super().start()

    def request(self, method, path, body=None, token=TOKEN, **headers):
        """Sends a body, bytes or what becomes JSON, on a new connection."""
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if body is not None:
            headers["Content-Type"] = "application/json"
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return Response(response.status, response.headers, response.read().decode())
        finally:
            connection.close()

    def get(self, path, **parameters):
        """The JSON of a response that must be 200. Numbers with a fraction become Decimals."""
        path = f"{path}?{urllib.parse.urlencode(parameters)}" if parameters else path
        response = self.request("GET", path)
        if response.status != 200:
            fail(f"GET {path}: {response.status} {response.text}")
        return json.loads(response.text, parse_float=Decimal)

    def pages(self, path, key, **parameters):
        """All rows of a response with pages, and the last page."""
        rows, cursor = [], {}
        while True:
            page = self.get(path, **parameters, **cursor)
            rows += page[key]
            if "nextCursor" not in page:
                return rows, page
            cursor = {"cursor": page["nextCursor"]}

    def journey(self, user, **parameters):
        rows, _ = self.pages(f"/users/{urllib.parse.quote(user)}/journey", "events", **parameters)
        return rows

    def events(self):
        """The number of events in the lake."""
        return self.get("/health")["checks"]["lake"]["events"]

    def log_lines(self):
        """The JSON lines of the log."""
        return [json.loads(line) for line in self.log.read_text().splitlines(True) if line.startswith("{") and line.endswith("\n")]

    def set_up_link(self):
        """The link from the log that creates the first account."""
        links = lambda: [line["link"] for line in self.log_lines() if "link" in line]
        return processes.wait_until("the set-up link is logged", links)[-1]


def martech(*arguments, variables=None, **options):
    """Runs a command of the program. Returns its exit code, standard output and standard error."""
    check_program()
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return processes.command([PROGRAM, *arguments], variables, **pipes, **options)


def check_program():
    if not PROGRAM.exists():
        fail(f"{PROGRAM} does not exist: run `cargo build --release -p martech-server`, or set MARTECH_SERVER")
