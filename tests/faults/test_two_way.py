"""Two-way outreach on everything real: a text arrives, the patient answers, visit and ledger follow."""

import re
from typing import Any

import httpx
import pytest

from tests.faults.stack import Stack, until

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack-1")]

PHONE = "+13035550177"
_LINK = re.compile(r"https?://\S+/p/[\w-]{22}/")
_HIDDEN = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)"')


class Clinic:
    """The front desk, one patient, and the patient's phone."""

    def __init__(self, stack: Stack) -> None:
        self.stack, self.desk = stack, stack.client("front_desk")
        self.site = self.desk.get("sites/").json()["results"][0]["id"]
        self.patient: int = self.add(
            "patients/",
            first_name="Twila",
            last_name="Way",
            date_of_birth="1980-05-17",
            site=self.site,
            email="twila@example.org",
            phone=PHONE,
        )["id"]

    def add(self, path: str, **body: Any) -> dict[str, Any]:
        """Make something."""
        answer = self.desk.post(path, json=body)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def book(self, not_before: str) -> int:
        """The first free consultation from a moment on."""
        where: dict[str, Any] = {"visit_type": "consultation", "site": self.site}
        slots = self.desk.get("availability/", params={**where, "start": not_before, "limit": 1}).json()[
            "slots"
        ]
        visit: int = self.add("appointments/", patient=self.patient, **where, start=slots[0]["start"])["id"]
        return visit

    def status(self, visit: int) -> str:
        """Of a visit."""
        found: str = self.desk.get(f"appointments/{visit}/").json()["status"]
        return found

    def ledger(self, kind: str, channel: str) -> list[tuple[str, str]]:
        """(status, reason) of the patient's messages of a kind."""
        query: dict[str, Any] = {"patient": self.patient, "kind": kind, "channel": channel, "limit": 200}
        rows = self.desk.get("messages/", params=query).json()["results"]
        return [(row["status"], row["reason"]) for row in rows]

    def arrived(self, channel: str) -> list[str]:
        """What reached the patient, oldest first."""
        return [
            f"{each['subject']}\n{each['body']}"
            for each in self.stack.mailbox()
            if (each["patient"], each["channel"]) == (self.patient, channel)
        ]

    def reply(self, words: str) -> None:
        """Write as the patient, with the form of the mailbox page."""
        with httpx.Client(base_url=self.stack.url, timeout=30) as phone:
            page = phone.get("/demo/mailbox/", params={"with": str(self.patient)}).text
            form = dict(_HIDDEN.findall(page)) | {"with": str(self.patient), "phone": PHONE, "body": words}
            answer = phone.post("/demo/mailbox/text/", data=form)
            assert answer.status_code == 302, answer.text
            assert "wrote=yes" in answer.headers["Location"]


def test_a_patient_answers_by_text_and_on_the_page(stack: Stack) -> None:
    stack.make("clock", "TO=2027-01-04T10:00-07:00")
    clinic = Clinic(stack)
    visit = clinic.book("2027-01-14T10:00:00-07:00")
    until(lambda: len(clinic.arrived("sms")) == 1, what="the confirmation arrives")

    # Three days before a text asks; the answer C confirms the visit and is answered.
    stack.make("clock", "TO=2027-01-11T12:00-07:00")
    (asked,) = [text for text in clinic.arrived("sms") if "Reply C to confirm" in text]
    assert _LINK.search(asked)
    assert clinic.status(visit) == "booked"
    clinic.reply("C")
    until(lambda: clinic.status(visit) == "confirmed", what="C confirms")
    until(lambda: "is confirmed" in clinic.arrived("sms")[-1], what="the answer arrives")
    for kind in ("confirm_request", "reply_confirmed"):
        until(
            lambda kind=kind: clinic.ledger(kind, "sms") == [("delivered", "")],  # type: ignore[misc]
            what=f"the report ticks {kind}",
        )
    page = httpx.get(f"{stack.url}/demo/mailbox/", params={"with": str(clinic.patient)}).text
    assert 'class="tick delivered"' in page

    # STOP: one answer, then no text any more, whatever is due or said.
    before = len(clinic.arrived("sms"))
    clinic.reply("STOP")
    until(lambda: len(clinic.arrived("sms")) == before + 1, what="STOP is answered")
    assert "START" in clinic.arrived("sms")[-1]
    assert clinic.desk.get(f"patients/{clinic.patient}/").json()["contact_preferences"]["sms"] is False
    clinic.reply("stop")
    stack.make("clock", "TO=2027-01-13T12:00-07:00")
    assert clinic.ledger("day_before", "sms") == [("suppressed", "opted_out")]
    assert clinic.ledger("day_before", "email") == [("sent", "")]
    assert len(clinic.arrived("sms")) == before + 1, "silence"

    # The link of an e-mail: looking changes nothing, pressing the button confirms.
    mails = len(clinic.arrived("email"))
    second = clinic.book("2027-01-20T10:00:00-07:00")
    until(lambda: len(clinic.arrived("email")) == mails + 1, what="the second confirmation arrives")
    found = _LINK.search(clinic.arrived("email")[-1])
    assert found is not None
    link = found.group()
    assert link.startswith(f"{stack.url}/p/")
    with httpx.Client(timeout=30) as phone:
        shown = phone.get(link)
        assert (shown.status_code, clinic.status(second)) == (200, "booked")
        assert shown.headers["Referrer-Policy"] == "no-referrer"
        assert "no-store" in shown.headers["Cache-Control"]
        pressed = phone.post(
            f"{link}confirm/", data=dict(_HIDDEN.findall(shown.text)), headers={"Origin": stack.url}
        )
        assert pressed.status_code == 303, pressed.text
        assert "Thank you" in phone.get(f"{stack.url}{pressed.headers['Location']}").text
    assert clinic.status(second) == "confirmed"
    history = clinic.desk.get(f"appointments/{second}/history/").json()["results"]
    assert {event["verb"] for event in history} == {"book", "confirm"}
    assert len(clinic.arrived("sms")) == before + 1, "silence still"
