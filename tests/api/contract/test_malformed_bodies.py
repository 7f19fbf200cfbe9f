"""Bodies of every kind that is not what was asked for, sent to every route that takes one.

A new route is held to this without being listed: the resolver and the description of the API name them all.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from rest_framework.test import APIClient

from clinic.api.parsers import DEEPEST
from tests.api.contract.expecting import Sender, fault, faults
from tests.api.contract.routes import ROUTES, Route
from tests.api.contract.seed import Clinic

pytestmark = pytest.mark.django_db

WITH_BODY = [route for route in ROUTES if route.method in {"POST", "PATCH"}]


CONTENT_TYPES = [
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "x",
    "application/xml;c=\xff",
]


def test_another_content_type_is_415(sender: Sender) -> None:
    sends = {content_type: sender("a=b", content_type) for content_type in CONTENT_TYPES}
    assert faults(WITH_BODY, sends, 415, code="unsupported_media_type") == {}


BODIES: dict[str, str | bytes] = {
    "cut off": "{",
    "words": "no json",
    "array": "[]",
    "array of objects": "[{}]",
    "string": '"text"',
    "number": "1",
    "null": "null",
    "not a number": '{"id": NaN}',
    "infinite": '{"id": -Infinity}',
    "two objects": "{}{}",
    "invalid UTF-8": b'{"name": "\xff\xfe"}',
    "UTF-16": '{"name": "a"}'.encode("utf-16"),
    "brackets": "[" * 100_000,
    "just too deep": '{"a":' * (DEEPEST + 1) + "1" + "}" * (DEEPEST + 1),
    "far too deep": '{"a":' * 5_000 + "1" + "}" * 5_000,
    "thousands of digits": '{"id": ' + "9" * 5_000 + "}",
}


def test_a_body_that_is_no_small_json_object_is_400(sender: Sender) -> None:
    sends = {kind: sender(body) for kind, body in BODIES.items()}
    assert faults(WITH_BODY, sends, 400, code="malformed_body") == {}


def test_a_body_as_deep_as_allowed_is_read(admin: APIClient) -> None:
    nested: dict[str, Any] = {}
    for _level in range(DEEPEST - 2):
        nested = {"a": nested}
    body = {"username": nested, "password": "b"}
    answer = admin.post("/api/v1/auth/login/", body, format="json")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")


def test_a_huge_body_is_400_and_not_read(sender: Sender) -> None:
    body = json.dumps({"note": "x" * settings.DATA_UPLOAD_MAX_MEMORY_SIZE})
    assert faults(WITH_BODY, sender(body), 400, code="body_too_large") == {}


def test_a_chunked_body_is_refused_rather_than_ignored(sender: Sender) -> None:
    tabled = [route for route in WITH_BODY if route.action]
    chunked = sender("", HTTP_TRANSFER_ENCODING="chunked")
    assert faults(tabled, chunked, 400, code="length_required") == {}


def fields(clinic: Clinic) -> Iterator[tuple[Route, list[str]]]:
    """The fields that the description of the API gives each body."""
    document = clinic.client("anonymous").get("/api/v1/schema/").json()
    schemas = document["components"]["schemas"]
    for route in WITH_BODY:
        operation = document["paths"][route.template.replace("{pk}", "{id}")][route.method.lower()]
        content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
        if names := list(schemas.get(name, {}).get("properties", {})):
            yield route, names


VALUES = {
    "null": "null",
    "a null character": r'"a\u0000b"',
    "half a character": r'"\ud800"',
    "a large id": str(10**30),
    "just over bigint": str(2**63),
    "a negative id": "-1",
    "zero": "0",
    "a float": "1.5",
    "beyond floats": "1e400",
    "true": "true",
    "text": '"' + "x" * 3_000 + '"',
    "empty text": '""',
    "an array": "[[]]",
    "an object": '{"a": {}}',
    "right to left": '"\u202e\u0000\U0001f600"'.replace("\u0000", ""),
    "year 10000": '"10000-01-01T00:00:00Z"',
    "year 0": '"0000-01-01"',
    "no offset": '"2027-01-11T09:00:00"',
    "an offset that PostgreSQL refuses": '"2027-01-11T09:00:00+23:43"',
    "a far offset": '"2027-01-11T09:00:00+99:99"',
    "last day": '"9999-12-31"',
}


def test_no_value_of_any_field_crashes(clinic: Clinic, sender: Sender) -> None:
    """In all fields at once: each is read by itself, and each fault is told.

    Under an Idempotency-Key, so that the stored reply must hold what the refusal repeats.
    """
    crashed = {}
    for route, names in fields(clinic):
        for kind, value in VALUES.items():
            body = "{" + ", ".join(f'"{name}": {value}' for name in names) + "}"
            response = sender(body, HTTP_IDEMPOTENCY_KEY=f"{route} {kind}")(route)
            if response.status_code >= 300 and (found := fault(response, 400, 401, 404, 409, 422, 429)):
                crashed[f"{route} {kind}"] = found
    assert crashed == {}
