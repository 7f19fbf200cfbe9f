"""What a freed time is weighed with: the policy, who waits, and what is known about each of them.

A constant number of queries per visit type waited for, however many patients wait.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from django.db.models import Min, Q, QuerySet

from clinic.common.intervals import Interval
from patients.domain.messages import CHANNELS
from patients.domain.quiet_hours import QuietHours, next_allowed
from patients.models import Consent, Patient
from patients.selectors.messages import quiet_hours, reach_of
from scheduling.domain import courses
from scheduling.domain.courses import OpenDays
from scheduling.domain.offers import Mode, OfferStatus
from scheduling.domain.phases import PEOPLE, Kind
from scheduling.domain.waitlist import (
    EntryStatus,
    Freed,
    Verdict,
    Waiting,
    in_order,
    keeps_gaps,
    notice_needed,
    verdict,
)
from scheduling.models import (
    Appointment,
    Course,
    FreedSlot,
    Hold,
    Offer,
    Resource,
    VisitType,
    WaitlistEntry,
    WaitlistPolicy,
)
from scheduling.selectors.availability import Question, Visit, search
from scheduling.selectors.open_days import open_days

MOST_WEIGHED = 500
"""Waiting patients that one freed time is weighed against: a bound on the work, the first in order."""

_COMES_FASTING = frozenset({VisitType.Kind.INFUSION, VisitType.Kind.ESKETAMINE})
"""Visits for which the patient fasts before and is taken home after (DOMAIN section 2, gates)."""
_OPEN_DAYS_SEARCHED = timedelta(days=60)


def next_action_at() -> datetime | None:
    """The earliest moment at which something is to be done about a freed time, or a hold frees one."""
    earliest = FreedSlot.objects.aggregate(earliest=Min("next_action_at"))["earliest"]
    expires = _unnoticed().aggregate(earliest=Min("expires_at"))["earliest"]
    return min((moment for moment in (earliest, expires) if moment is not None), default=None)


def expired_holds(*, now: datetime, limit: int) -> list[int]:
    """Holds that ended by the clock, of which the waiting list does not know yet."""
    due = _unnoticed().filter(expires_at__lte=now).order_by("expires_at")
    return list(due.values_list("pk", flat=True)[:limit])


def _unnoticed() -> QuerySet[Hold]:
    return Hold.objects.filter(ended_at__isnull=True, noticed_at__isnull=True)


def slots_due(*, now: datetime, limit: int) -> list[int]:
    """Freed times that something is to be done about, the longest waiting first."""
    due = FreedSlot.objects.filter(next_action_at__lte=now).order_by("next_action_at", "id")
    return list(due.values_list("pk", flat=True)[:limit])


def policy_of(site_id: int) -> WaitlistPolicy:
    """How this site offers: its own policy, else the default one."""
    rows = list(WaitlistPolicy.objects.filter(Q(site_id=site_id) | Q(site=None)))
    own = [row for row in rows if row.site_id == site_id]
    # A clinic that deleted even the default row still offers, as shipped.
    shipped = WaitlistPolicy(
        mode=Mode.PARALLEL,
        answer_minutes=30,
        notice_minutes=120,
        fasting_minutes=480,
        fasting_floor_minutes=120,
    )
    return (own or rows or [shipped])[0]


def contactable(patient: Patient, quiet: QuietHours, *, texted_stop: bool) -> bool:
    """Whether an offer may be sent: some channel is allowed, and they did not ask for silence by text."""
    reach = reach_of(patient, quiet)
    return not texted_stop and any(reach.refusal(channel) is None for channel in CHANNELS)


def texted_stop(patient_ids: Collection[int]) -> set[int]:
    """Patients who took back a consent to texts. Whoever said STOP is called, never offered by message."""
    said: dict[int, list[bool]] = defaultdict(list)
    rows = Consent.objects.filter(
        patient__in=patient_ids, channel=Consent.Channel.SMS, purpose=Consent.Purpose.CARE
    )
    for patient_id, granted, source in rows.order_by("recorded_at", "id").values_list(
        "patient_id", "granted", "source"
    ):
        # A STOP counts as one even where the yes before it was never written down.
        if source == Consent.Source.REPLY and not granted:
            said[patient_id].append(True)
        said[patient_id].append(granted)
    return {patient_id for patient_id, words in said.items() if not words[-1] and any(words)}


@dataclass(frozen=True, slots=True)
class Weighed:
    """Everybody who waits, with the verdict on each, in the order in which they are asked."""

    entries: list[tuple[WaitlistEntry, Verdict]]
    possible: dict[int, frozenset[datetime]]
    """Visit type id -> the starts at which all of it is free: whether an offer still can be kept."""
    quiet: dict[int, QuietHours]


def weigh(slot: FreedSlot, policy: WaitlistPolicy, *, now: datetime) -> Weighed:
    """Who fits the freed time now, who may later, and who never does."""
    rows = _waiting(slot, now)
    offers = _offers_of(slot)
    visit_types = {row.visit_type_id: row.visit_type for row in rows} | {
        offer.entry.visit_type_id: offer.entry.visit_type for offer in offers if offer.slot_id == slot.pk
    }
    kinds = kinds_of(slot)
    starts = {
        pk: _starts(slot, visit_type, kinds, now) if _useful(visit_type, kinds) else []
        for pk, visit_type in visit_types.items()
    }
    facts = _Facts.load(slot, rows, now)
    by_id = {row.pk: row for row in rows}
    gave_up = slot.appointment or slot.hold
    lost: dict[int, set[datetime]] = defaultdict(set)
    for offer in offers:
        if offer.status == OfferStatus.SUPERSEDED:
            lost[offer.patient_id].add(offer.start_at)
    verdicts = []
    for waiting in in_order(facts.waiting(row, policy) for row in rows):
        visit_type = by_id[waiting.id].visit_type
        freed = Freed(
            zone=slot.site.zone,
            starts=starts[visit_type.pk],
            length=timedelta(minutes=Visit.of(visit_type).minutes),
            given_up_by=gave_up.patient_id if gave_up else None,
            offered_to={offer.patient_id for offer in offers if offer.status != OfferStatus.SUPERSEDED},
            lost=lost,
            useful=_useful(visit_type, kinds),
        )
        verdicts.append((by_id[waiting.id], verdict(waiting, freed, now=now)))
    return Weighed(verdicts, {pk: frozenset(found) for pk, found in starts.items()}, facts.quiet)


def _offers_of(slot: FreedSlot) -> list[Offer]:
    """What was ever offered of the time that was freed, whoever took of it meanwhile."""
    first = slot.rest_of_id or slot.pk
    family = Offer.objects.filter(Q(slot=first) | Q(slot__rest_of=first))
    return list(family.select_related("entry__visit_type"))


def question_for(
    slot: FreedSlot, visit_type: VisitType, kinds: Mapping[int, Kind], *, now: datetime
) -> Question:
    """What to search: this visit in the freed time, on the chair (or pump, or room) that was freed.

    Whose hands are free beside it is for the search; only where nothing but people was freed are they named.
    """
    needed = {requirement.kind for requirement in Visit.of(visit_type).requirements}
    useful = {pk: kind for pk, kind in kinds.items() if kind in needed}
    things = {pk for pk, kind in useful.items() if kind not in PEOPLE}
    return Question(
        visit_type=visit_type,
        site=slot.site,
        window=Interval(max(slot.start_at, now), max(slot.end_at, now + timedelta(minutes=1))),
        now=now,
        resource_ids=frozenset(things or useful),
        notice_kept=True,
    )


def accepting(offer: Offer, *, now: datetime) -> Question:
    """The question that booking an accepted offer asks. The notice was kept when it was offered."""
    slot, visit_type = offer.slot, offer.entry.visit_type
    asked = question_for(slot, visit_type, kinds_of(slot), now=now)
    at = Interval(offer.start_at, offer.start_at + timedelta(minutes=1))
    return replace(asked, window=at, patient_id=offer.patient_id)


def kinds_of(slot: FreedSlot) -> dict[int, Kind]:
    """Resource id -> kind of what was freed; empty where that is the whole site."""
    rows = Resource.objects.filter(pk__in=slot.resource_ids).order_by().values_list("pk", "kind")
    return {pk: Kind(kind) for pk, kind in rows}


def _useful(visit_type: VisitType, kinds: Mapping[int, Kind]) -> bool:
    needed = {requirement.kind for requirement in Visit.of(visit_type).requirements}
    return not kinds or bool(needed & set(kinds.values()))


def _starts(
    slot: FreedSlot, visit_type: VisitType, kinds: Mapping[int, Kind], now: datetime
) -> list[datetime]:
    if slot.end_at <= now or not visit_type.active:
        return []
    return search(question_for(slot, visit_type, kinds, now=now)).starts()


def _waiting(slot: FreedSlot, now: datetime) -> list[WaitlistEntry]:
    return list(
        WaitlistEntry.objects.filter(
            site=slot.site_id,
            status=EntryStatus.ACTIVE,
            earliest_at__lt=slot.end_at,
            latest_at__gt=max(slot.start_at, now),
            patient__status=Patient.Status.ACTIVE,
        )
        .select_related("patient", "visit_type", "course")
        .order_by("-priority", "created_at", "id")[:MOST_WEIGHED]
    )


@dataclass(frozen=True, slots=True)
class _Facts:
    """What is known about the patients who wait, fetched for all of them at once."""

    now: datetime
    quiet: dict[int, QuietHours]
    silent: set[int]
    busy: dict[int, list[Interval]]
    answering: dict[int, datetime]
    course_days: dict[int, frozenset[date]]

    @classmethod
    def load(cls, slot: FreedSlot, rows: Collection[WaitlistEntry], now: datetime) -> "_Facts":
        patient_ids = [row.patient_id for row in rows]
        standing = Offer.objects.filter(
            patient__in=patient_ids, status=OfferStatus.OFFERED, expires_at__gt=now
        ).exclude(slot=slot)
        return cls(
            now=now,
            quiet=quiet_hours(row.patient.site_id for row in rows),
            silent=texted_stop(patient_ids),
            busy=_busy(patient_ids, slot, now),
            answering=dict(standing.order_by("expires_at").values_list("patient_id", "expires_at")),
            course_days=_course_days(slot, {row.course for row in rows if row.course is not None}),
        )

    def waiting(self, row: WaitlistEntry, policy: WaitlistPolicy) -> Waiting:
        """The entry as the rules read it."""
        patient, fasting = row.patient, row.visit_type.kind in _COMES_FASTING
        quiet = self.quiet[patient.site_id]
        asked = None if row.notice_minutes is None else timedelta(minutes=row.notice_minutes)
        notice = notice_needed(
            asked=asked,
            fasting=fasting,
            usual=timedelta(minutes=policy.notice_minutes),
            fasting_usual=timedelta(minutes=policy.fasting_minutes),
            floor=timedelta(minutes=policy.fasting_floor_minutes),
        )
        return Waiting(
            id=row.pk,
            patient_id=row.patient_id,
            priority=row.priority,
            since=row.created_at,
            window=Interval(row.earliest_at, row.latest_at),
            weekdays=frozenset(row.weekdays),
            earliest_time=row.earliest_time,
            latest_time=row.latest_time,
            notice=max(notice, timedelta(minutes=row.visit_type.min_notice_minutes)),
            needs_escort=fasting,
            has_escort=row.has_escort,
            contactable=contactable(patient, quiet, texted_stop=row.patient_id in self.silent),
            quiet_until=next_allowed(self.now, quiet, patient.zone),
            answering_until=self.answering.get(row.patient_id),
            busy=tuple(self.busy.get(row.patient_id, ())),
            allowed_days=self.course_days.get(row.course_id) if row.course_id else None,
        )


def _busy(patient_ids: Collection[int], slot: FreedSlot, now: datetime) -> dict[int, list[Interval]]:
    """Visits and held times of these patients from the freed time's start to a day after its end."""
    around = Q(
        patient__in=patient_ids, start_at__lt=slot.end_at + timedelta(days=1), end_at__gt=slot.start_at
    )
    fields = ("patient_id", "start_at", "end_at")
    visits = Appointment.objects.filter(around).exclude(status__in=Appointment.FREES_RESOURCES).order_by()
    held = Hold.objects.active(now).filter(around).order_by()
    found: dict[int, list[Interval]] = defaultdict(list)
    for patient_id, start, end in visits.values_list(*fields).union(held.values_list(*fields), all=True):
        found[patient_id].append(Interval(start, end))
    return found


def _course_days(slot: FreedSlot, waiting: Iterable[Course]) -> dict[int, frozenset[date]]:
    """Course id -> the local dates of the freed time on which one more session keeps the gaps."""
    by_id = {course.pk: course for course in waiting}
    if not by_id:
        return {}
    zone = slot.site.zone
    first, last = slot.start_at.astimezone(zone).date(), slot.end_at.astimezone(zone).date()
    wanted = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    sessions: dict[int, list[date]] = defaultdict(list)
    held = Appointment.objects.filter(course__in=by_id).exclude(status__in=Appointment.FREES_RESOURCES)
    for course_id, start in held.order_by("start_at").values_list("course_id", "start_at"):
        sessions[course_id].append(start.astimezone(zone).date())
    since, until = first - _OPEN_DAYS_SEARCHED, last + _OPEN_DAYS_SEARCHED
    is_open = open_days(site=slot.site, first=since, last=until)
    dates = [since + timedelta(days=n) for n in range((until - since).days + 1)]
    found = {}
    for pk, course in by_id.items():
        allowed = course.allowed_weekdays
        calendar = OpenDays(
            day for day in dates if is_open(day) and (allowed is None or day.weekday() in allowed)
        )
        found[pk] = frozenset(
            day
            for day in wanted
            if (allowed is None or day.weekday() in allowed)
            and course.status == Course.Status.ACTIVE
            and len(sessions[pk]) < course.sessions_planned
            and keeps_gaps(sessions[pk], day, stages=courses.parse(course.stages), calendar=calendar)
        )
    return found
