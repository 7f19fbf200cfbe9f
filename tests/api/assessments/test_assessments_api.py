"""/instruments/ and /assessments/: what may be asked, what answers come to, who may see it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from clinic.access.models import Site
from patients.models import Assessment, Patient, SafetyAlarm
from tests.conftest import NOW, codes
from tests.factories import PatientFactory, SiteFactory, open_clinic
from tests.integration.assessments.answering import NO_TO_ALL, answer, phq9
from tests.unit.assessments.shipped import answers

pytestmark = pytest.mark.django_db
URL = "/api/v1/assessments/"
AT = "2027-01-04T08:00:00-07:00"


@pytest.fixture(autouse=True)
def _clock_stands_still(clock: Callable[..., None]) -> None:
    """It is NOW."""


@pytest.fixture
def patient(site: Site) -> Patient:
    """Of an open clinic."""
    open_clinic(site)
    return PatientFactory.create(site=site)


@pytest.fixture
def nurse(site: Site, client_as: Callable[..., APIClient]) -> APIClient:
    """Of that clinic."""
    return client_as("nurse", site)


def body(patient: Patient, total: int = 17, *, item9: int = 0, **fields: Any) -> dict[str, Any]:
    """A PHQ-9 as a client sends it."""
    given = answers("PHQ-9", total, i9=item9)
    return {"patient": patient.pk, "instrument": "PHQ-9", "answers": given, "answered_at": AT, **fields}


class TestInstruments:
    def test_texts_scoring_bands_source_and_licence(self, nurse: APIClient) -> None:
        [found] = nurse.get("/api/v1/instruments/?code=PHQ-9").json()["results"]
        last = found["items"][8]
        assert last["text"]["en"].startswith("Thoughts that you would be better off dead")
        assert last["text"]["es"].startswith("Pensamientos de que estaría mejor muerto(a)")
        assert [option["value"] for option in last["options"]] == [0, 1, 2, 3]
        assert found["scoring"] == {"method": "sum", "minimum": 0, "maximum": 27, "total_loinc": "44261-6"}
        assert [(band["start"], band["code"]) for band in found["bands"]] == [
            (0, "minimal"), (5, "mild"), (10, "moderate"), (15, "moderately_severe"), (20, "severe"),
        ]  # fmt: skip
        assert found["source"]
        assert found["licence"]
        critical = [row for row in found["thresholds"] if row["kind"] == "critical"]
        assert [(row["item"], row["value"], row["opens"]) for row in critical] == [("9", 1.0, "alarm")]

    def test_one_and_all(self, nurse: APIClient) -> None:
        listed = nurse.get("/api/v1/instruments/").json()["results"]
        assert {row["code"] for row in listed} == {"PHQ-9", "GAD-7", "NRS", "ASQ", "PCL-5", "SIDE-EFFECTS"}
        assert nurse.get(f"/api/v1/instruments/{listed[0]['id']}/").json() == listed[0]

    def test_acuity_says_when_it_is_asked(self, nurse: APIClient) -> None:
        [found] = nurse.get("/api/v1/instruments/?code=ASQ").json()["results"]
        assert found["items"][4]["asked_if"] == {"any_of": ["1", "2", "3", "4"], "at_least": 1}


class TestAnswers:
    def test_score_band_and_no_change_at_first(self, nurse: APIClient, patient: Patient) -> None:
        stored = nurse.post(URL, body(patient))
        assert stored.status_code == 201
        found = stored.json()
        assert (found["score"], found["band"], found["complete"]) == (17, "moderately_severe", True)
        assert (found["change"], found["alerts"], found["missing"]) == (None, [], [])
        assert nurse.get(f"{URL}{found['id']}/").json() == found

    def test_change_from_the_baseline(self, nurse: APIClient, patient: Patient) -> None:
        first = phq9(patient, 21, at=NOW - timedelta(days=18)).assessment
        assert nurse.post(URL, body(patient, 9)).json()["change"] == {
            "from_baseline": -12,
            "percent": -57.1,
            "meaning": "response",
            "meets": ["response", "improved"],
            "baseline": {"assessment": first.pk, "rule": "first"},
        }

    def test_item_9_raises_an_alert(self, nurse: APIClient, patient: Patient) -> None:
        alarm_id = nurse.post(URL, body(patient, item9=2)).json()["alerts"][0].pop("safety_alarm")
        [alert] = nurse.get(URL).json()["results"][0]["alerts"]
        assert alarm_id == SafetyAlarm.objects.get().pk
        assert alert == {
            "kind": "safety_alarm",
            "severity": "positive",
            "items": ["9"],
            "safety_alarm": alarm_id,
            "watched": True,
            "next_open": None,
        }

    def test_incomplete_is_incomplete(self, nurse: APIClient, patient: Patient) -> None:
        found = nurse.post(URL, body(patient, answers={"1": 3, "9": None})).json()
        assert (found["score"], found["band"], found["complete"]) == (None, "", False)
        assert found["missing"] == list("23456789")

    def test_without_a_moment_it_is_now(self, nurse: APIClient, patient: Patient) -> None:
        sent = body(patient)
        del sent["answered_at"]
        assert nurse.post(URL, sent).json()["answered_at"] == "2027-01-04T15:00:00Z"

    def test_the_same_again_is_not_stored_twice(self, nurse: APIClient, patient: Patient) -> None:
        replies = [nurse.post(URL, body(patient, item9=1)) for _ in range(2)]
        assert [reply.status_code for reply in replies] == [201, 200]
        assert replies[0].json() == replies[1].json()
        assert nurse.post(URL, body(patient, 3)).json()["code"] == "already_answered"
        assert SafetyAlarm.objects.count() == 1

    def test_with_an_idempotency_key_the_reply_is_replayed(self, nurse: APIClient, patient: Patient) -> None:
        keyed: dict[str, Any] = {"HTTP_IDEMPOTENCY_KEY": "a"}
        replies = [nurse.post(URL, body(patient, item9=1), **keyed) for _ in range(2)]
        assert [reply.status_code for reply in replies] == [201, 201]
        assert replies[1]["Idempotency-Replayed"] == "true"
        assert nurse.post(URL, body(patient, 3), **keyed).json()["code"] == "idempotency_key_reused"

    @pytest.mark.parametrize(
        ("change", "status", "code", "field"),
        [
            ({"instrument": "MoCA"}, 422, "unknown_instrument", ("/instrument", "unknown_instrument")),
            ({"answers": {"1": 9}}, 422, "invalid_answers", ("/answers/1", "out_of_range")),
            ({"answers": {"12": 1}}, 422, "invalid_answers", ("/answers/12", "unknown_item")),
            ({"answers": {"1": "1"}}, 422, "invalid_answers", ("/answers/1", "not_a_whole_number")),
            ({"answers": {}}, 422, "invalid_answers", ("/answers", "no_answers")),
            ({"answers": [1, 2]}, 400, "invalid_request", ("/answers", "invalid")),
            ({"answered_at": "2027-01-04T08:00:01-07:00"}, 422, "answered_in_the_future",
             ("/answered_at", "answered_in_the_future")),
            ({"answered_at": "1970-01-01T00:00:00Z"}, 422, "answered_before_birth",
             ("/answered_at", "answered_before_birth")),
            ({"answered_at": "2027-01-04T08:00:00"}, 400, "invalid_request",
             ("/answered_at", "offset_required")),
            ({"patient": 999_999}, 400, "invalid_request", ("/patient", "does_not_exist")),
            ({"source": "page"}, 400, "invalid_request", ("/source", "invalid_choice")),
        ],
    )  # fmt: skip
    def test_clear_refusals(
        self, nurse: APIClient, patient: Patient, change: Any, status: int, code: str, field: tuple[str, str]
    ) -> None:
        refused = nurse.post(URL, body(patient) | change)
        assert (refused.status_code, refused.json()["code"]) == (status, code)
        assert codes(refused) == {field}
        assert not Assessment.objects.exists()

    def test_a_correction(self, nurse: APIClient, patient: Patient) -> None:
        first = nurse.post(URL, body(patient)).json()
        sent = {"answers": answers("PHQ-9", 12), "reason": "Misheard"}
        second = nurse.post(f"{URL}{first['id']}/correct/", sent)
        assert second.status_code == 201
        assert (second.json()["supersedes"], second.json()["score"]) == (first["id"], 12)
        assert nurse.get(f"{URL}{first['id']}/").json()["superseded_by"] == second.json()["id"]
        assert nurse.post(f"{URL}{first['id']}/correct/", sent).json()["code"] == "already_corrected"
        assert [row["id"] for row in nurse.get(f"{URL}?superseded=false").json()["results"]] == [
            second.json()["id"]
        ]


class TestWhoSeesIt:
    @pytest.mark.parametrize(
        ("role", "status"),
        [("nurse", 200), ("prescriber", 200), ("front_desk", 403), ("manager", 403), ("auditor", 403)],
    )
    def test_only_clinical_roles_get_scores(
        self, patient: Patient, client_as: Callable[..., APIClient], role: str, status: int
    ) -> None:
        stored = phq9(patient, 17, item9=2)
        client = client_as(role, patient.site)
        assert stored.alarm is not None
        assert client.get(URL).status_code == status
        assert client.get(f"{URL}{stored.assessment.pk}/").status_code == status
        assert client.get("/api/v1/safety-alarms/").status_code == status
        assert client.get(f"/api/v1/safety-alarms/{stored.alarm.pk}/").status_code == status
        wanted = 201 if status == 200 else 403
        assert client.post(URL, body(patient, answered_at="2027-01-04T07:00:00-07:00")).status_code == wanted

    def test_the_front_desk_reads_no_score_anywhere(
        self, patient: Patient, client_as: Callable[..., APIClient]
    ) -> None:
        phq9(patient, 9, at=NOW - timedelta(days=1))
        phq9(patient, 17, item9=2)
        desk = client_as("front_desk", patient.site)
        seen = "".join(
            desk.get(f"/api/v1/{path}").content.decode().lower()
            for path in ("work-items/", f"patients/{patient.pk}/", "messages/")
        )
        assert "safety_alarm" in seen
        for word in ("phq", "score", "suicid", "moderate", "item 9", "worsen"):
            assert word not in seen

    def test_another_site_is_not_there(self, patient: Patient, client_as: Callable[..., APIClient]) -> None:
        stored = phq9(patient, 17, item9=2)
        assert stored.alarm is not None
        stranger = client_as("prescriber", SiteFactory.create())
        assert stranger.get(URL).json()["results"] == []
        assert stranger.get(f"{URL}{stored.assessment.pk}/").status_code == 404
        assert codes(stranger.post(URL, body(patient))) == {("/patient", "does_not_exist")}
        for step, sent in (("acknowledge", {}), ("resolve", {"note": "Fine."}), ("clear", {})):
            url = f"/api/v1/safety-alarms/{stored.alarm.pk}/{step}/"
            assert stranger.post(url, sent).status_code == 404

    def test_filters(self, nurse: APIClient, patient: Patient) -> None:
        phq9(patient, 17)
        answer(patient, "ASQ", NO_TO_ALL)
        answer(PatientFactory.create(site=patient.site), "NRS", {"1": 4})

        def found(query: str) -> list[str]:
            return [row["instrument"] for row in nurse.get(f"{URL}?{query}").json()["results"]]

        assert found(f"patient={patient.pk}") == ["ASQ", "PHQ-9"]
        assert found("instrument=NRS") == ["NRS"]
        assert found("complete=false") == []
        assert found("answered_before=2027-01-04T15:00:00Z") == []
        assert nurse.get(f"{URL}?score=3").status_code == 400

    def test_a_list_takes_the_same_number_of_queries_however_long(
        self, nurse: APIClient, patient: Patient
    ) -> None:
        def asked(url: str) -> int:
            with CaptureQueriesContext(connection) as seen:
                assert nurse.get(url).status_code == 200
            return len(seen)

        urls = (URL, "/api/v1/safety-alarms/")
        phq9(patient, 17, item9=2)
        assert nurse.get(URL).status_code == 200  # the roles are read once
        before = [asked(url) for url in urls]
        for days in range(1, 6):
            phq9(patient, 17, item9=2, at=NOW - timedelta(days=days))
        assert [asked(url) for url in urls] == before


class TestAlarms:
    @pytest.fixture
    def alarm(self, patient: Patient) -> SafetyAlarm:
        """Item 9."""
        opened = phq9(patient, 17, item9=2).alarm
        assert opened is not None
        return opened

    def test_acknowledged_resolved_and_cleared(
        self, alarm: SafetyAlarm, nurse: APIClient, client_as: Callable[..., APIClient]
    ) -> None:
        url = f"/api/v1/safety-alarms/{alarm.pk}/"
        shown = nurse.get(url)
        assert (shown.json()["status"], shown.json()["next_escalation_at"]) == (
            "open",
            "2027-01-04T15:15:00Z",
        )
        taken = nurse.post(f"{url}acknowledge/", {"note": "With her."}, HTTP_IF_MATCH=shown["ETag"])
        assert (taken.status_code, taken.json()["status"]) == (200, "acknowledged")
        stale = nurse.post(f"{url}resolve/", {"note": "Safe."}, HTTP_IF_MATCH=shown["ETag"])
        assert stale.status_code == 412
        assert nurse.post(f"{url}resolve/", {}).status_code == 400
        assert nurse.post(f"{url}resolve/", {"note": "Safe.", "plan": "Call."}).json()["plan"] == "Call."
        assert nurse.post(f"{url}clear/").status_code == 403
        cleared = client_as("prescriber", alarm.site).post(f"{url}clear/", {"note": "Go on."})
        assert cleared.json()["cleared_at"] == "2027-01-04T15:00:00Z"
        steps = [event["kind"] for event in cleared.json()["events"]]
        assert steps == ["opened", "acknowledged", "resolved", "cleared"]
        assert nurse.get("/api/v1/safety-alarms/?holding=true").json()["results"] == []

    def test_a_step_that_is_not_possible_says_what_is(self, alarm: SafetyAlarm, nurse: APIClient) -> None:
        url = f"/api/v1/safety-alarms/{alarm.pk}/acknowledge/"
        nurse.post(url)
        refused = nurse.post(url)
        assert (refused.status_code, refused.json()["code"]) == (409, "invalid_transition")
        assert refused.json()["possible"] == ["resolve"]

    def test_through_its_work_item(self, alarm: SafetyAlarm, nurse: APIClient) -> None:
        nurse.post(f"/api/v1/work-items/{alarm.work_item_id}/acknowledge/")
        assert nurse.get(f"/api/v1/safety-alarms/{alarm.pk}/").json()["status"] == "acknowledged"

    def test_an_infusion_is_held(self, alarm: SafetyAlarm, nurse: APIClient) -> None:
        assert [row["id"] for row in nurse.get("/api/v1/safety-alarms/?holding=true").json()["results"]] == [
            alarm.pk
        ]
