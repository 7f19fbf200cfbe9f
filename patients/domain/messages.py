"""From what a plan wants to what the outbox should hold: which channel carries a message, which does
not and why, and the difference to the rows that exist. Pure: services load, lock and store."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from patients.domain.quiet_hours import QuietHours, is_quiet, moment_to_send

CHANNELS = ("email", "sms")


class Suppression(StrEnum):
    """Why a wanted message is not sent on a channel. The values are the row's ``reason``."""

    DECEASED = "patient_deceased"
    INACTIVE = "patient_inactive"
    SMS_OFF = "sms_off"
    NO_ADDRESS = "no_address"
    OPTED_OUT = "opted_out"
    CONTACT_FAILED = "contact_failed"
    PAST = "past"
    CAPPED = "capped"


NOBODY_CALLS = frozenset({Suppression.DECEASED, Suppression.PAST, Suppression.CAPPED})
"""Reasons for which nobody is asked to call the patient instead: of no use, or asked at the last look."""
TRY_THE_OTHER = frozenset(
    {
        Suppression.SMS_OFF,
        Suppression.NO_ADDRESS,
        Suppression.OPTED_OUT,
        Suppression.CONTACT_FAILED,
        Suppression.CAPPED,
    }
)
"""Reasons that say something of one channel only: a message asked for there alone goes by the other."""


class RowStatus(StrEnum):
    """Where a row of the ledger is."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    FAILED = "failed"
    UNCERTAIN = "uncertain"
    WITHDRAWN = "withdrawn"
    SUPPRESSED = "suppressed"


REVIVABLE = frozenset({RowStatus.WITHDRAWN, RowStatus.SUPPRESSED})
"""Rows that were never sent and may be queued when they are wanted (again) and allowed."""
_WAITING = frozenset({RowStatus.QUEUED, RowStatus.SUPPRESSED, RowStatus.SENDING})


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedMessage:
    """Something a patient should be told once: ideally at ``due_at``, never later than ``not_after``.

    Both are instants (aware); quiet hours are applied here, not by the planner. ``context`` holds what
    the words need (``start_at``, ``site``, ``phone``, ``timezone``; nothing clinical). ``email`` and
    ``sms`` say which channels the plan asks for.
    """

    kind: str
    due_at: datetime
    not_after: datetime
    context: Mapping[str, str]
    email: bool = True
    sms: bool = True

    def channels(self) -> list[str]:
        """The channels asked for."""
        return [channel for channel, asked in zip(CHANNELS, (self.email, self.sms), strict=True) if asked]

    def asks_for(self, channel: str) -> bool:
        """Whether the plan asks for this channel."""
        return channel in self.channels()

    def channels_and_spare(self) -> list[str]:
        """The channels asked for, and after a single one the other, which may have to take over."""
        asked = self.channels()
        return sorted(CHANNELS, key=lambda channel: channel not in asked) if asked else []


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """What is known about reaching a patient on one channel."""

    given: bool
    allowed: bool
    failed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Whether and how a patient may be reached at all, and when."""

    status: str
    email: Contact
    sms: Contact
    sms_on: bool
    quiet: QuietHours
    zone: ZoneInfo

    def refusal(self, channel: str) -> Suppression | None:
        """Why nothing may go out on this channel now, or None."""
        contact = self.sms if channel == "sms" else self.email
        checks = (
            (self.status == "deceased", Suppression.DECEASED),
            (self.status == "inactive", Suppression.INACTIVE),
            (channel == "sms" and not self.sms_on, Suppression.SMS_OFF),
            (not contact.given, Suppression.NO_ADDRESS),
            (not contact.allowed, Suppression.OPTED_OUT),
            (contact.failed, Suppression.CONTACT_FAILED),
        )
        return next((reason for refused, reason in checks if refused), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Existing:
    """A row of the ledger as the difference needs it. ``reason`` on a row that is being sent marks that
    it was meant to be withdrawn meanwhile."""

    id: int
    kind: str
    channel: str
    plan_version: int
    status: RowStatus
    reason: str
    planned_at: datetime
    due_at: datetime
    not_after: datetime
    context: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one row should say: queued for ``due_at``, or suppressed with a reason."""

    kind: str
    channel: str
    status: RowStatus
    reason: str
    planned_at: datetime
    due_at: datetime
    not_after: datetime
    context: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Changes:
    """What to do to the ledger; collected by :func:`difference`."""

    create: list[Row] = field(default_factory=list)
    update: list[tuple[int, Row]] = field(default_factory=list)
    withdraw: list[int] = field(default_factory=list)
    mark: list[tuple[int, str]] = field(default_factory=list)
    """Rows that a worker holds: why they should not be sent after all; "" takes such a mark back."""
    unreachable: list[WantedMessage] = field(default_factory=list)
    """Wanted messages that no channel may carry, for reasons a person can help with."""


def decide(
    wanted: WantedMessage, *, channel: str, reach: Reach, now: datetime, existing: Existing | None = None
) -> Row:
    """The row this channel should have. A queued row keeps its moment while nothing about it changed."""
    due_at: datetime | None
    if existing is not None and _keeps_its_moment(existing, wanted, reach):
        due_at = existing.due_at
    else:
        due_at = moment_to_send(
            planned_at=wanted.due_at,
            not_after=wanted.not_after,
            now=now,
            quiet=reach.quiet,
            zone=reach.zone,
        )
    reason = Suppression.PAST if due_at is None else reach.refusal(channel)
    if existing is not None and not reason and _was_capped(existing, wanted):
        reason = Suppression.CAPPED
    return Row(
        kind=wanted.kind,
        channel=channel,
        status=RowStatus.SUPPRESSED if reason else RowStatus.QUEUED,
        reason=reason or "",
        planned_at=wanted.due_at,
        due_at=due_at or wanted.due_at,
        not_after=wanted.not_after,
        context=dict(wanted.context),
    )


def difference(
    *,
    existing: Iterable[Existing],
    wanted: Sequence[WantedMessage],
    plan_version: int,
    reach: Reach,
    now: datetime,
    reason: str,
) -> Changes:
    """What turns the rows of one subject into what is wanted at ``plan_version``.

    What was sent, failed or is uncertain stays as it is. Rows of other versions and kinds that are
    still waiting are withdrawn, those in a worker's hands marked with ``reason``.
    """
    rows = list(existing)
    current = {(row.kind, row.channel): row for row in rows if row.plan_version == plan_version}
    changes = Changes()
    for message in sorted(wanted, key=lambda each: each.kind):
        carried = False
        asked: list[tuple[Existing | None, Row]] = []
        for channel in message.channels_and_spare():
            known = current.get((message.kind, channel))
            row = decide(message, channel=channel, reach=reach, now=now, existing=known)
            if not message.asks_for(channel) and not _takes_over(asked[0], known, row):
                continue
            current.pop((message.kind, channel), None)
            carried = carried or row.status == RowStatus.QUEUED or (known is not None and _is_out(known))
            asked.append((known, row))
            _settle(known, row, changes)
        reasons = {row.reason for _known, row in asked}
        if reasons and not carried and not NOBODY_CALLS.intersection(reasons):
            changes.unreachable.append(message)
    for left in rows:
        if left.plan_version == plan_version and (left.kind, left.channel) not in current:
            continue
        if left.status == RowStatus.SENDING:
            _mark(left, reason, changes)
        elif left.status in {RowStatus.QUEUED, RowStatus.SUPPRESSED} and not _is_story(left, now):
            changes.withdraw.append(left.id)
    return changes


def still_wanted(rows: Iterable[Existing]) -> list[WantedMessage]:
    """The plan as far as the ledger remembers it: the kinds of which some row still waits."""
    by_kind: dict[str, list[Existing]] = {}
    for row in rows:
        by_kind.setdefault(row.kind, []).append(row)
    wanted = []
    for kind, same in by_kind.items():
        waiting = next((row for row in same if row.status in _WAITING), None)
        if waiting is not None:
            channels = {row.channel for row in same}
            wanted.append(
                WantedMessage(
                    kind=kind,
                    due_at=waiting.planned_at,
                    not_after=waiting.not_after,
                    context=waiting.context,
                    email="email" in channels,
                    sms="sms" in channels,
                )
            )
    return wanted


def _takes_over(asked: tuple[Existing | None, Row], known: Existing | None, row: Row) -> bool:
    """Whether the channel the plan did not ask for carries a message that the other one cannot.

    After a failure its row was made there and then, if it could be; it only is not taken away again.
    """
    asked_known, asked_row = asked
    failed = asked_known is not None and asked_known.status == RowStatus.FAILED
    if known is not None:
        return failed or asked_row.reason in TRY_THE_OTHER
    return not failed and asked_row.reason in TRY_THE_OTHER and row.status == RowStatus.QUEUED


def _was_capped(existing: Existing, wanted: WantedMessage) -> bool:
    """Found no room before its cut-off: planning the same again does not ask again."""
    same = (existing.planned_at, existing.not_after) == (wanted.due_at, wanted.not_after)
    return existing.status == RowStatus.SUPPRESSED and existing.reason == Suppression.CAPPED and same


def _keeps_its_moment(existing: Existing, wanted: WantedMessage, reach: Reach) -> bool:
    """A retry or a wait for the morning is not undone by planning again."""
    return (
        existing.status in {RowStatus.QUEUED, RowStatus.SENDING}
        and existing.planned_at == wanted.due_at
        and existing.due_at <= wanted.not_after
        and not is_quiet(existing.due_at, reach.quiet, reach.zone)
    )


def _is_story(left: Existing, now: datetime) -> bool:
    """Not sent, for a reason that stays true: taking it back now would hide why the patient never had it."""
    capped = left.status == RowStatus.SUPPRESSED and left.reason == Suppression.CAPPED
    return capped and left.not_after <= now


def _is_out(known: Existing) -> bool:
    """Whether the gateway has it, had it, or somebody was already asked to look into it."""
    return known.status not in {RowStatus.QUEUED, RowStatus.SUPPRESSED, RowStatus.WITHDRAWN}


def _settle(known: Existing | None, row: Row, changes: Changes) -> None:
    if known is None:
        changes.create.append(row)
    elif known.status == RowStatus.SENDING:
        _mark(known, row.reason, changes)
    elif _differs(known, row):
        changes.update.append((known.id, row))


def _mark(known: Existing, reason: str, changes: Changes) -> None:
    if known.reason != reason:
        changes.mark.append((known.id, reason))


def _differs(known: Existing, row: Row) -> bool:
    if known.status == RowStatus.QUEUED:
        return row.status != RowStatus.QUEUED or _content(known) != _content(row)
    if known.status not in REVIVABLE:
        return False
    if row.status == RowStatus.SUPPRESSED:
        # Withdrawn and wanted again but not allowed: say so. A reason once given is not replaced by "past".
        return known.status == RowStatus.WITHDRAWN or row.reason not in {known.reason, Suppression.PAST}
    return True


def _content(row: Existing | Row) -> tuple[object, ...]:
    return (row.planned_at, row.due_at, row.not_after, dict(row.context))
