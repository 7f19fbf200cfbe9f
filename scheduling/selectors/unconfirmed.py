"""Visits that nobody confirmed, and from when on somebody is to call about them.

The idea to know: nothing waits in a table of its own. A partial index has the booked visits about whose
present date nobody was asked yet, so that moving a visit makes it due again by itself.
"""

from datetime import datetime, timedelta
from typing import Any

from django.db.models import (
    Case,
    DateTimeField,
    DurationField,
    ExpressionWrapper,
    F,
    Q,
    QuerySet,
    Value,
    When,
)

from scheduling.domain.transitions import Status
from scheduling.models import Appointment, ConfirmationRule


def rules() -> list[ConfirmationRule]:
    """The policy, narrowest rows first: a visit type counts before a site, both before either."""
    return sorted(
        ConfirmationRule.objects.order_by(),
        key=lambda rule: (rule.visit_type_id is None, rule.site_id is None),
    )


def due(*, now: datetime, policy: list[ConfirmationRule]) -> QuerySet[Appointment]:
    """Visits to call about now, the next to begin first.

    One whose start was chosen after that moment was agreed with the patient just then, which is a
    confirmation.
    """
    in_force = [rule.minutes_before for rule in policy if rule.active]
    if not in_force:
        return Appointment.objects.none()
    longest = max(in_force)
    return _unasked(policy).filter(
        start_at__gt=now, start_at__lte=now + timedelta(minutes=longest), ask_at__lte=now
    )


def next_ask_at(*, now: datetime) -> datetime | None:
    """The earliest moment at which a visit still to begin asks for a call.

    One look into the index for each length of time that the rules name.
    """
    policy = rules()
    coming = _unasked(policy).filter(start_at__gt=now)
    moments = [
        coming.filter(ask_before=timedelta(minutes=minutes)).values_list("ask_at", flat=True).first()
        for minutes in {rule.minutes_before for rule in policy if rule.active}
    ]
    return min((moment for moment in moments if moment is not None), default=None)


def _unasked(policy: list[ConfirmationRule]) -> QuerySet[Any]:
    """Booked visits about whose present date nobody was asked, those agreed after the moment left out."""
    rows: QuerySet[Any] = Appointment.objects.filter(
        status=Status.BOOKED, unconfirmed_version__lt=F("plan_version")
    )
    ask_at = ExpressionWrapper(F("start_at") - F("ask_before"), output_field=DateTimeField())
    timed: QuerySet[Any] = rows.annotate(ask_before=_by_rule(policy)).annotate(ask_at=ask_at)
    return timed.filter(scheduled_at__lt=F("ask_at")).order_by("start_at")


def _by_rule(policy: list[ConfirmationRule]) -> Case:
    """How long before its start each visit asks; null where the rule that counts is not in force."""
    cases = []
    general = Value(None)
    for rule in policy:
        length = Value(timedelta(minutes=rule.minutes_before) if rule.active else None)
        names = {"visit_type": rule.visit_type_id, "site": rule.site_id}
        about = Q(**{name: pk for name, pk in names.items() if pk is not None})
        if about:
            cases.append(When(about, then=length))
        else:
            general = length
    return Case(*cases, default=general, output_field=DurationField())
