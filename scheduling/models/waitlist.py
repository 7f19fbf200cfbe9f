"""The waitlist: who waits, what was freed, and to whom it was offered.

The idea to know: freeing a time writes a row in the same transaction, and everything that follows reads
that row (``next_action_at``), so an offer is never lost with a process. That one patient at most gets a
freed time, and that nobody is offered it twice, are constraints.
"""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from clinic.access.policy import Actor
from clinic.common.versions import Versioned
from scheduling.domain.offers import Mode, OfferStatus
from scheduling.domain.waitlist import EntryStatus


class WaitlistQuerySet(models.QuerySet["WaitlistEntry"]):
    """Reusable filters on entries."""

    def visible_to(self, actor: Actor) -> "WaitlistQuerySet":
        """Entries at the sites whose schedule this actor reads."""
        return self if actor.sees_every_site else self.filter(site_id__in=actor.sites("appointments.read"))


class WaitlistEntry(Versioned):
    """A patient who takes an earlier time at short notice. Times of day and weekdays are the site's."""

    Status = EntryStatus

    patient = models.ForeignKey("patients.Patient", on_delete=models.CASCADE, related_name="waitlist_entries")
    site = models.ForeignKey("access.Site", on_delete=models.PROTECT, related_name="waitlist_entries")
    visit_type = models.ForeignKey("scheduling.VisitType", on_delete=models.PROTECT)
    course = models.ForeignKey(
        "scheduling.Course",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="waitlist_entries",
        help_text="The course this would be a session of: its gaps are kept.",
    )
    earliest_at = models.DateTimeField(help_text="The visit begins then or later.")
    latest_at = models.DateTimeField(help_text="The visit begins before then.")
    weekdays = ArrayField(
        models.PositiveSmallIntegerField(), default=list, blank=True, help_text="0 is Monday; empty: any day."
    )
    earliest_time = models.TimeField(null=True, blank=True)
    latest_time = models.TimeField(null=True, blank=True, help_text="The visit begins by then.")
    priority = models.PositiveSmallIntegerField(default=0, help_text="0 to 9; 9 is asked first.")
    notice_minutes = models.PositiveIntegerField(
        null=True, blank=True, help_text="How long before the start the patient must hear of it."
    )
    has_escort = models.BooleanField(
        default=True,
        help_text="An adult can take the patient home at short notice. Visits after which one needs that are "
        "offered to nobody else.",
    )
    note = models.CharField(max_length=200, blank=True)
    status = models.CharField(
        max_length=9,
        choices=[(each.value, each.value) for each in EntryStatus],
        default=EntryStatus.ACTIVE.value,
    )
    appointment = models.ForeignKey(
        "scheduling.Appointment", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(editable=False)
    created_by = models.ForeignKey("access.User", on_delete=models.PROTECT, null=True, blank=True)

    objects = WaitlistQuerySet.as_manager()

    class Meta:
        ordering = ("-priority", "created_at", "id")
        verbose_name_plural = "waitlist entries"
        constraints = (
            models.CheckConstraint(condition=Q(latest_at__gt=F("earliest_at")), name="waitlist_order"),
            models.CheckConstraint(condition=Q(priority__lte=9), name="waitlist_priority"),
            models.CheckConstraint(
                condition=Q(weekdays__contained_by=[0, 1, 2, 3, 4, 5, 6]), name="waitlist_weekdays"
            ),
            models.CheckConstraint(
                condition=Q(status__in=[each.value for each in EntryStatus]), name="waitlist_status"
            ),
        )
        indexes = (
            models.Index(
                fields=("site", "latest_at"),
                name="waitlist_waiting",
                condition=Q(status=EntryStatus.ACTIVE.value),
            ),
        )

    def __str__(self) -> str:
        return f"waiting for {self.visit_type}"


class FreedSlot(Versioned):
    """A time that became free again. ``resource_ids`` are what was freed; empty: the whole site."""

    class Status(models.TextChoices):
        OPEN = "open"
        TAKEN = "taken"
        CLOSED = "closed"

    site = models.ForeignKey("access.Site", on_delete=models.CASCADE)
    appointment = models.ForeignKey(
        "scheduling.Appointment", on_delete=models.CASCADE, null=True, blank=True, related_name="freed_slots"
    )
    hold = models.ForeignKey(
        "scheduling.Hold", on_delete=models.CASCADE, null=True, blank=True, related_name="freed_slots"
    )
    rest_of = models.ForeignKey(
        "self",
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="rests",
        help_text="What was freed first: this is what somebody who took of it left.",
    )
    cause = models.CharField(max_length=20)
    start_at = models.DateTimeField("start")
    end_at = models.DateTimeField("end")
    resource_ids = ArrayField(models.BigIntegerField(), default=list)
    freed_at = models.DateTimeField()
    status = models.CharField(max_length=6, choices=Status.choices, default=Status.OPEN)
    next_action_at = models.DateTimeField(null=True, help_text="When a worker looks at it next.")

    class Meta:
        ordering = ("-freed_at", "-id")
        constraints = (
            models.CheckConstraint(condition=Q(end_at__gt=F("start_at")), name="freed_slot_order"),
            models.CheckConstraint(
                condition=Q(status="open", next_action_at__isnull=False)
                | (Q(status__in=["taken", "closed"]) & Q(next_action_at__isnull=True)),
                name="freed_slot_open_is_looked_at",
            ),
        )
        indexes = (
            models.Index(
                fields=("next_action_at", "id"),
                name="freed_slot_queue",
                condition=Q(next_action_at__isnull=False),
            ),
            models.Index(fields=("site", "end_at"), name="freed_slot_open", condition=Q(status="open")),
        )

    def __str__(self) -> str:
        return f"{self.start_at:%Y-%m-%d %H:%M} UTC, freed by {self.cause}"


class OfferQuerySet(models.QuerySet["Offer"]):
    """Reusable filters on offers."""

    def visible_to(self, actor: Actor) -> "OfferQuerySet":
        """Offers at the sites whose schedule this actor reads."""
        if actor.sees_every_site:
            return self
        return self.filter(slot__site_id__in=actor.sites("appointments.read"))


class Offer(Versioned):
    """A freed time offered to one waiting patient, until ``expires_at``."""

    Status = OfferStatus

    slot = models.ForeignKey(FreedSlot, on_delete=models.CASCADE, related_name="offers")
    entry = models.ForeignKey(WaitlistEntry, on_delete=models.CASCADE, related_name="offers")
    patient = models.ForeignKey("patients.Patient", on_delete=models.CASCADE, related_name="offers")
    start_at = models.DateTimeField("start")
    end_at = models.DateTimeField("end")
    status = models.CharField(
        max_length=10,
        choices=[(each.value, each.value) for each in OfferStatus],
        default=OfferStatus.OFFERED.value,
    )
    offered_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True, blank=True)
    answered_by = models.ForeignKey("access.User", on_delete=models.PROTECT, null=True, blank=True)
    appointment = models.OneToOneField(
        "scheduling.Appointment", on_delete=models.PROTECT, null=True, blank=True, related_name="offer"
    )

    objects = OfferQuerySet.as_manager()

    class Meta:
        ordering = ("-offered_at", "-id")
        constraints = (
            models.UniqueConstraint(fields=("slot", "patient", "start_at"), name="offer_once"),
            models.UniqueConstraint(
                fields=("slot",), condition=Q(status=OfferStatus.ACCEPTED.value), name="offer_one_gets_it"
            ),
            models.UniqueConstraint(
                fields=("patient",), condition=Q(status=OfferStatus.OFFERED.value), name="offer_one_at_a_time"
            ),
            models.CheckConstraint(
                condition=Q(status__in=[each.value for each in OfferStatus]), name="offer_status"
            ),
            models.CheckConstraint(
                condition=Q(status=OfferStatus.ACCEPTED.value, appointment__isnull=False)
                | (~Q(status=OfferStatus.ACCEPTED.value) & Q(appointment__isnull=True)),
                name="offer_accepted_is_booked",
            ),
            models.CheckConstraint(condition=Q(expires_at__gt=F("offered_at")), name="offer_expires_later"),
        )
        indexes = (
            models.Index(
                fields=("start_at",),
                name="offer_accepted",
                condition=Q(status=OfferStatus.ACCEPTED.value),
            ),
        )

    def __str__(self) -> str:
        return f"offer {self.pk} ({self.status})"


class WaitlistPolicy(models.Model):
    """How a site offers what is freed. The row without a site is the default. Minutes throughout."""

    site = models.OneToOneField("access.Site", on_delete=models.CASCADE, null=True, blank=True)
    mode = models.CharField(
        max_length=8,
        choices=[(Mode.ORDER.value, "one after another"), (Mode.PARALLEL.value, "all at once")],
    )
    answer_minutes = models.PositiveSmallIntegerField(help_text="How long an offer stands.")
    notice_minutes = models.PositiveIntegerField(
        help_text="What a patient needs before any visit, unless their entry says otherwise."
    )
    fasting_minutes = models.PositiveIntegerField(
        help_text="The same before a visit to which the patient comes fasting."
    )
    fasting_floor_minutes = models.PositiveIntegerField(
        help_text="Whatever an entry says, a visit to which they come fasting is offered this long before."
    )
    most_at_once = models.PositiveSmallIntegerField(default=20)
    source = models.CharField(max_length=200)
    mark = models.CharField(max_length=1)

    class Meta:
        verbose_name_plural = "waitlist policies"
        constraints = (
            models.UniqueConstraint(
                models.Value(1), condition=Q(site__isnull=True), name="waitlist_policy_one_default"
            ),
            models.CheckConstraint(condition=Q(mode__in=["order", "parallel"]), name="waitlist_policy_mode"),
            models.CheckConstraint(
                condition=Q(answer_minutes__gte=5, answer_minutes__lte=1440), name="waitlist_policy_answer"
            ),
            models.CheckConstraint(
                condition=Q(fasting_floor_minutes__lte=F("fasting_minutes")), name="waitlist_policy_fasting"
            ),
            models.CheckConstraint(
                condition=Q(most_at_once__gte=1, most_at_once__lte=50), name="waitlist_policy_most"
            ),
        )

    def __str__(self) -> str:
        return self.get_mode_display()
