"""What the gates of one visit are judged on, and what a check finds: explicit, so judging needs no clock."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from enum import StrEnum
from typing import Any

Answers = Mapping[str, Any]
Limits = Mapping[str, int]


class State(StrEnum):
    """How a gate stands. Open: not answered or not measured yet."""

    OPEN = "open"
    PASS = "pass"  # noqa: S105 - the opposite of failing
    FAIL = "fail"
    OVERRIDDEN = "overridden"


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One set of vital signs that has not been struck. Pressures in mmHg, saturation in percent."""

    id: int
    measured_at: datetime
    systolic: int | None = None
    diastolic: int | None = None
    spo2: int | None = None
    level: str = ""
    """The gravest threshold it reached: acknowledge, review, urgent, or none."""
    acknowledged: bool = False
    acknowledged_by_prescriber: bool = False

    @property
    def complete(self) -> bool:
        """Whether it says enough to start on."""
        return self.systolic is not None and self.diastolic is not None and self.spo2 is not None

    @property
    def answered(self) -> bool:
        """Whether whoever must look at such a reading has."""
        if self.level in {"", "acknowledge"}:
            return self.acknowledged or not self.level
        return self.acknowledged_by_prescriber


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Everything that is known about a visit at the moment ``at`` for which its gates are judged."""

    at: datetime
    zone: tzinfo
    """The site's."""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    weighed_at: datetime | None = None
    readings: Sequence[Reading] = ()
    """The earliest first."""
    open_flags: Sequence[int] = ()
    """Screening flags that no prescriber has acknowledged."""
    alarms: Sequence[int] = ()
    """Safety alarms that no prescriber has cleared for treatment."""
    phq9_at: datetime | None = None
    """When the latest complete PHQ-9 was answered."""
    dosed_at: datetime | None = None
    sedation_resolved_at: datetime | None = None
    dissociation_resolved_at: datetime | None = None


@dataclass(frozen=True)
class Finding:
    """What one check found. ``basis``: the facts it hangs on; an override ends when they change."""

    state: State
    detail: str
    basis: tuple[Any, ...] = ()
    overridable: bool = True


def passed(detail: str) -> Finding:
    """It is as it must be."""
    return Finding(State.PASS, detail)


def failed(detail: str, *basis: Any, overridable: bool = True) -> Finding:
    """It is not."""
    return Finding(State.FAIL, detail, basis, overridable)


def missing(detail: str, *basis: Any) -> Finding:
    """Nobody knows yet."""
    return Finding(State.OPEN, detail, basis)
