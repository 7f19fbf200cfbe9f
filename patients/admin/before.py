"""What a prescriber reads before choosing, as tables: the most dangerous first.

``PAGE`` is where scheduling hangs prescriptions and treatment plans; patients does not know them.
"""

from collections.abc import Callable, Sequence
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join

from clinic.access import shown
from clinic.access.admin.base import actor_in
from clinic.access.admin.sections import Cell, Extensible, Link, Section
from clinic.common import clock
from patients.models import Patient, Recorded, ScreeningFlag
from patients.selectors import flags as flag_selector
from patients.selectors.background import Catalogue, background_of, catalogue, reliable
from patients.selectors.patients import conditions_of

PAGE = Extensible()
_VARIANTS = {"absolute": "danger", "relative": "warning", "caution": "info"}


def flags(request: HttpRequest, patient: Patient) -> list[dict[str, Any]]:
    """The flags that count today, the gravest first, as the page shows them."""
    now, actor = clock.now(), actor_in(request)
    today = now.astimezone(patient.zone).date()
    may_acknowledge = actor.may("flags.acknowledge", patient.site_id)
    may_write = actor.may("background.write", patient.site_id)
    return [
        {
            "flag": flag,
            "variant": _VARIANTS[flag.severity],
            "open": flag_selector.state_of(flag, today=today) == "open",
            "acknowledge": may_acknowledge,
            "withdraw": may_write and flag.origin == ScreeningFlag.Origin.STAFF,
            "zone": patient.site.zone,
        }
        for flag in flag_selector.standing(patient, now=now)
    ]


def sections(request: HttpRequest, patient: Patient) -> list[Section]:
    """Every table of the page; the background is read once."""
    request.onset_known = background_of(patient, actor=actor_in(request))  # type: ignore[attr-defined]  # for the tables below
    request.onset_names = catalogue()  # type: ignore[attr-defined]
    return PAGE.sections_for(request, patient)


def _known(request: HttpRequest, kind: str) -> list[Any]:
    rows: list[Any] = request.onset_known[kind]  # type: ignore[attr-defined]
    return rows


def _names(request: HttpRequest) -> Catalogue:
    names: Catalogue = request.onset_names  # type: ignore[attr-defined]
    return names


def _table(
    request: HttpRequest,
    patient: Patient,
    *,
    kind: str,
    title: str,
    headers: Sequence[str],
    row: Callable[[Any], Sequence[Cell]],
    empty: str,
    note: str = "",
) -> Section:
    """A table of current entries, each leading to its form."""
    writes = actor_in(request).may("background.write", patient.site_id)
    add = Link("Add", reverse("admin:patients_screeningflag_add_entry", args=[patient.pk, kind]), icon="add")

    def cells(entry: Recorded) -> list[Cell]:
        first, *others = row(entry)
        if writes:
            first = shown.to("patients_screeningflag_entry", patient.pk, kind, entry.pk, text=first)
        return [first, *others, entry.note]

    return Section(
        title=title,
        headers=(*headers, "Note"),
        rows=[cells(entry) for entry in _known(request, kind)],
        empty=empty,
        links=[add] if writes else [],
        note=note,
    )


@PAGE.section(order=10)
def allergies(request: HttpRequest, patient: Patient) -> Section:
    """What must not be given."""
    return _table(
        request,
        patient,
        kind="allergy",
        title="Allergies",
        headers=("Substance", "Reaction", "Severity"),
        row=lambda entry: (
            entry.substance,
            entry.reaction,
            shown.label(
                {"severe": "missed", "life_threatening": "missed"}.get(entry.severity, entry.severity),
                entry.get_severity_display(),
            ),
        ),
        empty="None recorded. Ask, then add what you hear.",
    )


@PAGE.section(order=30)
def medicines(request: HttpRequest, patient: Patient) -> Section:
    """What others prescribed."""
    names = _names(request)
    return _table(
        request,
        patient,
        kind="medicine",
        title="Medicines from elsewhere",
        headers=("Medicine", "Class", "Dose", "From", "Last taken", "Known from"),
        row=lambda entry: (
            entry.name,
            names.name("medicine_class", entry.medicine_class),
            entry.dose,
            shown.local_day(entry.from_on),
            shown.local_day(entry.until_on),
            entry.get_source_display().capitalize(),
        ),
        empty="None recorded. Washouts and interactions are checked against this list.",
    )


@PAGE.section(order=40)
def pregnancy(request: HttpRequest, patient: Patient) -> Section:
    """What is known, and whether it still counts."""
    now = clock.now()
    return _table(
        request,
        patient,
        kind="pregnancy",
        title="Pregnancy",
        headers=("Answer", "Known from", "On", "Counts until"),
        row=lambda entry: (
            entry.get_state_display().capitalize(),
            entry.get_basis_display().capitalize(),
            shown.local_day(entry.as_of_on),
            shown.local_day(entry.expires_on)
            if reliable(entry, patient=patient, now=now)
            else shown.label("missed", "Ran out: ask again"),
        ),
        empty="Not asked yet.",
    )


@PAGE.section(order=50)
def other_conditions(request: HttpRequest, patient: Patient) -> Section:
    """Mental illness, cancer, heart, liver, pressure."""
    names = _names(request)
    return _table(
        request,
        patient,
        kind="other_condition",
        title="Other conditions",
        headers=("Condition", "Kind", "Code", "Since", "Until"),
        row=lambda entry: (
            entry.name or names.name("concern", entry.concern),
            names.name("concern", entry.concern),
            entry.code_text,
            shown.local_day(entry.since_on),
            shown.local_day(entry.until_on),
        ),
        empty="None recorded.",
    )


@PAGE.section(order=60)
def family(request: HttpRequest, patient: Patient) -> Section:
    """What runs in the family, and what worked there."""
    names = _names(request)
    return _table(
        request,
        patient,
        kind="relative",
        title="Family history",
        headers=("Relative", "Condition", "Medicine", "How it worked for them"),
        row=lambda entry: (
            entry.get_relation_display().capitalize(),
            names.name("condition", entry.condition) if entry.condition else entry.condition_text,
            entry.medicine,
            entry.get_response_display().capitalize(),
        ),
        empty="None recorded. What worked for a close relative may work here.",
    )


@PAGE.section(order=70)
def conditions(request: HttpRequest, patient: Patient) -> Section:
    """What is treated."""
    return Section(
        title="Treated conditions",
        headers=("Condition", "Since", "Until"),
        rows=[
            (row.condition.name, shown.local_day(row.onset_on), shown.local_day(row.resolved_on))
            for row in conditions_of(patient, actor=actor_in(request))
        ],
        empty="None recorded. Record them through the API or an import.",
    )


@PAGE.section(order=80)
def symptoms(request: HttpRequest, patient: Patient) -> Section:
    """What the person feels."""
    names = _names(request)

    def places(codes: list[str]) -> str:
        return ", ".join(names.name("body_site", code) for code in codes)

    return _table(
        request,
        patient,
        kind="symptom",
        title="Symptoms",
        headers=("Symptom", "Where", "Spreads to", "Severity", "Comes from", "Since", "Until"),
        row=lambda entry: (
            names.name("symptom", entry.symptom),
            places(entry.body_sites),
            places(entry.radiates_to),
            shown.NOTHING if entry.severity is None else f"{entry.severity} of 10",
            names.name("pain_origin", entry.origin) if entry.origin else "",
            shown.local_day(entry.since_on),
            shown.local_day(entry.until_on),
        ),
        empty="None recorded.",
    )


@PAGE.section(order=90)
def pain_assessments(request: HttpRequest, patient: Patient) -> Section:
    """Several results, each answering a question."""
    names = _names(request)

    def results(entry: Any) -> Cell:
        lines = (
            (
                result.get_question_display(),
                names.name("pain_test", result.test),
                " ".join(filter(None, (_value(result), result.finding))),
            )
            for result in entry.results.all()
        )
        return format_html("<ul>{}</ul>", format_html_join("", "<li>{} {}: {}</li>", lines))

    return _table(
        request,
        patient,
        kind="pain_assessment",
        title="Pain assessments",
        headers=("On", "Results"),
        row=lambda entry: (shown.local_day(entry.assessed_on), results(entry)),
        empty="None recorded. No single test diagnoses neuropathic pain; several together tell more.",
    )


def _value(result: Any) -> str:
    return "" if result.value is None else f"{result.value.normalize():f} {result.unit}".strip()
