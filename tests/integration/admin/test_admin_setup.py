"""Set-up in the admin: sites, people, resources, hours, closures, visit types, rules, words."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from clinic.access.models import Membership, Site, User
from patients.models import Condition, ContactPolicy, MessageTemplate, WorkItem
from scheduling.models import CheckInRule, Closure, ReminderRule, Resource, VisitType, WorkingHours
from tests.conftest import NOW
from tests.factories import ResourceFactory, SiteFactory, UserFactory, visit_type
from tests.factories.bookings import booked
from tests.integration.admin.pages import said, words


def shown(client: Client, model: str, pk: int) -> dict[str, Any]:
    """What the browser would send back if nothing were changed."""
    response = client.get(reverse(f"admin:{model}_change", args=[pk]))
    form = response.context["adminform"].form
    data: dict[str, Any] = {}
    for name, field in form.fields.items():
        if field.disabled:
            continue
        value = field.prepare_value(form.get_initial_for_field(field, name))
        if value is not None and value is not False:
            data[name] = "on" if value is True else value
    for inline in response.context["inline_admin_formsets"]:
        for bound in (inline.formset.management_form, *inline.formset.forms):
            for field in bound:
                initial = field.value()
                data[field.html_name] = "" if initial is None else initial
    return data


def change(client: Client, model: str, pk: int, **changes: Any) -> Any:
    """Open the form, change some of it, save."""
    return send(client, model, pk, {**shown(client, model, pk), **changes})


def send(client: Client, model: str, pk: int, data: dict[str, Any]) -> Any:
    """Save a form; what is None is left out."""
    url = reverse(f"admin:{model}_change", args=[pk])
    return client.post(url, {name: value for name, value in data.items() if value is not None}, follow=True)


def add(client: Client, model: str, **data: Any) -> Any:
    """Save a form for a new row."""
    return client.post(reverse(f"admin:{model}_add"), data, follow=True)


def errors(response: Any) -> dict[str, list[str]]:
    """What the form says, by field."""
    found: dict[str, list[str]] = response.context["adminform"].form.errors
    return found


# --- sites -----------------------------------------------------------------------------------------
def test_a_manager_opens_a_site_and_manages_it(site: Site, staff: Callable[..., Client]) -> None:
    client = staff("manager", site)
    add(
        client,
        "access_site",
        name="Lake",
        discreet_name="Lake Office",
        timezone="America/Chicago",
        active="on",
    )
    lake = Site.objects.get(name="Lake")
    assert Membership.objects.filter(site=lake, user=client.user, role="manager").exists()  # type: ignore[attr-defined]
    assert client.get(reverse("admin:access_site_change", args=[lake.pk])).status_code == 200


def test_a_site_may_not_reveal_what_is_treated(site: Site, staff: Callable[..., Client]) -> None:
    refused = change(staff("manager", site), "access_site", site.pk, discreet_name="Ketamine Center")
    assert "must not say what is treated" in errors(refused)["discreet_name"][0]
    site.refresh_from_db()
    assert site.discreet_name == "Cedar Street Office"


def test_a_name_that_is_taken_is_said_at_its_field(site: Site, staff: Callable[..., Client]) -> None:
    other = SiteFactory.create()
    refused = change(staff("manager", site), "access_site", site.pk, name=other.name)
    assert errors(refused)["name"] == ["Another site has this name. Choose another one."]


def test_a_stale_edit_of_a_site_is_refused(site: Site, staff: Callable[..., Client]) -> None:
    client = staff("manager", site)
    left_open = shown(client, "access_site", site.pk)
    change(client, "access_site", site.pk, phone="+13035550111")
    for stamp in (left_open["stamp"], None, "", "nonsense"):
        refused = send(
            client, "access_site", site.pk, {**left_open, "address": "1 Other Street", "stamp": stamp}
        )
        assert "Someone changed this record since you" in words(refused)
    site.refresh_from_db()
    assert (site.phone, site.address) == ("+13035550111", "")


def test_saving_without_a_change_makes_no_new_version(site: Site, staff: Callable[..., Client]) -> None:
    change(staff("manager", site), "access_site", site.pk)
    site.refresh_from_db()
    assert site.version == 1


# --- people ----------------------------------------------------------------------------------------
NEW = {"username": "kim", "password1": "correct horse battery", "password2": "correct horse battery"}


def test_a_manager_adds_a_colleague_who_may_sign_in(site: Site, staff: Callable[..., Client]) -> None:
    client = staff("manager", site)
    assert errors(add(client, "access_user", **NEW))["roles"] == ["Choose at least one role."]
    add(client, "access_user", **NEW, roles=[f"{site.pk}:nurse", f"{site.pk}:front_desk"])
    kim = User.objects.get(username="kim")
    assert (kim.is_staff, kim.is_superuser, kim.check_password(NEW["password1"])) == (True, False, True)
    assert set(kim.memberships.values_list("site", "role")) == {(site.pk, "nurse"), (site.pk, "front_desk")}


def test_roles_are_granted_and_revoked(site: Site, staff: Callable[..., Client]) -> None:
    nurse = UserFactory.create(roles={site: ["nurse"]})
    change(staff("manager", site), "access_user", nurse.pk, roles=[f"{site.pk}:prescriber"])
    assert list(nurse.memberships.values_list("role", flat=True)) == ["prescriber"]


def test_nobody_changes_their_own_roles(site: Site, staff: Callable[..., Client]) -> None:
    client = staff("manager", site)
    me: User = client.user  # type: ignore[attr-defined]
    refused = change(client, "access_user", me.pk, roles=[f"{site.pk}:manager", f"{site.pk}:prescriber"])
    assert "Nobody changes their own roles. Ask another manager." in words(refused)
    assert list(me.memberships.values_list("role", flat=True)) == ["manager"]


def test_a_manager_grants_nothing_elsewhere(site: Site, staff: Callable[..., Client]) -> None:
    other, nurse = SiteFactory.create(), UserFactory.create(roles={site: ["nurse"]})
    refused = change(staff("manager", site), "access_user", nurse.pk, roles=[f"{other.pk}:nurse"])
    assert "roles" in errors(refused)
    assert list(nurse.memberships.values_list("site", flat=True)) == [site.pk]


@pytest.mark.parametrize("kind", ["works elsewhere too", "superuser"])
def test_an_account_that_may_do_more_is_not_a_managers_to_change(
    kind: str, site: Site, staff: Callable[..., Client]
) -> None:
    roles = {site: ["nurse"]} | (
        {SiteFactory.create(): ["prescriber"]} if kind == "works elsewhere too" else {}
    )
    person = UserFactory.create(roles=roles, is_superuser=kind == "superuser")
    client = staff("manager", site)
    page = reverse("admin:access_user_change", args=[person.pk])
    assert client.get(page).status_code == 200
    assert client.post(page, {"username": "taken-over"}).status_code == 403
    password = reverse("admin:auth_user_password_change", args=[person.pk])
    new = {"password1": NEW["password1"], "password2": NEW["password2"]}
    assert client.post(password, new).status_code == 403
    person.refresh_from_db()
    assert not person.check_password(NEW["password1"])


def test_a_manager_cannot_make_a_superuser(
    site: Site, staff: Callable[..., Client], superuser: Client
) -> None:
    nurse = UserFactory.create(roles={site: ["nurse"]})
    change(staff("manager", site), "access_user", nurse.pk, is_superuser="on")
    nurse.refresh_from_db()
    assert nurse.is_superuser is False
    change(superuser, "access_user", nurse.pk, is_superuser="on")
    nurse.refresh_from_db()
    assert nurse.is_superuser is True


def test_a_user_name_is_had_once(site: Site, staff: Callable[..., Client]) -> None:
    one, two = UserFactory.create(roles={site: ["nurse"]}), UserFactory.create(roles={site: ["nurse"]})
    assert "username" in errors(change(staff("manager", site), "access_user", two.pk, username=one.username))


# --- resources, hours, closures ------------------------------------------------------------------------
def test_a_resource_gets_its_kinds_capacity(site: Site, staff: Callable[..., Client]) -> None:
    client = staff("manager", site)
    add(client, "scheduling_resource", site=site.pk, kind="nurse", name="Kim", active="on")
    assert Resource.objects.get().capacity == 3
    again = add(client, "scheduling_resource", site=site.pk, kind="nurse", name="Kim", active="on")
    assert "name" in errors(again)


def test_a_resource_out_of_service_names_the_visits_to_move(site: Site, staff: Callable[..., Client]) -> None:
    chair = ResourceFactory.create(site=site)
    visit = booked(site, NOW + timedelta(days=1), on={chair: 0})
    done = change(staff("manager", site), "scheduling_resource", chair.pk, active=None)
    assert "1 visit must be moved; a work item is open for each" in said(done)[0]
    assert reverse("admin:scheduling_appointment_change", args=[visit.pk]) in said(done)[0]
    assert WorkItem.objects.filter(kind="resource_gone").exists()


def test_hours_belong_to_one_owner_and_may_cross_midnight(site: Site, staff: Callable[..., Client]) -> None:
    client = staff("manager", site)
    data = {"weekday": "0", "start": "20:00", "end": "04:00"}
    assert "Give either a site or a resource." in words(add(client, "scheduling_workinghours", **data))
    add(client, "scheduling_workinghours", **data, site=site.pk)
    hours = WorkingHours.objects.get()
    listed = client.get(reverse("admin:scheduling_workinghours_changelist"))
    assert "20:00 to 04:00 (next day)" in words(listed)
    change(client, "scheduling_workinghours", hours.pk, end="05:00")
    hours.refresh_from_db()
    assert (f"{hours.end:%H:%M}", hours.version) == ("05:00", 2)


def test_a_closure_is_read_on_the_sites_clocks_and_lists_what_it_hits(
    site: Site, staff: Callable[..., Client]
) -> None:
    client = staff("manager", site)
    visit = booked(site, NOW + timedelta(days=1), on={})
    done = add(
        client,
        "scheduling_closure",
        site=site.pk,
        start="2027-01-05T00:00",
        end="2027-01-06T00:00",
        reason="Water damage",
    )
    closure = Closure.objects.get()
    assert closure.start_at.isoformat() == "2027-01-05T07:00:00+00:00"
    assert f"visit {visit.pk}" in said(done)[0]
    assert WorkItem.objects.filter(kind="closure_hit").exists()
    visit.refresh_from_db()
    assert visit.status == "booked"
    form = shown(client, "scheduling_closure", closure.pk)
    assert (form["start"], form["end"]) == ("2027-01-05T00:00", "2027-01-06T00:00")
    change(client, "scheduling_closure", closure.pk, end="2027-01-05T07:00")
    closure.refresh_from_db()
    assert closure.end_at.isoformat() == "2027-01-05T14:00:00+00:00"


@pytest.mark.parametrize(
    ("start", "end", "field"),
    [
        ("2027-03-14T02:30", "2027-03-15T00:00", "start"),  # the clocks skip it
        ("2027-01-06T00:00", "2027-01-05T00:00", "end"),
        ("", "2027-01-05T00:00", "start"),
        ("soon", "2027-01-05T00:00", "start"),
    ],
)
def test_a_closure_that_cannot_be_is_refused_at_its_field(
    start: str, end: str, field: str, site: Site, staff: Callable[..., Client]
) -> None:
    refused = add(
        staff("manager", site), "scheduling_closure", site=site.pk, start=start, end=end, reason="Party"
    )
    assert field in errors(refused)
    assert not Closure.objects.exists()


# --- visit types, rules, words ------------------------------------------------------------------------
PHASES = {"phases-0-name": "talk", "phases-0-minutes": "30", "phases-0-prescriber": "exclusive"}


def test_phases_are_a_table(site: Site, staff: Callable[..., Client]) -> None:
    client = staff("manager", site)
    details = {"name": "Talk", "discreet_name": "appointment", "kind": "consultation", "active": "on"}
    limits = {"start_grid_minutes": "15", "min_notice_minutes": "60", "horizon_days": "90"}
    new = {"code": "talk", **details, **limits}
    nurses = {"phases-1-name": "after", "phases-1-minutes": "15", "phases-1-nurse": "both"}
    add(client, "scheduling_visittype", **new, **PHASES, **nurses)
    talk = VisitType.objects.get(code="talk")
    assert talk.phases == [
        {"name": "talk", "minutes": 30, "needs": [{"kind": "prescriber", "use": "exclusive"}]},
        {
            "name": "after",
            "minutes": 15,
            "needs": [{"kind": "nurse", "use": "exclusive"}, {"kind": "nurse", "use": "shared"}],
        },
    ]
    send(client, "scheduling_visittype", talk.pk, {**details, **limits, **PHASES, "stamp": "1"})
    talk.refresh_from_db()
    assert (len(talk.phases), talk.version, talk.code) == (1, 2, "talk")


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ({"phases-0-minutes": "half an hour"}, "Phase 1, minutes"),
        ({"phases-0-minutes": "0"}, "Phase 1, minutes"),
        ({"phases-0-minutes": "2000"}, "Phase 1, minutes"),
        ({"phases-0-name": ""}, "Phase 1, name"),
    ],
)
def test_faults_in_phases_name_the_row(
    row: dict[str, str], fault: str, site: Site, staff: Callable[..., Client]
) -> None:
    consultation = visit_type("consultation")
    client = staff("manager", site)
    data = {**shown(client, "scheduling_visittype", consultation.pk), **PHASES, **row}
    data.pop("phases")
    refused = send(client, "scheduling_visittype", consultation.pk, data)
    assert fault in " ".join(errors(refused)["phases"])
    assert refused.content.decode().count("phases-0-name") == 1
    consultation.refresh_from_db()
    assert consultation.version == 1


def test_an_untouched_table_is_no_change(site: Site, staff: Callable[..., Client]) -> None:
    """Every phase that ships reads back from the table as it went in."""
    client = staff("manager", site)
    for kind in VisitType.objects.all():
        page = client.get(reverse("admin:scheduling_visittype_change", args=[kind.pk]))
        widget = page.context["adminform"].form.fields["phases"].widget
        rows = widget.get_context("phases", kind.phases, {})["rows"]
        sent = {
            f"phases-{at}-{name}": str(value)
            for at, row in enumerate(rows)
            for name, value in (("name", row["name"]), ("minutes", row["minutes"]), *row["uses"])
        }
        assert widget.value_from_datadict(sent, {}, "phases") == kind.phases


def test_a_rule_is_changed_and_a_stale_edit_of_it_refused(site: Site, staff: Callable[..., Client]) -> None:
    client = staff("manager", site)
    rule = ReminderRule.objects.filter(anchor="start").first()
    assert rule is not None
    left_open = shown(client, "scheduling_reminderrule", rule.pk)
    change(client, "scheduling_reminderrule", rule.pk, minutes_before="2880")
    refused = send(client, "scheduling_reminderrule", rule.pk, {**left_open, "minutes_before": "60"})
    assert "Someone changed this record since you opened the page." in words(refused)
    rule.refresh_from_db()
    assert rule.minutes_before == 2880


def test_two_rules_for_the_same_are_refused(site: Site, staff: Callable[..., Client]) -> None:
    rule = ReminderRule.objects.filter(site=None, visit_type=None, active=True).first()
    assert rule is not None
    data = {
        "kind": rule.kind,
        "anchor": rule.anchor,
        "minutes_before": "0",
        "late_minutes": "5",
        "active": "on",
    }
    client = staff("manager", site)
    refused = add(client, "scheduling_reminderrule", **data, source="Us", mark="D")
    assert refused.context["adminform"].form.errors
    add(client, "scheduling_reminderrule", **data, source="Us", mark="D", site=site.pk)
    assert ReminderRule.objects.filter(site=site).count() == 1


def test_a_rule_of_another_site_is_not_there(site: Site, staff: Callable[..., Client]) -> None:
    theirs = ReminderRule.objects.create(
        kind="confirmation",
        site=SiteFactory.create(),
        anchor="booking",
        late_minutes=5,
        source="They",
        mark="D",
    )
    client = staff("manager", site)
    assert client.get(reverse("admin:scheduling_reminderrule_change", args=[theirs.pk])).status_code == 404


def test_a_check_in_rule_can_be_taken_out_of_force(site: Site, staff: Callable[..., Client]) -> None:
    rule = CheckInRule.objects.get(code="REV14")
    client = staff("manager", site)
    lists = {"asks": "NRS, PHQ-9,", "drug_classes": " ", "indications": "depression"}
    change(client, "scheduling_checkinrule", rule.pk, active=None, **lists)
    rule.refresh_from_db()
    assert rule.active is False
    assert (rule.asks, rule.drug_classes, rule.indications) == (["NRS", "PHQ-9"], [], ["depression"])


def test_new_words_are_a_new_version_and_the_preview_is_filled_in(
    site: Site, staff: Callable[..., Client]
) -> None:
    client = staff("manager", site)
    old = MessageTemplate.objects.get(kind="confirmation", channel="sms", language="en")
    assert "Cedar Street Office: booked for" in words(
        client.get(reverse("admin:patients_messagetemplate_change", args=[old.pk]))
    )
    change(client, "patients_messagetemplate", old.pk, body="${site}: see you ${when}. STOP to opt out.")
    old.refresh_from_db()
    new = MessageTemplate.objects.get(kind="confirmation", channel="sms", language="en", active=True)
    assert (old.active, new.version, new.body[:7]) == (False, old.version + 1, "${site}")
    assert client.user.username in new.source  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("${site}: your ketamine visit ${when}. STOP to opt out.", "ketamine"),
        ("${site}: see you ${when}.", "STOP"),
        ("${site}: ${drug} ${when}. STOP to opt out.", "drug"),
        ("${site}: " + "word " * 60 + "STOP", "longer than one text message"),
    ],
)
def test_words_that_may_not_be_sent_are_refused(
    body: str, fault: str, site: Site, staff: Callable[..., Client]
) -> None:
    old = MessageTemplate.objects.get(kind="confirmation", channel="sms", language="en")
    refused = change(staff("manager", site), "patients_messagetemplate", old.pk, body=body)
    assert fault in " ".join(errors(refused)["body"])
    assert MessageTemplate.objects.filter(kind="confirmation", channel="sms", language="en").count() == 1


def test_quiet_hours_of_ones_own_site(site: Site, staff: Callable[..., Client]) -> None:
    client = staff("manager", site)
    data = {"quiet_from": "21:00", "quiet_until": "08:00", "source": "Us", "mark": "D"}
    data |= {"texts_per_day": "1", "texts_per_week": "3"}
    refused = add(client, "patients_contactpolicy", **data, site=site.pk, pull_to="22:00")
    assert refused.context["adminform"].form.errors
    add(client, "patients_contactpolicy", **data, site=site.pk, pull_to="19:00")
    assert ContactPolicy.objects.get(site=site).pull_to.hour == 19


def test_a_condition_with_its_codes(site: Site, staff: Callable[..., Client]) -> None:
    client = staff("manager", site)
    arthritis = Condition.objects.get(code="arthritis")
    change(client, "patients_condition", arthritis.pk, synonyms="Old joints\n\n Worn joints ")
    arthritis.refresh_from_db()
    assert arthritis.synonyms == ["Old joints", "Worn joints"]
    assert arthritis.codes.count() == 2
