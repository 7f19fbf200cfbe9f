"""How far a score has come from the patient's own baseline, and what that means.

The idea to know: a fall is better on every scale that ships. Decisions are made on whole points and exact
ratios; the rounded percentage is only for showing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from enum import StrEnum

from patients.domain.scoring import Finding, Kind, Threshold, Unit

_TENTH = Decimal("0.1")


class Meaning(StrEnum):
    """What a change means, the strongest first."""

    REMISSION = "remission"
    RESPONSE = "response"
    SUBSTANTIAL = "substantial"
    IMPROVED = "improved"
    WORSE = "worse"
    UNCHANGED = "no_meaningful_change"


class BaselineRule(StrEnum):
    """Why an assessment is the baseline."""

    BEFORE_TREATMENT = "before_treatment"
    FIRST = "first"


@dataclass(frozen=True, slots=True)
class Scored:
    """An earlier complete assessment of the same instrument."""

    id: int
    score: int
    answered_at: datetime


@dataclass(frozen=True, slots=True)
class Baseline:
    """The assessment that a score is read against."""

    scored: Scored
    rule: BaselineRule


@dataclass(frozen=True, slots=True)
class Change:
    """From the baseline to now: negative is a fall. ``percent`` is None from a baseline of 0."""

    points: int
    percent: Decimal | None
    meaning: Meaning
    meets: tuple[Meaning, ...]
    """Everything it amounts to, the strongest first."""


def choose_baseline(*, earlier: Sequence[Scored], treatment_began: datetime | None) -> Baseline | None:
    """The latest assessment not after the beginning of the treatment; without one, the first of all.

    ``earlier``: complete ones answered before the one that is read.
    """
    ordered = sorted(earlier, key=lambda each: (each.answered_at, each.id))
    if not ordered:
        return None
    before = [each for each in ordered if treatment_began and each.answered_at <= treatment_began]
    if before:
        return Baseline(before[-1], BaselineRule.BEFORE_TREATMENT)
    return Baseline(ordered[0], BaselineRule.FIRST)


def compare(*, score: int, baseline: int, thresholds: Sequence[Threshold]) -> Change:
    """What the way from ``baseline`` to ``score`` amounts to by the instrument's own thresholds."""
    fall = baseline - score
    meets = []
    for kind, meaning in (
        (Kind.REMISSION, Meaning.REMISSION),
        (Kind.RESPONSE, Meaning.RESPONSE),
        (Kind.SUBSTANTIAL, Meaning.SUBSTANTIAL),
        (Kind.MEANINGFUL, Meaning.IMPROVED),
    ):
        of_kind = [each for each in thresholds if each.kind == kind]
        if any(_fell(score, baseline, each) for each in of_kind):
            meets.append(meaning)
    if _rose_enough(-fall, thresholds):
        meets.append(Meaning.WORSE)
    percent = (
        (Decimal(-fall * 100) / baseline).quantize(_TENTH, rounding=ROUND_HALF_EVEN) if baseline else None
    )
    return Change(
        points=-fall, percent=percent, meaning=meets[0] if meets else Meaning.UNCHANGED, meets=tuple(meets)
    )


def worsened(
    *, score: int, baseline: int | None, previous: int | None, thresholds: Sequence[Threshold]
) -> tuple[Finding, ...]:
    """The worsening thresholds crossed since the baseline or the previous answer, whichever is lower."""
    known = [each for each in (baseline, previous) if each is not None]
    if not known:
        return ()
    rise = score - min(known)
    return tuple(Finding(each) for each in thresholds if each.kind == Kind.WORSENING and rise >= each.value)


def _fell(score: int, baseline: int, threshold: Threshold) -> bool:
    fall = baseline - score
    if threshold.unit == Unit.BELOW:  # remission is of somebody who was not there already
        return score < threshold.value <= baseline
    if threshold.unit == Unit.PERCENT:
        return fall > 0 and fall * 100 >= threshold.value * baseline
    return fall >= threshold.value


def _rose_enough(rise: int, thresholds: Sequence[Threshold]) -> bool:
    """By the worsening thresholds; an instrument without one goes by its meaningful points."""
    worsening = [each.value for each in thresholds if each.kind == Kind.WORSENING]
    meaningful = [e.value for e in thresholds if e.kind == Kind.MEANINGFUL and e.unit == Unit.POINTS]
    return any(rise >= value for value in worsening or meaningful)
