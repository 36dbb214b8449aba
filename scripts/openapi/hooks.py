"""What Schemathesis has to know of the server beyond what its description says: who asks, how values with formats of ours
look, and which rules bind two values together, so that they cannot stand in a schema."""

import datetime
import json
import os

import requests
import schemathesis
from hypothesis import strategies as st

URL = os.environ["MARTECH_URL"]
TOKEN = os.environ["MARTECH_ADMIN_TOKEN"]
EMAIL, PASSWORD = os.environ["MARTECH_EMAIL"], os.environ["MARTECH_PASSWORD"]

dates = st.dates(datetime.date(2010, 1, 1), datetime.date(2025, 12, 31)).map(str)
times = st.datetimes(datetime.datetime(2010, 1, 1), datetime.datetime(2025, 12, 31)).map(lambda at: at.isoformat(timespec="milliseconds") + "Z")

# An event is not of the future.
schemathesis.openapi.format("date-time", times)
schemathesis.openapi.format("instant", dates | times)
schemathesis.openapi.format("iana-time-zone", st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Apia"]))
schemathesis.openapi.format("origin", st.sampled_from(["https://shop.example", "http://localhost:8080", "https://www.shop.example:8443"]))
schemathesis.openapi.format("https", st.sampled_from(["https://shop.example/ann.png", "https://shop.example/"]))
schemathesis.openapi.format("email", st.from_regex(r"[a-z]{1,20}@shop\.example", fullmatch=True))


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """Lines and beacons are texts to OpenAPI, which cannot say of what: they are made of the same events as JSON is."""
    content = raw_schema["paths"]["/events"]["post"]["requestBody"]["content"]
    content["text/plain"] = {"schema": content["application/json"]["schema"]}
    lists = [shape for shape in raw_schema["components"]["schemas"]["EventsBody"]["anyOf"] if shape.get("type") == "array"]
    content["application/x-ndjson"] = {"schema": lists[0]}


@schemathesis.serializer("application/x-ndjson")
def lines(context, value):
    # What is no list is one that has no events on its lines.
    return "\n".join(map(json.dumps, value if isinstance(value, list) else [[value]])).encode()


@schemathesis.serializer("text/plain")
def beacon(context, value):
    return json.dumps(value).encode()


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """What no schema can say: a cursor is one that a page has named, a password is known to who has it and is none of the most
    common, which types of events are taken is a setting of the project, an event is not of the future, an id names one event,
    and one of two fields has to be there."""
    if type(failure).__name__ != "RejectedPositiveData" or response.status_code != 400:
        return True
    told = response.json()
    codes = ["INVALID_PASSWORD", "PASSWORD_COMPROMISED", "unknown_type", "id_conflict"]
    codes += ["occurred_at_in_future", "occurred_at_too_early", "occurred_at_too_old"]
    if told["code"] == "no_valid_events":
        return not all(result["code"] in codes for result in told["results"])
    is_known = told["code"] in codes or told["message"] == "No fields to update"
    return not (is_known or told.get("field") == "cursor" and "not a cursor" in told["message"])


@schemathesis.hook
def map_query(context, query):
    """A time range ends after it begins, and is no longer than the buckets of a series."""
    if not query:
        return query
    if "from" in query or query.get("interval") == "hour":
        query.pop("to", None)
    if query.get("interval") == "hour":
        query.pop("from", None)
    return query


@schemathesis.auth(refresh_interval=None)
class Asking:
    """With the admin token; about one's own account in a session, each case in one of its own, for some end it."""

    def get(self, case, context):
        if "Account" not in (case.operation.tags or []):
            return TOKEN
        answer = sign_in()
        if answer.status_code == 401:
            # Another case has removed them, or given them another password.
            tell("/admin/members", {"email": EMAIL, "password": PASSWORD, "role": "owner"})
            tell(f"/admin/members/{EMAIL}/password", {"newPassword": PASSWORD})
            answer = sign_in()
        answer.raise_for_status()
        return answer.json()["token"]

    def set(self, case, data, context):
        case.headers = case.headers or {}
        case.headers["Authorization"] = f"Bearer {data}"


def sign_in():
    return requests.post(f"{URL}/api/auth/sign-in/email", json={"email": EMAIL, "password": PASSWORD}, timeout=30)


def tell(path, body):
    requests.post(URL + path, json=body, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30)
