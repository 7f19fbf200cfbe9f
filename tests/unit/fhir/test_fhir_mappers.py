"""Whatever the row, what comes out is FHIR: structure, required value sets, no empty values."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from clinic.access.models import Site
from clinic.common.errors import Invalid
from patients.domain import names
from patients.models import Assessment, Instrument, Patient
from scheduling.fhir.mappers import (
    appointments,
    elements,
    medication_requests,
    observations,
    patients,
    places,
    questionnaire_responses,
)
from scheduling.fhir.mappers.observations import SIGNS
from scheduling.models import Appointment, InfusionSession, Prescription, Resource, VisitType, VitalReading
from tests.fakes.fhir_validator import refuse_invalid

HOME = "https://clinic.example"
AT = datetime(2027, 3, 14, 9, 30, tzinfo=UTC)
pks = some.integers(1, 10**18 - 1)
versions = some.integers(1, 2**31 - 1)
moments = some.timedeltas(timedelta(days=-40_000), timedelta(days=60_000)).map(lambda away: AT + away)


def _is_a_name(text: str) -> bool:
    try:
        return names.tidy(text) == text
    except Invalid:
        return False


person_names = some.sampled_from(["O'Neil-Peña", "李小龙", "Åsa", "D.", "José María"]) | some.text(
    min_size=1, max_size=80
).filter(_is_a_name)


@given(
    some.builds(
        Patient,
        pk=pks,
        version=versions,
        mrn=some.from_regex(r"[A-Z0-9][A-Z0-9._/-]{0,31}", fullmatch=True),
        site_id=pks,
        first_name=person_names,
        last_name=person_names,
        preferred_name=some.just("") | person_names,
        date_of_birth=some.dates(date(1900, 1, 1), date(2027, 1, 1)),
        sex=some.sampled_from(Patient.Sex),
        email=some.sampled_from(["", "ana@example.org"]),
        phone=some.sampled_from(["", "+13035550123"]),
        language=some.sampled_from(Patient.Language),
        status=some.sampled_from(Patient.Status),
    )
)
def test_any_patient(row: Patient) -> None:
    shown = patients.patient(row, home=HOME)
    refuse_invalid(shown)
    assert json.loads(json.dumps(shown)) == shown
    assert shown["active"] == (row.status == "active")
    assert shown.get("deceasedBoolean") == (True if row.status == "deceased" else None)
    assert {each["value"] for each in shown.get("telecom", ())} == {row.phone, row.email} - {""}
    assert [name["given"] for name in shown["name"]] == [
        [name] for name in (row.first_name, row.preferred_name) if name
    ]


@pytest.mark.parametrize("sex", Patient.Sex)
def test_each_sex_is_its_own_gender(sex: str) -> None:
    assert patients.GENDERS[Patient.Sex(sex)] == sex


def test_no_words_of_ours_lack_a_code_of_theirs() -> None:
    assert set(appointments.STATUSES) == set(Appointment.Status)
    assert set(medication_requests.STATUSES) == set(Prescription.Status)
    assert set(places.ACTORS) == set(Resource.Kind)
    assert set(patients.GENDERS) == set(Patient.Sex)


@given(
    status=some.sampled_from(Appointment.Status),
    kinds=some.lists(some.sampled_from(Resource.Kind), max_size=6),
    start=moments,
    minutes=some.integers(1, 1440),
)
def test_any_appointment(status: str, kinds: list[Any], start: datetime, minutes: int) -> None:
    row = Appointment(
        pk=5,
        patient_id=7,
        site_id=2,
        visit_type=VisitType(code="ketamine-mood", name="Ketamine, mood"),
        status=status,
        start_at=start,
        end_at=start + timedelta(minutes=minutes),
        created_at=AT,
    )
    held = [Resource(pk=at % 3 + 1, kind=kind, name="Nurse Kim") for at, kind in enumerate(kinds)]
    shown = appointments.appointment(row, held=held, home=HOME)
    refuse_invalid(shown)
    assert shown["minutesDuration"] == minutes
    actors = [each["actor"] for each in shown["participant"]]
    assert actors[:2] == [{"reference": "Patient/7"}, {"reference": "Location/2"}]
    assert len(actors) == 2 + len({each.pk for each in held})
    assert "Kim" not in json.dumps(shown)


@pytest.mark.parametrize(
    ("ours", "theirs", "patient"),
    [
        ("booked", "booked", "needs-action"),
        ("confirmed", "booked", "accepted"),
        ("arrived", "arrived", "accepted"),
        ("in_progress", "checked-in", "accepted"),
        ("completed", "fulfilled", "accepted"),
        ("cancelled", "cancelled", "declined"),
        ("no_show", "noshow", "accepted"),
    ],
)
def test_statuses_of_a_visit(ours: str, theirs: str, patient: str) -> None:
    row = Appointment(
        pk=5, patient_id=7, site_id=2, visit_type=VisitType(code="x", name="X"), status=ours,
        start_at=AT, end_at=AT + timedelta(hours=1), created_at=AT,
    )  # fmt: skip
    shown = appointments.appointment(row, held=(), home=HOME)
    assert (shown["status"], shown["participant"][0]["status"]) == (theirs, patient)


@given(
    name=some.sampled_from(["Cedar Street", "Clínica Peña"]),
    phone=some.sampled_from(["", "+13035550100"]),
    address=some.sampled_from(["", "12 Cedar Street, Denver"]),
    active=some.booleans(),
    kind=some.sampled_from(Resource.Kind),
)
def test_any_place(name: str, phone: str, address: str, active: bool, kind: Any) -> None:
    refuse_invalid(places.location(Site(pk=1, name=name, phone=phone, address=address, active=active)))
    row = Resource(pk=3, site_id=1, kind=kind, name=name, active=active)
    shown = places.schedule(row, home=HOME)
    refuse_invalid(shown)
    assert shown["actor"][0]["display"] == name


def test_a_slot() -> None:
    kind = VisitType(pk=10**6, code="k" * 50, name="Ketamine, mood")
    shown = appointments.slot(resource_id=10**12, visit_type=kind, start=AT, minutes=120, home=HOME)
    refuse_invalid(shown)
    assert (shown["start"], shown["end"]) == ("2027-03-14T09:30:00.000Z", "2027-03-14T11:30:00.000Z")


@given(
    dose=some.decimals(Decimal("0.001"), Decimal("99999.999"), places=3),
    status=some.sampled_from(Prescription.Status),
    indication=some.sampled_from(["", "depression"]),
    prescriber=some.none() | pks,
    switched=some.none() | pks,
)
def test_any_prescription(
    dose: Decimal, status: str, indication: str, prescriber: int | None, switched: int | None
) -> None:
    row = Prescription(
        pk=3, patient_id=7, medication="sertraline", dose_mg=dose, status=status, indication=indication,
        prescribed_by_id=prescriber, switched_from_id=switched, created_at=AT,
    )  # fmt: skip
    shown = medication_requests.medication_request(row, home=HOME)
    refuse_invalid(shown)
    [given_dose] = shown["dosageInstruction"][0]["doseAndRate"]
    written = json.loads(json.dumps(given_dose["doseQuantity"]), parse_float=Decimal)
    assert (written["value"], written["code"]) == (dose, "mg")
    assert written["system"] == "http://unitsofmeasure.org"


PHQ = Instrument(
    code="PHQ-9",
    version=1,
    name="PHQ-9, depression",
    loinc="44249-1",
    total_loinc="44261-6",
    texts={"en": {"title": "PHQ-9"}, "es": {"title": "Cuestionario"}},
    items=[
        {"code": "1", "en": "Little interest", "es": "Poco interés"},
        {"code": "9", "en": "Better off dead", "loinc": "44260-8"},
    ],
)


def answered(**fields: Any) -> Assessment:
    plain: dict[str, Any] = {
        "pk": 11,
        "patient_id": 7,
        "instrument": PHQ,
        "answers": {"1": 2, "9": 0},
        "answered_at": AT,
        "recorded_at": AT,
        "complete": True,
        "score": 2,
        "band": "minimal",
        "language": "en",
    }
    return Assessment(**(plain | fields))


@given(
    answers=some.dictionaries(some.sampled_from(["1", "9", "other"]), some.integers(0, 3)),
    complete=some.booleans(),
    language=some.sampled_from(["en", "es"]),
    supersedes=some.none() | pks,
    corrected_at=some.none() | moments,
)
def test_any_response(
    answers: dict[str, int], complete: bool, language: str, supersedes: int | None, corrected_at: Any
) -> None:
    row = answered(answers=answers, complete=complete, language=language, supersedes_id=supersedes)
    shown = questionnaire_responses.response(row, corrected_at=corrected_at, home=HOME)
    refuse_invalid(shown)
    [group] = shown["item"]
    assert group["linkId"] == "44249-1"
    got = {item["linkId"]: item["answer"] for item in group.get("item", ())}
    assert got == {
        {"1": "1", "9": "44260-8"}[code]: [{"valueInteger": value}]
        for code, value in answers.items()
        if code != "other"
    }


@pytest.mark.parametrize(
    ("fields", "corrected", "response", "score"),
    [
        ({}, None, "completed", "final"),
        ({"complete": False}, None, "stopped", "final"),
        ({"supersedes_id": 4}, None, "amended", "corrected"),
        ({}, AT, "entered-in-error", "entered-in-error"),
    ],
)
def test_statuses_of_an_assessment(
    fields: dict[str, Any], corrected: datetime | None, response: str, score: str
) -> None:
    row = answered(**fields)
    shown = questionnaire_responses.response(row, corrected_at=corrected, home=HOME)
    total = observations.score(row, points=2, corrected_at=corrected, home=HOME)
    refuse_invalid(total)
    assert (shown["status"], total["status"]) == (response, score)
    assert total["code"]["coding"][0] == {"system": "http://loinc.org", "code": "44261-6"}
    assert total["derivedFrom"] == [{"reference": "QuestionnaireResponse/11"}]


def test_a_score_without_loinc_has_our_code_only() -> None:
    ours = Instrument(code="ASQ", version=1, name="ASQ", texts={}, items=[])
    shown = observations.score(answered(instrument=ours), points=0, corrected_at=None, home=HOME)
    refuse_invalid(shown)
    assert [each["code"] for each in shown["code"]["coding"]] == ["ASQ"]
    assert shown["valueQuantity"]["value"] == 0


def _session() -> InfusionSession:
    return InfusionSession(appointment=Appointment(pk=5, patient_id=7))


@given(
    struck_at=some.none() | moments,
    temperature=some.decimals(Decimal("30.0"), Decimal("43.9"), places=1),
    spo2=some.integers(0, 100),
)
def test_any_vital_sign(struck_at: datetime | None, temperature: Decimal, spo2: int) -> None:
    row = VitalReading(
        pk=12, session=_session(), measured_at=AT, recorded_at=AT, struck_at=struck_at, systolic=172,
        diastolic=104, heart_rate=80, spo2=spo2, respiratory_rate=14, temperature_c=temperature,
    )  # fmt: skip
    shown = {sign.name: observations.vital(row, sign) for sign in SIGNS}
    for each in shown.values():
        refuse_invalid(each)
        assert each["status"] == ("final" if struck_at is None else "entered-in-error")
        assert each["subject"] == {"reference": "Patient/7"}
    units = {name: each["valueQuantity"]["code"] for name, each in shown.items() if name != "bp"}
    assert units == {"hr": "/min", "spo2": "%", "rr": "/min", "temp": "Cel"}
    assert shown["spo2"]["valueQuantity"]["value"] == spo2
    parts = {part["code"]["coding"][0]["code"]: part["valueQuantity"] for part in shown["bp"]["component"]}
    assert {code: (part["value"], part["code"]) for code, part in parts.items()} == {
        "8480-6": (172, "mm[Hg]"),
        "8462-4": (104, "mm[Hg]"),
    }
    assert "valueQuantity" not in shown["bp"]


def test_a_weight() -> None:
    shown = observations.weight(_session(), measured_at=AT, kg=Decimal("70.5"))
    refuse_invalid(shown)
    assert (shown["valueQuantity"]["value"], shown["valueQuantity"]["code"]) == (70.5, "kg")


@given(some.decimals(Decimal("-999.99"), Decimal("99999.999"), places=3))
def test_numbers_are_written_as_they_are(value: Decimal) -> None:
    assert Decimal(json.dumps(elements.number(value))) == value
