"""Receives OTLP over HTTP with the official Protobuf messages (`opentelemetry-proto` on PyPI).

Usage: receiver.py PORT FILE

Appends each request to FILE as a line of OTLP's JSON, as scripts/otlp/collector does. Answers 400 to a body that is not
such a message. The OpenTelemetry Collector checks more.
"""

import base64
import gzip
import http.server
import json
import pathlib
import sys

from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

MESSAGES = {
    "/v1/traces": ExportTraceServiceRequest,
    "/v1/logs": ExportLogsServiceRequest,
}


def as_otlp(value):
    """Writes ids in hexadecimal, as OTLP's JSON does. Protobuf's JSON has them in base64."""
    if isinstance(value, list):
        return [as_otlp(item) for item in value]
    if not isinstance(value, dict):
        return value
    ids = {"traceId", "spanId", "parentSpanId"}
    return {key: base64_to_hex(item) if key in ids else as_otlp(item) for key, item in value.items()}


def base64_to_hex(text):
    return base64.b64decode(text).hex()


class Receiver(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        message = MESSAGES.get(self.path)
        if message is None or self.headers["Content-Type"] != "application/x-protobuf":
            return self.answer(404 if message is None else 415)
        try:
            if self.headers["Content-Encoding"] == "gzip":
                body = gzip.decompress(body)
            received = message.FromString(body)
        except Exception as error:
            print(f"{self.path}: {error}", file=sys.stderr, flush=True)
            return self.answer(400)
        line = as_otlp(json_format.MessageToDict(received, use_integers_for_enums=True))
        with FILE.open("a") as file:
            file.write(json.dumps(line) + "\n")
        self.answer(200)

    def answer(self, status):
        self.send_response(status)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    FILE = pathlib.Path(sys.argv[2])
    http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()
