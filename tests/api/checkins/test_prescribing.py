"""Prescribing over HTTP: what is planned and queued, every refusal, who may, and once per key."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from clinic.access.models import Membership, Site
from patients.models import Condition, Message, Patient, PatientCondition, WorkItem
from scheduling.models import CheckIn, CheckInPolicy, DoseEvent, Prescription
from tests.api.checkins.conftest import denver, on
from tests.conftest import codes
from tests.factories import PatientFactory, SiteFactory

pytestmark = pytest.mark.django_db

URL = "/api/v1/prescriptions/"
Body = dict[str, Any]


@pytest.fixture
def prescribed(prescriber: APIClient, sertraline: Body) -> Body:
    response = prescriber.post(URL, sertraline)
    assert response.status_code == 201, response.json()
    body: Body = response.json()
    return body


def act(client: APIClient, prescribed: Body, verb: str, body: Body, **headers: str) -> Any:
    return client.post(f"{URL}{prescribed['id']}/{verb}/", body, headers=headers)


def listed(body: Body, *statuses: str) -> list[tuple[str, str]]:
    rows = body["check_ins"]
    return [(row["code"], row["due_on"]) for row in rows if not statuses or row["status"] in statuses]


ONSET = [
    ("ONSET7", "2027-01-12"),
    ("REV14", "2027-01-19"),
    ("REV28", "2027-02-02"),
    ("REV42", "2027-02-16"),
    ("MAX56", "2027-03-02"),
    ("REV84", "2027-03-30"),
    ("REM180", "2027-07-04"),
]


class TestPrescribe:
    def test_check_ins_at_about_a_week_and_at_several_weeks(self, prescribed: Body) -> None:
        assert listed(prescribed) == ONSET
        onset = prescribed["check_ins"][0]
        assert onset["explanation"] == "day 7 after first dose of 50 mg on 5 January 2027"
        assert (onset["window_start_on"], onset["window_end_on"]) == ("2027-01-11", "2027-01-15")
        assert (onset["status"], onset["mandatory"], onset["contact_on"]) == ("planned", False, "2027-01-12")

    def test_a_message_and_a_reminder_wait_for_each(self, prescribed: Body, ana: Patient) -> None:
        rows = Message.objects.filter(patient=ana, subject_kind="check_in").order_by("due_at", "channel")
        assert {row.status for row in rows} <= {"queued", "suppressed"}
        assert {row.subject_id for row in rows} == {row["id"] for row in prescribed["check_ins"]}
        first = prescribed["check_ins"][0]["id"]
        email = [
            (row.kind, row.due_at, row.not_after)
            for row in rows
            if row.subject_id == first and row.channel == "email"
        ]
        over_at = datetime(2027, 1, 16, 7, 0, tzinfo=UTC)
        assert email == [
            ("check_in", datetime(2027, 1, 12, 17, 0, tzinfo=UTC), over_at),
            ("check_in_reminder", datetime(2027, 1, 13, 17, 0, tzinfo=UTC), over_at),
        ]
        assert rows[0].context == {
            "on": "2027-01-15",
            "timezone": "America/Denver",
            "site": "Cedar Street Office",
            "phone": "+13035550100",
        }

    def test_it_is_shown_with_its_history_and_etag(self, prescriber: APIClient, prescribed: Body) -> None:
        response = prescriber.get(f"{URL}{prescribed['id']}/")
        assert response.headers["ETag"] == '"1"'
        shown = response.json()
        assert {**shown, "check_ins": prescribed["check_ins"], "flags": []} == prescribed
        assert (shown["dose_mg"], shown["status"], shown["drug_class"]) == (50.0, "active", "ssri")
        [event] = shown["dose_events"]
        assert (event["kind"], event["ordered_on"], event["effective_on"], event["standing"]) == (
            "start",
            "2027-01-04",
            "2027-01-05",
            True,
        )

    def test_remission_is_asked_only_where_depression_is_treated(
        self, prescriber: APIClient, sertraline: Body, ana: Patient
    ) -> None:
        pain = prescriber.post(URL, {**sertraline, "indication": "neuropathic pain"}).json()
        assert "REM180" not in [code for code, _due in listed(pain)]
        depression = Condition.objects.get(code="depression")
        PatientCondition.objects.create(patient=ana, condition=depression)
        both = prescriber.post(URL, {**sertraline, "indication": "neuropathic pain"}).json()
        assert "REM180" in [code for code, _due in listed(both)]

    def test_a_start_recorded_late_asks_only_what_can_still_be_answered(
        self, prescriber: APIClient, sertraline: Body, ana: Patient
    ) -> None:
        """First dose on 20 December: on 4 January day 7 is over, day 14 can be answered until the 6th."""
        body = prescriber.post(URL, {**sertraline, "first_dose_on": "2026-12-20"}).json()
        assert listed(body, "missed") == [("ONSET7", "2026-12-27")]
        review = next(row for row in body["check_ins"] if row["code"] == "REV14")
        messages = Message.objects.filter(subject_id=review["id"], channel="email").order_by("due_at")
        assert [(row.kind, row.due_at) for row in messages] == [
            ("check_in", denver(1, 4, 10)),
            ("check_in_reminder", denver(1, 5, 10)),
        ]
        assert review["contact_on"] == "2027-01-04"

    def test_a_young_patient_s_old_start_still_reaches_a_person(
        self, prescriber: APIClient, sertraline: Body, ana: Patient
    ) -> None:
        Patient.objects.update(date_of_birth=date(2004, 1, 1))
        body = prescriber.post(URL, {**sertraline, "first_dose_on": "2026-12-20"}).json()
        assert listed(body, "missed") == [("SAFE7", "2026-12-27")]
        [item] = WorkItem.objects.filter(patient=ana)
        assert (item.kind, item.severity) == ("check_in_missed", "urgent")
        assert "SAFE7" not in item.summary

    def test_nobody_is_written_to_at_another_hour_than_the_site_chose(
        self, prescriber: APIClient, sertraline: Body, site: Site
    ) -> None:
        CheckInPolicy.objects.create(
            site=site, ask_at=time(18), merge_within_days=3, source="our clinic", mark="D"
        )
        body = prescriber.post(URL, {**sertraline, "first_dose_on": on(3, 1)}).json()
        asked = Message.objects.filter(channel="email", kind="check_in").order_by("due_at")
        assert [row.due_at for row in asked[:2]] == [
            datetime(2027, 3, 9, 1, 0, tzinfo=UTC),  # 18:00 before the clocks change
            datetime(2027, 3, 16, 0, 0, tzinfo=UTC),  # and 18:00 after
        ]
        assert len(asked) == len(body["check_ins"])

    def test_the_patient_s_zone_decides_not_the_site_s(
        self, prescriber: APIClient, sertraline: Body, ana: Patient, tick: Callable[[datetime], None]
    ) -> None:
        """In Honolulu, three hours behind the clinic, a day is over later and 10:00 comes later."""
        Patient.objects.filter(pk=ana.pk).update(timezone="Pacific/Honolulu", date_of_birth=date(2004, 1, 1))
        body = prescriber.post(URL, {**sertraline, "first_dose_on": on(1, 4)}).json()
        safe = body["check_ins"][0]["id"]
        assert Message.objects.filter(kind="check_in").earliest("due_at").due_at == datetime(
            2027, 1, 18, 20, 0, tzinfo=UTC
        )
        tick(denver(1, 13, 2, 59))
        assert CheckIn.objects.get(pk=safe).status == "sent"
        tick(denver(1, 13, 3, 0))
        assert CheckIn.objects.get(pk=safe).status == "missed"

    def test_twice_with_one_key_is_once(self, prescriber: APIClient, sertraline: Body) -> None:
        first = prescriber.post(URL, sertraline, headers={"Idempotency-Key": "fay-1"})
        again = prescriber.post(URL, sertraline, headers={"Idempotency-Key": "fay-1"})
        assert (first.status_code, again.status_code) == (201, 201)
        assert first.json() == again.json()
        assert Prescription.objects.count() == 1
        assert CheckIn.objects.count() == len(ONSET)

    @pytest.mark.parametrize(
        ("change", "code", "pointer"),
        [
            ({"dose_mg": 0}, "dose_not_positive", "/dose_mg"),
            ({"dose_mg": -5}, "dose_not_positive", "/dose_mg"),
            ({"dose_mg": 10_000.5}, "dose_too_high", "/dose_mg"),
            ({"first_dose_on": "2025-01-03"}, "first_dose_too_old", "/first_dose_on"),
            ({"first_dose_on": "2028-01-05"}, "first_dose_too_far_ahead", "/first_dose_on"),
            (
                {"planned_steps": [{"dose_mg": 100, "effective_on": "2027-01-05"}]},
                "step_before_first_dose",
                "/planned_steps/0/effective_on",
            ),
            (
                {
                    "planned_steps": [
                        {"dose_mg": 100, "effective_on": "2027-01-20"},
                        {"dose_mg": 150, "effective_on": "2027-01-12"},
                    ]
                },
                "steps_out_of_order",
                "/planned_steps/1/effective_on",
            ),
            (
                {"planned_steps": [{"dose_mg": 50, "effective_on": "2027-01-12"}]},
                "same_dose",
                "/planned_steps/0/dose_mg",
            ),
            (
                {"planned_steps": [{"dose_mg": 0, "effective_on": "2027-01-12"}]},
                "dose_not_positive",
                "/planned_steps/0/dose_mg",
            ),
            (
                {"planned_steps": [{"dose_mg": 100, "effective_on": "2029-02-12"}]},
                "step_too_far_ahead",
                "/planned_steps/0/effective_on",
            ),
        ],
    )
    def test_what_no_clinic_prescribes_is_refused(
        self, prescriber: APIClient, sertraline: Body, change: Body, code: str, pointer: str
    ) -> None:
        response = prescriber.post(URL, {**sertraline, **change})
        assert (response.status_code, response.json()["code"]) == (422, code)
        assert codes(response) == {(pointer, code)}
        assert not Prescription.objects.exists()

    @pytest.mark.parametrize("day", ["2025-01-04", "2028-01-04"])
    def test_two_years_back_and_one_ahead_are_still_allowed(
        self, prescriber: APIClient, sertraline: Body, day: str
    ) -> None:
        assert prescriber.post(URL, {**sertraline, "first_dose_on": day}).status_code == 201

    @pytest.mark.parametrize(
        ("change", "pointer"),
        [
            ({"dose_mg": "fifty"}, "/dose_mg"),
            ({"dose_mg": 0.0001}, "/dose_mg"),
            ({"dose_mg": None}, "/dose_mg"),
            ({"dose_mg": True}, "/dose_mg"),
            ({"drug_class": "statin"}, "/drug_class"),
            ({"medication": " "}, "/medication"),
            ({"medication": "x" * 81}, "/medication"),
            ({"medication": "sertr\x00aline"}, "/medication"),
            ({"first_dose_on": "05/01/2027"}, "/first_dose_on"),
            ({"first_dose_on": "2027-02-30"}, "/first_dose_on"),
            ({"planned_steps": [{"dose_mg": 100}]}, "/planned_steps/0/effective_on"),
            ({"planned_steps": {"dose_mg": 100}}, "/planned_steps"),
            ({"planned_steps": [{"dose_mg": 1, "effective_on": "2027-02-01"}] * 21}, "/planned_steps"),
            ({"patient": 999_999}, "/patient"),
            ({"patient": "1"}, "/patient"),
        ],
    )
    def test_a_malformed_body_names_the_field(
        self, prescriber: APIClient, sertraline: Body, change: Body, pointer: str
    ) -> None:
        response = prescriber.post(URL, {**sertraline, **change})
        assert response.status_code == 400
        assert {found for found, _code in codes(response)} == {pointer}

    def test_a_patient_of_another_site_is_not_there(self, prescriber: APIClient, sertraline: Body) -> None:
        stranger = PatientFactory.create(site=SiteFactory.create())
        response = prescriber.post(URL, {**sertraline, "patient": stranger.pk})
        assert codes(response) == {("/patient", "does_not_exist")}

    def test_an_inactive_record_is_made_active_first(
        self, prescriber: APIClient, sertraline: Body, ana: Patient
    ) -> None:
        Patient.objects.filter(pk=ana.pk).update(status="inactive")
        response = prescriber.post(URL, sertraline)
        assert (response.status_code, response.json()["code"]) == (422, "patient_inactive")


class TestChanges:
    def test_an_increase_counts_from_the_day_it_takes_effect(
        self, prescriber: APIClient, prescribed: Body
    ) -> None:
        response = act(
            prescriber,
            prescribed,
            "change-dose",
            {"dose_mg": 100, "ordered_on": on(1, 4), "effective_on": on(1, 10)},
        )
        assert response.status_code == 200, response.json()
        changed = response.json()
        assert listed(changed, "superseded") == ONSET
        assert listed(changed, "planned")[0] == ("ONSET7", "2027-01-17")
        assert (changed["dose_mg"], changed["version"]) == (50.0, 2)

    def test_stop_withdraws_what_is_unsent_and_asks_about_withdrawal(
        self, prescriber: APIClient, prescribed: Body, ana: Patient
    ) -> None:
        stopped = act(prescriber, prescribed, "stop", {"effective_on": on(1, 8)}).json()
        assert listed(stopped, "superseded") == ONSET
        assert listed(stopped, "planned") == [
            ("TAPER", "2027-01-11"),
            ("TAPER", "2027-01-15"),
            ("TAPER", "2027-01-22"),
            ("TAPER", "2027-02-05"),
        ]
        old = {row["id"] for row in stopped["check_ins"] if row["status"] == "superseded"}
        statuses = set(Message.objects.filter(subject_id__in=old).values_list("status", flat=True))
        assert statuses == {"withdrawn"}
        waiting = Message.objects.filter(patient=ana, status="queued").values_list("subject_id", flat=True)
        assert set(waiting) == {row["id"] for row in stopped["check_ins"] if row["status"] == "planned"}

    def test_a_stop_shows_on_the_day_it_takes_effect(
        self, prescriber: APIClient, prescribed: Body, tick: Callable[[datetime], None]
    ) -> None:
        act(prescriber, prescribed, "stop", {"effective_on": on(1, 8)})
        active = f"{URL}?status=active"
        tick(denver(1, 7, 23, 59))
        assert len(prescriber.get(active).json()["results"]) == 1
        tick(denver(1, 8, 0, 0))
        assert prescriber.get(active).json()["results"] == []
        [stopped] = prescriber.get(f"{URL}?status=stopped").json()["results"]
        assert stopped["dose_mg"] == 50.0

    def test_restart_begins_the_wait_again(self, prescriber: APIClient, prescribed: Body) -> None:
        act(prescriber, prescribed, "stop", {"effective_on": on(1, 8)})
        response = act(prescriber, prescribed, "restart", {"dose_mg": 25, "effective_on": on(1, 20)})
        assert response.status_code == 200, response.json()
        restarted = response.json()
        assert [event["kind"] for event in restarted["dose_events"]] == ["start", "stop", "restart"]
        assert ("ONSET7", "2027-01-27") in listed(restarted, "planned")
        assert ("TAPER", "2027-01-11") in listed(restarted, "planned")
        assert ("TAPER", "2027-01-22") in listed(restarted, "superseded")

    def test_a_switch_ends_one_and_begins_another(self, prescriber: APIClient, prescribed: Body) -> None:
        response = act(
            prescriber,
            prescribed,
            "switch",
            {
                "medication": "venlafaxine",
                "drug_class": "snri",
                "dose_mg": 37.5,
                "ordered_on": on(1, 4),
                "effective_on": on(1, 18),
            },
        )
        assert response.status_code == 201, response.json()
        new = response.json()
        assert (new["switched_from"], new["indication"]) == (prescribed["id"], "depression")
        assert [event["kind"] for event in new["dose_events"]] == ["switch"]
        assert listed(new)[0] == ("ONSET7", "2027-01-25")
        old = prescriber.get(f"{URL}{prescribed['id']}/check-ins/").json()["results"]
        assert [row["code"] for row in old if row["status"] == "planned"] == ["ONSET7", *["TAPER"] * 4]
        withdrawal = next(row for row in old if (row["code"], row["due_on"]) == ("TAPER", "2027-01-25"))
        assert withdrawal["merged_into"] == new["check_ins"][0]["id"]

    def test_two_medicines_are_asked_about_in_one_contact(
        self, prescriber: APIClient, nurse: APIClient, sertraline: Body, prescribed: Body, ana: Patient
    ) -> None:
        other = prescriber.post(
            URL, {**sertraline, "medication": "bupropion", "drug_class": "other", "first_dose_on": on(1, 6)}
        ).json()
        [lead, joined] = CheckIn.objects.filter(code="ONSET7").order_by("due_on")
        assert (joined.merged_into_id, lead.merged_into_id) == (lead.pk, None)
        assert not Message.objects.filter(subject_id=joined.pk, status="queued").exists()
        response = nurse.post(f"/api/v1/check-ins/{joined.pk}/record/", {"answered_on": on(1, 4)})
        assert response.json()["code"] == "outside_window"

        act(prescriber, prescribed, "stop", {"effective_on": on(1, 5)})
        joined.refresh_from_db()
        assert other["id"] == joined.prescription_id
        assert joined.status == "planned"
        assert joined.merged_into_id != lead.pk

    @pytest.mark.parametrize(
        ("verb", "body", "code", "pointer"),
        [
            ("change-dose", {"dose_mg": 50, "effective_on": on(1, 10)}, "same_dose", "/dose_mg"),
            ("change-dose", {"dose_mg": 0, "effective_on": on(1, 10)}, "dose_not_positive", "/dose_mg"),
            (
                "change-dose",
                {"dose_mg": 100, "effective_on": on(1, 4)},
                "change_before_start",
                "/effective_on",
            ),
            (
                "change-dose",
                {"dose_mg": 100, "effective_on": "2028-01-06"},
                "effective_too_far_ahead",
                "/effective_on",
            ),
            (
                "change-dose",
                {"dose_mg": 100, "ordered_on": on(1, 5), "effective_on": on(1, 10)},
                "ordered_in_the_future",
                "/ordered_on",
            ),
            (
                "change-dose",
                {"dose_mg": 100, "ordered_on": "2024-12-01", "effective_on": on(1, 10)},
                "ordered_too_long_ago",
                "/ordered_on",
            ),
            (
                "change-dose",
                {"dose_mg": 100, "ordered_on": on(1, 4), "effective_on": "2026-10-05"},
                "effective_long_before_order",
                "/effective_on",
            ),
            ("stop", {"effective_on": on(1, 4)}, "stop_before_start", "/effective_on"),
            ("restart", {"dose_mg": 50, "effective_on": on(1, 10)}, "not_stopped", "/effective_on"),
            (
                "switch",
                {
                    "medication": "Sertraline",
                    "drug_class": "ssri",
                    "dose_mg": 50,
                    "effective_on": on(1, 10),
                },
                "same_medication",
                "/medication",
            ),
        ],
    )
    def test_what_makes_no_history_is_refused(
        self, prescriber: APIClient, prescribed: Body, verb: str, body: Body, code: str, pointer: str
    ) -> None:
        response = act(prescriber, prescribed, verb, body)
        assert (response.status_code, response.json()["code"]) == (422, code)
        assert codes(response) == {(pointer, code)}
        assert DoseEvent.objects.count() == 1
        assert Prescription.objects.count() == 1

    @pytest.mark.parametrize(
        ("verb", "body"),
        [("change-dose", {"dose_mg": 100, "effective_on": on(1, 10)}), ("stop", {"effective_on": on(1, 10)})],
    )
    def test_nothing_is_changed_after_a_stop(
        self, prescriber: APIClient, prescribed: Body, verb: str, body: Body
    ) -> None:
        act(prescriber, prescribed, "stop", {"effective_on": on(1, 8)})
        response = act(prescriber, prescribed, verb, body)
        assert (response.status_code, response.json()["code"]) == (422, "already_stopped")

    def test_a_change_cannot_begin_before_the_present_dose(
        self, prescriber: APIClient, prescribed: Body, tick: Callable[[datetime], None]
    ) -> None:
        act(prescriber, prescribed, "change-dose", {"dose_mg": 100, "effective_on": on(1, 12)})
        tick(denver(1, 20))
        response = act(prescriber, prescribed, "change-dose", {"dose_mg": 75, "effective_on": on(1, 11)})
        assert (response.status_code, response.json()["code"]) == (422, "before_present_dose")
        late = act(prescriber, prescribed, "change-dose", {"dose_mg": 75, "effective_on": on(1, 13)})
        assert late.status_code == 200

    def test_a_change_for_an_old_version_is_refused(self, prescriber: APIClient, prescribed: Body) -> None:
        body = {"dose_mg": 100, "effective_on": on(1, 10)}
        assert act(prescriber, prescribed, "change-dose", body, **{"If-Match": '"1"'}).status_code == 200
        stale = act(prescriber, prescribed, "stop", {"effective_on": on(1, 12)}, **{"If-Match": '"1"'})
        assert (stale.status_code, stale.json()["code"]) == (412, "stale_version")

    def test_an_overtaken_step_is_kept_but_no_longer_stands(
        self, prescriber: APIClient, sertraline: Body
    ) -> None:
        steps = [{"dose_mg": 100, "effective_on": on(1, 19)}]
        prescribed = prescriber.post(URL, {**sertraline, "planned_steps": steps}).json()
        changed = act(
            prescriber, prescribed, "change-dose", {"dose_mg": 75, "effective_on": on(1, 15)}
        ).json()
        assert changed["planned_steps"] == []
        assert [(event["dose_mg"], event["standing"]) for event in changed["dose_events"]] == [
            (50.0, True),
            (100.0, False),
            (75.0, True),
        ]


class TestWhoMay:
    @pytest.mark.parametrize(
        ("role", "status"), [("front_desk", 403), ("nurse", 403), ("manager", 403), ("prescriber", 201)]
    )
    def test_prescribing_needs_a_prescriber(
        self,
        client_as: Callable[..., APIClient],
        clock: object,
        site: Site,
        sertraline: Body,
        role: str,
        status: int,
    ) -> None:
        assert client_as(role, site).post(URL, sertraline).status_code == status

    @pytest.mark.parametrize("path", [URL, "/api/v1/check-ins/"])
    @pytest.mark.parametrize(
        ("role", "status"), [("front_desk", 403), ("auditor", 403), ("nurse", 200), ("prescriber", 200)]
    )
    def test_the_front_desk_sees_neither(
        self, client_as: Callable[..., APIClient], site: Site, path: str, role: str, status: int
    ) -> None:
        assert client_as(role, site).get(path).status_code == status

    def test_another_site_s_are_not_there(
        self, client_as: Callable[..., APIClient], prescribed: Body
    ) -> None:
        elsewhere = client_as("prescriber", SiteFactory.create())
        assert elsewhere.get(URL).json()["results"] == []
        assert elsewhere.get(f"{URL}{prescribed['id']}/").status_code == 404
        assert elsewhere.get(f"{URL}{prescribed['id']}/check-ins/").status_code == 404
        assert act(elsewhere, prescribed, "stop", {"effective_on": on(1, 8)}).status_code == 404
        first = prescribed["check_ins"][0]["id"]
        assert elsewhere.post(f"/api/v1/check-ins/{first}/record/", {}).status_code == 404

    def test_a_nurse_elsewhere_cannot_prescribe_here(
        self, client_as: Callable[..., APIClient], site: Site, prescribed: Body
    ) -> None:
        """A role counts at its own site only: prescriber there, nurse here."""
        client = client_as("prescriber", SiteFactory.create())
        Membership.objects.create(user=client.user, site=site, role="nurse")  # type: ignore[attr-defined]
        assert act(client, prescribed, "stop", {"effective_on": on(1, 8)}).status_code == 403


def test_lists_take_the_same_queries_however_long(
    prescriber: APIClient, sertraline: Body, site: Site
) -> None:
    def queries(path: str) -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert prescriber.get(path).status_code == 200
        return len(captured)

    paths = [URL, "/api/v1/check-ins/", "/api/v1/check-ins/?mandatory=false&code=REV14"]
    prescriber.post(URL, sertraline)
    few = [queries(path) for path in paths]
    for _more in range(3):
        patient = PatientFactory.create(site=site)
        prescriber.post(URL, {**sertraline, "patient": patient.pk})
    assert [queries(path) for path in paths] == few
