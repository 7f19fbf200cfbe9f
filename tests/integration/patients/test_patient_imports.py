"""Loading many: the same rules and consents as one by one, resumable, exact about what is not loaded."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from threading import Barrier
from typing import Any

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from clinic.access.models import Site
from clinic.access.policy import SYSTEM, Actor
from clinic.common.errors import Forbidden
from patients.domain.csv_rows import Refusal
from patients.domain.import_rows import ConditionRow, PatientRow
from patients.models import Condition, Consent, Patient, PatientCondition
from patients.services import imports, patients
from tests.conftest import NOW
from tests.factories import PatientFactory, SiteFactory

pytestmark = pytest.mark.django_db


def row(line: int, first_name: str, *conditions: ConditionRow, **more: str) -> PatientRow:
    given = {"first_name": first_name, "last_name": "Reyes", "date_of_birth": "1980-05-17"} | more
    return PatientRow("p.csv", line, {name: text for name, text in given.items() if text}, {}, conditions)


def load(site: Site, *rows: PatientRow | Refusal, **options: Any) -> imports.Outcome:
    return imports.load(actor=SYSTEM, now=NOW, site=site, rows=rows, **options)


def reasons(outcome: imports.Outcome) -> list[tuple[int, str]]:
    return [(refusal.line, refusal.column) for refusal in outcome.refusals]


def test_a_row_becomes_what_registering_would_have_made(site: Site) -> None:
    details = {"phone": "(303) 555-0123", "email": "ana@example.org", "sex": "Female"}
    load(site, row(2, "Ana", **details, **{"contact_preferences.sms": "No"}))
    imported: dict[str, Any] = dict(Patient.objects.values().get())
    said = list(Consent.objects.order_by("channel").values_list("channel", "granted", "purpose"))
    Patient.objects.all().delete()
    registered = patients.register(
        actor=SYSTEM,
        now=NOW,
        site_id=site.pk,
        given={"first_name": "Ana", "last_name": "Reyes", "date_of_birth": date(1980, 5, 17), **details},
        contact_preferences={"sms": False},
    )
    for changing in ("id", "mrn"):
        imported.pop(changing)
    assert imported.items() <= Patient.objects.values().get(pk=registered.pk).items()
    assert said == list(Consent.objects.order_by("channel").values_list("channel", "granted", "purpose"))
    assert said == [("email", True, "care"), ("sms", False, "care")]


def test_consents_of_an_import_say_so(site: Site) -> None:
    load(site, row(2, "Ana", phone="3035550123"))
    assert Consent.objects.get().source == Consent.Source.IMPORT


def test_running_twice_loads_nothing_twice(site: Site) -> None:
    rows = [row(2, "Ana", mrn="A1"), row(3, "Bo"), row(4, "Cy", phone="3035550123")]
    assert load(site, *rows).added == 3
    again = load(site, *rows)
    assert (again.added, again.already_there, again.refused) == (0, 3, 0)
    assert (Patient.objects.count(), Consent.objects.count()) == (3, 1)


def test_a_person_who_married_or_whose_birth_date_was_corrected_is_still_there(site: Site) -> None:
    load(site, row(2, "Ana", mrn="A1"), row(3, "Bo", mrn="B1"))
    again = load(
        site, row(2, "Ana", mrn="A1", last_name="Li"), row(3, "Bo", mrn="B1", date_of_birth="1981-01-01")
    )
    assert again.already_there == 2


def test_clashes_with_who_is_there_are_refused(site: Site) -> None:
    PatientFactory.create(site=site, mrn="A1", date_of_birth=date(1950, 1, 1))
    PatientFactory.create(mrn="B1", first_name="Bo", last_name="Reyes", date_of_birth=date(1980, 5, 17))
    PatientFactory.create(
        site=site, mrn="C1", first_name="Cy", last_name="Reyes", date_of_birth=date(1980, 5, 17)
    )
    outcome = load(site, row(2, "Ana", mrn="A1"), row(3, "Bo", mrn="B1"), row(4, "Cy", mrn="C2"))
    assert reasons(outcome) == [(2, "mrn"), (3, "mrn"), (4, "last_name")]
    assert Patient.objects.count() == 3


def test_repeats_within_a_file_name_the_line_they_repeat(site: Site) -> None:
    outcome = load(site, row(2, "Ana", mrn="A1"), row(3, "Bo", mrn="a1"), row(4, "ANA"))
    assert outcome.added == 1
    assert [(r.line, r.column, "line 2" in r.reason) for r in outcome.refusals] == [
        (3, "mrn", True),
        (4, "last_name", True),
    ]


def test_every_fault_of_a_row_is_a_line_of_the_report_and_one_refused_row(site: Site) -> None:
    bad = row(
        3,
        "=1+1",
        last_name="",
        date_of_birth="05/17/1980",
        phone="nope",
        **{"contact_preferences.sms": "perhaps"},
    )
    outcome = load(site, Refusal("p.csv", 9, "", "x"), bad, row(2, "Ana"))
    assert (outcome.added, outcome.refused) == (1, 2)
    assert set(reasons(outcome)) == {
        (3, "first_name"),
        (3, "last_name"),
        (3, "date_of_birth"),
        (3, "phone"),
        (3, "contact_preferences.sms"),
        (9, ""),
    }
    assert outcome.refusals[-1].line == 9
    assert not any("1+1" in refusal.reason or "05/17" in refusal.reason for refusal in outcome.refusals)


def test_all_or_nothing_is_that(site: Site) -> None:
    refused = load(site, row(2, "Ana"), row(3, "Bo", phone="nope"), all_or_nothing=True)
    assert (refused.added, refused.refused, Patient.objects.count()) == (0, 1, 0)
    assert load(site, row(2, "Ana"), row(3, "Bo"), all_or_nothing=True).added == 2


def test_a_clash_found_only_while_writing_takes_everything_back(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = patients.lock_registration

    def somebody_is_faster(locked: Site) -> None:
        if not Patient.objects.filter(mrn="B1").exists():
            PatientFactory.create(mrn="B1", date_of_birth=date(1950, 1, 1))
        original(locked)

    monkeypatch.setattr(patients, "lock_registration", somebody_is_faster)
    outcome = load(site, row(2, "Ana"), row(3, "Bo", mrn="B1"), all_or_nothing=True)
    assert (outcome.added, reasons(outcome)) == (0, [(3, "mrn")])
    assert not Patient.objects.filter(site=site).exists()


def test_a_dry_run_says_the_same_and_writes_nothing(site: Site) -> None:
    rows = [row(2, "Ana", phone="3035550123"), row(3, "Bo", phone="nope")]
    dry = load(site, *rows, dry_run=True)
    assert not Patient.objects.exists()
    assert dry == load(site, *rows)


def test_conditions_come_along(site: Site) -> None:
    stroke = ConditionRow("stroke", date(2001, 2, 3), date(2002, 2, 3))
    outcome = load(site, row(2, "Ana", stroke, ConditionRow("migraine", None, None)))
    assert outcome.conditions == 2
    kept = PatientCondition.objects.order_by("condition__code").values_list(
        "condition__code", "onset_on", "resolved_on", "source"
    )
    assert list(kept) == [
        ("migraine", None, None, "import"),
        ("stroke", date(2001, 2, 3), date(2002, 2, 3), "import"),
    ]
    assert Condition.objects.get(code="stroke").codes.exists()


def test_dying_between_batches_keeps_whole_batches_and_the_next_run_finishes(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "BATCH", 2)
    rows = [row(n, f"Ana{chr(97 + n)}", phone="3035550123") for n in range(5)]

    def until_the_power_fails() -> Iterator[PatientRow]:
        yield from rows[:3]
        raise SystemExit

    with pytest.raises(SystemExit):
        imports.load(actor=SYSTEM, now=NOW, site=site, rows=until_the_power_fails())
    assert (Patient.objects.count(), Consent.objects.count()) == (2, 2)
    finished = load(site, *rows)
    assert (finished.added, finished.already_there) == (3, 2)


def test_a_batch_costs_the_same_number_of_queries_however_full(
    site: Site, django_assert_max_num_queries: Callable[[int], CaptureQueriesContext]
) -> None:
    rows = [row(n, f"Ana{chr(97 + n % 26)}{chr(97 + n // 26)}", phone="3035550123") for n in range(300)]
    with django_assert_max_num_queries(12):
        assert load(site, *rows).added == 300


@pytest.mark.parametrize(("role", "allowed"), [("manager", True), ("nurse", False), ("front_desk", False)])
def test_importing_is_the_managers(
    site: Site, actor_at: Callable[..., Actor], role: str, *, allowed: bool
) -> None:
    options: Mapping[str, Any] = {"actor": actor_at(site, role), "now": NOW, "site": site}
    if allowed:
        assert imports.load(rows=[row(2, "Ana")], **options).added == 1
    else:
        with pytest.raises(Forbidden):
            imports.load(rows=[row(2, "Ana")], **options)


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_two_imports_of_one_file_load_it_once() -> None:
    here, there = SiteFactory.create(), SiteFactory.create()
    rows = [row(n, f"Ana{chr(97 + n)}", mrn=f"M{n}") for n in range(20)]
    gate = Barrier(4)

    def run(site: Site) -> imports.Outcome:
        gate.wait(30)
        try:
            return load(site, *rows)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(run, [here, here, there, there]))
    assert Patient.objects.count() == 20
    assert sum(outcome.added for outcome in outcomes) == 20
    assert all(o.added + o.already_there + o.refused == 20 for o in outcomes)
