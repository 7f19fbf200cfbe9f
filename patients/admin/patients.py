"""Patients in the admin: found by a posted search, registered and changed through the services.

Nothing personal stands in an address, in a cookie or in the command search.
"""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, reverse
from django.utils.html import format_html
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from clinic.access import shown
from clinic.access.admin.base import OnsetAdmin, SiteFilter, actor_in
from clinic.access.admin.forms import OnsetForm
from clinic.access.admin.inputs import Text, Tick
from clinic.access.admin.refusals import attempt
from clinic.common import clock
from patients.admin import importing, matches, record
from patients.models import Consent, Patient
from patients.services import consents
from patients.services import patients as registry

_CHANNELS = {"may_email": "email", "may_text": "sms"}


class PatientForm(OnsetForm):
    """Details as written; the service's rules put them into the form in which they are kept."""

    phone = Text(max_length=40, required=False, help_text="Any format; kept as +13035550123.")
    mrn = Text(max_length=32, required=False, label="MRN", help_text="Made when left empty.")
    timezone = Text(
        max_length=64, required=False, help_text="IANA, such as America/Denver; the site's when empty."
    )
    may_email = Tick(label="May get e-mail")
    may_text = Tick(label="May get text messages")
    confirm_duplicate = Tick(label="This is another person than the one already registered")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = self.instance.pk is not None
        for field, channel in _CHANNELS.items():
            self.initial[field] = getattr(self.instance, consents.ACCEPTS[channel]) if known else True

    def _post_clean(self) -> None:
        """The service checks every field; the model would refuse a phone number before it is put in order."""

    def wishes(self) -> dict[str, bool]:
        """Channel -> what the boxes say, where an address makes it matter or the box was changed."""
        return {
            channel: self.cleaned_data[field]
            for field, channel in _CHANNELS.items()
            if field in self.changed_data
        }


@admin.register(Patient)
class PatientAdmin(OnsetAdmin):
    """Lists, a page per patient, search and import."""

    reads, writes = "patients.read", "patients.write"
    form = PatientForm
    list_display = ("name", "mrn", "born", "site", "status_shown")
    list_display_links = None
    list_filter = (SiteFilter, ("status", ChoicesDropdownFilter), ("language", ChoicesDropdownFilter))
    list_select_related = ("site",)
    ordering = ("sort_name", "id")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("first_name", "last_name"),
                    ("preferred_name", "date_of_birth"),
                    ("sex", "language"),
                    ("site", "status"),
                    "mrn",
                )
            },
        ),
        ("How to reach them", {"fields": ("email", "phone", ("may_email", "may_text"), "timezone")}),
    )
    empty_hint = "Register a patient with the + above, or import a CSV file."

    def get_fieldsets(self, request: HttpRequest, obj: Patient | None = None) -> Any:
        """The box that says "another person" appears when it is asked for."""
        fieldsets = super().get_fieldsets(request, obj)
        refusal = getattr(request, "onset_refusal", None)
        if refusal is not None and refusal.code == "possible_duplicate":
            title, options = fieldsets[0]
            return [(title, {**options, "fields": (*options["fields"], "confirm_duplicate")}), *fieldsets[1:]]
        return fieldsets

    def get_urls(self) -> list[URLPattern]:
        """Search, import, and the page of a patient."""
        return [
            self.route("search/", self.search, "search"),
            self.route("matches/", self.live_matches, "matches"),
            self.route("import/", self.import_csv, "import"),
            self.route("<int:pk>/record/", self.record, "record"),
            self.route("<int:pk>/consent/", self.consent, "consent"),
            *super().get_urls(),
        ]

    @display(description="name", ordering="sort_name")  # type: ignore[untyped-decorator]
    def name(self, obj: Patient) -> str:
        """To the page of the patient."""
        return shown.to("patients_patient_record", obj.pk, text=f"{obj.last_name}, {obj.first_name}")

    @display(description="born", ordering="date_of_birth")  # type: ignore[untyped-decorator]
    def born(self, obj: Patient) -> str:
        """Date of birth."""
        return shown.birth_date(obj.date_of_birth)

    @display(description="status", ordering="status")  # type: ignore[untyped-decorator]
    def status_shown(self, obj: Patient) -> str:
        """As coloured text."""
        return shown.label(obj.status, obj.get_status_display())

    # --- pages ---------------------------------------------------------------------------------
    def search(self, request: HttpRequest) -> HttpResponse:
        """Find patients by whatever is known; the words are posted and shown nowhere else."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        found = matches.found_by(request)
        rows = [self._row(match) for match in found["matches"]]
        headers = ["Name", "Born", "MRN", "Site", "Phone ends", "Next visit", "Status"]
        return self.page(
            request,
            "admin/patients/search.html",
            title="Find a patient",
            table={"headers": headers, "rows": rows},
            may_add=self.has_add_permission(request),
            **found,
        )

    def live_matches(self, request: HttpRequest) -> HttpResponse:
        """What stands below the box in the header while somebody types; a piece of a page."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_view_permission(request):
            raise PermissionDenied
        found = matches.found_by(request, limit=matches.MOST_LIVE)
        return TemplateResponse(request, "admin/patients/matches.html", found)

    def _row(self, match: matches.Match) -> list[Any]:
        patient, visit, next_visit = match.patient, match.visit, shown.NOTHING
        if visit:
            status = shown.label(visit.status, visit.status_text)
            next_visit = format_html("<span>{} {}</span>", shown.link(visit.url, visit.when), status)
        called = f" “{patient.preferred_name}”" if patient.preferred_name else ""
        return [
            format_html("{}{}", self.name(patient), called),
            self.born(patient),
            patient.mrn,
            patient.site.name,
            patient.phone[-4:],
            next_visit,
            self.status_shown(patient),
        ]

    def record(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The page of a patient."""
        patient = self._found(request, pk)
        return self.page(
            request,
            "admin/patients/record.html",
            title=f"Patient {patient.mrn}",
            patient=patient,
            facts=record.facts(patient),
            channels=record.channels(patient),
            may_write=self.may(request, self.writes, patient),
            links=record.PAGE.links_for(request, patient),
            sections=record.PAGE.sections_for(request, patient),
        )

    def consent(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Record a yes or a no to a channel."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        patient = self._found(request, pk)
        channel, said = request.POST.get("channel", ""), request.POST.get("said", "")
        if channel not in Consent.Channel.values or said not in {"yes", "no"}:
            raise Http404("There is no such channel.")
        done = attempt(
            request,
            lambda: consents.record(
                actor=actor_in(request),
                now=clock.now(),
                patient_id=patient.pk,
                channel=channel,
                granted=said == "yes",
            ),
        )
        if done is not None:
            messages.success(request, f"Recorded: {said} to {done.get_channel_display()}.")
        return HttpResponseRedirect(reverse("admin:patients_patient_record", args=[patient.pk]))

    def import_csv(self, request: HttpRequest) -> HttpResponse:
        """Load a CSV file."""
        return importing.page(self, request)

    def _found(self, request: HttpRequest, pk: int) -> Patient:
        if not self.has_view_permission(request):
            raise PermissionDenied
        rows: QuerySet[Patient] = self.get_queryset(request)
        found = rows.select_related("site").filter(pk=pk).first()
        if found is None:
            raise Http404("There is no such patient at your sites.")
        return found

    # --- saving --------------------------------------------------------------------------------
    def save_model(self, request: HttpRequest, obj: Patient, form: Any, change: bool) -> None:  # noqa: FBT001
        """Through the services, consent included."""
        actor, now = actor_in(request), clock.now()
        apart = ("site", "confirm_duplicate", *_CHANNELS)
        if change:
            site = form.cleaned_data["site"]
            registry.update(
                actor=actor,
                now=now,
                patient_id=obj.pk,
                expected_version=form.expected_version(),
                changes=form.changes(*apart),
                contact_preferences=form.wishes(),
                site_id=site.pk if "site" in form.changed_data else None,
            )
            return
        given = {name: value for name, value in form.given(*apart).items() if value != ""}
        obj.pk = registry.register(
            actor=actor,
            now=now,
            site_id=form.cleaned_data["site"].pk,
            given=given,
            contact_preferences=form.wishes(),
            confirm_duplicate=form.cleaned_data.get("confirm_duplicate", False),
        ).pk

    def message_user(self, request: HttpRequest, message: Any, *args: Any, **kwargs: Any) -> None:
        """Django's message would put the name into a cookie."""
        super().message_user(request, "Saved.", *args, **kwargs)

    def response_post_save_add(self, request: HttpRequest, obj: Patient) -> HttpResponse:
        """On to the page of the patient."""
        return HttpResponseRedirect(reverse("admin:patients_patient_record", args=[obj.pk]))

    def response_post_save_change(self, request: HttpRequest, obj: Patient) -> HttpResponse:
        """Back to the page of the patient."""
        return HttpResponseRedirect(reverse("admin:patients_patient_record", args=[obj.pk]))
