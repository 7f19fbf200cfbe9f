"""The day board in the admin: who opens it, what it costs, what its clicks do and how they are refused."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from clinic.access.models import Site
from scheduling.admin import day_board
from scheduling.models import Allocation, Appointment, Closure, InfusionSession, Resource
from tests.factories import PatientFactory, SiteFactory, UserFactory
from tests.factories.full_days import full_day
from tests.integration.admin.pages import words

NOON = datetime(2027, 1, 4, 19, 30, tzinfo=UTC)
POLL = {"X-Board-Poll": "1", "X-Onset-Poll": "1"}
BOARD = "admin:scheduling_day_board"


@pytest.fixture(autouse=True)
def _nothing_rendered_before(clock: Callable[[datetime], None]) -> Iterator[None]:
    """Bodies are kept by id and version, which a rolled-back test gives away again."""
    clock(NOON)
    day_board.forget()
    yield
    day_board.forget()


def look(client: Client, *, tag: str = "", **asked: Any) -> Any:
    """As the page itself asks."""
    headers = POLL | ({"If-None-Match": tag} if tag else {})
    return client.get(reverse(BOARD), asked, headers=headers)


def click(client: Client, what: str, pk: int, **fields: Any) -> tuple[int, dict[str, Any]]:
    """What a click sends, with the versions in the database unless told otherwise; what comes back."""
    session = InfusionSession.objects.filter(pk=pk).first()
    shown = {
        "appointment": pk,
        "version": Appointment.objects.get(pk=pk).version,
        "session_version": session.version if session else "",
    }
    answer = client.post(reverse(f"admin:scheduling_day_board_{what}"), shown | fields)
    return answer.status_code, json.loads(answer.content)


@pytest.mark.parametrize("role", ["front_desk", "nurse", "prescriber", "manager", "auditor"])
def test_who_opens_the_board_and_the_sheet(role: str, site: Site, staff: Callable[..., Client]) -> None:
    ids = full_day(site, chairs=1)
    client = staff(role, site)
    wanted = 403 if role == "auditor" else 200
    for name in (BOARD, "admin:scheduling_day_sheet"):
        answer = client.get(reverse(name))
        assert answer.status_code == wanted
    assert look(client).status_code == wanted
    if role in {"manager", "auditor"}:
        code, said = click(client, "step", ids[3], step="check_in") if role == "manager" else (403, {})
        assert code == 403
        assert Appointment.objects.get(pk=ids[3]).status == "confirmed", said


def test_another_site_is_not_there(site: Site, staff: Callable[..., Client]) -> None:
    other = SiteFactory.create(name="Elsewhere Street")
    elsewhere = full_day(other, chairs=1)
    client = staff("nurse", site)
    for name in (BOARD, "admin:scheduling_day_sheet"):
        assert client.get(reverse(name), {"site": other.pk}).status_code == 404
        assert "Elsewhere" not in words(client.get(reverse(name)))
    for what in ("step", "move"):
        code, said = click(client, what, elsewhere[3], step="check_in", start="2027-01-04T20:00:00Z")
        assert (code, said["code"]) == (404, "not_found")


@pytest.mark.parametrize("date", ["tomorrow", "2027-02-30", "1000-01-01", "9999-12-31"])
def test_a_date_that_cannot_be_shown_is_not_there(
    date: str, site: Site, staff: Callable[..., Client]
) -> None:
    assert staff("nurse", site).get(reverse(BOARD), {"date": date}).status_code == 404


def test_the_first_site_by_name_and_today_unless_asked(site: Site, staff: Callable[..., Client]) -> None:
    first = SiteFactory.create(name="Aspen", timezone="Asia/Tokyo")
    client = staff("nurse", site, first)
    shown = client.get(reverse(BOARD)).context
    assert (shown["site"], f"{shown['day']}") == (first, "2027-01-05")  # it is tomorrow there
    assert f"{client.get(reverse(BOARD), {'site': site.pk}).context['day']}" == "2027-01-04"


def test_front_desk_reads_no_clinical_word(site: Site, staff: Callable[..., Client]) -> None:
    full_day(site, chairs=1)
    desk, nurse = (words(staff(role, site).get(reverse(BOARD))) for role in ("front_desk", "nurse"))
    for clinical in ("Vitals overdue", "Fasting", "Aldrete"):
        assert clinical not in desk
    assert "Clinical check" in desk
    assert "Vitals overdue since 11:10 AM" in nurse


def test_names_are_shown_as_text(site: Site, staff: Callable[..., Client]) -> None:
    ids = full_day(site, chairs=1)
    patient = Appointment.objects.get(pk=ids[3]).patient
    patient.preferred_name = "<b>Max</b>"
    patient.save()
    Resource.objects.filter(site=site, kind="chair").update(name="<i>1</i>")
    Closure.objects.create(site=site, start_at=NOON, end_at=NOON + timedelta(hours=1), reason="<script>")
    page = look(staff("nurse", site)).content.decode()
    assert "&lt;b&gt;Max&lt;/b&gt; Rodriguez" in page
    assert not re.search(r"<b>Max|<i>1</i>|<script>", page)


def test_nothing_changed_is_304_and_five_queries(site: Site, staff: Callable[..., Client]) -> None:
    ids = full_day(site, chairs=2)
    client = staff("nurse", site)
    tag = look(client)["ETag"]
    with CaptureQueriesContext(connection) as asked:
        again = look(client, tag=tag)
    assert (again.status_code, again.content) == (304, b"")
    assert len([each for each in asked if "scheduling_" in each["sql"]]) == 1
    assert look(client, tag=f"W/{tag}").status_code == 304  # as a compressing proxy sends it back
    code, _said = click(client, "step", ids[6], step="check_in")
    assert code == 200
    changed = look(client, tag=tag)
    assert changed.status_code == 200
    assert changed["ETag"] != tag
    assert "Waiting 0 min" in words(changed)


def test_a_board_is_rendered_once_for_equal_sights(site: Site, staff: Callable[..., Client]) -> None:
    full_day(site, chairs=1)
    first, second, desk = staff("nurse", site), staff("nurse", site), staff("front_desk", site)
    body = look(first)
    with CaptureQueriesContext(connection) as asked:
        again = look(second)
    assert again.content == body.content
    assert len([each for each in asked if "scheduling_" in each["sql"]]) == 1
    assert look(desk).content != body.content


def test_sixty_chairs_with_300_visits_stay_under_300_kb(site: Site) -> None:
    full_day(site, chairs=60)
    client = Client()
    client.force_login(UserFactory.create(roles={site: ["prescriber", "manager", "front_desk", "nurse"]}))
    page = client.get(reverse(BOARD))
    assert page.content.count(b'role="cell" aria-colindex') == 300
    assert len(page.content) < 300_000
    first = client.get(reverse(BOARD), {"date": "2027-01-05"})  # nothing booked: all of it is free
    assert first.content.count(b'class="b-gap"') == 60


def test_a_step_and_its_undo(site: Site, staff: Callable[..., Client]) -> None:
    *_others, confirmed, _booked = full_day(site, chairs=1)
    client = staff("front_desk", site)
    code, said = click(client, "step", confirmed, step="check_in")
    assert (code, said["said"]) == (200, "Maximiliana Rodriguez-Okonkwo 3 is here.")
    assert Appointment.objects.get(pk=confirmed).status == "arrived"
    code, said = click(client, "step", confirmed, step="undo", **said["undo"])
    assert (code, Appointment.objects.get(pk=confirmed).status) == (200, "confirmed")
    assert "undo" not in said


def test_a_refused_gate_lists_what_is_open(site: Site, staff: Callable[..., Client]) -> None:
    _done, recovering, waiting, *_others = full_day(site, chairs=1)
    client = staff("nurse", site)
    code, said = click(client, "step", waiting, step="start")
    assert (code, said["code"]) == (409, "gates_open")
    assert {"name": "Weight taken today", "advice": "Weigh the patient."} in said["open"]
    assert said["page"] == reverse("admin:scheduling_appointment_session", args=[waiting])
    code, said = click(client, "step", recovering, step="discharge")
    assert (code, said["code"]) == (409, "gates_open")
    assert InfusionSession.objects.get(pk=recovering).discharged_at is None


def test_the_infusion_is_ended_from_the_board(site: Site, staff: Callable[..., Client]) -> None:
    running = full_day(site, chairs=1)[1]
    InfusionSession.objects.filter(pk=running).update(infusion_ended_at=None)
    code, said = click(staff("nurse", site), "step", running, step="end")
    assert code == 200, said
    assert InfusionSession.objects.get(pk=running).infusion_ended_at == NOON


def test_the_second_of_two_is_told(site: Site, staff: Callable[..., Client]) -> None:
    *_others, confirmed, _booked = full_day(site, chairs=1)
    shown = Appointment.objects.get(pk=confirmed).version
    click(staff("front_desk", site), "step", confirmed, step="check_in")
    code, said = click(staff("nurse", site), "step", confirmed, step="cancel", version=shown)
    assert (code, said["code"]) == (412, "stale_version")
    assert "Somebody changed this visit" in said["said"]
    assert Appointment.objects.get(pk=confirmed).status == "arrived"


@pytest.mark.parametrize(
    "fields",
    [{"step": "fly"}, {"step": "check_in", "version": ""}, {"step": "check_in", "version": "9" * 30}, {}],
)
def test_a_click_that_makes_no_sense_is_refused(
    fields: dict[str, str], site: Site, staff: Callable[..., Client]
) -> None:
    *_others, confirmed, _booked = full_day(site, chairs=1)
    code, _said = click(staff("nurse", site), "step", confirmed, **fields)
    assert code == 409
    assert Appointment.objects.get(pk=confirmed).status == "confirmed"


def test_a_click_is_a_post(site: Site, staff: Callable[..., Client]) -> None:
    client = staff("nurse", site)
    for what in ("step", "move"):
        assert client.get(reverse(f"admin:scheduling_day_board_{what}")).status_code == 405


def test_to_another_chair_at_its_own_time(site: Site, staff: Callable[..., Client]) -> None:
    ids = full_day(site, chairs=2, each=4)
    spare = Resource.objects.create(site=site, kind="chair", name="Chair 9", capacity=1)
    moved = Appointment.objects.get(pk=ids[6])
    code, said = click(
        staff("front_desk", site), "move", moved.pk, start=moved.start_at.isoformat(), chair=spare.pk
    )
    assert code == 200, said
    held = Allocation.objects.filter(appointment=moved, released_at=None)
    assert held.filter(resource=spare).count() == 1
    moved.refresh_from_db()
    assert moved.status == "confirmed"  # for the patient nothing changed


def test_to_another_time(site: Site, staff: Callable[..., Client]) -> None:
    *_others, booked = full_day(site, chairs=1)
    Resource.objects.create(site=site, kind="nurse", name="Nurse 9", capacity=3)
    chair = Resource.objects.get(site=site, kind="chair")
    Appointment.objects.filter(pk=booked).update(status="confirmed")
    tomorrow = "2027-01-05T17:00:00Z"
    code, said = click(staff("front_desk", site), "move", booked, start=tomorrow, chair=chair.pk)
    assert code == 200, said
    moved = Appointment.objects.get(pk=booked)
    assert (moved.start_at, moved.status) == (datetime(2027, 1, 5, 17, tzinfo=UTC), "booked")


def test_a_move_that_does_not_fit_names_free_times(site: Site, staff: Callable[..., Client]) -> None:
    *_others, confirmed, booked = full_day(site, chairs=1)
    chair = Resource.objects.get(site=site, kind="chair")
    start = Appointment.objects.get(pk=confirmed).start_at
    code, said = click(staff("front_desk", site), "move", booked, start=start.isoformat(), chair=chair.pk)
    assert (code, said["code"]) == (409, "slot_taken")
    assert said["alternatives"]
    assert said["alternatives"][0]["text"].endswith("MST")
    assert Appointment.objects.get(pk=booked).start_at != start


def test_a_visit_that_began_is_not_moved(site: Site, staff: Callable[..., Client]) -> None:
    running = full_day(site, chairs=1)[1]
    spare = Resource.objects.create(site=site, kind="chair", name="Chair 9", capacity=1)
    start = Appointment.objects.get(pk=running).start_at
    for at in (start, start + timedelta(days=1)):
        code, said = click(staff("nurse", site), "move", running, start=at.isoformat(), chair=spare.pk)
        assert (code, said["code"]) == (409, "invalid_transition")


def test_the_sheet_is_a_page_of_its_own(site: Site, staff: Callable[..., Client]) -> None:
    full_day(site, chairs=1)
    page = staff("front_desk", site).get(reverse("admin:scheduling_day_sheet"))
    read = words(page)
    assert "Printed Mon, Jan 4, 2027, 12:30 PM MST" in read
    assert read.count("born May 17, 1980") == 5
    assert "unfold" not in page.content.decode()
    assert "Vitals" not in read


def test_booking_begins_where_one_clicked(site: Site, staff: Callable[..., Client]) -> None:
    full_day(site, chairs=1, each=2)
    Resource.objects.create(site=site, kind="nurse", name="Nurse 9", capacity=3)
    patient = PatientFactory.create(site=site)
    client = staff("front_desk", site)
    body = look(client).content.decode()
    found = re.search(r'class="b-gap"[^>]*><a href="([^"]+)"', body)
    assert found is not None
    url = found[1].replace("&amp;", "&")
    assert "From the day board: Mon, Jan 4, 2027, 12:30 PM MST, Chair 1" in words(client.get(url))
    url = url.replace("19:30Z", "21:00Z")  # this visit is booked an hour ahead
    kind = {"patient": patient.pk, "visit_type": Appointment.objects.all()[0].visit_type_id, "site": site.pk}
    chosen = client.get(f"{url}&patient={patient.pk}&visit_type={kind['visit_type']}")
    assert "Book Mon, Jan 4, 2027, 2:00 PM MST, Chair 1" in words(chosen)
    answer = client.post(f"{url}&patient={patient.pk}", {**kind, "there": "1"})
    booked = Appointment.objects.get(patient=patient)
    assert answer["Location"] == f"{reverse(BOARD)}?site={site.pk}&date=2027-01-04#v{booked.pk}"
    assert booked.start_at == datetime(2027, 1, 4, 21, tzinfo=UTC)
    assert booked.allocations.filter(resource__name="Chair 1").count() == 1


def test_a_place_that_does_not_fit_is_said_and_others_are_offered(
    site: Site, staff: Callable[..., Client]
) -> None:
    full_day(site, chairs=1, each=2)
    patient = PatientFactory.create(site=site)
    chair = Resource.objects.get(site=site, kind="chair")
    kind, client = Appointment.objects.all()[0].visit_type_id, staff("front_desk", site)
    for start in ("2027-01-05T00:30:00Z", "2027-01-04T16:00:00Z"):  # beyond closing, and over
        asked = {"patient": patient.pk, "visit_type": kind, "site": site.pk, "resource": chair.pk}
        page = words(client.get(reverse("admin:scheduling_appointment_book"), asked | {"start": start}))
        assert "does not fit at" in page
        assert "A click on a time books it." in page
