"""The REMS record of a session with what follows from its readings, and the monitoring form made of both."""

from dataclasses import dataclass
from datetime import datetime

from clinic.common.csv_text import Cell, csv_text
from scheduling.domain import rems, rems_pdf
from scheduling.domain.rems import Pressure
from scheduling.models import InfusionSession, RemsRecord
from scheduling.selectors.vitals import readings_of

_CONCOMITANT = {
    "benzodiazepine": "Benzodiazepine",
    "stimulant": "Stimulant",
    "maoi": "MAO inhibitor",
    "opioid": "Opioid",
}


@dataclass(frozen=True, slots=True)
class Rems:
    """A record, the blood pressures that count, how long the patient was observed, and what is missing."""

    record: RemsRecord
    pressures: dict[str, Pressure | None]
    observed_minutes: int | None

    @property
    def session(self) -> InfusionSession:
        """Whose record it is."""
        return self.record.session

    @property
    def missing(self) -> list[str]:
        """JSON pointers of what the form cannot be sent without."""
        return [fault.pointer for fault in rems.missing(vars(self.record), self.pressures)]


def of(record: RemsRecord) -> Rems:
    """What a record comes to. One query."""
    session = record.session
    dosed_at = record.dosed_at or session.started_at
    measured = [
        Pressure(row.measured_at, row.systolic, row.diastolic)
        for row in readings_of([session.pk])[session.pk]
        if row.systolic is not None and row.diastolic is not None
    ]
    return Rems(
        record,
        rems.pressures(measured, dosed_at=dosed_at, left_at=session.discharged_at),
        rems.observed_minutes(record.dosed_at, session.discharged_at),
    )


def as_csv(found: Rems) -> str:
    """The form as one row: instants in RFC 3339 at the site's offset, amounts in mg, minutes."""
    columns = _columns(found)
    return csv_text(list(columns), [list(columns.values())])


def as_pdf(found: Rems) -> bytes:
    """The form as a page for the patient's file and the fax."""
    record, visit = found.record, found.session.appointment
    patient = visit.patient
    day = visit.start_at.astimezone(visit.site.zone).date()
    sent = _time(found, record.submitted_at) if record.submitted_at else "not submitted yet"
    return rems_pdf.draw(
        title="Esketamine REMS: patient monitoring",
        under=f"Session of {day:%B} {day.day}, {day.year}. Due by {record.due_on}. Submitted: {sent}.",
        sections=[
            (
                "Patient and site",
                [
                    ("Patient", f"{patient.first_name} {patient.last_name}"),
                    ("Date of birth", str(patient.date_of_birth)),
                    ("Record number", patient.mrn),
                    ("Site", ", ".join(part for part in (visit.site.name, visit.site.address) if part)),
                ],
            ),
            (
                "Dose",
                [
                    ("Dose", f"{record.dose_mg} mg" if record.dose_mg is not None else "-"),
                    ("Lot", record.lot or "-"),
                    ("First device used", _time(found, record.dosed_at)),
                ],
            ),
            (
                "Concomitant medicines",
                [(label, _yes_no(getattr(record, name))) for name, label in _CONCOMITANT.items()],
            ),
            (
                "Monitoring",
                [
                    *[(rems.PRESSURES[name].capitalize(), _pressure(found, name)) for name in rems.PRESSURES],
                    ("Sedation resolved", _time(found, record.sedation_resolved_at)),
                    ("Dissociation resolved", _time(found, record.dissociation_resolved_at)),
                    ("Left", _time(found, found.session.discharged_at)),
                    (
                        "Observed",
                        "-" if found.observed_minutes is None else f"{found.observed_minutes} minutes",
                    ),
                    ("Serious adverse event", record.serious_event or "None recorded"),
                    ("Blood pressure not taken", record.readings_not_taken or "None"),
                ],
            ),
        ],
    )


def _columns(found: Rems) -> dict[str, Cell]:
    record, visit = found.record, found.session.appointment
    zone = visit.site.zone

    def local(instant: datetime | None) -> datetime | None:
        return instant and instant.astimezone(zone)

    columns: dict[str, Cell] = {
        "session": visit.pk,
        "session_on": visit.start_at.astimezone(zone).date(),
        "site": visit.site.name,
        "patient": f"{visit.patient.first_name} {visit.patient.last_name}",
        "date_of_birth": visit.patient.date_of_birth,
        "mrn": visit.patient.mrn,
        "dose_mg": record.dose_mg,
        "lot": record.lot,
        "dosed_at": local(record.dosed_at),
        **{name: getattr(record, name) for name in _CONCOMITANT},
    }
    for name in rems.PRESSURES:
        measured = found.pressures[name]
        columns |= {
            f"{name}_at": local(measured.at) if measured else None,
            f"{name}_systolic_mmhg": measured.systolic if measured else None,
            f"{name}_diastolic_mmhg": measured.diastolic if measured else None,
        }
    return columns | {
        "sedation_resolved_at": local(record.sedation_resolved_at),
        "dissociation_resolved_at": local(record.dissociation_resolved_at),
        "left_at": local(found.session.discharged_at),
        "observed_minutes": found.observed_minutes,
        "serious_event": record.serious_event,
        "readings_not_taken": record.readings_not_taken,
        "due_on": record.due_on,
        "submitted_at": local(record.submitted_at),
    }


def _pressure(found: Rems, name: str) -> str:
    measured = found.pressures[name]
    return f"{measured}, {_time(found, measured.at)}" if measured else "-"


def _time(found: Rems, instant: datetime | None) -> str:
    """``2027-01-04 09:40 MST``, on the clocks of the site."""
    if instant is None:
        return "-"
    return f"{instant.astimezone(found.session.appointment.site.zone):%Y-%m-%d %H:%M %Z}"


def _yes_no(answer: bool | None) -> str:  # noqa: FBT001 - an answer, not a switch
    return "-" if answer is None else ("yes" if answer else "no")
