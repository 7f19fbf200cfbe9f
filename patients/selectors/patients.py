"""Finding patients among those the caller may see, without anything personal in an address."""

from datetime import date

from django.contrib.postgres.search import SearchQuery
from django.db.models import F, OrderBy, Q, QuerySet
from django.db.models.lookups import Exact, StartsWith

from clinic.access.policy import Actor
from clinic.common.errors import FieldError, Invalid
from patients.domain import mrn as mrns
from patients.domain import names, phones
from patients.models import Consent, Patient, PatientCondition
from patients.models.patients import PHONE_REVERSED, PLAIN_MRN

DEFAULT_RESULTS = 20
MOST_RESULTS = 50


def search(
    *,
    actor: Actor,
    query: str | None = None,
    date_of_birth: date | None = None,
    phone: str | None = None,
    mrn: str | None = None,
    limit: int = DEFAULT_RESULTS,
) -> list[Patient]:
    """Patients that match everything given, by name; at most ``limit``, never over MOST_RESULTS.

    ``query``: the beginnings of words of the name, in any order; those whose last name begins with the
    first of them come first. ``phone``: a whole number in any format, or at least its last four digits.
    ``mrn``: the whole of it, punctuation and case aside. Raises Invalid that names what cannot be
    searched for.
    """
    filters = []
    if query is not None:
        filters.append(Q(search=_by_words(query)))
    if date_of_birth is not None:
        filters.append(Q(date_of_birth=date_of_birth))
    if phone is not None:
        filters.append(_by_phone(phone))
    if mrn is not None:
        filters.append(Q(Exact(PLAIN_MRN, mrns.plain(mrn))))
    if not filters:
        raise Invalid(
            "Say whom to look for: send query, date_of_birth, phone or mrn.", code="nothing_to_search_for"
        )
    found = (
        Patient.objects.visible_to(actor)
        .filter(*filters)
        .select_related("site")
        .order_by(*_begun_with(query), "sort_name", "id")
    )
    return list(found[: min(limit, MOST_RESULTS)])


def consents_of(patient: Patient) -> QuerySet[Consent]:
    """Every yes and no of this patient, the latest first."""
    return Consent.objects.filter(patient=patient)


def conditions_of(patient: Patient, *, actor: Actor) -> QuerySet[PatientCondition]:
    """The patient's conditions. Raises Forbidden unless the actor's role there is clinical."""
    actor.require("background.read", patient.site_id)
    return PatientCondition.objects.filter(patient=patient).select_related("condition")


def _by_words(query: str) -> SearchQuery:
    """Every word begins a word of the name, alone or written together with its neighbour.

    So "o neil" finds O'Neil (kept as one word), and "neil o" does not need to.
    """
    words = names.plain_words(query)
    if not words:
        raise _refused("query", "no_letters", "Give at least one letter of the name.")
    if len(words) > names.MAX_QUERY_WORDS:
        raise _refused("query", "too_many_words", f"Use at most {names.MAX_QUERY_WORDS} words.")
    terms = []
    for at, word in enumerate(words):
        ways = [word]
        if at > 0:
            ways.append(words[at - 1] + word)
        if at + 1 < len(words):
            ways.append(word + words[at + 1])
        # Plain words are letters and digits only, so none can end its quotes.
        written = [f"'{way}':*" for way in ways]
        written += [f"('{left}':* & '{right}':*)" for left, right in names.halves(word)]
        terms.append("(" + " | ".join(written) + ")")
    return SearchQuery(" & ".join(terms), search_type="raw", config="simple")


def _begun_with(query: str | None) -> list[OrderBy]:
    """Whoever types a few letters means the last name more often than the first."""
    words = names.plain_words(query or "")
    return [StartsWith(F("sort_name"), words[0]).desc()] if words else []


def _by_phone(written: str) -> Q:
    try:
        e164, digits = phones.search_forms(written)
    except Invalid as fault:
        raise _refused("phone", fault.code, fault.detail) from fault
    ends_so = Q(StartsWith(PHONE_REVERSED, digits[::-1]))
    return ends_so | Q(phone=e164) if e164 else ends_so


def _refused(field: str, code: str, detail: str) -> Invalid:
    return Invalid(detail, code=code, errors=[FieldError(pointer=f"/{field}", code=code, detail=detail)])
