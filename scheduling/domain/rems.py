"""What the esketamine REMS asks of a session: three blood pressures, two hours of watching, and a form.

Blood pressure is taken from the readings by rule, so that nobody copies numbers: the last one before the
dose, the one nearest to 40 minutes after it, the last one before leaving. DOMAIN section 2, after the label.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from clinic.common.errors import FieldError

AFTER, GRACE = timedelta(minutes=40), timedelta(minutes=5)
"""When the second blood pressure is taken. One from the grace before it on counts, however late."""

ANSWERS: Mapping[str, str] = {
    "dose_mg": "the dose",
    "lot": "the lot of the devices",
    "dosed_at": "when the first device was used",
    "benzodiazepine": "whether the patient takes a benzodiazepine",
    "stimulant": "whether the patient takes a stimulant",
    "maoi": "whether the patient takes an MAO inhibitor",
    "opioid": "whether the patient takes an opioid",
    "sedation_resolved_at": "when sedation had resolved (when it was looked for, if there was none)",
    "dissociation_resolved_at": "when dissociation had resolved (when it was looked for, if there was none)",
}
"""What people answer: field -> in words."""

PRESSURES: Mapping[str, str] = {
    "before": "blood pressure before the dose",
    "at_40_minutes": "blood pressure 40 minutes after the dose",
    "before_leaving": "blood pressure before leaving",
}


@dataclass(frozen=True, slots=True)
class Pressure:
    """One measured blood pressure, mmHg."""

    at: datetime
    systolic: int
    diastolic: int

    def __str__(self) -> str:
        return f"{self.systolic}/{self.diastolic} mmHg"


def pressures(
    readings: Sequence[Pressure], *, dosed_at: datetime | None, left_at: datetime | None
) -> dict[str, Pressure | None]:
    """The three that count, by the keys of PRESSURES; ``readings`` in any order, those struck left out.

    The one at 40 minutes is the nearest within the grace, else the first after it. The one before leaving is
    the last until the patient left, and another than that at 40 minutes.
    """
    rows = sorted(readings, key=lambda each: each.at)
    if dosed_at is None:
        return {"before": rows[-1] if rows else None, "at_40_minutes": None, "before_leaving": None}
    wanted = dosed_at + AFTER
    stayed = [each for each in rows if left_at is None or each.at <= left_at]
    later = [each for each in stayed if each.at >= wanted - GRACE]
    near = [each for each in later if each.at <= wanted + GRACE]
    second = min(near, key=lambda each: abs(each.at - wanted), default=later[0] if later else None)
    last = later[-1] if later and later[-1] is not second else None
    before = [each for each in rows if each.at <= dosed_at]
    return {"before": before[-1] if before else None, "at_40_minutes": second, "before_leaving": last}


def observed_minutes(dosed_at: datetime | None, left_at: datetime | None) -> int | None:
    """Whole minutes from the first device to leaving; None until both are known."""
    if dosed_at is None or left_at is None:
        return None
    return max(0, (left_at - dosed_at) // timedelta(minutes=1))


def missing(answers: Mapping[str, object], measured: Mapping[str, Pressure | None]) -> list[FieldError]:
    """What the form cannot be sent without, each by its field.

    A blood pressure that was not taken cannot be taken later: a reason stands in for it.
    """
    faults = [
        FieldError(f"/{name}", "required", f"Record {words}.")
        for name, words in ANSWERS.items()
        if answers.get(name) in {None, ""}
    ]
    if answers.get("readings_not_taken"):
        return faults
    return faults + [
        FieldError(
            f"/blood_pressure/{name}",
            "required",
            f"There is no {words}. Record the reading, or say why it was not taken.",
        )
        for name, words in PRESSURES.items()
        if measured.get(name) is None
    ]
