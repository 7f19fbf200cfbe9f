"""A visit as a row of phases, each needing some resources, and what that asks of each resource.

The idea to know: neighbouring phases that need the same thing become one unbroken requirement, so the
chair of an infusion is asked for once, from set-up to the end of turnover.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from itertools import pairwise

from clinic.common.errors import FieldError, Invalid

MAX_PHASES = 40
MAX_VISIT_MINUTES = 24 * 60
MAX_NAME_LENGTH = 80


class Kind(StrEnum):
    """What sort of resource a visit needs."""

    CHAIR = "chair"
    NURSE = "nurse"
    PRESCRIBER = "prescriber"
    PUMP = "pump"
    ROOM = "room"


class Use(StrEnum):
    """``exclusive``: one patient at a time. ``shared``: beside others, up to the resource's capacity."""

    EXCLUSIVE = "exclusive"
    SHARED = "shared"


PEOPLE = frozenset({Kind.NURSE, Kind.PRESCRIBER})
"""Kinds whose exclusive use runs beside their shared use: a nurse has her hands on one patient while
watching others. Of a chair, a pump or a room, exclusive means alone."""


@dataclass(frozen=True, slots=True, order=True)
class Need:
    """One resource of ``kind``, used so."""

    kind: Kind
    use: Use


@dataclass(frozen=True, slots=True)
class Phase:
    """A named part of a visit, in whole elapsed minutes, and what is needed throughout it."""

    name: str
    minutes: int
    needs: tuple[Need, ...] = ()


@dataclass(frozen=True, slots=True)
class Requirement:
    """``kind`` is used so for ``minutes``, beginning ``offset_minutes`` after the visit starts."""

    kind: Kind
    use: Use
    offset_minutes: int
    minutes: int

    @property
    def until_minutes(self) -> int:
        """Minutes after the start of the visit at which this use ends."""
        return self.offset_minutes + self.minutes

    @property
    def offset(self) -> timedelta:
        """How long after the start of the visit this use begins."""
        return timedelta(minutes=self.offset_minutes)

    @property
    def until(self) -> timedelta:
        """How long after the start of the visit this use ends."""
        return timedelta(minutes=self.until_minutes)


class InvalidPhases(Invalid):
    """The phases of a visit type are not usable; ``errors`` names each fault by JSON pointer."""

    code = "invalid_phases"


def total_minutes(phases: Iterable[Phase]) -> int:
    """Length of the visit in elapsed minutes."""
    return sum(phase.minutes for phase in phases)


def infusion_phase(phases: Sequence[Phase]) -> int | None:
    """The index of the phase in which the drug runs; None where a visit has none.

    It follows from what is needed, not from a name: the first phase without a nurse's hands on the patient
    after those of the set-up (from the beginning, where no phase is hands-on).
    """
    hands_on = [Need(Kind.NURSE, Use.EXCLUSIVE) in phase.needs for phase in phases]
    after = hands_on.index(True) if any(hands_on) else 0
    return next((index for index in range(after, len(phases)) if not hands_on[index]), None)


def with_infusion_minutes(phases: Sequence[Phase], minutes: int) -> tuple[Phase, ...]:
    """The phases with the infusion that long; what comes after it moves, nothing else changes.

    Raises Invalid: ``no_infusion_phase``, ``out_of_range`` when the visit would outlast a day.
    """
    index = infusion_phase(phases)
    if index is None:
        raise Invalid(
            "No phase of this visit type runs without a nurse's hands, so its duration cannot change.",
            code="no_infusion_phase",
        )
    changed = (*phases[:index], replace(phases[index], minutes=minutes), *phases[index + 1 :])
    if minutes < 1 or total_minutes(changed) > MAX_VISIT_MINUTES:
        raise Invalid(f"A visit lasts 1 to {MAX_VISIT_MINUTES} minutes in all.", code="out_of_range")
    return changed


def requirements(phases: Sequence[Phase]) -> tuple[Requirement, ...]:
    """What the visit asks, ordered by the first phase that needs the kind and use, then by time.

    Adjacent phases with the same need are one requirement; all requirements of one kind are met by one
    and the same resource.
    """
    edges = [0]
    for phase in phases:
        edges.append(edges[-1] + phase.minutes)
    runs: dict[Need, list[tuple[int, int]]] = {}
    for phase, (start, end) in zip(phases, pairwise(edges), strict=True):
        for need in phase.needs:
            spans = runs.setdefault(need, [])
            if spans and spans[-1][1] == start:
                spans[-1] = (spans[-1][0], end)
            else:
                spans.append((start, end))
    return tuple(
        Requirement(need.kind, need.use, start, end - start)
        for need, spans in runs.items()
        for start, end in spans
    )


def to_json(phases: Iterable[Phase]) -> list[dict[str, object]]:
    """The phases as the API and the database hold them."""
    return [
        {
            "name": phase.name,
            "minutes": phase.minutes,
            "needs": [{"kind": need.kind.value, "use": need.use.value} for need in phase.needs],
        }
        for phase in phases
    ]


def parse(value: object, *, pointer: str = "/phases") -> tuple[Phase, ...]:
    """Phases from decoded JSON ``[{"name", "minutes", "needs": [{"kind", "use"}]}]``.

    Accepts 1 to 40 phases of whole minutes, 24 hours in all. Raises InvalidPhases listing every fault,
    each with the pointer (below ``pointer``) of the value at fault.
    """
    reader = _Reader()
    phases = reader.phases(value, pointer)
    if reader.faults:
        where = reader.faults[0]
        raise InvalidPhases(f"{where.pointer}: {where.detail}", errors=reader.faults)
    return phases


class _Reader:
    """Reads what it can and remembers every fault, so that a person corrects them in one go."""

    def __init__(self) -> None:
        self.faults: list[FieldError] = []

    def fault(self, pointer: str, code: str, detail: str) -> None:
        self.faults.append(FieldError(pointer, code, detail))

    def phases(self, value: object, at: str) -> tuple[Phase, ...]:
        if not isinstance(value, list):
            self.fault(at, "not_a_list", "must be a list of phases")
            return ()
        if not 1 <= len(value) <= MAX_PHASES:
            self.fault(at, "out_of_range", f"must have 1 to {MAX_PHASES} phases")
            return ()
        phases = tuple(self.phase(item, f"{at}/{index}") for index, item in enumerate(value))
        if not self.faults and total_minutes(phases) > MAX_VISIT_MINUTES:
            self.fault(
                at, "visit_too_long", f"the phases must last {MAX_VISIT_MINUTES} minutes at most in all"
            )
        return phases

    def phase(self, value: object, at: str) -> Phase:
        fields = self.fields(value, at, allowed=("name", "minutes", "needs"), required=("name", "minutes"))
        name = self.name(fields["name"], f"{at}/name") if "name" in fields else ""
        minutes = self.minutes(fields["minutes"], f"{at}/minutes") if "minutes" in fields else 0
        return Phase(name, minutes, self.needs(fields.get("needs", []), f"{at}/needs"))

    def name(self, value: object, at: str) -> str:
        # Unprintable characters include NUL and lone surrogates, which PostgreSQL cannot store.
        usable = isinstance(value, str) and value.isprintable() and value.strip()
        if not usable or len(str(value)) > MAX_NAME_LENGTH:
            self.fault(at, "invalid_name", f"must be printable text of 1 to {MAX_NAME_LENGTH} characters")
            return ""
        return str(value).strip()

    def minutes(self, value: object, at: str) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MAX_VISIT_MINUTES:
            self.fault(at, "out_of_range", f"must be a whole number of minutes from 1 to {MAX_VISIT_MINUTES}")
            return 0
        return value

    def needs(self, value: object, at: str) -> tuple[Need, ...]:
        if not isinstance(value, list):
            self.fault(at, "not_a_list", "must be a list of needs")
            return ()
        if len(value) > len(Kind) * len(Use):
            self.fault(at, "duplicate", "lists some need twice")
            return ()
        needs: list[Need] = []
        for index, item in enumerate(value):
            here = f"{at}/{index}"
            need = self.need(item, here)
            if need is None:
                continue
            if need in needs:
                self.fault(here, "duplicate", f"{need.use} use of a {need.kind} is already listed")
            elif need.kind not in PEOPLE and any(other.kind == need.kind for other in needs):
                self.fault(here, "contradiction", f"a {need.kind} is either exclusive or shared, not both")
            else:
                needs.append(need)
        return tuple(needs)

    def need(self, value: object, at: str) -> Need | None:
        fields = self.fields(value, at, allowed=("kind", "use"), required=("kind", "use"))
        kind, use = fields.get("kind"), fields.get("use")
        if "kind" in fields and not (isinstance(kind, str) and kind in list(Kind)):
            self.fault(f"{at}/kind", "unknown_kind", f"must be one of {', '.join(Kind)}")
            return None
        if "use" in fields and not (isinstance(use, str) and use in list(Use)):
            self.fault(f"{at}/use", "unknown_use", f"must be one of {', '.join(Use)}")
            return None
        return Need(Kind(str(kind)), Use(str(use))) if len(fields) == len(("kind", "use")) else None

    def fields(
        self, value: object, at: str, *, allowed: Sequence[str], required: Sequence[str]
    ) -> dict[str, object]:
        if not isinstance(value, dict):
            self.fault(at, "not_an_object", f"must be an object with {', '.join(allowed)}")
            return {}
        for name in value:
            if name not in allowed:
                # The unknown name is the caller's: it is pointed at by its parent, not echoed.
                self.fault(at, "unknown_field", f"may only have {', '.join(allowed)}")
                break
        for name in required:
            if name not in value:
                self.fault(f"{at}/{name}", "required", "is required")
        return {name: value[name] for name in allowed if name in value}
