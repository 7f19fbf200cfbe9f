"""docs/openapi.yaml is what the code generates, and says about every operation what a client must know."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from drf_spectacular.renderers import OpenApiYamlRenderer
from drf_spectacular.validation import validate_schema
from rest_framework.test import APIClient

from clinic.api.document import document
from tests.api.contract.routes import ROUTES, TABLED
from tests.meta.source import ROOT

COMMITTED = ROOT / "docs" / "openapi.yaml"
EVERYWHERE = {"400", "401", "429", "503"}
BY_METHOD = {
    "GET": {"403"},
    "POST": {"403", "404", "409", "415", "422"},
    "PATCH": {"403", "404", "409", "412", "415", "422", "428"},
    "DELETE": {"403", "404", "409", "412"},
}
WITH_EXAMPLES = {
    "login",
    "patients_create",
    "patients_search",
    "appointments_create",
    "prescriptions_create",
}


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(method, path, operation) of everything described."""
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


OPERATIONS = [pytest.param(*found, id=found[2]["operationId"]) for found in operations()]


def resolved(part: Mapping[str, Any]) -> Any:
    """The part itself, or what it refers to."""
    if "$ref" not in part:
        return part
    found: Any = document()
    for step in part["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    return found


def test_the_committed_file_is_fresh() -> None:
    fresh = OpenApiYamlRenderer().render(document(), renderer_context={}).decode()
    assert COMMITTED.read_text(encoding="utf-8") == fresh, "run make openapi and commit docs/openapi.yaml"


def test_generating_it_again_gives_the_same() -> None:
    once = json.dumps(document())
    document.cache_clear()
    assert json.dumps(document()) == once


def test_it_is_valid_openapi() -> None:
    validate_schema(document())


def test_it_describes_every_route_and_no_other() -> None:
    public = {("GET", "/api/v1/schema/"), ("GET", "/api/v1/docs/")}
    there = {(route.method, route.template.replace("{pk}", "{id}")) for route in ROUTES} - public
    assert {(method, path) for method, path, _operation in operations()} == there


def test_operation_ids_are_unique_and_name_the_action() -> None:
    ids = Counter(operation["operationId"] for _method, _path, operation in operations())
    assert {name for name, count in ids.items() if count > 1} == set()
    assert {name for name in ids if not name.isidentifier()} == set()
    actions = {route.action for route in TABLED} - {"list"}  # a search may have a better word for it
    assert {action for action in actions if not any(name.endswith(action) for name in ids)} == set()


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS)
def test_it_says_what_it_does_and_who_may(method: str, path: str, operation: dict[str, Any]) -> None:
    assert 4 <= len(operation["summary"]) <= 90
    assert operation["description"]
    assert operation["tags"]
    if "auth" not in operation["tags"]:
        assert "Needs `" in operation["description"]
        assert {"token": []} in operation["security"]


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS)
def test_it_lists_every_answer(method: str, path: str, operation: dict[str, Any]) -> None:
    listed = set(operation["responses"])
    expected = set(EVERYWHERE)
    if "auth" not in operation["tags"]:
        expected |= BY_METHOD[method] | ({"404"} if "{" in path else set())
    assert expected <= listed
    good = {status for status in listed if status < "300"}
    assert good, "no success"
    for status in listed - good - {"304"}:  # nothing has changed: no content
        content = resolved(operation["responses"][status])["content"]
        assert set(content) == {"application/problem+json"}


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS)
def test_it_names_its_headers(method: str, path: str, operation: dict[str, Any]) -> None:
    sent = {parameter["name"] for parameter in operation.get("parameters", []) if parameter["in"] == "header"}
    tabled = "auth" not in operation["tags"]
    assert ("Idempotency-Key" in sent) == (method == "POST" and tabled)
    assert ("If-Match" in sent) == (method in {"PATCH", "DELETE"} or (method == "POST" and "{id}" in path))
    for status, reply in operation["responses"].items():
        headers = set(resolved(reply).get("headers", {}))
        assert ("Retry-After" in headers) == (status in {"429", "503"})
        assert ("WWW-Authenticate" in headers) == (status == "401")
        if status < "300" and tabled:
            assert ("Idempotency-Replayed" in headers) == (method == "POST")


@pytest.mark.parametrize("operation_id", sorted(WITH_EXAMPLES))
def test_main_requests_have_an_example_that_fits(operation_id: str) -> None:
    operation = next(found[2] for found in operations() if found[2]["operationId"] == operation_id)
    body = operation["requestBody"]["content"]["application/json"]
    schema = {**body["schema"], "components": document()["components"]}
    assert body["examples"]
    for example in body["examples"].values():
        jsonschema.Draft202012Validator(schema).validate(example["value"])


def test_the_search_for_times_has_an_example_of_each_required_parameter() -> None:
    search = document()["paths"]["/api/v1/availability/"]["get"]
    required = [parameter for parameter in search["parameters"] if parameter.get("required")]
    assert {parameter["name"] for parameter in required} == {"visit_type", "site"}
    for parameter in required:
        for example in parameter["examples"].values():
            jsonschema.Draft202012Validator(parameter["schema"]).validate(example["value"])


def test_anyone_may_read_it_and_reading_it_asks_no_database(django_assert_num_queries: Any, db: None) -> None:
    with django_assert_num_queries(0):
        served = APIClient().get("/api/v1/schema/")
    assert served.json()["info"]["title"] == "Onset API"
    assert served.json() == document()
