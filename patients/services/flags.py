"""Screening flags as they change: raised by rules and by hand, acknowledged with a reason, withdrawn.

``refresh`` makes the flags that rules raise equal to what the background asks for. It runs inside every
transaction that changes the background or a prescription, so no flag waits for a tick.
"""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any, cast
from uuid import uuid4

from django.conf import settings
from django.utils.module_loading import import_string

from clinic.access.policy import Actor
from clinic.common import versions
from clinic.common.errors import Conflict, FieldError, Invalid, NotFound
from clinic.common.transactions import durable
from patients.domain.flags import Raised, raised
from patients.domain.washout import clashes
from patients.models import FlagEvent, FlagKind, Patient, ScreeningFlag
from patients.selectors import flags as selector

LONGEST_YEARS = 5
GONE = "The entry that raised it is no longer held true."


def refresh(*, patient: Patient, now: datetime) -> None:
    """Raise what the rules ask for, withdraw what they no longer do; flags raised by hand stay.

    Inside the caller's transaction, with the patient row locked. A flag whose cause says something new
    (another date, another medicine) is raised anew, so that it is acknowledged anew.
    """
    before = selector.calls_for_early_contact(patient, now=now)
    today = now.astimezone(patient.zone).date()
    background = selector.background_for_rules(patient)
    near = clashes(medicines=background.medicines, rules=selector.washout_rules(), today=today)
    wanted = {
        flag.key: flag
        for flag in raised(rules=selector.flag_rules(), background=background, clashes=near, today=today)
    }
    known = ScreeningFlag.objects.select_for_update().filter(patient=patient)
    by_rule = known.filter(origin=ScreeningFlag.Origin.RULE).exclude(status=ScreeningFlag.Status.WITHDRAWN)
    for flag in by_rule.order_by("pk"):
        asked = wanted.pop(flag.key, None)
        if asked is None and flag.expires_on and flag.expires_on < today:
            continue  # it ran out by itself, which is no withdrawal
        if asked is None or asked.value != flag.value:
            _withdraw(flag, actor_id=None, reason=GONE, now=now)
        if asked is not None and asked.value != flag.value:
            wanted[asked.key] = asked
        elif asked is not None and asked.expires_on != flag.expires_on:
            flag.expires_on = asked.expires_on
            versions.save(flag, "expires_on")
    _raise_all(patient, list(wanted.values()), now)
    after_change(patient=patient, before=before, now=now)


def after_change(*, patient: Patient, before: bool, now: datetime) -> None:
    """Plan check-ins anew when a flag that asks for early contact came or went."""
    if selector.calls_for_early_contact(patient, now=now) != before:
        replan = cast("Callable[..., Any]", import_string(settings.ON_EARLY_CONTACT))
        replan(patient=patient, now=now)


@durable
def add(
    *,
    actor: Actor,
    now: datetime,
    patient_id: int,
    kind: str,
    value: str,
    source: str = "",
    expires_on: date | None = None,
    expected_version: int | None = None,
) -> ScreeningFlag:
    """Warn by hand of something that no rule sees.

    Raises Invalid (``unknown_flag_kind``, ``already_over``), StaleVersion, NotFound, Forbidden.
    """
    patient = lock_for_background(actor, patient_id)
    versions.require_version(patient, expected_version)
    chosen = FlagKind.objects.filter(code=kind, active=True).first()
    if chosen is None:
        raise _refused("kind", "unknown_flag_kind", "Use the code of a kind of flag in the catalogue.")
    today = now.astimezone(patient.zone).date()
    if expires_on and expires_on < today:
        raise _refused("expires_on", "already_over", "This day is over. Choose today or a later day.")
    if expires_on is None and chosen.valid_days:
        expires_on = today + timedelta(days=chosen.valid_days)
    before = selector.calls_for_early_contact(patient, now=now)
    flag = ScreeningFlag.objects.create(
        patient=patient,
        kind=chosen,
        key=f"hand:{uuid4().hex}",
        severity=chosen.severity,
        value=value,
        source=source or "staff",
        origin=ScreeningFlag.Origin.STAFF,
        raised_at=now,
        raised_by_id=actor.user_id,
        expires_on=expires_on,
    )
    _note(flag, "raised", actor_id=actor.user_id, now=now)
    after_change(patient=patient, before=before, now=now)
    return flag


@durable
def acknowledge(
    *,
    actor: Actor,
    now: datetime,
    flag_id: int,
    reason: str,
    until_on: date | None = None,
    expected_version: int | None = None,
) -> ScreeningFlag:
    """A prescriber has seen it and says why they go on; the flag stays, and says so.

    It holds until ``until_on``; of a volatile flag until the end of today unless said otherwise, because it
    is asked again every session. Raises Invalid (``reason_required``, ``already_over``, ``too_far``),
    Conflict (``flag_over``), StaleVersion, NotFound, Forbidden. Source: DOMAIN section 2, screening flags.
    """
    flag, patient = _locked(actor, flag_id, "flags.acknowledge", expected_version)
    today = now.astimezone(patient.zone).date()
    _require_standing(flag, today)
    if not reason.strip():
        raise _refused("reason", "reason_required", "Say why you go on nevertheless.")
    if until_on and until_on < today:
        raise _refused("until_on", "already_over", "This day is over. Choose today or a later day.")
    if until_on and until_on.year > today.year + LONGEST_YEARS:
        raise _refused("until_on", "too_far", f"Choose a day within {LONGEST_YEARS} years.")
    if until_on is None and flag.kind.volatile:
        until_on = today
    flag.status = ScreeningFlag.Status.ACKNOWLEDGED
    flag.acknowledged_at, flag.acknowledged_by_id = now, actor.user_id
    flag.acknowledged_until, flag.reason = until_on, reason.strip()
    versions.save(flag, "status", "acknowledged_at", "acknowledged_by", "acknowledged_until", "reason")
    _note(flag, "acknowledged", actor_id=actor.user_id, now=now, reason=flag.reason, until=until_on)
    return flag


@durable
def withdraw(
    *, actor: Actor, now: datetime, flag_id: int, reason: str, expected_version: int | None = None
) -> ScreeningFlag:
    """Take back a flag that was raised by hand. Those of rules go when their cause does.

    Raises Conflict (``flag_over``, ``raised_by_rule``), Invalid (``reason_required``), StaleVersion,
    NotFound, Forbidden.
    """
    flag, patient = _locked(actor, flag_id, "background.write", expected_version)
    _require_standing(flag, now.astimezone(patient.zone).date())
    if flag.origin != ScreeningFlag.Origin.STAFF:
        raise Conflict(
            "A rule raised this flag. Correct the entry that raised it, or acknowledge it with a reason.",
            code="raised_by_rule",
        )
    if not reason.strip():
        raise _refused("reason", "reason_required", "Say why it no longer counts.")
    before = selector.calls_for_early_contact(patient, now=now)
    _withdraw(flag, actor_id=actor.user_id, reason=reason.strip(), now=now)
    after_change(patient=patient, before=before, now=now)
    return flag


def lock_for_background(actor: Actor, patient_id: int) -> Patient:
    """The patient, locked. Raises NotFound when not the actor's to see, Forbidden by role."""
    visible = Patient.objects.visible_to(actor).select_for_update(no_key=True, of=("self",))
    patient = visible.select_related("site").filter(pk=patient_id).first()
    if patient is None:
        raise NotFound("There is no such patient at your sites.")
    actor.require("background.write", patient.site_id)
    return patient


def _raise_all(patient: Patient, wanted: list[Raised], now: datetime) -> None:
    kinds = {kind.code: kind for kind in FlagKind.objects.all()} if wanted else {}
    for each in wanted:
        flag = ScreeningFlag.objects.create(
            patient=patient,
            kind=kinds[each.kind],
            key=each.key,
            severity=each.severity,
            value=each.value,
            source=each.source,
            origin=ScreeningFlag.Origin.RULE,
            raised_at=now,
            expires_on=each.expires_on,
        )
        _note(flag, "raised", actor_id=None, now=now)


def _withdraw(flag: ScreeningFlag, *, actor_id: int | None, reason: str, now: datetime) -> None:
    flag.status, flag.withdrawn_at = ScreeningFlag.Status.WITHDRAWN, now
    versions.save(flag, "status", "withdrawn_at")
    _note(flag, "withdrawn", actor_id=actor_id, now=now, reason=reason)


def _note(
    flag: ScreeningFlag,
    verb: str,
    *,
    actor_id: int | None,
    now: datetime,
    reason: str = "",
    until: date | None = None,
) -> None:
    FlagEvent.objects.create(flag=flag, verb=verb, at=now, by_id=actor_id, reason=reason, until=until)


def _locked(
    actor: Actor, flag_id: int, permission: str, expected_version: int | None
) -> tuple[ScreeningFlag, Patient]:
    """The flag, locked after its patient."""
    visible = ScreeningFlag.objects.visible_to(actor).filter(pk=flag_id)
    patient_id = visible.values_list("patient_id", flat=True).first()
    if patient_id is None:
        raise NotFound("This flag does not exist.")
    patient = lock_for_background(actor, patient_id)
    actor.require(permission, patient.site_id)
    flag = ScreeningFlag.objects.select_for_update(of=("self",)).select_related("kind").get(pk=flag_id)
    versions.require_version(flag, expected_version)
    return flag, patient


def _require_standing(flag: ScreeningFlag, today: date) -> None:
    state = selector.state_of(flag, today=today)
    if state in {"expired", "withdrawn"}:
        raise Conflict("This flag no longer counts, so there is nothing to do about it.", code="flag_over")


def _refused(field: str, code: str, detail: str) -> Invalid:
    return Invalid(detail, code=code, errors=[FieldError(pointer=f"/{field}", code=code, detail=detail)])
