"""The Schedule III log is written here: drawn, given, wasted, seen by a witness, struck when wrong.

Giving or wasting more than was drawn cannot be, so it is refused. Giving more than was ordered can: the log
tells the truth, and a work item asks about it. An explained discrepancy stays explained until the facts
change: the key of its work item is made of them.
"""

import hashlib
from datetime import datetime, timedelta
from decimal import Decimal

from clinic.access.policy import Actor, Role
from clinic.common import versions
from clinic.common.errors import Conflict, FieldError, Forbidden, Invalid, NotFound
from clinic.common.transactions import durable
from patients.models import WorkItem
from patients.services import work_items
from scheduling.domain.drug_log import Balance, Kind
from scheduling.domain.session_stages import Stage
from scheduling.models import DrugLogEntry, InfusionSession
from scheduling.selectors import drug_log as selector
from scheduling.selectors.drug_log import SessionLog
from scheduling.selectors.infusion_rules import policy_of
from scheduling.services import infusion_sessions, struck

PERMISSION = "drug_log.write"
KIND = "drug_discrepancy"
_OVER = frozenset({Stage.DISCHARGED, Stage.DONE, Stage.OFF})
"""Once the patient has gone (or never came), the log must balance."""
_STAGES = {
    Kind.DRAWN: frozenset(Stage) - {Stage.OFF},
    Kind.GIVEN: frozenset({Stage.INFUSING, Stage.RECOVERY, Stage.DISCHARGED, Stage.DONE}),
    Kind.WASTED: frozenset(Stage),
}
_EARLIEST = timedelta(days=1)
"""How long before the visit something may have been drawn."""


@durable
def record(
    *,
    actor: Actor,
    now: datetime,
    appointment_id: int,
    kind: str,
    mg: Decimal,
    drug: str = "",
    lot: str = "",
    at: datetime | None = None,
    note: str = "",
    expected_version: int | None = None,
) -> DrugLogEntry:
    """Add an entry of ``mg`` milligrams. The drug is the protocol's and the lot the one drawn, unless given.

    Raises Invalid (``more_than_drawn``, ``drug_required``, ``in_the_future``, ``too_long_ago``), Conflict
    (``wrong_stage``), StaleVersion, NotFound, Forbidden.
    """
    what = Kind(kind)
    session = infusion_sessions.lock(
        appointment_id,
        actor=actor,
        permission=PERMISSION,
        expected_version=expected_version,
        stages=_STAGES[what],
    )
    at = at or now
    _refuse_misplaced(session, at, now=now)
    drug = _drug(session, drug)
    balance = selector.of_session(session).balances.get(drug, Balance(drug))
    if what != Kind.DRAWN and mg > balance.left_mg:
        detail = (
            f"Of what was drawn, {max(balance.left_mg, Decimal(0))} mg are left. Record first what was drawn."
        )
        raise _invalid("/mg", "more_than_drawn", detail)
    if not lot and len(balance.lots) == 1:
        (lot,) = balance.lots
    entry = DrugLogEntry.objects.create(
        session=session,
        site_id=session.appointment.site_id,
        kind=what.value,
        drug=drug,
        mg=mg,
        lot=lot.strip(),
        at=at,
        note=note.strip(),
        recorded_at=now,
        by_id=actor.user_id,
    )
    settle(session=session, now=now)
    versions.save(session)
    return entry


@durable
def witness(
    *,
    actor: Actor,
    now: datetime,
    appointment_id: int,
    entry_id: int,
    expected_version: int | None = None,
) -> DrugLogEntry:
    """Another clinical person of the site signs, by their own sign-in, that they saw it.

    Raises Forbidden (``own_entry``), Conflict (``already_witnessed``, ``already_struck``), StaleVersion,
    NotFound.
    """
    session, entry = _locked(actor, appointment_id, entry_id, expected_version)
    struck.refuse(entry)
    if entry.witness_id is not None:
        raise Conflict("Somebody has signed as the witness already.", code="already_witnessed")
    if actor.user_id is None or actor.user_id == entry.by_id:
        raise Forbidden("Another person than the one who recorded it signs as the witness.", code="own_entry")
    entry.witness_id, entry.witnessed_at = actor.user_id, now
    entry.save(update_fields=["witness", "witnessed_at"])
    settle(session=session, now=now)
    versions.save(session)
    return entry


@durable
def strike(
    *,
    actor: Actor,
    now: datetime,
    appointment_id: int,
    entry_id: int,
    reason: str,
    expected_version: int | None = None,
) -> DrugLogEntry:
    """It was entered in error. What no longer adds up is asked about once the patient has gone.

    Raises Invalid (``reason_required``), Conflict (``already_struck``), StaleVersion, NotFound, Forbidden.
    """
    session, entry = _locked(actor, appointment_id, entry_id, expected_version)
    struck.mark(entry, actor=actor, reason=reason, now=now)
    settle(session=session, now=now)
    versions.save(session)
    return entry


def settle(*, session: InfusionSession, now: datetime) -> None:
    """Open a work item about what does not add up, unless one is open; close it when all does.

    Inside the transaction of any write that may change the answer, with the session locked: entries of the
    log, discharge, completion, cancelling, undo, a new dose order.
    """
    prefix = f"{KIND}:session:{session.pk}:"
    log = selector.of_session(session)
    facts = _discrepancy(log, over=infusion_sessions.stage_in(session) in _OVER)
    key = prefix + hashlib.sha256(facts.encode()).hexdigest()[:16] if facts else ""
    known = WorkItem.objects.filter(site=session.appointment.site_id, kind=KIND, key__startswith=prefix)
    unresolved = known.exclude(status=WorkItem.Status.RESOLVED)
    if not facts:
        keys = list(unresolved.values_list("key", flat=True))
        work_items.close_items(keys, note="Closed by Onset: the log adds up.", now=now)
        return
    explained = known.filter(key=key, resolved_by__isnull=False)
    if explained.exists() or unresolved.exists():
        return
    visit = session.appointment
    policy = policy_of(visit, on=now.astimezone(visit.site.zone).date())
    work_items.open_item(
        kind=KIND,
        key=key,
        severity=WorkItem.Severity.URGENT,
        site_id=visit.site_id,
        patient=visit.patient,
        summary=f"Visit {visit.pk}: the controlled-substance log does not add up. Correct or explain it.",
        owner_role=Role.PRESCRIBER,
        due_at=now + timedelta(minutes=policy.drug_log_minutes),
        now=now,
    )


def _discrepancy(log: SessionLog, *, over: bool) -> str:
    """The facts that somebody must explain, as text; "" when there are none (yet)."""
    facts = [f"beyond {log.beyond_mg}"] if log.beyond_mg else []
    facts += [
        f"{balance.drug} left {balance.left_mg}"
        for balance in log.balances.values()
        if balance.left_mg < 0 or (over and balance.left_mg)
    ]
    if over:
        unseen = [
            row.pk for row in log.entries if any(each.wants_witness for each in selector.counted([row]))
        ]
        facts += [f"unwitnessed {pk}" for pk in unseen]
    return "; ".join(facts)


def _drug(session: InfusionSession, drug: str) -> str:
    """The drug's name in small letters, so that it is one drug however it is typed."""
    if drug.strip():
        return drug.strip().casefold()
    known = selector.drugs(session)
    if len(known) != 1:
        raise _invalid("/drug", "drug_required", "Name the drug: the protocols of this visit do not say one.")
    return known[0]


def _locked(
    actor: Actor, appointment_id: int, entry_id: int, expected_version: int | None
) -> tuple[InfusionSession, DrugLogEntry]:
    session = infusion_sessions.lock(
        appointment_id, actor=actor, permission=PERMISSION, expected_version=expected_version
    )
    entry = DrugLogEntry.objects.filter(session=session, pk=entry_id).first()
    if entry is None:
        raise NotFound("There is no such entry in the log of this session.")
    entry.session = session
    return session, entry


def _refuse_misplaced(session: InfusionSession, at: datetime, *, now: datetime) -> None:
    if at > now:
        raise _invalid("/at", "in_the_future", "An entry is about now or before.")
    if at < session.appointment.start_at - _EARLIEST:
        raise _invalid("/at", "too_long_ago", "This is more than a day before the visit. Check the time.")


def _invalid(pointer: str, code: str, detail: str) -> Invalid:
    return Invalid(detail, code=code, errors=[FieldError(pointer, code, detail)])
