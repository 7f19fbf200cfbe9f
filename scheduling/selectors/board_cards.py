"""One visit as the board shows it, and what a person may see and do there."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from clinic.access.policy import Actor
from clinic.common.intervals import Interval
from scheduling.domain import board, board_steps, phases, vitals
from scheduling.domain.board import Place
from scheduling.domain.session_stages import Stage, stage_of
from scheduling.domain.transitions import Status
from scheduling.models import VisitType
from scheduling.models.infusion_rules import INFUSED
from scheduling.selectors.board_rows import VisitRow

_MOVABLE = frozenset({Status.BOOKED, Status.CONFIRMED})


@dataclass(frozen=True, slots=True)
class Sight:
    """What a person may see and do on the board of one site."""

    clinical: bool
    gates: bool
    writes: bool
    treats: bool

    @classmethod
    def of(cls, actor: Actor, site_id: int) -> "Sight":
        """By the one table of permissions."""
        wanted = ("infusion_day.read", "gates.read", "appointments.write", "infusion_day.write")
        return cls(*(actor.may(permission, site_id) for permission in wanted))

    @property
    def key(self) -> str:
        """The same for two people who are shown the same."""
        return "".join("01"[flag] for flag in (self.clinical, self.gates, self.writes, self.treats))


@dataclass(slots=True, kw_only=True)
class Card:
    """One visit as the board shows it."""

    id: int
    version: int
    session_version: int | None
    patient_id: int
    patient: str
    born_on: date
    visit_type: str
    infused: bool
    start_at: datetime
    end_at: datetime
    status: Status
    stage: Stage
    since: datetime | None
    """Since when the patient is where they are; None before arrival."""
    reason: str
    unconfirmed: bool
    """Nobody confirmed it, and somebody was asked to call."""
    held: bool
    """A safety alarm of the patient is not signed off, so the treatment may not start."""
    ends_at: datetime
    """When it will leave its chair as things are; never before its planned end."""
    steps: list[str]
    next_step: str | None
    can_undo: bool
    can_move: bool
    can_change_chair: bool
    chair_id: int | None = None
    staff: list[str] = field(default_factory=list)
    place: Place | None = None
    """None for a visit that will not happen: it stands beside the board, not on it."""
    into_next: int = 0
    """By how many minutes it will run into the next visit on its chair."""
    blockers: list[str] = field(default_factory=list)
    """The gates that keep it from its next step, by name."""
    vitals_due_at: datetime | None = None
    vitals_overdue_at: datetime | None = None
    unanswered: str = ""
    """The gravest level of a reading that nobody acknowledged."""


def of(rows: Sequence[VisitRow], *, sight: Sight, upcoming: bool, now: datetime) -> list[Card]:
    """The cards of these visits, not placed yet. ``upcoming``: the day has not come. One query."""
    types = {
        pk: (name, kind in INFUSED, timedelta(minutes=vitals.around(phases.parse(given))[0]))
        for pk, name, kind, given in VisitType.objects.filter(pk__in={row.visit_type_id for row in rows})
        .order_by()
        .values_list("pk", "name", "kind", "phases")
    }
    return [_card(row, *types[row.visit_type_id], sight=sight, upcoming=upcoming, now=now) for row in rows]


def _card(
    row: VisitRow,
    visit_type: str,
    infused: bool,  # noqa: FBT001 - a row of the dictionary above
    set_up: timedelta,
    *,
    sight: Sight,
    upcoming: bool,
    now: datetime,
) -> Card:
    status = Status(row.status)
    stage = stage_of(status, infusion_ended_at=row.infusion_ended_at, discharged_at=row.discharged_at)
    steps = board_steps.possible(
        status=status,
        stage=stage,
        infused=infused,
        begun=now >= row.start_at,
        writes=sight.writes,
        treats=sight.treats,
    )
    return Card(
        id=row.id,
        version=row.version,
        session_version=row.session_version,
        patient_id=row.patient_id,
        patient=f"{row.preferred_name or row.first_name} {row.last_name}",
        born_on=row.born_on,
        visit_type=visit_type,
        infused=infused,
        start_at=row.start_at,
        end_at=row.end_at,
        status=status,
        stage=stage,
        since=_since(row, stage),
        reason=row.reason,
        unconfirmed=row.unconfirmed and status == Status.BOOKED,
        held=infused and row.alarmed and stage in {Stage.EXPECTED, Stage.WAITING},
        ends_at=board.projected_end(
            Interval(row.start_at, row.end_at),
            stage=stage,
            set_up=set_up,
            started_at=row.started_at or (row.since if status == Status.IN_PROGRESS else None),
            now=now,
        ),
        steps=[str(step) for step in steps],
        next_step=board_steps.next_of(steps, on_the_day=not upcoming),
        can_undo=(sight.treats if row.latest_verb in board_steps.CLINICAL else sight.writes)
        and board_steps.undoable(row.latest_verb, row.latest_at, now=now),
        can_move=sight.writes and status in _MOVABLE,
        can_change_chair=sight.writes and stage in {Stage.EXPECTED, Stage.WAITING},
    )


def _since(row: VisitRow, stage: Stage) -> datetime | None:
    if stage in {Stage.EXPECTED, Stage.OFF}:
        return None
    at = {
        Stage.INFUSING: row.started_at,
        Stage.RECOVERY: row.infusion_ended_at,
        Stage.DISCHARGED: row.discharged_at,
    }.get(stage)
    return at or row.since
