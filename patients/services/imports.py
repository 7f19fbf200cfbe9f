"""Loads many patients through the same rules as a single registration, and says why any is not loaded.

Batches commit on their own unless all or nothing is asked for, and who is already there is
recognised, so an import that was interrupted is simply run again.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar

from django.db import DatabaseError

from clinic.access.models import Site
from clinic.access.policy import Actor
from clinic.common.errors import FieldError, Invalid
from clinic.common.transactions import durable
from patients.domain.csv_rows import Refusal
from patients.domain.import_rows import PREFERENCE_COLUMNS, ConditionRow, PatientRow, preference
from patients.models import Condition, Consent, Patient, PatientCondition
from patients.services import consents, details
from patients.services import patients as registry

BATCH = 500
_CLASH_RETRIES = 3
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an import did, or, in a dry run, would do: patients, their conditions, and refused rows."""

    added: int = 0
    deceased: int = 0
    conditions: int = 0
    already_there: int = 0
    refused: int = 0
    refusals: tuple[Refusal, ...] = ()

    def __add__(self, other: "Outcome") -> "Outcome":
        return Outcome(
            added=self.added + other.added,
            deceased=self.deceased + other.deceased,
            conditions=self.conditions + other.conditions,
            already_there=self.already_there + other.already_there,
            refused=self.refused + other.refused,
            refusals=self.refusals + other.refusals,
        )


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A row whose details are in order."""

    row: PatientRow
    cleaned: dict[str, Any]
    preferences: dict[str, bool]

    @property
    def key(self) -> registry.PersonKey:
        return registry.person_key(self.cleaned)


class _TakenBackError(Exception):
    """Leaves the transaction of an all-or-nothing import that met a refusal while writing."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__()
        self.outcome = outcome


def load(
    *,
    actor: Actor,
    now: datetime,
    site: Site,
    rows: Iterable[PatientRow | Refusal],
    all_or_nothing: bool = False,
    dry_run: bool = False,
) -> Outcome:
    """Load the rows at a site, or with ``dry_run`` only say what loading them would do.

    A row is already there when its MRN is known here for someone of that name or birth date, or,
    without an MRN, when its name and birth date are. Raises Forbidden.
    """
    actor.require("patients.import", site.pk)
    screening = _Screening(now=now)
    job = _Job(actor=actor, now=now, site=site, condition_ids=_condition_ids())
    candidates = screening.accepted(rows)
    if all_or_nothing or dry_run:
        known = list(candidates)
        outcome = sum((job.settle(batch, write=False) for batch in _batches(known)), start=screening.take())
        if all_or_nothing and outcome.refused:
            outcome = _with_nothing_added(outcome)
        elif not dry_run:
            outcome = _all_or_nothing(job, known)
    else:
        outcome = sum((_one_batch(job, batch) for batch in _batches(candidates)), start=Outcome())
        outcome += screening.take()
    return replace(outcome, refusals=tuple(sorted(outcome.refusals, key=lambda row: (row.file, row.line))))


@dataclass(slots=True)
class _Screening:
    """Checks each row by itself and against the rows above it in the same file."""

    now: datetime
    _by_mrn: dict[str, int] = field(default_factory=dict)
    _by_person: dict[registry.PersonKey, int] = field(default_factory=dict)
    _refused: int = 0
    _refusals: list[Refusal] = field(default_factory=list)

    def accepted(self, rows: Iterable[PatientRow | Refusal]) -> Iterator[_Candidate]:
        """The rows that may go on; the others are kept for ``take``."""
        for row in rows:
            if isinstance(row, Refusal):
                self._refuse(row)
                continue
            cleaned, faults = details.clean_all(registry.complete(row.details()), today=self.now.date())
            preferences = _preferences(row, faults)
            if faults:
                self._refuse(*(_refusal(row, fault.pointer[1:], fault.detail) for fault in faults))
                continue
            candidate = _Candidate(row, cleaned, preferences)
            if not self._repeats(candidate):
                yield candidate

    def take(self) -> Outcome:
        """What was refused so far."""
        return Outcome(refused=self._refused, refusals=tuple(self._refusals))

    def _repeats(self, candidate: _Candidate) -> bool:
        mrn, key, row = candidate.cleaned.get("mrn"), candidate.key, candidate.row
        if mrn and mrn in self._by_mrn:
            self._refuse(_refusal(row, "mrn", f"The same MRN as in line {self._by_mrn[mrn]}."))
            return True
        if key in self._by_person:
            reason = f"The same name and date of birth as in line {self._by_person[key]}."
            self._refuse(_refusal(row, "last_name", reason))
            return True
        if mrn:
            self._by_mrn[mrn] = row.line
        self._by_person[key] = row.line
        return False

    def _refuse(self, *refusals: Refusal) -> None:
        self._refused += 1
        self._refusals += refusals


@dataclass(frozen=True, slots=True)
class _Job:
    """Who loads what where."""

    actor: Actor
    now: datetime
    site: Site
    condition_ids: dict[str, int]

    def settle(self, batch: list[_Candidate], *, write: bool) -> Outcome:
        """Tell new from known and clashing, and insert the new when asked to."""
        by_mrn = {
            row["mrn"]: row
            for row in Patient.objects.filter(
                mrn__in=[c.cleaned["mrn"] for c in batch if "mrn" in c.cleaned]
            ).values("mrn", "site_id", "first_name", "last_name", "date_of_birth")
        }
        people = registry.same_people(self.site, (c.key for c in batch))
        fresh: list[_Candidate] = []
        refusals: list[Refusal] = []
        already_there = 0
        for candidate in batch:
            mrn = candidate.cleaned.get("mrn")
            holder = by_mrn.get(mrn) if mrn else None
            if self._is_there(candidate, holder) or (not mrn and candidate.key in people):
                already_there += 1
            elif holder:
                refusals.append(_refusal(candidate.row, "mrn", "Another patient has this MRN."))
            elif candidate.key in people:
                reason = "A patient with this name and date of birth is already registered here."
                refusals.append(_refusal(candidate.row, "last_name", reason))
            else:
                fresh.append(candidate)
        if write:
            self._insert(fresh)
        return Outcome(
            added=len(fresh),
            deceased=sum(c.cleaned.get("status") == Patient.Status.DECEASED for c in fresh),
            conditions=sum(len(c.row.conditions) for c in fresh),
            already_there=already_there,
            refused=len(refusals),
            refusals=tuple(refusals),
        )

    def _is_there(self, candidate: _Candidate, holder: Mapping[str, Any] | None) -> bool:
        if holder is None or holder["site_id"] != self.site.pk:
            return False
        born, name = registry.person_key(holder)
        return born == candidate.key[0] or name == candidate.key[1]

    def _insert(self, fresh: list[_Candidate]) -> None:
        made = iter(registry.make_mrns(sum("mrn" not in c.cleaned for c in fresh)))
        patients: list[Patient] = []
        said: list[Consent] = []
        had: list[PatientCondition] = []
        for candidate in fresh:
            cleaned = (
                candidate.cleaned if "mrn" in candidate.cleaned else {**candidate.cleaned, "mrn": next(made)}
            )
            patient = registry.build(site=self.site, cleaned=cleaned, now=self.now)
            said += consents.opening_rows(
                patient=patient,
                preferences=candidate.preferences,
                actor=self.actor,
                now=self.now,
                source=Consent.Source.IMPORT,
            )
            had += [self._condition(patient, row) for row in candidate.row.conditions]
            patients.append(patient)
        Patient.objects.bulk_create(patients)
        Consent.objects.bulk_create(said)
        PatientCondition.objects.bulk_create(had)

    def _condition(self, patient: Patient, row: ConditionRow) -> PatientCondition:
        return PatientCondition(
            patient=patient,
            condition_id=self.condition_ids[row.code],
            onset_on=row.onset_on,
            resolved_on=row.resolved_on,
            source="import",
        )


def _one_batch(job: _Job, batch: list[_Candidate]) -> Outcome:
    return _again_after_a_clash(lambda: _commit(job, batch))


def _all_or_nothing(job: _Job, candidates: list[_Candidate]) -> Outcome:
    try:
        return _again_after_a_clash(lambda: _commit_all(job, candidates))
    except _TakenBackError as taken_back:
        return _with_nothing_added(taken_back.outcome)


@durable
def _commit(job: _Job, batch: list[_Candidate]) -> Outcome:
    registry.lock_registration(job.site)
    return job.settle(batch, write=True)


@durable
def _commit_all(job: _Job, candidates: list[_Candidate]) -> Outcome:
    registry.lock_registration(job.site)
    outcome = sum((job.settle(batch, write=True) for batch in _batches(candidates)), start=Outcome())
    if outcome.refused:
        raise _TakenBackError(outcome)
    return outcome


def _again_after_a_clash(commit: Callable[[], Outcome]) -> Outcome:
    """Another site may take an MRN between our look and our insert; a second look sees it."""
    for _ in range(_CLASH_RETRIES):
        try:
            return commit()
        except DatabaseError as error:
            if not registry.is_mrn_clash(error):
                raise
    return commit()


def _with_nothing_added(outcome: Outcome) -> Outcome:
    return replace(outcome, added=0, deceased=0, conditions=0)


def _batches(items: Iterable[T]) -> Iterator[list[T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, BATCH)):
        yield batch


def _preferences(row: PatientRow, faults: list[FieldError]) -> dict[str, bool]:
    said = {}
    for column, channel in PREFERENCE_COLUMNS.items():
        if column in row.given:
            try:
                said[channel] = preference(row.given[column])
            except Invalid as fault:
                faults.append(FieldError(pointer=f"/{column}", code=fault.code, detail=fault.detail))
    return said


def _refusal(row: PatientRow, field_name: str, reason: str) -> Refusal:
    return Refusal(row.file, row.line, row.column(field_name), reason)


def _condition_ids() -> dict[str, int]:
    return dict(Condition.objects.values_list("code", "id"))
