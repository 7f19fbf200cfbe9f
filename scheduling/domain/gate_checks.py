"""One check per gate: from answers, facts and limits to pass, fail or open. DOMAIN section 2.

A limit of 0 is switched off. A time exactly at its limit is still good.
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import Any

from scheduling.domain.gate_facts import (
    Answers,
    Facts,
    Finding,
    Limits,
    Reading,
    failed,
    missing,
    passed,
)

Check = Callable[[Answers | None, Facts, Limits], Finding]

_EATEN = (
    ("clear_fluids", "Clear fluids"),
    ("light_meal", "A light meal"),
    ("fatty_meal", "A fatty meal"),
)
_ASKED_AGAIN = (
    ("pregnancy", "pregnancy"),
    ("new_medicines", "new medicines"),
    ("substances", "substances"),
)


def consent(answers: Answers | None, facts: Facts, limits: Limits) -> Finding:
    """Signed, and not longer ago than it is valid. Days are days of the site's calendar."""
    if answers is None:
        return missing("No consent is recorded for this kind of treatment.")
    if answers["signed_on"] is None:
        return failed("The patient has not signed consent.", None)
    signed = date.fromisoformat(answers["signed_on"])
    today = facts.at.astimezone(facts.zone).date()
    if limits["valid_days"] and (today - signed).days > limits["valid_days"]:
        return failed(f"Consent was signed on {signed}: longer ago than {limits['valid_days']} days.", signed)
    return passed(f"Signed on {signed}.")


def _yes(name: str, *, yes: str, no: str, unasked: str) -> Check:
    """A gate that is one yes or no."""

    def check(answers: Answers | None, _facts: Facts, _limits: Limits) -> Finding:
        if answers is None:
            return missing(unasked)
        return passed(yes) if answers[name] else failed(no, name)

    return check


def escort(answers: Answers | None, _facts: Facts, _limits: Limits) -> Finding:
    """Somebody is named who takes the patient home. The name stays in the answer."""
    if answers is None:
        return missing("Nobody has been named.")
    return passed("Somebody is named.")


def fasting(answers: Answers | None, facts: Facts, limits: Limits) -> Finding:
    """Long enough since each kind of food and drink, at this moment: waiting is a way to pass."""
    if answers is None:
        return missing("The patient has not been asked.")
    short = []
    for name, words in _EATEN:
        taken, least = answers[f"{name}_at"], limits[f"{name}_minutes"]
        if taken is None or not least:
            continue
        enough_at = datetime.fromisoformat(taken) + timedelta(minutes=least)
        if facts.at < enough_at:
            until = f"{enough_at.astimezone(facts.zone):%H:%M on %Y-%m-%d}"
            short.append(f"{words} less than {_length(least)} ago: enough from {until}.")
    return failed(" ".join(short), sorted(answers.items())) if short else passed("Fasted long enough.")


def weight(_answers: Answers | None, facts: Facts, limits: Limits) -> Finding:
    """Taken for this visit, not longer ago than it is valid."""
    if facts.weighed_at is None:
        return missing("The patient has not been weighed.")
    if _older(facts.weighed_at, facts.at, hours=limits["valid_hours"]):
        return missing(f"Weighed more than {limits['valid_hours']} h ago.", facts.weighed_at)
    return passed("Weighed.")


def vitals(_answers: Answers | None, facts: Facts, limits: Limits) -> Finding:
    """The latest full reading before the start is recent; what it and any later ones flagged was answered.

    ``review`` and ``urgent`` are answered by a prescriber, ``acknowledge`` by anybody clinical.
    """
    seen = [
        each for each in facts.readings if facts.started_at is None or each.measured_at <= facts.started_at
    ]
    full = [each for each in seen if each.complete]
    if not full:
        return missing("Blood pressure and oxygen saturation have not been measured.")
    latest = full[-1]
    if _older(latest.measured_at, facts.at, minutes=limits["valid_minutes"]):
        return missing(f"Measured more than {_length(limits['valid_minutes'])} ago.", latest.id)
    unanswered = [each for each in seen[seen.index(latest) :] if not each.answered]
    if not unanswered:
        return passed("Measured, and what was flagged is answered.")
    grave = any(each.level != "acknowledge" for each in unanswered)
    whose = "A prescriber has not reviewed" if grave else "Nobody has acknowledged"
    return failed(f"{whose} a flagged reading.", [(each.id, each.level) for each in unanswered])


def rescreen(answers: Answers | None, _facts: Facts, _limits: Limits) -> Finding:
    """Asked for this visit, and nothing is new."""
    if answers is None:
        return missing("Not asked for this visit.")
    found = [words for name, words in _ASKED_AGAIN if answers[name] == "yes"]
    if found:
        return failed(f"Answered yes: {', '.join(found)}.", found)
    return passed("Asked; nothing new.")


def flags(_answers: Answers | None, facts: Facts, _limits: Limits) -> Finding:
    """A prescriber has acknowledged every screening flag that stands."""
    if facts.open_flags:
        count = len(facts.open_flags)
        said = f"{count} screening flag{'s are' if count > 1 else ' is'} not acknowledged."
        return failed(said, sorted(facts.open_flags))
    return passed("No screening flag is open.")


def mood(_answers: Answers | None, facts: Facts, limits: Limits) -> Finding:
    """No safety alarm holds the treatment (DOMAIN section 4: nobody goes on without the sign-off), and the
    PHQ-9 was answered recently where it is asked."""
    if facts.alarms:
        return failed("A safety alarm is not signed off.", sorted(facts.alarms), overridable=False)
    hours = limits["phq9_valid_hours"]
    if hours and facts.phq9_at is None:
        return missing(f"No complete PHQ-9 of the last {hours} h.")
    if facts.phq9_at is not None and _older(facts.phq9_at, facts.at, hours=hours):
        return missing(f"No complete PHQ-9 of the last {hours} h.", facts.phq9_at)
    return passed("No safety alarm is open.")


def aldrete(answers: Answers | None, _facts: Facts, limits: Limits) -> Finding:
    """The modified Aldrete score: five domains of 0 to 2, at least so many points in all."""
    if answers is None:
        return missing("Not scored yet.")
    total = sum(answers.values())
    if total < limits["least"]:
        return failed(f"{total} of 10; at least {limits['least']} are needed.", sorted(answers.items()))
    return passed(f"{total} of 10.")


def blood_pressure(_answers: Answers | None, facts: Facts, limits: Limits) -> Finding:
    """The latest pressure after the infusion, recent, and near the latest one before it (either way)."""
    taken = [each for each in facts.readings if each.systolic is not None and each.diastolic is not None]
    after = [each for each in taken if facts.ended_at is not None and each.measured_at >= facts.ended_at]
    if not after:
        return missing("Not measured since the infusion ended.")
    latest = after[-1]
    if _older(latest.measured_at, facts.at, minutes=limits["valid_minutes"]):
        return missing(f"Measured more than {_length(limits['valid_minutes'])} ago.", latest.id)
    if not limits["within_percent"]:
        return passed("Measured.")
    before = [each for each in taken if facts.started_at is not None and each.measured_at <= facts.started_at]
    if not before:
        return failed("There is no reading from before the start to compare with.", "no_baseline", latest.id)
    apart = f"within {limits['within_percent']} % of the reading before the start"
    if _near(latest, before[-1], percent=limits["within_percent"]):
        return passed(f"It is {apart}.")
    return failed(f"It is not {apart}.", latest.id, before[-1].id)


def observation(_answers: Answers | None, facts: Facts, limits: Limits) -> Finding:
    """So many minutes since the dose; since the start while no time of the dose is recorded."""
    since = facts.dosed_at or facts.started_at
    if since is None:
        return missing("Treatment has not begun.")
    enough_at = since + timedelta(minutes=limits["least_minutes"])
    if facts.at < enough_at:
        return failed(f"Observed until {enough_at.astimezone(facts.zone):%H:%M} at least.", since)
    return passed(f"Observed for {_length(limits['least_minutes'])}.")


def resolved(_answers: Answers | None, facts: Facts, _limits: Limits) -> Finding:
    """Both were seen to have resolved."""
    ends = (
        ("sedation", facts.sedation_resolved_at),
        ("dissociation", facts.dissociation_resolved_at),
    )
    left = [words for words, at in ends if at is None or at > facts.at]
    if left:
        return missing(f"Not recorded as resolved: {', '.join(left)}.", left)
    return passed("Both have resolved.")


def _older(moment: datetime, at: datetime, *, minutes: int = 0, hours: int = 0) -> bool:
    """Whether it lies further back than a limit that is not switched off."""
    limit = timedelta(minutes=minutes, hours=hours)
    return bool(limit) and at - moment > limit


def _near(reading: Reading, baseline: Reading, *, percent: int) -> bool:
    pairs: list[tuple[Any, Any]] = [
        (reading.systolic, baseline.systolic),
        (reading.diastolic, baseline.diastolic),
    ]
    return all(100 * abs(now - then) <= percent * then for now, then in pairs)


def _length(minutes: int) -> str:
    hours, rest = divmod(minutes, 60)
    return f"{hours} h" if hours and not rest else f"{minutes} min"


CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        "consent": consent,
        "identity": _yes(
            "checked",
            yes="Name and date of birth were checked.",
            no="Name and date of birth do not agree.",
            unasked="Not checked for this visit.",
        ),
        "escort": escort,
        "driving": _yes(
            "acknowledged",
            yes="The patient knows not to drive.",
            no="The patient has not agreed not to drive.",
            unasked="The patient has not been told.",
        ),
        "fasting": fasting,
        "weight": weight,
        "vitals": vitals,
        "rescreen": rescreen,
        "flags": flags,
        "mood": mood,
        "aldrete": aldrete,
        "blood_pressure": blood_pressure,
        "oriented": _yes("oriented", yes="Oriented.", no="Not oriented.", unasked="Not asked yet."),
        "gait": _yes("steady", yes="Steady.", no="Not steady.", unasked="Not looked at yet."),
        "escort_present": _yes(
            "present",
            yes="The escort is here.",
            no="The escort is not here.",
            unasked="Nobody has looked for the escort.",
        ),
        "driving_advice": _yes(
            "told",
            yes="The patient was told.",
            no="The patient has not been told.",
            unasked="The patient has not been told.",
        ),
        "observation": observation,
        "resolved": resolved,
    }
)
