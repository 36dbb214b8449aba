"""Tells Schemathesis what a schema cannot: credentials, the values of formats, and rules that concern two values."""

import datetime
import json
import os

import requests
import schemathesis
from hypothesis import strategies as st

URL = os.environ["SERVER_URL"]
TOKEN = os.environ["ADMIN_TOKEN"]
EMAIL, PASSWORD = os.environ["EMAIL"], os.environ["PASSWORD"]

dates = st.dates(datetime.date(2010, 1, 1), datetime.date(2025, 12, 31)).map(str)
times = st.datetimes(datetime.datetime(2010, 1, 1), datetime.datetime(2025, 12, 31)).map(lambda at: at.isoformat(timespec="milliseconds") + "Z")

# The server rejects events of the future.
schemathesis.openapi.format("date-time", times)
schemathesis.openapi.format("instant", dates | times)
schemathesis.openapi.format("iana-time-zone", st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Apia"]))
schemathesis.openapi.format("iso-4217", st.sampled_from(["EUR", "USD", "usd", "JPY", "KWD"]))
schemathesis.openapi.format("origin", st.sampled_from(["https://shop.example", "http://localhost:8080", "https://www.shop.example:8443"]))
schemathesis.openapi.format("https", st.sampled_from(["https://shop.example/ann.png", "https://shop.example/"]))
schemathesis.openapi.format("email", st.from_regex(r"[a-z]{1,20}@shop\.example", fullmatch=True))


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """OpenAPI describes NDJSON and beacons as texts. Here they get the schemas of the JSON bodies."""
    content = raw_schema["paths"]["/events"]["post"]["requestBody"]["content"]
    content["text/plain"] = {"schema": content["application/json"]["schema"]}
    lists = [shape for shape in raw_schema["components"]["schemas"]["EventsBody"]["anyOf"] if shape.get("type") == "array"]
    content["application/x-ndjson"] = {"schema": lists[0]}


@schemathesis.serializer("application/x-ndjson")
def lines(context, value):
    # A value that is not a list becomes a line that is not an event.
    return "\n".join(map(json.dumps, value if isinstance(value, list) else [[value]])).encode()


@schemathesis.serializer("text/plain")
def beacon(context, value):
    return json.dumps(value).encode()


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Drops failures by rules that no schema can express: a cursor comes from a page, the current password must be right
    and a new one uncommon, event types are a setting, an event is not of the future, an id names one event, one of two
    fields is required, an uploaded file has records, and the options of an import are
    formats, encodings and columns of its file."""
    if type(failure).__name__ != "RejectedPositiveData" or response.status_code != 400:
        return True
    error = response.json()
    codes = ["INVALID_PASSWORD", "PASSWORD_COMPROMISED", "unknown_type", "id_conflict", "unreadable_file"]
    codes += ["occurred_at_in_future", "occurred_at_too_early", "occurred_at_too_old"]
    if error["code"] == "no_valid_events":
        return not all(result["code"] in codes for result in error["results"])
    is_known = error["code"] in codes or error["message"] == "No fields to update"
    is_known = is_known or case.path == "/admin/imports/{id}/run" and error["code"] == "VALIDATION_ERROR"
    return not (is_known or error.get("field") == "cursor" and "not a cursor" in error["message"])


@schemathesis.hook
def map_query(context, query):
    """Keeps a time range from ending before it begins, and from having too many buckets."""
    if not query:
        return query
    if "from" in query or query.get("interval") == "hour":
        query.pop("to", None)
    if query.get("interval") == "hour":
        query.pop("from", None)
    return query


@schemathesis.auth(refresh_interval=None)
class Credentials:
    """The admin token. Cases about the own account get a session each, because some of them end it."""

    def get(self, case, context):
        if "Account" not in (case.operation.tags or []):
            return TOKEN
        response = sign_in()
        if response.status_code == 401:
            # Another case removed the account, or changed its password.
            post("/admin/members", {"email": EMAIL, "password": PASSWORD, "role": "owner"})
            post(f"/admin/members/{EMAIL}/password", {"newPassword": PASSWORD})
            response = sign_in()
        response.raise_for_status()
        return response.json()["token"]

    def set(self, case, data, context):
        case.headers = case.headers or {}
        case.headers["Authorization"] = f"Bearer {data}"


def sign_in():
    return requests.post(f"{URL}/api/auth/sign-in/email", json={"email": EMAIL, "password": PASSWORD}, timeout=30)


def post(path, body):
    requests.post(URL + path, json=body, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30)
