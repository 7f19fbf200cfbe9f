"""/metrics: numbers read from the database, for nobody outside."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from clinic.common.gauges import Gauge, exposition
from patients.models import Message
from tests.conftest import NOW
from tests.factories import PatientFactory


@pytest.fixture
def scrape(db: None, clock: Any) -> dict[str, float]:
    """The gauges, with one message due for ten minutes, one later, one failed and one in doubt."""
    patient = PatientFactory.create()
    for number, (status, minutes) in enumerate(
        [("queued", -10), ("queued", 10), ("failed", -20), ("failed", -90), ("uncertain", -30)]
    ):
        Message.objects.create(
            patient=patient,
            subject_kind="appointment",
            subject_id=number,
            kind="confirmation",
            channel="email",
            status=status,
            planned_at=NOW,
            due_at=NOW + timedelta(minutes=minutes),
            not_after=NOW + timedelta(days=1),
            created_at=NOW,
            finished_at=None if status == "queued" else NOW + timedelta(minutes=minutes),
        )
    response = Client().get("/metrics")
    assert response.status_code == 200
    assert response["Content-Type"].startswith("text/plain; version=0.0.4")
    lines = [line for line in response.content.decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _space, value in (line.rpartition(" ") for line in lines)}


def test_how_much_waits_and_for_how_long(scrape: dict[str, float]) -> None:
    assert scrape['onset_due_late_seconds{kind="outreach"}'] == 600
    assert scrape['onset_due_late_seconds{kind="waitlist"}'] == 0
    assert {name: value for name, value in scrape.items() if name.startswith("onset_messages")} == {
        "onset_messages_oldest_due_seconds": 600,
        "onset_messages_due": 1,
        "onset_messages_sending": 0,
        "onset_messages_uncertain": 1,
        "onset_messages_failed_last_hour": 1,
    }


@pytest.mark.django_db
class TestWhoMayRead:
    """This machine itself, or whoever has the token."""

    def test_not_another_machine(self) -> None:
        assert Client(REMOTE_ADDR="192.0.2.7").get("/metrics").status_code == 403

    @pytest.mark.parametrize("header", ["X-Forwarded-For", "X-Forwarded-Proto", "Forwarded"])
    def test_not_through_a_proxy_on_this_machine(self, header: str) -> None:
        assert Client().get("/metrics", headers={header: "https"}).status_code == 403

    def test_the_token_opens_it_and_is_then_wanted_of_everybody(self, settings: Any) -> None:
        settings.METRICS_TOKEN = "a token"
        far = Client(REMOTE_ADDR="192.0.2.7")
        assert far.get("/metrics", headers={"Authorization": "Bearer a token"}).status_code == 200
        assert far.get("/metrics", headers={"Authorization": "Bearer another"}).status_code == 401
        assert Client().get("/metrics").status_code == 401


def test_gauges_of_one_name_stand_together() -> None:
    """Prometheus refuses a page that comes back to a name."""
    found = [
        Gauge(name=name, help="Odd.", value=1.5, labels={"kind": kind})
        for kind, name in zip("abc", "xyx", strict=True)
    ]
    names = [line.partition("{")[0] for line in exposition(found).decode().splitlines() if line[0] != "#"]
    assert names == ["x", "x", "y"]
