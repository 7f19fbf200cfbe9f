"""The page of an infusion session: each form does what its service does, or says at the form why not."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from clinic.access.models import Site, User
from clinic.access.policy import SYSTEM
from scheduling.domain.transitions import Verb
from scheduling.models import (
    Appointment,
    DoseOrder,
    DrugLogEntry,
    GateCheck,
    InfusionSession,
    RemsRecord,
    VitalReading,
)
from scheduling.services import gates, session_steps, visit_steps
from tests.factories import SiteFactory, UserFactory, open_clinic
from tests.factories.infusions import NINE, arrived_infusion, booked_infusion
from tests.factories.sessions import NOT_SINCE_YESTERDAY, pass_start_gates
from tests.integration.admin.pages import words

pytestmark = pytest.mark.django_db

BEFORE = NINE - timedelta(minutes=5)
ALDRETE = ("activity", "respiration", "circulation", "consciousness", "oxygen_saturation")


@pytest.fixture
def visit(site: Site, clock: Callable[..., None]) -> Appointment:
    open_clinic(site, chairs=1, nurses=1)
    visit = arrived_infusion(site)
    clock(BEFORE)
    return visit


@pytest.fixture
def nurse(site: Site, staff: Callable[..., Client]) -> Client:
    return staff("nurse", site)


def address(visit: Appointment) -> str:
    return reverse("admin:scheduling_appointment_session", args=[visit.pk])


def send(client: Client, visit: Appointment, act: str, key: object = "", **fields: Any) -> Any:
    """As the page's form would: with the versions that it shows now."""
    session = InfusionSession.objects.filter(pk=visit.pk).first()
    prefix = f"{act}-{key}" if key else act
    return client.post(
        address(visit),
        {
            "act": act,
            "key": str(key),
            "version": session.version if session else 1,
            "visit_version": Appointment.objects.get(pk=visit.pk).version,
            **{f"{prefix}-{name}": value for name, value in fields.items()},
        },
    )


def done(response: Any, place: str = "") -> None:
    if response.status_code != 302:
        raise AssertionError(words(response)[:3000])
    assert response["Location"].endswith(place)


def start(visit: Appointment) -> None:
    pass_start_gates(visit, now=BEFORE)
    visit_steps.step(actor=SYSTEM, now=NINE, appointment_id=visit.pk, verb=Verb.START)


def test_from_arrival_to_going_home(
    visit: Appointment, nurse: Client, site: Site, staff: Callable[..., Client], clock: Callable[..., None]
) -> None:
    """Journey A of the domain, tapped in by a nurse."""
    done(send(nurse, visit, "gate", "consent", consent__signed_on="2026-12-01"), "#gates")
    done(send(nurse, visit, "gate", "identity", identity__checked="yes"))
    done(send(nurse, visit, "gate", "escort", escort__name="Rosa Reyes", escort__phone="+13035550177"))
    done(send(nurse, visit, "gate", "driving", driving__acknowledged="yes"))
    nothing = {f"fasting__{name}__none": "on" for name in NOT_SINCE_YESTERDAY}
    eaten = {**nothing, "fasting__clear_fluids_at": "2027-01-11T05:30"}
    eaten.pop("fasting__clear_fluids_at__none")
    done(send(nurse, visit, "gate", "fasting", **eaten))
    check = GateCheck.objects.get(session=visit.pk, gate="fasting")
    assert check.answers["clear_fluids_at"] == "2027-01-11T12:30:00+00:00"
    rescreen = {f"rescreen__{name}": "no" for name in ("pregnancy", "new_medicines", "substances")}
    done(send(nurse, visit, "gate", "rescreen", **rescreen))
    done(send(nurse, visit, "weigh", weight_kg="70"), "#dose")
    page = words(nurse.get(address(visit)))
    assert "70 kg \N{MULTIPLICATION SIGN} 0.5 mg/kg = 35 mg over 40 min, 52.5 mg/h" in page
    done(send(nurse, visit, "reading", systolic="124", diastolic="78", heart_rate="70", spo2="98"), "#vitals")
    pass_start_gates(visit, now=BEFORE)  # the PHQ-9
    done(send(nurse, visit, "drug", kind="drawn", mg="50", lot="K7"), "#drug-log")

    clock(NINE)
    done(send(nurse, visit, "step", "start"))
    assert InfusionSession.objects.get(pk=visit.pk).started_at == NINE
    clock(NINE + timedelta(minutes=30))
    done(send(nurse, visit, "reading", systolic="172", diastolic="104"))
    reading = VitalReading.objects.get(systolic=172)
    assert reading.level == "review"
    assert "A prescriber answers." in words(nurse.get(address(visit)))
    prescriber = staff("prescriber", site)
    done(send(prescriber, visit, "acknowledge", reading.pk, note="Looked at her."))
    reading.refresh_from_db()
    assert reading.acknowledged_note == "Looked at her."

    clock(NINE + timedelta(minutes=40))
    done(send(nurse, visit, "step", "end"))
    done(send(nurse, visit, "drug", kind="given", mg="35"))
    done(send(nurse, visit, "drug", kind="wasted", mg="15"))
    wasted = DrugLogEntry.objects.get(kind="wasted")
    assert "I saw it" not in words(nurse.get(address(visit)))
    done(send(prescriber, visit, "witness", wasted.pk))
    assert "balances" in words(nurse.get(address(visit)))

    clock(NINE + timedelta(minutes=90))
    done(send(nurse, visit, "reading", systolic="126", diastolic="80"))
    home = {f"aldrete__{name}": "2" for name in ALDRETE} | {
        "oriented__oriented": "yes",
        "gait__steady": "yes",
        "escort_present__present": "yes",
        "driving_advice__told": "yes",
    }
    done(send(nurse, visit, "discharge", **home))
    done(send(nurse, visit, "step", "complete"))
    assert Appointment.objects.get(pk=visit.pk).status == "completed"
    page = words(nurse.get(address(visit)))
    assert "Completed" in page
    done(send(nurse, visit, "step", "undo"))
    assert Appointment.objects.get(pk=visit.pk).status == "in_progress"


class TestRefusals:
    def test_open_gates_are_named_and_nothing_starts(self, visit: Appointment, nurse: Client) -> None:
        page = send(nurse, visit, "step", "start")
        assert page.status_code == 200
        assert "Identity checked" in words(page)
        assert Appointment.objects.get(pk=visit.pk).status == "arrived"

    def test_what_was_typed_stays(self, visit: Appointment, nurse: Client) -> None:
        page = send(nurse, visit, "weigh", weight_kg="700")
        assert "A weight is from 20 to 400 kg." in words(page)
        assert 'value="700"' in page.content.decode()
        page = send(nurse, visit, "weigh", weight_kg="seventy")
        assert 'value="seventy"' in page.content.decode()
        assert "Enter a number." in words(page)
        assert not GateCheck.objects.exists()

    def test_the_fault_is_at_its_question(self, visit: Appointment, nurse: Client) -> None:
        page = send(nurse, visit, "gate", "escort", escort__phone="+13035550177")
        assert "Answer this: Who takes the patient home." in words(page)
        assert 'value="+13035550177"' in page.content.decode()
        page = send(nurse, visit, "reading", systolic="1240", diastolic="78")
        assert "systolic pressure is 30 to 300 mmHg" in words(page)
        assert 'value="1240"' in page.content.decode()

    def test_another_dose_is_a_prescribers_with_the_reason(
        self, visit: Appointment, nurse: Client, site: Site, staff: Callable[..., Client]
    ) -> None:
        send(nurse, visit, "weigh", weight_kg="70")
        page = send(nurse, visit, "dose", mg="25", reason="Frail.")
        assert "A prescriber orders it." in words(page)
        assert 'value="Frail."' in page.content.decode()
        prescriber = staff("prescriber", site)
        assert "Give the reason." in words(send(prescriber, visit, "dose", mg="25"))
        done(send(prescriber, visit, "dose", mg="25", reason="Frail."), "#dose")
        assert DoseOrder.objects.filter(session=visit.pk).count() == 2

    def test_a_longer_infusion_says_what_is_in_the_way(
        self, visit: Appointment, nurse: Client, site: Site
    ) -> None:
        send(nurse, visit, "weigh", weight_kg="70")
        booked_infusion(site, start=NINE + timedelta(hours=2))
        page = words(send(nurse, visit, "dose", minutes="60"))
        assert "In the way: Chair 1 11:00-13:00" in page

    def test_two_people_at_once(self, visit: Appointment, nurse: Client) -> None:
        send(nurse, visit, "weigh", weight_kg="70")
        stale = {"act": "weigh", "key": "", "version": 1, "visit_version": 1, "weigh-weight_kg": "71"}
        page = nurse.post(address(visit), stale)
        assert "Somebody changed this session after your page showed it." in words(page)
        assert 'value="71"' in page.content.decode()
        again = {**stale, "version": InfusionSession.objects.get(pk=visit.pk).version}
        done(nurse.post(address(visit), again))

    def test_a_page_without_its_version(self, visit: Appointment, nurse: Client) -> None:
        page = nurse.post(address(visit), {"act": "weigh", "weigh-weight_kg": "71"})
        assert "did not say which version it showed" in words(page)

    @pytest.mark.parametrize(
        ("act", "key"),
        [
            ("dance", ""),
            ("gate", "nonsense"),
            ("step", "fly"),
            ("witness", "x"),
            ("witness", "99"),
            ("rems", ""),
        ],
    )
    def test_what_is_not_there(self, visit: Appointment, nurse: Client, act: str, key: str) -> None:
        InfusionSession.objects.get_or_create(pk=visit.pk)
        assert send(nurse, visit, act, key).status_code == 404


def test_going_on_without_a_gate(
    visit: Appointment, nurse: Client, site: Site, staff: Callable[..., Client]
) -> None:
    page = words(nurse.get(address(visit)))
    assert "Only a prescriber may go on without this." in page
    assert "Nobody may go on without this." in page  # the identity
    prescriber = staff("prescriber", site)
    assert "Say why" in words(send(prescriber, visit, "override", "consent", reason=" "))
    done(send(prescriber, visit, "override", "consent", reason="Signed on paper today."), "#gates")
    assert "Signed on paper today." in words(nurse.get(address(visit)))


def test_discharge_keeps_its_answers_while_something_holds_the_patient(
    visit: Appointment, nurse: Client, clock: Callable[..., None]
) -> None:
    start(visit)
    later = NINE + timedelta(minutes=40)
    session_steps.end(actor=SYSTEM, now=later, appointment_id=visit.pk)
    clock(later + timedelta(minutes=5))
    low = {f"aldrete__{name}": "1" for name in ALDRETE} | {"oriented__oriented": "no"}
    page = words(send(nurse, visit, "discharge", **low))
    assert "Modified Aldrete score" in page
    check = GateCheck.objects.get(session=visit.pk, gate="aldrete")
    assert check.answers["activity"] == 1
    page = words(send(nurse, visit, "discharge", aldrete__activity="2"))
    assert "Answer this: Respiration." in page


def test_the_rems_record(
    site: Site, nurse: Client, staff: Callable[..., Client], clock: Callable[..., None]
) -> None:
    open_clinic(site)
    visit = arrived_infusion(site, "esketamine")
    clock(BEFORE)
    assert "The record begins when the session starts." in words(nurse.get(address(visit)))
    start(visit)
    clock(NINE + timedelta(minutes=20))
    page = send(nurse, visit, "rems", dose_mg="56", dosed_at="2027-01-11T09:30", maoi="False")
    assert "This is a moment now or before." in words(page)
    done(send(nurse, visit, "rems", dose_mg="56", dosed_at="2027-01-11T09:05", maoi="False"), "#rems")
    record = RemsRecord.objects.get(pk=visit.pk)
    assert (record.dosed_at, record.maoi, record.opioid) == (NINE + timedelta(minutes=5), False, None)
    assert "answers are missing" in words(nurse.get(address(visit)))


class TestWhoSeesWhat:
    def test_the_front_desk(
        self, visit: Appointment, nurse: Client, site: Site, staff: Callable[..., Client]
    ) -> None:
        send(nurse, visit, "weigh", weight_kg="70")
        send(nurse, visit, "reading", systolic="165", diastolic="95", symptoms="Dizzy")
        desk = staff("front_desk", site)
        raw = desk.get(address(visit)).content.decode()
        page = words(desk.get(address(visit)))
        assert "Clinical check" in page
        assert "Escort home named" in page
        for hidden in ("70 kg", "mg/kg", "165", "Dizzy", "Weight taken", "Vital signs in range", "Fasting"):
            assert hidden not in page
        assert "Drug log" not in raw
        done(send(desk, visit, "gate", "escort", escort__name="Rosa Reyes"))
        page = send(desk, visit, "weigh", weight_kg="71")
        assert page.status_code == 200
        assert "Your role at this site does not allow this." in words(page)
        assert InfusionSession.objects.get(pk=visit.pk).weight_kg == 70

    def test_an_overridden_clinical_gate_says_nothing_to_the_front_desk(
        self, visit: Appointment, site: Site, staff: Callable[..., Client]
    ) -> None:
        gates.override(
            actor=SYSTEM, now=BEFORE, appointment_id=visit.pk, gate="fasting", reason="Ate toast at six."
        )
        start(visit)
        session_steps.end(actor=SYSTEM, now=NINE + timedelta(minutes=5), appointment_id=visit.pk)
        assert "toast" not in words(staff("front_desk", site).get(address(visit)))
        assert "toast" in words(staff("nurse", site).get(address(visit)))

    def test_others(self, visit: Appointment, site: Site, staff: Callable[..., Client]) -> None:
        assert staff("manager", site).get(address(visit)).status_code == 403
        assert staff("auditor", site).get(address(visit)).status_code == 403
        assert staff("nurse", SiteFactory.create()).get(address(visit)).status_code == 404

    def test_a_visit_without_an_infusion_has_its_own_page(self, site: Site, nurse: Client) -> None:
        open_clinic(site)
        talk = booked_infusion(site, "consultation")
        assert nurse.get(address(talk))["Location"] == reverse(
            "admin:scheduling_appointment_change", args=[talk.pk]
        )

    def test_the_visit_leads_there(self, visit: Appointment, nurse: Client) -> None:
        page = nurse.get(reverse("admin:scheduling_appointment_change", args=[visit.pk]))
        assert address(visit) in page.content.decode()


def test_reading_never_opens_a_session(site: Site, nurse: Client, clock: Callable[..., None]) -> None:
    open_clinic(site)
    expected = booked_infusion(site)
    clock(BEFORE)
    assert "Expected" in words(nurse.get(address(expected)))
    assert not InfusionSession.objects.exists()


def test_queries_do_not_grow_with_what_was_recorded(visit: Appointment, site: Site) -> None:
    person: User = UserFactory.create(roles={site: ["prescriber"]})
    client = Client()
    client.force_login(person)
    send(client, visit, "weigh", weight_kg="70")
    send(client, visit, "reading", systolic="124", diastolic="78")
    send(client, visit, "drug", kind="drawn", mg="1")

    def queries() -> int:
        client.get(address(visit))
        with CaptureQueriesContext(connection) as asked:
            assert client.get(address(visit)).status_code == 200
        return len(asked)

    few = queries()
    for number in range(6):
        send(client, visit, "reading", systolic=f"{124 + number}", diastolic="78")
        send(client, visit, "drug", kind="drawn", mg="1")
        send(client, visit, "weigh", weight_kg=f"{71 + number}")
    assert queries() == few
    assert few <= 45
