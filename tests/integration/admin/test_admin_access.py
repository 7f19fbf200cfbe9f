"""Who opens which page: every page x every role, other sites, and menus that offer nothing one may not do."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from clinic.access.models import Site
from scheduling.models import Offer
from tests.factories import SiteFactory
from tests.integration.admin.furnished import Clinic, furnish, shared_rows
from tests.integration.admin.pages import words

ROLES = ("front_desk", "nurse", "prescriber", "manager", "auditor")
STAFF = {"front_desk", "nurse", "prescriber", "manager"}
DESK = {"front_desk", "nurse", "prescriber"}
CLINICAL = {"nurse", "prescriber"}
MANAGER = {"manager"}
EVERYBODY = set(ROLES)

LISTS: dict[str, set[str]] = {
    "scheduling_appointment": STAFF,
    "scheduling_course": STAFF,
    "scheduling_repair": STAFF,
    "scheduling_hold": STAFF,
    "scheduling_calendarfeed": STAFF,
    "scheduling_waitlistentry": STAFF,
    "scheduling_freedslot": STAFF,
    "scheduling_siteholidaycalendar": EVERYBODY,
    "scheduling_coursetemplate": EVERYBODY,
    "scheduling_holdpolicy": EVERYBODY,
    "scheduling_confirmationrule": EVERYBODY,
    "scheduling_waitlistpolicy": EVERYBODY,
    "scheduling_measurepolicy": EVERYBODY,
    "scheduling_doseprotocol": EVERYBODY,
    "scheduling_gaterule": EVERYBODY,
    "scheduling_vitalschedule": EVERYBODY,
    "scheduling_vitalthreshold": EVERYBODY,
    "scheduling_infusiondaypolicy": EVERYBODY,
    "scheduling_druglogentry": CLINICAL | MANAGER | {"auditor"},
    "patients_patient": STAFF,
    "scheduling_prescription": CLINICAL,
    "scheduling_checkin": CLINICAL,
    "patients_assessment": CLINICAL,
    "patients_safetyalarm": CLINICAL,
    "scheduling_followup": STAFF,
    "scheduling_treatmentplan": CLINICAL,
    "patients_screeningflag": CLINICAL,
    "patients_message": STAFF,
    "patients_inboundmessage": STAFF,
    "patients_workitem": STAFF,
    "access_site": EVERYBODY,
    "access_user": MANAGER,
    "access_servicetoken": MANAGER,
    "scheduling_resource": EVERYBODY,
    "scheduling_workinghours": EVERYBODY,
    "scheduling_closure": EVERYBODY,
    "scheduling_visittype": EVERYBODY,
    "scheduling_reminderrule": EVERYBODY,
    "scheduling_checkinrule": EVERYBODY,
    "scheduling_efficacyrule": EVERYBODY,
    "scheduling_checkinpolicy": EVERYBODY,
    "scheduling_followuprule": EVERYBODY,
    "scheduling_patientpagepolicy": EVERYBODY,
    "patients_messagetemplate": EVERYBODY,
    "patients_contactpolicy": EVERYBODY,
    "patients_instrument": EVERYBODY,
    "patients_threshold": EVERYBODY,
    "patients_alarmpolicy": EVERYBODY,
    "patients_crisiscontact": EVERYBODY,
    "patients_condition": EVERYBODY,
    "patients_term": EVERYBODY,
    "patients_flagkind": EVERYBODY,
    "patients_washout": EVERYBODY,
}
"""Model -> who sees its list and its pages."""

ADDS: dict[str, set[str]] = {
    "scheduling_calendarfeed": STAFF,
    "patients_patient": DESK,
    "access_site": MANAGER,
    "access_servicetoken": MANAGER,
    "access_user": MANAGER,
    "scheduling_resource": MANAGER,
    "scheduling_workinghours": MANAGER,
    "scheduling_closure": MANAGER,
    "scheduling_visittype": MANAGER,
    "scheduling_siteholidaycalendar": MANAGER,
    "scheduling_coursetemplate": MANAGER,
    "scheduling_holdpolicy": MANAGER,
    "scheduling_confirmationrule": MANAGER,
    "scheduling_waitlistpolicy": MANAGER,
    "scheduling_measurepolicy": MANAGER,
    "scheduling_doseprotocol": MANAGER,
    "scheduling_gaterule": MANAGER,
    "scheduling_vitalschedule": MANAGER,
    "scheduling_vitalthreshold": MANAGER,
    "scheduling_infusiondaypolicy": MANAGER,
    "scheduling_druglogentry": set(),
    "scheduling_hold": set(),
    "scheduling_freedslot": set(),
    "scheduling_reminderrule": MANAGER,
    "scheduling_checkinrule": MANAGER,
    "scheduling_efficacyrule": MANAGER,
    "scheduling_checkinpolicy": MANAGER,
    "scheduling_followuprule": MANAGER,
    "scheduling_patientpagepolicy": MANAGER,
    "patients_messagetemplate": MANAGER,
    "patients_contactpolicy": MANAGER,
    "patients_threshold": MANAGER,
    "patients_alarmpolicy": MANAGER,
    "patients_crisiscontact": MANAGER,
    "patients_instrument": set(),
    "patients_assessment": set(),
    "patients_safetyalarm": set(),
    "patients_condition": MANAGER,
    "patients_term": MANAGER,
    "patients_flagkind": MANAGER,
    "patients_washout": MANAGER,
    "scheduling_prescription": set(),
    "scheduling_checkin": set(),
    "scheduling_followup": set(),
    "scheduling_treatmentplan": set(),
    "patients_screeningflag": set(),
    "patients_message": set(),
    "patients_inboundmessage": set(),
    "patients_workitem": set(),
}
"""Model -> who gets its form for a new row. Visits and courses are booked instead, see below."""


@pytest.fixture
def clinic(site: Site) -> Clinic:
    """The site of the person who looks."""
    return furnish(site)


@pytest.mark.parametrize("role", ROLES)
def test_every_list_and_page_by_role(role: str, clinic: Clinic, staff: Callable[..., Client]) -> None:
    client = staff(role, clinic.site)
    rows = clinic.rows | shared_rows()
    got, wanted = {}, {}
    for model, allowed in LISTS.items():
        wanted[model] = (200, 200, 200) if role in allowed else (403, 403, 403)
        got[model] = (
            client.get(reverse(f"admin:{model}_changelist")).status_code,
            client.get(reverse(f"admin:{model}_change", args=[rows[model]])).status_code,
            client.get(reverse(f"admin:{model}_history", args=[rows[model]])).status_code,
        )
        if role not in allowed:  # what one may not see is not there; either answer tells nothing
            wanted[model] = (403, 403, got[model][2])
            assert got[model][2] in {403, 404}
    assert got == wanted


@pytest.mark.parametrize("role", ROLES)
def test_forms_for_new_rows_by_role(role: str, clinic: Clinic, staff: Callable[..., Client]) -> None:
    client = staff(role, clinic.site)
    got = {model: client.get(reverse(f"admin:{model}_add")).status_code for model in ADDS}
    assert got == {model: 200 if role in allowed else 403 for model, allowed in ADDS.items()}


@pytest.mark.parametrize("role", ROLES)
def test_our_own_pages_by_role(role: str, clinic: Clinic, staff: Callable[..., Client]) -> None:
    client, rows = staff(role, clinic.site), clinic.rows
    pages: dict[str, tuple[str, list[Any], set[str]]] = {
        "today": ("index", [], EVERYBODY),
        "day board": ("scheduling_day_board", [], STAFF),
        "day sheet": ("scheduling_day_sheet", [], STAFF),
        "book": ("scheduling_appointment_book", [], DESK),
        "move": ("scheduling_appointment_move", [rows["scheduling_appointment"]], DESK),
        "session": ("scheduling_appointment_session", [rows["scheduling_appointment"]], DESK),
        "plan": ("scheduling_course_plan", [], DESK),
        "extend": ("scheduling_course_extend", [rows["scheduling_course"]], DESK),
        "replan": ("scheduling_course_replan", [rows["scheduling_course"]], DESK),
        "interval": ("scheduling_course_interval", [rows["scheduling_course"]], DESK),
        "stop a course": ("scheduling_course_stop", [rows["scheduling_course"]], DESK),
        "wait": ("scheduling_waitlistentry_new", [], DESK),
        "wishes": ("scheduling_waitlistentry_wishes", [rows["scheduling_waitlistentry"]], DESK),
        "repair": ("scheduling_repair_new", [], DESK),
        "search": ("patients_patient_search", [], STAFF),
        "record": ("patients_patient_record", [rows["patients_patient"]], STAFF),
        "import": ("patients_patient_import", [], MANAGER),
        "measures": ("scheduling_measurepolicy_measures", [], MANAGER),
        "prescribe": ("scheduling_prescription_prescribe", [rows["patients_patient"]], {"prescriber"}),
        "dose": ("scheduling_prescription_dose", [rows["scheduling_prescription"]], {"prescriber"}),
        "stop": ("scheduling_prescription_stop", [rows["scheduling_prescription"]], {"prescriber"}),
        "record by phone": ("scheduling_checkin_record", [rows["scheduling_checkin"]], CLINICAL),
        "record answers": ("patients_assessment_record", [rows["patients_patient"], "PHQ-9"], CLINICAL),
        "alarm taken on": ("patients_safetyalarm_acknowledge", [rows["patients_safetyalarm"]], CLINICAL),
        "alarm resolved": ("patients_safetyalarm_resolve", [rows["patients_safetyalarm"]], CLINICAL),
        "alarm cleared": ("patients_safetyalarm_clear", [rows["patients_safetyalarm"]], {"prescriber"}),
        "follow-up": ("scheduling_followup_new", [rows["patients_patient"]], DESK),
        "follow-up done": ("scheduling_followup_order", [rows["scheduling_followup"], "complete"], DESK),
        "assign": ("patients_workitem_assign", [rows["patients_workitem"]], STAFF),
        "resolve": ("patients_workitem_resolve", [rows["patients_workitem"]], STAFF),
        "before": ("patients_screeningflag_before", [rows["patients_patient"]], CLINICAL),
        "entry": ("patients_screeningflag_add_entry", [rows["patients_patient"], "allergy"], CLINICAL),
        "flag": ("patients_screeningflag_raise", [rows["patients_patient"]], CLINICAL),
        "acknowledge": (
            "patients_screeningflag_acknowledge",
            [rows["patients_screeningflag"]],
            {"prescriber"},
        ),
        "withdraw": ("patients_screeningflag_withdraw", [rows["patients_screeningflag"]], CLINICAL),
        "new plan": ("scheduling_treatmentplan_new", [rows["patients_patient"]], CLINICAL),
        "plan item": ("scheduling_treatmentplan_item", [rows["scheduling_treatmentplan"]], CLINICAL),
        "finish plan": ("scheduling_treatmentplan_finish", [rows["scheduling_treatmentplan"]], CLINICAL),
    }
    got = {
        name: client.get(reverse(f"admin:{url}", args=args)).status_code
        for name, (url, args, _) in pages.items()
    }
    assert got == {name: 200 if role in allowed else 403 for name, (_url, _args, allowed) in pages.items()}


def test_rows_of_another_site_are_not_there(clinic: Clinic, staff: Callable[..., Client]) -> None:
    elsewhere = furnish(SiteFactory.create())
    seen = {}
    for role in ("prescriber", "manager"):
        client = staff(role, clinic.site)
        for model, pk in elsewhere.rows.items():
            if role in LISTS[model]:
                seen[role, model] = client.get(reverse(f"admin:{model}_change", args=[pk])).status_code
    assert set(seen.values()) == {404}
    assert {model for _role, model in seen} == set(elsewhere.rows)


def test_our_own_pages_of_another_site_are_not_there(clinic: Clinic, staff: Callable[..., Client]) -> None:
    rows = furnish(SiteFactory.create()).rows
    client = staff("prescriber", clinic.site)
    pages: list[tuple[str, list[Any]]] = [
        ("scheduling_appointment_move", [rows["scheduling_appointment"]]),
        ("scheduling_course_extend", [rows["scheduling_course"]]),
        ("scheduling_course_replan", [rows["scheduling_course"]]),
        ("scheduling_course_interval", [rows["scheduling_course"]]),
        ("scheduling_course_stop", [rows["scheduling_course"]]),
        ("scheduling_waitlistentry_wishes", [rows["scheduling_waitlistentry"]]),
        ("patients_patient_record", [rows["patients_patient"]]),
        ("scheduling_prescription_prescribe", [rows["patients_patient"]]),
        ("scheduling_prescription_dose", [rows["scheduling_prescription"]]),
        ("scheduling_prescription_stop", [rows["scheduling_prescription"]]),
        ("scheduling_checkin_record", [rows["scheduling_checkin"]]),
        ("scheduling_followup_new", [rows["patients_patient"]]),
        ("scheduling_followup_order", [rows["scheduling_followup"], "complete"]),
        ("patients_workitem_resolve", [rows["patients_workitem"]]),
        ("patients_screeningflag_before", [rows["patients_patient"]]),
        ("patients_screeningflag_add_entry", [rows["patients_patient"], "allergy"]),
        ("patients_screeningflag_raise", [rows["patients_patient"]]),
        ("patients_screeningflag_acknowledge", [rows["patients_screeningflag"]]),
        ("patients_screeningflag_withdraw", [rows["patients_screeningflag"]]),
        ("scheduling_treatmentplan_new", [rows["patients_patient"]]),
        ("scheduling_treatmentplan_item", [rows["scheduling_treatmentplan"]]),
        ("scheduling_treatmentplan_finish", [rows["scheduling_treatmentplan"]]),
    ]
    for name, args in pages:
        assert client.get(reverse(f"admin:{name}", args=args)).status_code == 404, name
    for name, question in (
        ("scheduling_appointment_book", f"patient={rows['patients_patient']}"),
        ("scheduling_course_plan", f"patient={rows['patients_patient']}"),
        ("scheduling_waitlistentry_new", f"patient={rows['patients_patient']}"),
        ("scheduling_repair_new", f"closure={rows['scheduling_closure']}"),
        ("scheduling_repair_new", f"visits={rows['scheduling_appointment']}"),
    ):
        assert client.get(f"{reverse(f'admin:{name}')}?{question}").status_code == 404, (name, question)
    offer = Offer.objects.get(slot=rows["scheduling_freedslot"])
    posts: list[tuple[str, int, dict[str, str]]] = [
        ("scheduling_appointment_step", rows["scheduling_appointment"], {"verb": "cancel", "version": "1"}),
        ("scheduling_appointment_undo", rows["scheduling_appointment"], {"version": "1"}),
        ("scheduling_repair_accept", rows["scheduling_repair"], {"version": "1"}),
        ("scheduling_repair_reject", rows["scheduling_repair"], {"version": "1"}),
        ("scheduling_waitlistentry_cancel", rows["scheduling_waitlistentry"], {"version": "1"}),
        ("scheduling_freedslot_accept", offer.pk, {"version": "1"}),
        ("scheduling_freedslot_decline", offer.pk, {"version": "1"}),
        ("scheduling_hold_release", rows["scheduling_hold"], {"version": "1"}),
        ("scheduling_siteholidaycalendar_close", rows["scheduling_siteholidaycalendar"], {}),
        ("patients_patient_consent", rows["patients_patient"], {"channel": "sms", "said": "no"}),
        ("patients_workitem_acknowledge", rows["patients_workitem"], {"version": "1"}),
    ]
    for name, pk, data in posts:
        assert client.post(reverse(f"admin:{name}", args=[pk]), data).status_code == 404, name


def test_lists_and_choices_name_no_other_site(clinic: Clinic, staff: Callable[..., Client]) -> None:
    other = SiteFactory.create(name="Elsewhere Street")
    furnish(other)
    for role in ("manager", "prescriber"):
        client = staff(role, clinic.site)
        for model, allowed in LISTS.items():
            if role in allowed:
                assert "Elsewhere Street" not in words(client.get(reverse(f"admin:{model}_changelist"))), (
                    model
                )
            if role in ADDS.get(model, set()):
                assert "Elsewhere Street" not in words(client.get(reverse(f"admin:{model}_add"))), model
    book = f"{reverse('admin:scheduling_appointment_book')}?patient={clinic.rows['patients_patient']}"
    assert "Elsewhere Street" not in words(staff("prescriber", clinic.site).get(book))


def test_a_filter_by_another_site_finds_nothing(clinic: Clinic, staff: Callable[..., Client]) -> None:
    other = furnish(SiteFactory.create())
    client = staff("manager", clinic.site)
    shown = client.get(reverse("admin:scheduling_resource_changelist"), {"site": other.site.pk})
    assert shown.context["cl"].result_count == 0


def test_nothing_can_be_deleted(clinic: Clinic, superuser: Client) -> None:
    for model, pk in (clinic.rows | shared_rows()).items():
        assert superuser.get(reverse(f"admin:{model}_delete", args=[pk])).status_code == 403, model


def test_no_list_has_bulk_actions() -> None:
    ours = {
        m: a
        for m, a in admin.site._registry.items()
        if m._meta.app_label in {"patients", "scheduling", "access"}
    }
    assert len(ours) == len(LISTS)
    assert {model.__name__: a.actions for model, a in ours.items() if a.actions} == {}
    assert {model.__name__: a.list_editable for model, a in ours.items() if a.list_editable} == {}


@pytest.mark.parametrize("role", ROLES)
def test_the_menu_leads_only_where_one_may_go(
    role: str, clinic: Clinic, staff: Callable[..., Client]
) -> None:
    client = staff(role, clinic.site)
    groups = client.get(reverse("admin:index")).context["sidebar_navigation"]
    links = [item["link"] for group in groups for item in group["items"]]
    assert {client.get(link).status_code for link in links} == {200}


def test_front_desk_sees_no_medicine_on_a_patients_page(clinic: Clinic, staff: Callable[..., Client]) -> None:
    page = reverse("admin:patients_patient_record", args=[clinic.rows["patients_patient"]])
    assert "sertraline" not in words(staff("front_desk", clinic.site).get(page))
    assert "sertraline" in words(staff("nurse", clinic.site).get(page))


def test_who_is_not_signed_in_is_asked_to(clinic: Clinic) -> None:
    page = reverse("admin:patients_patient_record", args=[clinic.rows["patients_patient"]])
    answer = Client().get(page)
    assert answer.status_code == 302
    assert answer["Location"].startswith(reverse("admin:login"))
