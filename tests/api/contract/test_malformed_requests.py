"""Whatever is sent to whichever route: a problem document that fits, never a crash and never a redirect.

Each test takes one kind of malformed request to every route that the resolver knows, so that a new route
is held to the contract without being listed here.
"""

import base64
from collections.abc import Iterable
from typing import Any

import pytest
from rest_framework.test import APIClient

from clinic.common.versions import Versioned
from tests.api.contract.expecting import Send, Sender, fault, faults
from tests.api.contract.routes import ROUTES, TABLED, Route
from tests.api.contract.seed import Clinic

pytestmark = pytest.mark.django_db

LISTS = [route for route in TABLED if route.method == "GET" and not route.template.endswith("{pk}/")]
PUBLIC = {"/api/v1/auth/login/", "/api/v1/schema/", "/api/v1/docs/"}


def test_there_is_a_record_for_every_route_that_names_one(clinic: Clinic, admin: APIClient) -> None:
    """A new kind of record needs one in seed.py; without it the tests below would prove nothing about it."""
    ids = clinic.ids()
    reads = [route for route in TABLED if route.method == "GET" and route.names_a_record]
    missing = [str(route) for route in reads if admin.get(route.path(ids)).status_code == 404]
    assert missing == []


def to_each(client: APIClient, pks: Iterable[object]) -> dict[str, Send]:
    """Sends an empty body to the route with each of these in place of an id."""

    def to(pk: object) -> Send:
        return lambda route: client.generic(
            route.method, route.path({}, pk=pk), "{}", content_type="application/json", HTTP_IF_MATCH='"1"'
        )

    return {f"with id {pk}": to(pk) for pk in pks}


def test_an_id_that_is_not_there_is_404(clinic: Clinic, admin: APIClient) -> None:
    """Or 400 for a body that lacks something: neither tells whether the record is there."""
    named = [route for route in TABLED if route.names_a_record]
    reads = [route for route in named if route.method in {"GET", "DELETE"}]
    sends = to_each(admin, [999999999999999999, 0, 99999999])
    assert faults(reads, sends, 404, code="not_found") == {}
    assert faults(named, sends, 400, 404) == {}


def test_an_id_that_is_none_is_404(clinic: Clinic, admin: APIClient) -> None:
    sends = to_each(admin, [10**30, "-1", "1.5", "a", "%00", "%ff", "\u0661", "1%0a", "%2e%2e"])
    assert faults([route for route in TABLED if route.names_a_record], sends, 404) == {}


PATCHES = [route for route in TABLED if route.method == "PATCH"]
BAD_IF_MATCH = ["3", '"', '"a"', "W/", '"1", "2"', '"-1"', '"99999999999999999999"', "\xff", '"1" x', "**"]


def test_an_if_match_that_is_no_etag_is_400(sender: Sender) -> None:
    sends = {etag: sender(HTTP_IF_MATCH=etag) for etag in BAD_IF_MATCH}
    assert faults(PATCHES, sends, 400, code="invalid_request") == {}


def test_a_patch_without_if_match_is_428(clinic: Clinic, admin: APIClient) -> None:
    ids = clinic.ids()

    def send(route: Route) -> Any:
        return admin.patch(route.path(ids), {}, format="json")

    assert faults(PATCHES, send, 428, code="precondition_required") == {}


def test_a_patch_of_a_stale_version_is_412(clinic: Clinic, admin: APIClient) -> None:
    """With a body that is right: what the record says now, where that can be sent back."""
    ids = clinic.ids()

    def send(route: Route) -> Any:
        shown = admin.get(route.path(ids)).json()
        allowed = {name: value for name, value in shown.items() if value is not None and name != "version"}
        return admin.patch(route.path(ids), allowed, format="json", HTTP_IF_MATCH='"900000"')

    assert faults(PATCHES, send, 412, code="stale_version") == {}


def test_every_versioned_record_shows_its_etag(clinic: Clinic, admin: APIClient) -> None:
    ids = clinic.ids()
    without = {}
    for route in TABLED:
        if route.method != "GET" or not route.template.endswith("{pk}/"):
            continue
        response = admin.get(route.path(ids))
        model = route.view.queryset.model  # type: ignore[attr-defined]
        version = response.json().get("version")
        expected = f'"{version}"' if issubclass(model, Versioned) else None
        if response.headers.get("ETag") != expected:
            without[str(route)] = response.headers.get("ETag")
    assert without == {}


UNKNOWN_PARAMETERS = ["nope=1", "Site=1", "site%5B%5D=1", "%00=1", "=1", "%ff%fe=1", "x" * 50_000 + "=1"]


def test_an_unknown_query_parameter_is_400(sender: Sender) -> None:
    """On lists, and everywhere else too."""
    sends = {query[:20]: sender(query=f"?{query}") for query in UNKNOWN_PARAMETERS}
    assert faults(TABLED, sends, 400, code="invalid_request") == {}


def test_a_thousand_parameters_are_400(sender: Sender) -> None:
    query = "?" + "&".join(f"a{number}=1" for number in range(2_000))
    assert faults(LISTS, sender(query=query), 400, code="bad_request") == {}


LIMITS = ["0", "-1", "201", "1e2", "", "\u0665", "000000001999", "9" * 5_000, "5 "]


def test_a_limit_outside_1_to_200_is_400(sender: Sender) -> None:
    paged = [route for route in LISTS if _is_paged(sender, route)]
    sends = {limit[:20]: sender(query=f"?limit={limit}") for limit in LIMITS}
    assert faults(paged, sends, 400, code="invalid_request") == {}


def _is_paged(sender: Sender, route: Route) -> bool:
    if route.is_file:
        return False
    response = sender()(route)
    return response.status_code == 200 and "next" in response.json()


CURSORS = [
    "nonsense",
    "%00",
    base64.b64encode(b"p=x").decode(),
    base64.b64encode(b"p=%00").decode(),
    base64.b64encode(b"p=99999999999999999999999999&o=1").decode(),
    base64.b64encode(b"o=99999999999999999999999999").decode(),
    base64.b64encode(b"o=-1&r=1&p=").decode(),
    base64.b64encode(b"p=9999-12-31T23:59:59-23:59").decode(),
    base64.b64encode(b"p=0001-01-01T00:00:00%2B23:59").decode(),
    base64.b64encode(b"p=2027-01-01T00:00:00").decode(),
    base64.b64encode(b"p=2027-01-01T00:00:00-23:59").decode(),
    base64.b64encode(b"p=infinity").decode(),
    base64.b64encode(b"\xff\xfe").decode(),
]


def test_a_made_up_cursor_is_400_or_an_empty_page(sender: Sender) -> None:
    """One that could have been ours is read; none crashes."""
    wrong = {}
    for route in LISTS:
        for cursor in CURSORS:
            response = sender(query=f"?cursor={cursor}")(route)
            if response.status_code != 200 and (found := fault(response, 400, code="invalid_request")):
                wrong[f"{route} {cursor}"] = found
    assert wrong == {}


def test_a_method_that_is_not_there_is_405(clinic: Clinic, admin: APIClient) -> None:
    ids = clinic.ids()
    there: dict[str, set[str]] = {}
    for route in ROUTES:
        there.setdefault(route.path(ids), set()).add(route.method)
    wrong = {}
    for path, methods in there.items():
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PURGE"} - methods:
            response = admin.generic(method, path, "{}", content_type="application/json")
            if found := fault(response, 405, code="method_not_allowed"):
                wrong[f"{method} {path}"] = found
            elif not methods <= {name.strip() for name in response["Allow"].split(",")}:
                wrong[f"{method} {path}"] = f"Allow: {response['Allow']}"
    assert wrong == {}


def test_an_address_without_its_last_slash_is_404_and_no_redirect(clinic: Clinic, admin: APIClient) -> None:
    ids = clinic.ids()

    def by(method: str) -> Send:
        return lambda route: admin.generic(
            method, route.path(ids).removesuffix("/"), "{}", content_type="application/json"
        )

    sends = {method: by(method) for method in ("GET", "POST", "PUT", "PATCH", "DELETE")}
    assert faults(ROUTES, sends, 404, code="not_found") == {}
    assert {by("HEAD")(route).status_code for route in ROUTES} == {404}


KEYS = ["", "a" * 256, "\xff", "a\tb", "\x7f"]


def test_an_idempotency_key_that_is_none_is_400(sender: Sender) -> None:
    posts = [route for route in TABLED if route.method == "POST"]
    sends = {repr(key[:5]): sender(HTTP_IDEMPOTENCY_KEY=key) for key in KEYS}
    assert faults(posts, sends, 400, code="invalid_request") == {}


def test_head_answers_like_get_without_a_body(clinic: Clinic, admin: APIClient) -> None:
    ids = clinic.ids()
    reads = [route for route in TABLED if route.method == "GET"]
    different = {}
    for route in reads:
        head, got = admin.head(route.path(ids)), admin.get(route.path(ids))
        if (head.status_code, head.content) != (got.status_code, b""):
            different[str(route)] = head.status_code
    assert different == {}


def test_options_names_the_methods(clinic: Clinic, admin: APIClient) -> None:
    ids = clinic.ids()
    wrong = {}
    for route in ROUTES:
        response = admin.options(route.path(ids))
        if response.status_code not in {200, 204} or route.method not in response["Allow"]:
            wrong[str(route)] = f"{response.status_code} {response.headers.get('Allow')}"
    assert wrong == {}


ACCEPTS = ["text/html", "application/xml", "image/*;q=0.1", "nonsense", ""]


def test_the_answer_is_json_whatever_is_accepted(clinic: Clinic, admin: APIClient) -> None:
    ids = clinic.ids()
    wrong = {}
    for route in TABLED:
        for accept in ACCEPTS if route.method == "GET" and not route.is_file else []:
            answer = admin.get(route.path(ids), HTTP_ACCEPT=accept)
            kind = answer["Content-Type"].partition("+")[2] or answer["Content-Type"].partition("/")[2]
            if kind != "json" or answer.status_code == 406:
                wrong[f"{route} {accept}"] = f"{answer.status_code} {answer['Content-Type']}"
    assert wrong == {}


AUTHORIZATIONS = ["", "Token nope", "Token", "Basic eDp5", "Bearer abc"]


def test_whoever_is_not_signed_in_gets_401_and_hears_how(clinic: Clinic) -> None:
    ids = clinic.ids()

    def bearing(authorization: str) -> Send:
        client = clinic.client("anonymous")
        if authorization:
            client.credentials(HTTP_AUTHORIZATION=authorization)
        return lambda route: client.generic(
            route.method, route.path(ids), "{}", content_type="application/json"
        )

    guarded = [route for route in ROUTES if route.template not in PUBLIC]
    assert set(TABLED) <= set(guarded)
    sends = {authorization: bearing(authorization) for authorization in AUTHORIZATIONS}
    assert faults(guarded, sends, 401, code="not_authenticated") == {}
    assert {bearing("")(route)["WWW-Authenticate"] for route in guarded} == {"Token"}


def test_what_is_public_answers_anyone(clinic: Clinic) -> None:
    client = clinic.client("anonymous")
    assert client.get("/api/v1/schema/").json()["openapi"].startswith("3.1")
    assert client.get("/api/v1/docs/").status_code == 200
    assert client.get("/livez").status_code == 200
    assert client.post("/api/v1/auth/login/", {}, format="json").status_code == 400


@pytest.mark.parametrize(
    "query",
    ["?version=1%0aX-Evil:1", "?lang=%00", "?lang=../../etc", "?format=yaml", "?version=" + "9" * 9_000],
)
def test_the_description_is_the_same_whatever_is_asked(query: str) -> None:
    client = APIClient()
    assert client.get(f"/api/v1/schema/{query}").content == client.get("/api/v1/schema/").content
    assert client.get(f"/api/v1/docs/{query}").status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/nothing/",
        "/api/v1/%ff%fe/",
        "/api/v1/%00/",
        "/api/v1/patients/%ed%a0%80/",
        "/api/v1//patients/",
        "/api/v1/patients/1/nothing/",
        "/api/v1/" + "a" * 20_000 + "/",
        "/api/v1/../../etc/passwd",
        "/api/v2/patients/",
        "/api/",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_address_that_is_not_there_is_404(path: str, method: str) -> None:
    client = APIClient()
    answer = client.generic(method, path, "{}", content_type="application/json")
    assert fault(answer, 404, code="not_found") is None


def test_a_host_that_is_not_ours_is_400(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["onset.example.org"]
    answer = APIClient().get("/api/v1/sites/", HTTP_HOST="evil.example.org")
    assert fault(answer, 400, code="bad_request") is None


@pytest.mark.parametrize("offered", ["", "short", "x" * 65, "a b c d e f", "\xff" * 10, "a\r\nX: 1"])
def test_a_request_id_that_is_not_harmless_is_replaced(offered: str) -> None:
    answer = APIClient().get("/api/v1/sites/", HTTP_X_REQUEST_ID=offered)
    assert answer["X-Request-ID"] != offered
    assert fault(answer, 401) is None


def test_a_harmless_request_id_comes_back() -> None:
    answer = APIClient().get("/api/v1/sites/", HTTP_X_REQUEST_ID="front-desk-0001")
    assert answer["X-Request-ID"] == answer.json()["request_id"] == "front-desk-0001"
