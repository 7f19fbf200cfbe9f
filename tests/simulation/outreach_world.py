"""A clinic that lives through months of random days while its workers crash and its gateways fail.

One idea: everything the product did is judged by what really left (:class:`Post`), and by notes that the
world takes of what was true at each moment. Neither comes from the product's own ledger or rules.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.models.functions import Now

from clinic.access.models import Site
from clinic.access.policy import SYSTEM
from clinic.common.errors import DomainError
from patients.gateways.base import Fault, GatewayError, Outgoing
from patients.models import Consent, Message, Patient
from patients.services import consents
from patients.services import patients as registry
from patients.services.dispatch import dispatch
from scheduling.domain.transitions import Verb
from scheduling.models import Appointment
from scheduling.services import appointments, visit_steps
from tests.factories import PatientFactory, open_clinic, visit_type

ZONES = ("America/Denver", "America/New_York", "Pacific/Honolulu", "Europe/Madrid")
AWAITED = {"booked", "confirmed"}
QUIET_FROM, QUIET_UNTIL = time(20), time(9)


class Killed(BaseException):
    """The worker dies here: nothing after this line runs, its transaction is rolled back."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One message that really left."""

    at: datetime
    message_id: int
    channel: str
    to: str


@dataclass
class Post:
    """Both gateways at once: delivers, refuses, hangs or kills the worker, as ``mood`` says."""

    random: random.Random
    now: datetime
    letters: list[Letter] = field(default_factory=list)
    mood: str = "well"
    moody: float = 0.5
    """How often the mood shows."""

    def gateway(self, channel: str) -> "_Gateway":
        """The way out for one channel."""
        return _Gateway(self, channel)

    def take(self, channel: str, outgoing: Outgoing) -> str:
        """Deliver one message, or not."""
        mood = self.mood if self.random.random() < self.moody else "well"
        if mood == "dies before":
            raise Killed
        if mood in _FAULTS:
            raise GatewayError(_FAULTS[mood], mood)
        if mood == "hangs" and self.random.random() < 0.5:
            raise GatewayError(Fault.UNKNOWN, "no_reply")
        message_id = int(outgoing.reference.removeprefix("m").partition(".")[0])
        self.letters.append(Letter(self.now, message_id, channel, outgoing.to))
        if mood == "dies after":
            raise Killed
        if mood == "hangs":
            raise GatewayError(Fault.UNKNOWN, "no_reply")
        return f"p{len(self.letters)}"


_FAULTS = {
    "not now": Fault.TEMPORARY,
    "down": Fault.UNAVAILABLE,
    "refuses": Fault.REFUSED,
    "bad address": Fault.BAD_ADDRESS,
}
MOODS = ("well", "well", "well", "dies before", "dies after", "hangs", *_FAULTS)


@dataclass(frozen=True)
class _Gateway:
    post: Post
    channel: str

    def send(self, outgoing: Outgoing) -> str:
        return self.post.take(self.channel, outgoing)

    def close(self) -> None:
        """Nothing to let go of."""


@contextmanager
def dies_at_statement(number: int) -> Iterator[Counter[str]]:
    """The process dies just before its ``number``-th SQL statement; counts those that it sent."""
    sent: Counter[str] = Counter()

    def count(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith(("SAVEPOINT", "RELEASE", "ROLLBACK")):
            return execute(sql, params, many, context)
        sent["statements"] += 1
        if sent["statements"] == number:
            raise Killed
        return execute(sql, params, many, context)

    with connection.execute_wrapper(count):
        yield sent


def leases_run_out() -> None:
    """A minute passes for whoever still holds a message."""
    Message.objects.filter(status=Message.Status.SENDING).update(leased_until=Now() - timedelta(seconds=1))


@dataclass(frozen=True, slots=True)
class Truth:
    """What counted for one visit, or one patient, from one moment on."""

    since: datetime
    facts: tuple[Any, ...]


class World:
    """A site, patients in four zones, and a clock that only goes forward."""

    def __init__(self, site: Site, *, seed: int, start: datetime, patients: int = 10) -> None:
        self.random = random.Random(seed)
        self.now = start
        self.site = site
        self.post = Post(random=self.random, now=start)
        self.happened: Counter[str] = Counter()
        self.visits: dict[int, list[Truth]] = defaultdict(list)
        self.people: dict[int, list[Truth]] = defaultdict(list)
        open_clinic(site, chairs=4, nurses=2)
        self.patients = [
            PatientFactory.create(
                site=site, timezone=ZONES[number % len(ZONES)], language=("en", "es")[number % 2]
            )
            for number in range(patients)
        ]
        for patient in self.patients:
            self._note_patient(patient)

    def live(self, steps: int) -> None:
        """So many random things happen, one after the other."""
        deeds = (
            (self.book, 5), (self.move, 3), (self.cancel, 2), (self.confirm, 2), (self.no_show, 1),
            (self.consent, 2), (self.new_contact, 1), (self.wait, 6), (self.work, 8),
        )  # fmt: skip
        verbs = [deed for deed, weight in deeds for _ in range(weight)]
        for _ in range(steps):
            deed = self.random.choice(verbs)
            if deed is not self.work and self.random.random() < 0.05:
                self._dies_while(deed)
            else:
                deed()

    def settle(self) -> None:
        """Everything works again, and time passes until nothing is left to do."""
        self.post.mood = "well"
        for _ in range(400):
            leases_run_out()
            self.round()
            waiting = Message.objects.unfinished().order_by("due_at").first()
            if waiting is None:
                return
            self._turn(
                max(self.now + timedelta(minutes=5), min(waiting.due_at, self.now + timedelta(hours=6)))
            )
        raise AssertionError("the outbox does not drain")

    # --- what people do ---------------------------------------------------------------------------

    def book(self) -> None:
        """Somebody gets a visit in the next days."""
        patient = self.random.choice(self.patients)
        with self._refusals("book"):
            made = appointments.book(
                actor=SYSTEM, now=self.now, patient_id=patient.pk, visit_type=visit_type("follow-up"),
                site=self.site, start=self._start(),
            )  # fmt: skip
            self._note_visit(made)

    def move(self) -> None:
        """A visit gets another time."""
        if visit := self._awaited():
            with self._refusals("move"):
                self._note_visit(
                    appointments.reschedule(
                        actor=SYSTEM, now=self.now, appointment_id=visit.pk, start=self._start()
                    )
                )

    def cancel(self) -> None:
        """A visit is called off."""
        self._step(Verb.CANCEL)

    def confirm(self) -> None:
        """A patient says they will come."""
        self._step(Verb.CONFIRM)

    def no_show(self) -> None:
        """A visit that began and to which nobody came."""
        if visit := self._awaited(begun=True):
            self._step(Verb.NO_SHOW, visit)

    def consent(self) -> None:
        """A patient allows or forbids a channel."""
        patient = self.random.choice(self.patients)
        consents.record(
            actor=SYSTEM, now=self.now, patient_id=patient.pk,
            channel=self.random.choice(("email", "sms")), granted=self.random.random() < 0.7,
            purpose=Consent.Purpose.CARE,
        )  # fmt: skip
        self.happened["consent"] += 1
        self._note_patient(patient)

    def new_contact(self) -> None:
        """A patient has a new number and address."""
        patient = self.random.choice(self.patients)
        stamp = self.random.randrange(10_000)
        with self._refusals("contact"):
            patient.refresh_from_db()
            registry.update(
                actor=SYSTEM, now=self.now, patient_id=patient.pk, expected_version=patient.version,
                changes={"email": f"moved{stamp}@example.org", "phone": f"+1720555{stamp:04d}"},
            )  # fmt: skip
        self._note_patient(patient)

    def wait(self) -> None:
        """Minutes to hours pass; leases of the dead run out."""
        self._turn(self.now + timedelta(minutes=self.random.choice((1, 5, 20, 60, 180, 420))))
        if self.random.random() < 0.5:
            leases_run_out()

    def work(self) -> None:
        """A worker looks at what is due; it may die at any statement, and gateways have moods."""
        self.post.mood = self.random.choice(MOODS)
        dies_at = self.random.choice((0, 0, self.random.randrange(1, 60)))
        try:
            with dies_at_statement(dies_at):
                self.round()
        except Killed:
            self.happened["killed"] += 1

    def _dies_while(self, deed: Callable[[], None]) -> None:
        """The web process dies in the middle of a request: all of it happened, or nothing."""
        try:
            with dies_at_statement(self.random.randrange(1, 40)):
                deed()
        except Killed:
            self.happened["killed in a request"] += 1

    # --- how it is done ---------------------------------------------------------------------------

    def round(self) -> None:
        """One round of a worker."""
        gateways = {channel: self.post.gateway(channel) for channel in ("email", "sms")}
        dispatch(now=self.now, gateways=gateways)
        for patient in self.patients:  # a refused address changes what may be used
            self._note_patient(patient)

    def _turn(self, to: datetime) -> None:
        self.now = self.post.now = to

    def _start(self) -> datetime:
        day = (self.now + timedelta(days=self.random.randrange(10))).astimezone(ZoneInfo(self.site.timezone))
        return day.replace(
            hour=self.random.randrange(8, 18), minute=self.random.choice((0, 20, 40)), second=0, microsecond=0
        )

    def _awaited(self, *, begun: bool = False) -> Appointment | None:
        rows = Appointment.objects.filter(status__in=AWAITED).order_by("id")
        rows = rows.filter(start_at__lte=self.now) if begun else rows.filter(start_at__gt=self.now)
        found = list(rows)
        return self.random.choice(found) if found else None

    def _step(self, verb: Verb, visit: Appointment | None = None) -> None:
        visit = visit or self._awaited()
        if visit is not None:
            with self._refusals(verb.value):
                self._note_visit(
                    visit_steps.step(actor=SYSTEM, now=self.now, appointment_id=visit.pk, verb=verb)
                )

    @contextmanager
    def _refusals(self, deed: str) -> Iterator[None]:
        try:
            yield
            self.happened[deed] += 1
        except DomainError as error:
            self.happened[f"{deed} refused"] += 1
            if error.code == "contention":
                raise

    def _note_visit(self, visit: Appointment) -> None:
        self.visits[visit.pk].append(Truth(self.now, (visit.status, visit.plan_version, visit.start_at)))

    def _note_patient(self, patient: Patient) -> None:
        patient.refresh_from_db()
        facts = (patient.accepts_email, patient.accepts_sms, patient.email, patient.phone)
        if not self.people[patient.pk] or self.people[patient.pk][-1].facts != facts:
            self.people[patient.pk].append(Truth(self.now, facts))


def at(history: list[Truth], moment: datetime) -> list[tuple[Any, ...]]:
    """What counted at a moment: the latest fact, and with it all that came at the same instant."""
    same = [truth.facts for truth in history if truth.since == moment]
    before = [truth.facts for truth in history if truth.since < moment]
    return [*before[-1:], *same]


def is_night(moment: datetime, zone: str) -> bool:
    """Whether the patient sleeps."""
    local = moment.astimezone(ZoneInfo(zone)).time()
    return local >= QUIET_FROM or local < QUIET_UNTIL


EDGES = (datetime(2027, 3, 9, 17, 0, tzinfo=UTC), datetime(2027, 11, 2, 17, 0, tzinfo=UTC))
"""Days before the clocks change in Denver, New York and (in March, later) Madrid."""
