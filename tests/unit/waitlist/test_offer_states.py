"""The life of an offer, and what an answer that comes too late is told."""

from datetime import UTC, datetime, timedelta

import pytest

from clinic.common.errors import Conflict
from scheduling.domain.offers import TRANSITIONS, OfferStatus, Verb, after, deadline, status_at

NOW = datetime(2027, 2, 8, 16, 0, tzinfo=UTC)
CODES = {
    OfferStatus.ACCEPTED: "invalid_transition",
    OfferStatus.DECLINED: "invalid_transition",
    OfferStatus.EXPIRED: "offer_expired",
    OfferStatus.SUPERSEDED: "offer_gone",
}


@pytest.mark.parametrize("verb", list(Verb))
def test_an_open_offer_ends_in_every_way(verb: Verb) -> None:
    assert after(OfferStatus.OFFERED, verb) == TRANSITIONS[OfferStatus.OFFERED][verb]


@pytest.mark.parametrize("verb", list(Verb))
@pytest.mark.parametrize(("status", "code"), CODES.items())
def test_what_ended_stays_ended(status: OfferStatus, code: str, verb: Verb) -> None:
    with pytest.raises(Conflict) as refused:
        after(status, verb)
    assert refused.value.code == code


def test_an_offer_is_over_at_its_deadline_before_anybody_writes_it_down() -> None:
    before = NOW - timedelta(microseconds=1)
    assert status_at(OfferStatus.OFFERED, expires_at=NOW, now=before) == OfferStatus.OFFERED
    assert status_at(OfferStatus.OFFERED, expires_at=NOW, now=NOW) == OfferStatus.EXPIRED
    assert status_at(OfferStatus.ACCEPTED, expires_at=NOW, now=NOW) == OfferStatus.ACCEPTED


@pytest.mark.parametrize(("minutes", "left"), [(30, 30), (300, 120)])
def test_no_offer_outlives_the_start(minutes: int, left: int) -> None:
    start = NOW + timedelta(hours=2)
    assert deadline(now=NOW, answer=timedelta(minutes=minutes), start=start) == NOW + timedelta(minutes=left)
