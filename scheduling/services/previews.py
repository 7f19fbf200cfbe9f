"""What would this patient get, when, saying what? The plan, the difference to the ledger, the caps and the
words, put together exactly as sending does, but only to look at: nothing is stored, no link is issued."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from patients.domain import caps
from patients.domain.messages import Row, RowStatus, difference
from patients.domain.rendering import CannotRender, Words, render
from patients.models import Message, Patient
from patients.selectors import messages as ledger
from patients.selectors.messages import Policy
from patients.services import links
from patients.services.composing import facts_of
from scheduling.domain import reminders as domain
from scheduling.models import Appointment
from scheduling.services import reminders


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One message on one channel, or one kind that brings none. ``due_at`` is an instant, None for none."""

    kind: str
    channel: str
    due_at: datetime | None
    status: str
    reason: str
    """A row's reason, or a sentence of domain.reminders.Skip."""
    planned_at: datetime | None = None
    moved: str = ""
    """Why it does not go at the moment the rule names: ``pulled``, ``later`` or ``capped``."""
    version: int | None = None
    subject: str = ""
    body: str = ""


def preview(*, appointment: Appointment, patient: Patient, now: datetime) -> list[Line]:
    """Everything about a visit, earliest first; kinds that bring nothing, with the reason, at the end.

    Visit and patient may be invented (unsaved): then the plan of a booking made now is shown.
    """
    rules, first_start = reminders.rules_of(appointment)
    visit = reminders.visit_of(appointment, patient, first_start=first_start, told=frozenset(), now=now)
    decisions = domain.decide(visit=visit, rules=rules)
    policy = ledger.policies([patient.site_id])[patient.site_id]
    stored = _stored(appointment)
    wanted = [each.message for each in decisions if each.message is not None]
    changes = difference(  # besides: after a rule was changed, or for an invented visit
        existing=[ledger.as_existing(row) for row in stored],
        wanted=wanted,
        plan_version=appointment.plan_version,
        reach=ledger.reach_of(patient, policy.quiet),
        now=now,
        reason="",
    )
    rows: list[Message | Row] = [*stored, *changes.create]
    shown = _Shown(patient, policy, now)
    there = {row.kind for row in rows}
    return [
        *shown.lines(rows),
        *(
            Line(kind=each.rule.kind, channel="", due_at=None, status="skipped", reason=each.skip or "")
            for each in decisions
            if each.message is None and each.rule.kind not in there
        ),
    ]


def _stored(appointment: Appointment) -> list[Message]:
    if not appointment.pk:
        return []
    rows = Message.objects.filter(subject_kind=reminders.SUBJECT, subject_id=appointment.pk)
    return list(rows.order_by("id"))


class _Shown:
    """Rows as they will go out, each text counted against the caps in its turn."""

    def __init__(self, patient: Patient, policy: Policy, now: datetime) -> None:
        self.patient, self.policy, self.now = patient, policy, now
        known = patient.pk is not None
        self.sent = ledger.texts_sent(patient.pk, since=now - caps.WEEK) if known else []
        self.often = known and ledger.texts_often(patient.pk)

    def lines(self, rows: Sequence[Message | Row]) -> list[Line]:
        """Earliest first, as the dispatcher takes them."""
        words = ledger.templates({row.kind for row in rows})
        kept = [row.due_at for row in rows if _is_text(row) and row.kind in caps.WORTH_MORE]
        made = []
        for row in sorted(rows, key=lambda row: (row.due_at, row.kind, row.channel)):
            line = self._line(row, kept)
            template = words.get((row.kind, row.channel, self.patient.language))
            if template is not None:
                line = self._worded(line, row, Words(subject=template.subject, body=template.body))
                line = replace(line, version=template.version)
            made.append(line)
        return sorted(made, key=lambda line: (line.due_at or self.now, line.kind, line.channel))

    def _line(self, row: Message | Row, kept: Sequence[datetime]) -> Line:
        moved = "pulled" if row.due_at < row.planned_at else "later" if row.due_at > row.planned_at else ""
        line = Line(
            kind=row.kind,
            channel=row.channel,
            due_at=row.due_at,
            planned_at=row.planned_at,
            status=str(row.status),
            reason=row.reason,
            moved=moved,
        )
        if not _is_text(row) or self.often:
            return line
        at = self._first_allowed(row, [] if row.kind in caps.WORTH_MORE else kept)
        if at is None:
            return replace(line, status=RowStatus.SUPPRESSED.value, reason="capped")
        self.sent.append(at)
        return line if at == row.due_at else replace(line, due_at=at, moved="capped")

    def _first_allowed(self, row: Message | Row, kept: Sequence[datetime]) -> datetime | None:
        return caps.first_allowed(
            now=max(row.due_at, self.now),
            not_after=row.not_after,
            sent=self.sent,
            kept=kept,
            cap=self.policy.cap,
            quiet=self.policy.quiet,
            zone=self.patient.zone,
        )

    def _worded(self, line: Line, row: Message | Row, words: Words) -> Line:
        try:
            facts = facts_of(self.patient, row.context, link=links.sample())
            filled = render(words, facts, channel=row.channel, language=self.patient.language)
        except CannotRender as cannot:
            return replace(line, body=f"({cannot.code.replace('_', ' ')})")
        return replace(line, subject=filled.subject, body=filled.body)


def _is_text(row: Message | Row) -> bool:
    """Whether it is a text that is still to go out."""
    return row.channel == Message.Channel.SMS and row.status == RowStatus.QUEUED
