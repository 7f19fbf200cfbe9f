"""Which warnings the background raises, and what state a warning is in on a day.

Pure: kinds of flags (rows of the clinic) over what is recorded. A flag warns; it never blocks or decides.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from patients.domain.medicines import Medicine, named
from patients.domain.washout import Clash

WASHOUT = "washout"
"""The kind of flag that a clash of two medicines raises."""
LONGEST_VALUE = 300


class FlagState(StrEnum):
    """What a flag asks for on a day."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True)
class Entry:
    """An entry of the background: ``thread`` stays through corrections, ``what`` is a code or words."""

    thread: int
    what: str
    shown: str
    until_on: date | None = None


@dataclass(frozen=True)
class Background:
    """What raises flags. Only entries held true now."""

    medicines: Sequence[Medicine] = ()
    concerns: Sequence[Entry] = ()
    allergies: Sequence[Entry] = ()
    pregnancy: Entry | None = None


@dataclass(frozen=True)
class FlagRule:
    """One kind of flag, with what raises it."""

    code: str
    severity: str
    source: str
    medicine_classes: frozenset[str] = frozenset()
    medicine_words: tuple[str, ...] = ()
    concerns: frozenset[str] = frozenset()
    allergy_words: tuple[str, ...] = ()
    pregnancy_states: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Raised:
    """A flag that should stand. ``key`` is the same as long as its cause is."""

    kind: str
    key: str
    severity: str
    value: str
    source: str
    expires_on: date | None = None


def raised(
    *, rules: Sequence[FlagRule], background: Background, clashes: Sequence[Clash], today: date
) -> list[Raised]:
    """Every flag that the background asks for today, one for each cause and kind. Source: DOMAIN 2 and 3."""
    found: dict[str, Raised] = {}
    for rule in rules:
        for cause, value, until in _causes(rule, background, today):
            key = f"{rule.code}:{cause}"
            found[key] = Raised(
                kind=rule.code,
                key=key,
                severity=rule.severity,
                value=value[:LONGEST_VALUE],
                source=rule.source,
                expires_on=until,
            )
        if rule.code == WASHOUT:
            found |= {each.key: each for each in (_of_clash(clash, rule) for clash in clashes)}
    return list(found.values())


def state(*, status: str, expires_on: date | None, acknowledged_until: date | None, today: date) -> FlagState:
    """What the flag asks for today: an acknowledgement that no longer holds leaves it open again."""
    if status == FlagState.WITHDRAWN:
        return FlagState.WITHDRAWN
    if expires_on is not None and expires_on < today:
        return FlagState.EXPIRED
    if status == FlagState.ACKNOWLEDGED and (acknowledged_until is None or acknowledged_until >= today):
        return FlagState.ACKNOWLEDGED
    return FlagState.OPEN


def _causes(rule: FlagRule, background: Background, today: date) -> Iterator[tuple[str, str, date | None]]:
    """(what it hangs on, what is said, its last day)."""
    for medicine in background.medicines:
        by_class = medicine.medicine_class in rule.medicine_classes
        if not medicine.over_by(today) and (by_class or named(medicine.name, rule.medicine_words)):
            last = medicine.stopped_on and medicine.stopped_on - timedelta(days=1)
            yield f"{medicine.key}:{medicine.name.casefold()}", medicine.name, last
    for entry in background.concerns:
        if entry.what in rule.concerns and not _over(entry, today):
            yield f"concern:{entry.thread}", entry.shown, entry.until_on
    for entry in background.allergies:
        if named(entry.what, rule.allergy_words) and not _over(entry, today):
            yield f"allergy:{entry.thread}", entry.shown, entry.until_on
    told = background.pregnancy
    if told is not None and told.what in rule.pregnancy_states and not _over(told, today):
        yield f"pregnancy:{told.thread}:{told.what}", told.shown, told.until_on


def _over(entry: Entry, today: date) -> bool:
    return entry.until_on is not None and entry.until_on < today


def _of_clash(clash: Clash, rule: FlagRule) -> Raised:
    return Raised(
        kind=rule.code,
        key=f"{rule.code}:{clash.rule.code}:{clash.first.key}:{clash.second.key}",
        severity=rule.severity,
        value=clash.sentence[:LONGEST_VALUE],
        source=clash.rule.source,
        expires_on=clash.clear_on and clash.clear_on - timedelta(days=1),
    )
