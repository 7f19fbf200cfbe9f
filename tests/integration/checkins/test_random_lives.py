"""Random prescriptions lived through with random answers, in the database: whatever happens, no check-in is
answered twice, nothing is lost, each prescription has one schedule in force, and the record tells every
schedule that ever was."""

from collections import Counter
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clinic.access.policy import SYSTEM
from clinic.common.errors import DomainError
from patients.models import Assessment, Patient, WorkItem
from scheduling.domain.check_ins import plan
from scheduling.models import CheckIn
from scheduling.selectors import check_ins as selector
from scheduling.selectors.prescriptions import history
from scheduling.services import check_in_drafts, check_ins, prescriptions
from tests.factories import PatientFactory, SiteFactory, open_clinic
from tests.factories.prescriptions import prescribed
from tests.unit.assessments.shipped import answers as answers_to

pytestmark = pytest.mark.django_db

FIRST = datetime(2027, 1, 4, 17, 0, tzinfo=UTC)
ORDERS = ("change", "stop", "restart")
steps = st.lists(
    st.tuples(
        st.sampled_from(("page", "phone", "draft", "tick", *ORDERS)), st.integers(0, 9), st.integers(0, 9)
    ),
    min_size=1,
    max_size=14,
)


class Life:
    """One patient and one medicine; each step comes some days after the one before."""

    def __init__(self, age: int) -> None:
        site = SiteFactory.create()
        open_clinic(site)
        born = date(2027 - age, 1, 1)
        self.patient: Patient = PatientFactory.create(site=site, date_of_birth=born)
        self.now = FIRST
        self.doses = iter(Decimal(dose) for dose in range(51, 100))
        self.prescription = prescribed(self.patient, now=self.now, first_dose_on=self.today)
        self.answered: dict[int, tuple[Any, ...]] = {}
        self.plans: list[set[str]] = []
        self.look()

    @property
    def today(self) -> date:
        return self.now.astimezone(self.patient.zone).date()

    def rows(self, **fields: Any) -> list[CheckIn]:
        return list(CheckIn.objects.filter(prescription=self.prescription, **fields).order_by("pk"))

    def step(self, kind: str, days: int, which: int) -> None:
        """A refusal is a step too: nothing may have changed by it."""
        self.now += timedelta(days=days)
        check_ins.advance(now=self.now, limit=10)
        with suppress(DomainError):
            self._do(kind, which)
        self.look()

    def _do(self, kind: str, which: int) -> None:
        order: dict[str, Any] = {
            "actor": SYSTEM,
            "now": self.now,
            "prescription_id": self.prescription.pk,
            "effective_on": self.today + timedelta(days=which % 4),
        }
        if kind == "change":
            prescriptions.change_dose(**order, dose_mg=next(self.doses))
        elif kind == "stop":
            prescriptions.stop(**order)
        elif kind == "restart":
            prescriptions.restart(**order, dose_mg=next(self.doses))
        elif kind != "tick":
            row = (rows := self.rows())[which % len(rows)]
            self._answer(kind, row, which)

    def _answer(self, kind: str, row: CheckIn, which: int) -> None:
        phq9, nrs = answers_to("PHQ-9", 3 * (which % 9), i9=int(which == 9)), {"1": which}
        if kind == "phone":
            answers = {code: each for code, each in (("PHQ-9", phq9), ("NRS", nrs)) if code in row.asks}
            check_ins.record(actor=SYSTEM, now=self.now, check_in_id=row.pk, answers=answers)
            return
        asked: dict[str, Any] = {"now": self.now, "patient_id": self.patient.pk, "check_in_id": row.pk}
        given = {code: each for code, each in (("PHQ-9", phq9), ("NRS", nrs)) if code in row.asks}
        check_in_drafts.save(**asked, given=given)
        if kind == "page":
            check_in_drafts.send(**asked, draft_version=None, language="en")

    def look(self) -> None:
        """What must hold after every step."""
        rows = self.rows()
        answered = {
            row.pk: (row.key, row.answered_on, row.answered_at, row.explanation)
            for row in rows
            if row.status == "answered"
        }
        assert self.answered.items() <= answered.items(), "an answer stays as it was given"
        self.answered = answered
        standing = [row.key for row in rows if row.status != "superseded"]
        assert len(standing) == len(set(standing)), "one schedule is in force"
        self.plans.append({row.key for row in self._planned()})
        for keys in self.plans:  # whatever was ever planned can still be read
            assert keys <= {row.key for row in rows}
        firsts = Assessment.objects.filter(patient=self.patient, supersedes=None)
        asked = Counter(firsts.values_list("subject_id", "code"))
        assert set(asked.values()) <= {1}, "no questionnaire is answered twice for one check-in"
        open_items = WorkItem.objects.filter(patient=self.patient).exclude(status="resolved")
        assert set(Counter(open_items.values_list("key", flat=True)).values()) <= {1}

    def _planned(self) -> Any:
        self.prescription.refresh_from_db()
        return plan(
            events=history(self.prescription),
            rules=selector.rules_in_force(),
            facts=selector.facts_of(self.patient, indication=self.prescription.indication, now=self.now),
            drug_class=self.prescription.drug_class,
        )


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(age=st.sampled_from([20, 46]), lived=steps)
def test_nothing_is_lost_and_nothing_doubles(age: int, lived: list[tuple[str, int, int]]) -> None:
    life = Life(age)
    for kind, days, which in lived:
        life.step(kind, days, which)
    last = max(row.window_end_on for row in life.rows())
    life.now = datetime.combine(last + timedelta(days=2), FIRST.timetz())
    check_ins.advance(now=life.now, limit=10)
    life.look()
    assert not life.rows(status__in=CheckIn.OPEN), "every row ends answered, missed, superseded or cancelled"
    missed = [row for row in life.rows(status="missed") if row.mandatory]
    keys = set(WorkItem.objects.filter(patient=life.patient).values_list("key", flat=True))
    assert {f"check_in_missed:{row.pk}" for row in missed} <= keys, "nothing mandatory lapses in silence"
