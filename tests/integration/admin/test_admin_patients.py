"""Patients in the admin: found without anything personal in an address, registered, changed, imported."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from clinic.access.models import Site
from patients.models import Consent, Patient
from tests.conftest import NOW
from tests.factories import PatientFactory, SiteFactory
from tests.integration.admin.pages import said, stamp, words

SEARCH = "admin:patients_patient_search"
ADD = "admin:patients_patient_add"
IMPORT = "admin:patients_patient_import"

LUCIA = {
    "first_name": "Lucía",
    "last_name": "Peña-Ortiz",
    "preferred_name": "",
    "date_of_birth": "1990-07-30",
    "sex": "female",
    "language": "es",
    "status": "active",
    "mrn": "",
    "email": "lucia@example.org",
    "phone": "(303) 555-1005",
    "timezone": "",
    "may_email": "on",
    "may_text": "on",
}


def registered(client: Client, site: Site, **more: str) -> Any:
    """Send the form for a new patient."""
    return client.post(reverse(ADD), {**LUCIA, "site": site.pk, **more}, follow=True)


def changed(client: Client, patient: Patient, **changes: Any) -> Any:
    """Open the form, change some of it, save."""
    page = reverse("admin:patients_patient_change", args=[patient.pk])
    form = client.get(page).context["adminform"].form
    shown = {name: form.get_initial_for_field(field, name) for name, field in form.fields.items()}
    data = {name: "" if value is None else value for name, value in shown.items() if value is not False}
    data |= changes
    return client.post(page, {name: value for name, value in data.items() if value is not False}, follow=True)


@pytest.mark.parametrize(
    "text",
    ["pena", "LUCIA PENA", "ortiz", "1990-07-30", "7/30/1990", "303.555.1005", "1005", "+1 (303) 555-1005"],
)
def test_found_by_whatever_is_known(text: str, site: Site, staff: Callable[..., Client]) -> None:
    client = staff("front_desk", site)
    registered(client, site)
    PatientFactory.create(site=site, first_name="Ben", last_name="Okafor", phone="+13035559999")
    found = client.post(reverse(SEARCH), {"find": text})
    assert [patient.last_name for patient in found.context["found"]] == ["Peña-Ortiz"]


def test_found_by_mrn(site: Site, staff: Callable[..., Client]) -> None:
    patient = PatientFactory.create(site=site, mrn="X-100")
    found = staff("nurse", site).post(reverse(SEARCH), {"find": " x-100 "})
    assert found.context["found"] == [patient]


@pytest.mark.parametrize("text", ["", "   ", "\x00", "'", "(((", "%", "12", "\\", "a" * 5000, "🙂"])
def test_a_search_that_says_nothing_is_no_error(text: str, site: Site, staff: Callable[..., Client]) -> None:
    answer = staff("front_desk", site).post(reverse(SEARCH), {"find": text})
    assert answer.status_code == 200
    assert not answer.context["found"]


def test_nobody_of_another_site_is_found(site: Site, staff: Callable[..., Client]) -> None:
    PatientFactory.create(site=SiteFactory.create(), last_name="Elsewhere")
    found = staff("front_desk", site).post(reverse(SEARCH), {"find": "elsewhere"})
    assert found.context["found"] == []
    assert "Nobody fits." in words(found)


def test_no_address_says_who_somebody_is(site: Site, staff: Callable[..., Client]) -> None:
    client = staff("prescriber", site)
    patient = PatientFactory.create(
        site=site, last_name="Reyes", first_name="Ana", mrn="MRN77", email="a@x.org"
    )
    pages = [
        client.get(reverse("admin:patients_patient_changelist")),
        client.get(reverse("admin:patients_patient_record", args=[patient.pk])),
        client.get(reverse("admin:patients_patient_change", args=[patient.pk])),
        client.post(reverse(SEARCH), {"find": "reyes"}),
        client.post(reverse("admin:scheduling_appointment_book"), {"find": "reyes"}),
        client.get(reverse("admin:index")),
    ]
    for page in pages:
        text = page.content.decode()
        addresses = re.findall(r'(?:href|action|src|hx-\w+)="([^"]*)"', text)
        assert addresses
        for personal in ("reyes", "ana", "mrn77", "1980", patient.phone.lstrip("+"), "a@x.org"):
            assert [each for each in addresses if personal in each.lower().split("/static/")[0]] == []
        assert not re.search(
            r'<form[^>]*method="get"[^>]*>(?:(?!</form>).)*name="(?:q|find)"', text, re.DOTALL
        )


def test_the_command_search_knows_no_patient(site: Site, staff: Callable[..., Client]) -> None:
    PatientFactory.create(site=site, last_name="Reyes")
    found = staff("front_desk", site).get(reverse("admin:search"), {"s": "reyes", "extended": "1"})
    assert "Reyes" not in found.content.decode()


def test_register_puts_details_in_order_and_records_consent(site: Site, staff: Callable[..., Client]) -> None:
    client = staff("front_desk", site)
    done = registered(client, site)
    patient = Patient.objects.get()
    assert (patient.phone, patient.timezone, patient.created_at) == ("+13035551005", "America/Denver", NOW)
    assert done.redirect_chain[-1][0] == reverse("admin:patients_patient_record", args=[patient.pk])
    assert said(done) == ["Saved."]
    consents = Consent.objects.values_list("channel", "granted", "recorded_by")
    assert set(consents) == {("email", True, client.user.pk), ("sms", True, client.user.pk)}  # type: ignore[attr-defined]


def test_an_unticked_box_is_a_no(site: Site, staff: Callable[..., Client]) -> None:
    client = staff("front_desk", site)
    client.post(reverse(ADD), {**{k: v for k, v in LUCIA.items() if k != "may_text"}, "site": site.pk})
    patient = Patient.objects.get()
    assert (patient.accepts_email, patient.accepts_sms) == (True, False)


def test_faults_are_said_at_their_fields(site: Site, staff: Callable[..., Client]) -> None:
    refused = registered(
        staff("front_desk", site), site, phone="12", date_of_birth="2030-01-01", timezone="Denver"
    )
    errors = refused.context["adminform"].form.errors
    assert errors["date_of_birth"] == ["This date is in the future."]
    assert errors["timezone"] == ["Use an IANA time zone such as America/Denver."]
    assert "phone" in errors
    assert not Patient.objects.exists()


def test_somebody_who_may_be_there_already_is_registered_only_when_said_so(
    site: Site, staff: Callable[..., Client]
) -> None:
    client = staff("front_desk", site)
    registered(client, site)
    refused = registered(client, site)
    assert "already registered here" in words(refused)
    assert 'name="confirm_duplicate"' in refused.content.decode()
    assert Patient.objects.count() == 1
    registered(client, site, confirm_duplicate="on")
    assert Patient.objects.count() == 2


def test_change_details_and_keep_a_history(site: Site, staff: Callable[..., Client]) -> None:
    client = staff("front_desk", site)
    registered(client, site)
    patient = Patient.objects.get()
    changed(client, patient, phone="303-555-7777", first_name="Lucia")
    patient.refresh_from_db()
    assert (patient.phone, patient.first_name, patient.version) == ("+13035557777", "Lucia", 2)
    history = client.get(reverse("admin:patients_patient_history", args=[patient.pk]))
    assert client.user.username in words(history)  # type: ignore[attr-defined]


def test_a_stale_edit_is_refused_and_changes_nothing(site: Site, staff: Callable[..., Client]) -> None:
    client = staff("front_desk", site)
    registered(client, site)
    patient = Patient.objects.get()
    left_open = stamp(client.get(reverse("admin:patients_patient_change", args=[patient.pk])))
    changed(client, patient, first_name="Lucia")
    for old in (left_open, "", "x"):
        refused = changed(client, patient, first_name="Other", stamp=old)
        assert "Someone changed this record since you" in words(refused)
    patient.refresh_from_db()
    assert patient.first_name == "Lucia"


def test_consent_is_withdrawn_with_a_click_and_shown_in_the_history(
    site: Site, staff: Callable[..., Client]
) -> None:
    client = staff("front_desk", site)
    registered(client, site)
    patient = Patient.objects.get()
    url = reverse("admin:patients_patient_consent", args=[patient.pk])
    done = client.post(url, {"channel": "sms", "said": "no"}, follow=True)
    patient.refresh_from_db()
    assert patient.accepts_sms is False
    assert said(done) == ["Recorded: no to SMS."]
    assert "recorded by staff" in words(done)
    assert client.post(url, {"channel": "pigeon", "said": "no"}).status_code == 404
    assert staff("manager", site).post(url, {"channel": "sms", "said": "yes"}).status_code == 403


CSV = "first_name,last_name,date_of_birth,phone\nAna,Reyes,1980-05-17,303-555-1001\nBen,,1968-09-03,12\n"


def uploaded(client: Client, site: Site, content: str | bytes, **more: str) -> Any:
    """Send a file to the import page."""
    raw = content.encode() if isinstance(content, str) else content
    file = SimpleUploadedFile("list.csv", raw, content_type="text/csv")
    return client.post(reverse(IMPORT), {"site": site.pk, "file": file, **more})


def test_import_checks_first_and_loads_the_file_that_was_checked(
    site: Site, staff: Callable[..., Client]
) -> None:
    client = staff("manager", site)
    checked = uploaded(client, site, CSV, do="check")
    assert not Patient.objects.exists()
    assert "1 patient would be loaded" in words(checked)
    assert [row[:2] for row in checked.context["table"]["rows"]] == [(3, "last_name"), (3, "phone")]

    another = uploaded(client, site, CSV.replace("Ana", "Eva"), do="load", checked=checked.context["digest"])
    assert "This is not the file that was checked." in words(another)
    assert not Patient.objects.exists()

    loaded = uploaded(client, site, CSV, do="load", checked=checked.context["digest"])
    assert "1 patient loaded" in words(loaded)
    assert Patient.objects.get().phone == "+13035551001"


def test_import_all_or_nothing(site: Site, staff: Callable[..., Client]) -> None:
    client = staff("manager", site)
    digest = uploaded(client, site, CSV, do="check", all_or_nothing="on").context["digest"]
    uploaded(client, site, CSV, do="load", all_or_nothing="on", checked=digest)
    assert not Patient.objects.exists()


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\x03\x04 a spreadsheet", b"name;born\n", b"first_name,first_name\n", b"\xff\xfea\x00"],
)
def test_an_unusable_file_says_what_to_do(content: bytes, site: Site, staff: Callable[..., Client]) -> None:
    refused = uploaded(staff("manager", site), site, content, do="check")
    assert refused.status_code == 200
    assert refused.context["form"].errors
    assert refused.context["outcome"] is None


def test_import_into_another_site_is_no_choice(site: Site, staff: Callable[..., Client]) -> None:
    other = SiteFactory.create()
    refused = uploaded(staff("manager", site), other, CSV, do="check")
    assert "site" in refused.context["form"].errors
