"""The thin path on everything real: `make demo`, HTTP only, the clock turned, the mail sink read."""

from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from tests.faults.stack import Stack, until

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("stack-2")]

DENVER = ZoneInfo("America/Denver")
OUT = {"sent", "delivered"}
CSV = """first_name,last_name,date_of_birth,sex,email,phone,language
Zoë,Ångström-Vega,1980-05-17,female,zoe@example.org,(303) 555-0142,en
Pablo,Ruiz,1971-02-03,male,pablo@example.org,303.555.0143,es
Bad,Date,17/05/1980,female,bad@example.org,,en
"""


def results(client: httpx.Client, path: str) -> list[dict[str, Any]]:
    """The first page of a list."""
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["results"]
    return found


def find(client: httpx.Client, **query: str) -> dict[str, Any]:
    """The one patient that a search finds."""
    answer = client.post("patients/search/", json=query)
    assert answer.status_code == 200, answer.text
    (found,) = answer.json()["results"]
    patient: dict[str, Any] = found
    return patient


def mail_for(stack: Stack, patient: int) -> list[dict[str, Any]]:
    """What reached one patient."""
    return [delivery for delivery in stack.mailbox() if delivery["patient"] == patient]


def first_slot(client: httpx.Client, site: int, start: str) -> str:
    """The first free time for a mood infusion from a moment on."""
    answer = client.get(
        "availability/", params={"visit_type": "ketamine-mood", "site": site, "start": start, "limit": 1}
    )
    assert answer.status_code == 200, answer.text
    slot: str = answer.json()["slots"][0]["start"]
    return slot


def test_from_an_imported_patient_to_what_reaches_them(stack: Stack, tmp_path: Path) -> None:
    stack.make("clock", "TO=2027-01-04T08:00-07:00")
    desk, prescriber = stack.client("front_desk"), stack.client("prescriber")
    (site,) = results(desk, "sites/")

    # A CSV with one bad row: the good ones are there, the bad one is named by line and column.
    csv = tmp_path / "patients.csv"
    csv.write_text(CSV, encoding="utf-8")
    imported = stack.manage("import_patients", str(csv), "--site", site["name"])
    assert imported.returncode == 1, imported.stdout + imported.stderr
    report = imported.stdout + imported.stderr
    assert "4" in report
    assert "date_of_birth" in report
    assert "Bad" not in report
    zoe = find(desk, query="angstrom vega")
    assert zoe["phone"] == "+13035550142"
    assert find(desk, phone="3035550143")["language"] == "es"

    # Book an infusion; its messages are in the outbox in the same transaction.
    start = first_slot(desk, site["id"], "2027-01-14T09:00:00-07:00")
    booked = desk.post(
        "appointments/",
        json={"patient": zoe["id"], "visit_type": "ketamine-mood", "site": site["id"], "start": start},
        headers={"Idempotency-Key": "thin-path-1"},
    )
    assert booked.status_code == 201, booked.text
    visit = booked.json()
    planned = results(desk, f"messages/?patient={zoe['id']}")
    kinds = {(row["kind"], row["channel"]) for row in planned}
    assert {("confirmation", "email"), ("confirmation", "sms"), ("day_before", "sms")} <= kinds

    # 08:00 is inside quiet hours: the confirmation waits for 09:00, then a real worker sends it.
    assert mail_for(stack, zoe["id"]) == []
    stack.make("clock", "TO=2027-01-04T09:30-07:00")
    confirmation = mail_for(stack, zoe["id"])
    assert {delivery["channel"] for delivery in confirmation} == {"email", "sms"}
    for delivery in confirmation:
        told = f"{delivery['subject']} {delivery['body']}".lower()
        assert not {word for word in ("ketamine", "infusion", "pain", "depress") if word in told}
        received = datetime.fromisoformat(delivery["received_at"]).astimezone(DENVER)
        assert (received.hour, received.minute) == (9, 0)

    # A week later the reminders have come, each at its own moment, each once.
    stack.make("clock", "TO=2027-01-13T12:00-07:00")
    sent = [row for row in results(desk, f"messages/?patient={zoe['id']}") if row["status"] in OUT]
    delivered = mail_for(stack, zoe["id"])
    assert len(delivered) == len(sent)
    assert {row["kind"] for row in sent} == {row["kind"] for row in planned}
    days = {
        datetime.fromisoformat(row["received_at"]).astimezone(DENVER).date().isoformat() for row in delivered
    }
    assert {"2027-01-11", "2027-01-13"} <= days

    # Cancelling withdraws what is unsent; nothing more about the visit comes.
    other = first_slot(desk, site["id"], "2027-02-10T09:00:00-07:00")
    second = desk.post(
        "appointments/",
        json={"patient": zoe["id"], "visit_type": "ketamine-mood", "site": site["id"], "start": other},
    ).json()
    cancelled = desk.post(f"appointments/{second['id']}/cancel/", json={"reason": "moved away"})
    assert cancelled.json()["status"] == "cancelled"

    def about_the_second() -> dict[str, str]:
        rows = results(desk, f"messages/?patient={zoe['id']}&limit=200")
        return {
            f"{r['kind']} {r['channel']}": r["status"]
            for r in rows
            if r["subject"]["id"] == second["id"] and r["kind"] != "cancellation"
        }

    until(lambda: set(about_the_second().values()) <= {"withdrawn", *OUT}, what="the worker is done")
    kept = {what for what, status in about_the_second().items() if status in OUT}
    assert kept <= {"confirmation email", "confirmation sms"}, "only what was on its way already"
    assert "withdrawn" in about_the_second().values()

    # Prescribe sertraline: check-ins at about one week and several weeks, planned and sent.
    prescribed = prescriber.post(
        "prescriptions/",
        json={
            "patient": zoe["id"],
            "medication": "sertraline",
            "drug_class": "ssri",
            "dose_mg": "50",
            "first_dose_on": "2027-01-14",
            "indication": "depression",
        },
    )
    assert prescribed.status_code == 201, prescribed.text
    check_ins = {row["code"]: row["due_on"] for row in prescribed.json()["check_ins"]}
    assert check_ins["ONSET7"] == "2027-01-21"
    assert check_ins["MAX56"] == "2027-03-11"
    before = len(mail_for(stack, zoe["id"]))
    stack.make("clock", "TO=2027-01-21T18:00-07:00")
    after = mail_for(stack, zoe["id"])[before:]
    assert "2027-01-21" in {
        datetime.fromisoformat(row["received_at"]).astimezone(DENVER).date().isoformat() for row in after
    }
    row = next(
        row for row in results(prescriber, f"check-ins/?patient={zoe['id']}") if row["code"] == "ONSET7"
    )
    recorded = prescriber.post(f"check-ins/{row['id']}/record/", json={"note": "Sleeping better."})
    assert recorded.status_code == 200, recorded.text
    assert recorded.json()["status"] == "answered"
    assert desk.get(f"prescriptions/?patient={zoe['id']}").status_code == 403

    history = [event["verb"] for event in desk.get(f"appointments/{visit['id']}/history/").json()["results"]]
    assert history == ["book"]


def test_a_web_page_shows_what_was_delivered(stack: Stack) -> None:
    page = httpx.get(f"{stack.url}/demo/mailbox/")
    assert page.status_code == 200
    assert "What patients really received" in page.text


def test_health_names_each_part(stack: Stack) -> None:
    ready = httpx.get(f"{stack.url}/readyz").json()
    assert ready["status"] == "ok"
    assert {"database", "redis", "migrations", "outreach", "check_ins"} <= set(ready["parts"])


def test_turning_back_the_clock_needs_a_clear_wish(stack: Stack) -> None:
    with pytest.raises(AssertionError, match="Say where to turn the clock"):
        stack.make("clock")
    with pytest.raises(AssertionError, match="lacks its offset"):
        stack.make("clock", "TO=2027-01-11T09:00")


def test_two_demos_run_side_by_side_and_stop_without_orphans(stack: Stack, tmp_path: Path) -> None:
    second = Stack(tmp_path / "second").start()
    try:
        children = list(second.runtime()["children"].values())
        assert httpx.get(f"{second.url}/readyz").json()["status"] == "ok"
        assert httpx.get(f"{stack.url}/readyz").json()["status"] == "ok"
    finally:
        second.stop()
    until(lambda: not [pid for pid in children if Path(f"/proc/{pid}").exists()], what="every child is gone")


def test_a_busy_port_is_named(stack: Stack, tmp_path: Path) -> None:
    rival = Stack(tmp_path / "rival")
    rival.environment["PORT"] = str(stack.port)
    with pytest.raises(AssertionError, match=f"{stack.port}"):
        rival.start()


def test_data_is_kept_over_a_restart(stack: Stack) -> None:
    before = len(stack.mailbox())
    stack.stop()
    stack.start()
    assert len(stack.mailbox()) == before
