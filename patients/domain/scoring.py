"""From answers to a result: complete or not, the score, its band, and the answers nobody may overlook.

The idea to know: an incomplete questionnaire has no score and no band, but a critical answer in it
counts all the same.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from patients.domain.instruments import Answers, Instrument, Method


class Kind(StrEnum):
    """What a threshold says."""

    BAND = "band"
    CRITICAL = "critical"
    UNANSWERED = "unanswered"
    RESPONSE = "response"
    REMISSION = "remission"
    SUBSTANTIAL = "substantial"
    MEANINGFUL = "meaningful"
    WORSENING = "worsening"


class Unit(StrEnum):
    """In what a threshold's value is counted."""

    POINTS = "points"
    PERCENT = "percent"
    """Of the baseline's score."""
    BELOW = "below"
    """Points of the score itself, which must be lower."""
    ANSWER = "answer"
    """The value of one item."""
    ITEMS = "items"


class Opens(StrEnum):
    """What crossing a threshold opens."""

    NOTHING = ""
    REVIEW = "review"
    ALARM = "alarm"


SEVERITY_RANK = {"positive": 1, "acute": 2}
"""Of critical answers in a screen; the bands of a screen are counted in these ranks, 0 being negative."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """One number of an instrument, as the clinic has it in its data."""

    kind: Kind
    value: Decimal
    unit: Unit = Unit.POINTS
    code: str = ""
    item: str = ""
    """Of a critical answer; empty means any item."""
    opens: Opens = Opens.NOTHING
    severity: str = ""
    owner_role: str = ""
    within_minutes: int | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """A threshold that was crossed, and by which items."""

    threshold: Threshold
    items: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """What a set of answers comes to."""

    score: int | None
    band: str
    missing: tuple[str, ...]
    findings: tuple[Finding, ...]

    @property
    def complete(self) -> bool:
        """Whether everything that was to be answered was."""
        return not self.missing


def assess(*, instrument: Instrument, thresholds: Sequence[Threshold], answers: Answers) -> Result:
    """Score answers that :meth:`Instrument.read` has accepted."""
    missing = instrument.missing(answers)
    findings = tuple(_findings(thresholds, answers, missing))
    score: int | None = None
    band = ""
    if not missing and instrument.method == Method.SUM:
        score = sum(answers.values())
        band = band_of(score, thresholds)
    elif not missing and instrument.method == Method.SCREEN:
        ranks = (SEVERITY_RANK.get(finding.threshold.severity, 0) for finding in findings)
        band = band_of(max(ranks, default=0), thresholds)
    return Result(score=score, band=band, missing=missing, findings=findings)


def band_of(score: int, thresholds: Iterable[Threshold]) -> str:
    """The code of the highest band that begins at or below the score; empty when there is none."""
    reached = [each for each in thresholds if each.kind == Kind.BAND and each.value <= score]
    return max(reached, key=lambda each: each.value).code if reached else ""


def _findings(
    thresholds: Sequence[Threshold], answers: Answers, missing: tuple[str, ...]
) -> Iterable[Finding]:
    for threshold in thresholds:
        if threshold.kind == Kind.CRITICAL:
            items = tuple(
                code
                for code, value in answers.items()
                if threshold.item in {"", code} and value >= threshold.value
            )
            if items:
                yield Finding(threshold, items)
        elif threshold.kind == Kind.UNANSWERED and len(missing) >= threshold.value:
            yield Finding(threshold, missing)
