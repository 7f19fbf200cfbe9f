"""Generated requests against every operation, as every role: no crash, nothing that docs/openapi.yaml lacks.

What is generated follows the description of the API, half of it on purpose badly. Ids and times that exist
are woven in, so that requests also get past the first check. The suite sends the same each time;
ONSET_FUZZ_EXAMPLES=60 asks for more, and for others each time.
"""

import os
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import schemathesis
from django.core.signals import got_request_exception, request_finished, request_started
from django.db import close_old_connections, connection, transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from psycopg.pq import TransactionStatus
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from clinic.api.document import document
from clinic.wsgi import application
from patients.models import Condition
from scheduling.models import Closure, Course, Hold
from tests.api.contract.routes import ROUTES
from tests.api.contract.seed import ROLES, START, Clinic
from tests.conftest import NOW

EXAMPLES = int(os.environ.get("ONSET_FUZZ_EXAMPLES", "5"))
"""Per operation, each sent as every role."""
SAME_EACH_TIME = "ONSET_FUZZ_EXAMPLES" not in os.environ
PARTS = 2
"""So that two workers share the operations."""
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
HOURS = [f"{(START + timedelta(minutes=minutes)):%Y-%m-%dT%H:%M:%SZ}" for minutes in (0, 30, 240, 1440, 4320)]
DAYS = [f"{(NOW + timedelta(days=days)):%Y-%m-%d}" for days in (-400, -1, 0, 1, 14, 60)]
INSTANTS = frozenset({"start", "end", "start_after", "start_before", "earliest", "latest"})

MOSTLY = st.sampled_from([True, True, True, True, False])


def known_values(clinic: Clinic) -> dict[str, list[Any]]:
    """Words that make sense in a field of this name."""
    return {
        "patient": [clinic.patient.pk],
        "site": [clinic.site.pk],
        "resource": [resource.pk for resource in clinic.resources],
        "appointment": [clinic.appointment.pk],
        "prescription": [clinic.prescription.pk],
        "visit_type": [clinic.appointment.visit_type_id, "ketamine-mood"],
        "template": ["ketamine-mood-3-per-week"],
        "course": [Course.objects.values_list("pk", flat=True)[0]],
        "hold": [None, Hold.objects.values_list("pk", flat=True)[0]],
        "closure": [None, Closure.objects.values_list("pk", flat=True)[0]],
        "condition": list(Condition.objects.values_list("code", flat=True)[:3]),
        "dose_mg": [25, 50, 100],
        "timezone": ["America/Denver"],
        "email": ["ana@example.org"],
        "phone": ["+13035550123", ""],
    }


@st.composite
def requests(draw: st.DrawFn, operation: Any, known: dict[str, list[Any]], pks: list[Any]) -> Any:
    """One request: generated, then with some values replaced by ones that exist."""
    mode = draw(st.sampled_from([GenerationMode.POSITIVE, GenerationMode.POSITIVE, GenerationMode.NEGATIVE]))
    case = draw(operation.as_strategy(generation_mode=mode))
    if case.path_parameters and draw(MOSTLY):
        case.path_parameters = {name: draw(st.sampled_from(pks)) for name in case.path_parameters}
    for values in (case.query, case.body):
        if isinstance(values, dict) and values:
            _weave(draw, values, known)
    if case.headers and "If-Match" in case.headers and draw(st.booleans()):
        case.headers["If-Match"] = draw(st.sampled_from(["*", '"1"', '"2"']))
    return case


def _weave(draw: st.DrawFn, values: dict[str, Any], known: dict[str, list[Any]]) -> None:
    for name, value in values.items():
        if isinstance(value, dict):
            _weave(draw, value, known)
        elif isinstance(value, list):
            for item in value:
                if isinstance(item, dict):
                    _weave(draw, item, known)
        elif (likely := _likely(name, known)) and bool(draw(MOSTLY)):
            values[name] = draw(st.sampled_from(likely))


def _likely(name: str, known: dict[str, list[Any]]) -> list[Any]:
    if name in INSTANTS or name.endswith("_at"):
        return HOURS
    if name.endswith("_on") or name == "date":
        return DAYS
    return known.get(name, [])


class Fuzzer:
    """Sends a request as every role, checks, counts, and keeps one failure per operation and kind."""

    def __init__(self, clinic: Clinic) -> None:
        self.clinic = clinic
        self.schema = schemathesis.openapi.from_dict(document())
        self.schema.app = application
        self.cases = 0
        self.answers: Counter[int] = Counter()
        self.failures: dict[str, str] = {}
        self.crash: BaseException | None = None

    def operations(self) -> list[Any]:
        """Each operation of the document but signing out, which would end the run."""
        found: list[Any] = [result.ok() for result in self.schema.get_all_operations()]  # type: ignore[union-attr]
        return [operation for operation in found if operation.definition.raw["operationId"] != "logout"]

    def pks(self, operation: Any) -> list[Any]:
        """Ids for the address, most of them there."""
        views = {route.template.replace("{pk}", "{id}"): route for route in ROUTES}
        there = views[operation.path].path(self.clinic.ids()).split("/")[4] if "{" in operation.path else "1"
        return [there, there, there, 999_999]

    def send(self, case: Any) -> None:
        """The request as every role, each time another one first, so that each finds the state unspoilt."""
        first = self.cases % len(ROLES)
        self.cases += 1
        for role in ROLES[first:] + ROLES[:first]:
            secret = self.clinic.secrets.get(role)
            self.send_as(role, case, {"Authorization": f"Token {secret}"} if secret else {})

    def send_as(self, role: str, case: Any, headers: dict[str, str]) -> None:
        """One request, and everything we know about its answer."""
        self.crash = None
        savepoint = transaction.savepoint()
        response = case.call(headers=headers)
        if connection.connection.info.transaction_status == TransactionStatus.INERROR:
            transaction.savepoint_rollback(savepoint)  # as without the transaction of the test
        else:
            transaction.savepoint_commit(savepoint)
        self.answers[response.status_code] += 1
        try:
            case.validate_response(response, checks=CHECKS)
        except FailureGroup as group:
            for failure in group.exceptions:
                where = f"{case.operation.label}: {failure.title} ({response.status_code})"
                said = [f"as {role}: {failure.message}", case.as_curl_command(), response.text[:600]]
                self.failures.setdefault(where, "\n".join([*said, repr(self.crash)]))

    def remember_crash(self, sender: object, **_kwargs: object) -> None:
        """What Django turned into a 500."""
        self.crash = sys.exc_info()[1]


@pytest.fixture
def fuzzer(clinic: Clinic) -> Iterator[Fuzzer]:
    """On the connection of the test, which must outlive its requests."""
    made = Fuzzer(clinic)
    ends = (request_started, request_finished)
    for signal in ends:
        signal.disconnect(close_old_connections)
    got_request_exception.connect(made.remember_crash)
    yield made
    got_request_exception.disconnect(made.remember_crash)
    for signal in ends:
        signal.connect(close_old_connections)


@pytest.mark.django_db
@pytest.mark.parametrize("part", range(PARTS))
def test_generated_requests_stay_within_the_contract(
    fuzzer: Fuzzer, part: int, capsys: pytest.CaptureFixture[str]
) -> None:
    known = known_values(fuzzer.clinic)
    for operation in fuzzer.operations()[part::PARTS]:

        @given(requests(operation, known, fuzzer.pks(operation)))
        @settings(
            max_examples=EXAMPLES,
            derandomize=SAME_EACH_TIME,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def fuzz(case: Any) -> None:
            fuzzer.send(case)

        fuzz()
    with capsys.disabled():
        answers = ", ".join(f"{count} x {status}" for status, count in sorted(fuzzer.answers.items()))
        print(  # noqa: T201 - how much was tried is worth a line
            f"\n{fuzzer.cases} generated requests, each as {len(ROLES)} roles: {answers}"
        )
    assert fuzzer.failures == {}, "\n\n".join(f"{where}\n{what}" for where, what in fuzzer.failures.items())
