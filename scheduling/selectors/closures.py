"""Which appointments a closure hits: one definition, computed by the database for one closure or a page."""

from datetime import timedelta

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef, QuerySet

from scheduling.domain.phases import MAX_VISIT_MINUTES
from scheduling.models import Allocation, Appointment, Closure

ACTIVE = (
    Appointment.Status.BOOKED,
    Appointment.Status.CONFIRMED,
    Appointment.Status.ARRIVED,
    Appointment.Status.IN_PROGRESS,
)
"""Statuses of visits that have not ended in one way or another."""

_LONGEST_VISIT = timedelta(minutes=MAX_VISIT_MINUTES)


def with_affected(closures: QuerySet[Closure]) -> QuerySet[Closure]:
    """The closures with what :func:`affected_appointments` reads, in the same query.

    A site's closure hits the visits there that overlap it. A resource's hits the visits that hold the
    resource within it, not those that hold it before or after.
    """
    # The second bound of each pair adds nothing but speed: it keeps the index scan from running over all
    # the years before (or after) the closure.
    at_site = Appointment.objects.filter(
        status__in=ACTIVE,
        site=OuterRef("site"),
        start_at__lt=OuterRef("end_at"),
        end_at__gt=OuterRef("start_at"),
        start_at__gt=OuterRef("start_at") - _LONGEST_VISIT,
    ).order_by("pk")
    on_resource = Allocation.objects.filter(
        released_at__isnull=True,
        appointment__status__in=ACTIVE,
        resource=OuterRef("resource"),
        start_at__lt=OuterRef("end_at"),
        end_at__gt=OuterRef("start_at"),
        end_at__lt=OuterRef("end_at") + _LONGEST_VISIT,
    ).order_by("appointment_id")
    return closures.annotate(
        hit_at_site=ArraySubquery(at_site.values("pk")),
        hit_on_resource=ArraySubquery(on_resource.values("appointment_id").distinct()),
    )


def affected_appointments(closure: Closure) -> list[int]:
    """Ids of the active appointments that a closure from :func:`with_affected` hits, ascending."""
    found: list[int] = closure.hit_at_site or closure.hit_on_resource  # type: ignore[attr-defined]
    return found
