"""The REMS record over REST: read, filled in, sent, and its form as files."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from clinic.access.models import Site
from scheduling.models import InfusionSession
from scheduling.services import rems
from tests.conftest import NOW, codes
from tests.factories import SiteFactory
from tests.factories.treated import session_at

START = NOW + timedelta(minutes=15)
ANSWERS: dict[str, Any] = {
    "dose_mg": "56.00",
    "lot": "23B01",
    "dosed_at": "2027-01-04T08:15:00-07:00",
    "benzodiazepine": False,
    "stimulant": False,
    "maoi": False,
    "opioid": True,
    "sedation_resolved_at": "2027-01-04T10:00:00-07:00",
    "dissociation_resolved_at": "2027-01-04T10:00:00-07:00",
}


@pytest.fixture
def session(site: Site) -> InfusionSession:
    made = session_at(site, code="esketamine")
    rems.begin(session=made, now=START)
    return made


def below(session: InfusionSession, rest: str = "") -> str:
    return f"/api/v1/infusion-sessions/{session.pk}/rems/{rest}"


def test_filled_in_and_sent(
    site: Site, session: InfusionSession, client_as: Callable[..., APIClient], clock: Callable[..., None]
) -> None:
    nurse = client_as("nurse", site)
    for minutes in (-5, 41, 121):
        clock(START + timedelta(minutes=minutes))
        vitals = f"/api/v1/infusion-sessions/{session.pk}/vitals/"
        nurse.post(vitals, {"systolic": 124, "diastolic": 80}, format="json")
    InfusionSession.objects.filter(pk=session.pk).update(
        infusion_ended_at=START + timedelta(minutes=15), discharged_at=START + timedelta(minutes=122)
    )
    clock(START + timedelta(minutes=130))
    shown = nurse.get(below(session))
    assert shown.json()["blood_pressure"]["at_40_minutes"] == {
        "at": "2027-01-04T15:56:00Z",
        "systolic": 124,
        "diastolic": 80,
    }
    assert "/lot" in shown.json()["missing"]
    assert shown.json()["due_on"] == "2027-01-11"
    early = nurse.post(below(session, "submit/"), {}, format="json")
    assert (early.status_code, early.json()["code"]) == (422, "rems_incomplete")
    assert ("/dosed_at", "required") in codes(early)
    unguarded = nurse.patch(below(session), ANSWERS, format="json")
    assert unguarded.status_code == 428
    guarded = {"If-Match": shown["ETag"]}
    filled = nurse.patch(below(session), ANSWERS, format="json", headers=guarded)
    assert filled.status_code == 200, filled.content
    assert (filled.json()["missing"], filled.json()["observed_minutes"]) == ([], 122)
    assert filled.json()["opioid"] is True
    stale = nurse.patch(below(session), ANSWERS, format="json", headers=guarded)
    assert stale.status_code == 412
    sent = nurse.post(below(session, "submit/"), {}, format="json")
    assert (sent.status_code, sent.json()["submitted_at"]) == (200, "2027-01-04T17:25:00Z")
    closed = nurse.patch(below(session), {"lot": "B"}, format="json", headers={"If-Match": sent["ETag"]})
    assert (closed.status_code, closed.json()["code"]) == (409, "already_submitted")


@pytest.mark.parametrize(("kind", "start"), [("csv", b"session,"), ("pdf", b"%PDF-")])
def test_the_form_is_a_file_that_no_cache_keeps(
    site: Site, session: InfusionSession, client_as: Callable[..., APIClient], kind: str, start: bytes
) -> None:
    answer = client_as("prescriber", site).get(below(session, f"form.{kind}/"))
    assert answer.content.startswith(start)
    assert answer["Content-Disposition"] == f'attachment; filename="rems-{session.pk}.{kind}"'
    assert answer["Cache-Control"] == "no-store"


def test_fields_that_cannot_be(
    site: Site, session: InfusionSession, client_as: Callable[..., APIClient]
) -> None:
    nurse = client_as("nurse", site)
    wrong = {"dose_mg": "-1", "dosed_at": "2027-01-04T09:00:00", "opioid": "perhaps", "lot": None}
    answer = nurse.patch(below(session), wrong, format="json", headers={"If-Match": '"1"'})
    assert codes(answer) == {
        ("/dose_mg", "min_value"),
        ("/dosed_at", "offset_required"),
        ("/opioid", "invalid"),
        ("/lot", "null"),
    }


@pytest.mark.parametrize("role", ["front_desk", "manager", "auditor"])
def test_other_roles_see_nothing(
    site: Site, session: InfusionSession, client_as: Callable[..., APIClient], role: str
) -> None:
    client = client_as(role, site)
    for rest in ("", "form.csv/", "form.pdf/"):
        assert client.get(below(session, rest)).status_code == 403
    assert client.patch(below(session), {}, format="json").status_code == 403
    assert client.post(below(session, "submit/"), {}, format="json").status_code == 403


def test_where_there_is_none(
    site: Site, session: InfusionSession, client_as: Callable[..., APIClient]
) -> None:
    assert client_as("nurse", SiteFactory.create()).get(below(session)).status_code == 404
    assert client_as("nurse", site).get(below(session_at(site))).status_code == 404
