"""The Schedule III log of a site, day by day: what was drawn, given and wasted, and whether it adds up.

Read here, by those who answer for it; written on the page of the session.
"""

from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from unfold.decorators import display

from clinic.access import shown
from clinic.access.admin.base import OnsetAdmin, actor_in
from clinic.access.admin.inputs import Choice, Day
from clinic.access.admin.sections import Cell, Link, Section
from clinic.access.models import Site
from clinic.access.policy import Actor
from clinic.api.fields import FIRST_YEAR, LAST_YEAR
from clinic.common import clock
from scheduling.models import DrugLogEntry
from scheduling.selectors import drug_log as selector
from scheduling.selectors.drug_log import DayLog, Line


class DayForm(forms.Form):
    """Which site and day. A plain GET: an address that can be kept and sent to a colleague."""

    site = Choice(label="Site")
    day = Day(label="Day")

    def __init__(self, *args: Any, sites: list[Site], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["site"].choices = [(str(site.pk), site.name) for site in sites]  # type: ignore[attr-defined]

    def clean_day(self) -> date:
        """A year of the calendar."""
        day: date = self.cleaned_data["day"]
        if not FIRST_YEAR <= day.year <= LAST_YEAR:
            raise forms.ValidationError(f"Choose a year from {FIRST_YEAR} to {LAST_YEAR}.")
        return day


@admin.register(DrugLogEntry)
class DrugLogAdmin(OnsetAdmin):
    """The list is a site's day; an entry has a page that is read only."""

    reads = "drug_log.read"
    may_add = may_change = False
    fields = (
        ("kind", "drug"),
        ("mg", "lot"),
        ("happened", "site"),
        "note",
        ("by", "recorded"),
        ("witness", "witnessed"),
        ("struck_by", "struck"),
        "struck_reason",
    )
    readonly_fields = ("happened", "recorded", "witnessed", "struck")

    def get_queryset(self, request: HttpRequest) -> QuerySet[DrugLogEntry]:
        """With its site, on whose clocks it is shown."""
        rows: QuerySet[DrugLogEntry] = super().get_queryset(request)
        return rows.select_related("site")

    @display(description="when")  # type: ignore[untyped-decorator]
    def happened(self, obj: DrugLogEntry) -> str:
        """On the clocks of the site, as all that follow."""
        return shown.local_time(obj.at, obj.site.zone)

    @display(description="recorded")  # type: ignore[untyped-decorator]
    def recorded(self, obj: DrugLogEntry) -> str:
        """When it was entered."""
        return shown.local_time(obj.recorded_at, obj.site.zone)

    @display(description="witnessed")  # type: ignore[untyped-decorator]
    def witnessed(self, obj: DrugLogEntry) -> str:
        """When the witness signed."""
        return shown.local_time(obj.witnessed_at, obj.site.zone)

    @display(description="struck")  # type: ignore[untyped-decorator]
    def struck(self, obj: DrugLogEntry) -> str:
        """When it was struck."""
        return shown.local_time(obj.struck_at, obj.site.zone)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """One day of one site: today at the first of one's sites, unless asked otherwise."""
        actor, now = actor_in(request), clock.now()
        if not self.has_view_permission(request):
            raise PermissionDenied
        sites = [
            site
            for site in Site.objects.visible_to(actor).order_by("name", "pk")
            if actor.may(self.reads, site.pk)
        ]
        if not sites:
            return self._page(request, form=None)
        first = {"site": str(sites[0].pk), "day": now.astimezone(sites[0].zone).date().isoformat()}
        form = DayForm({**first, **request.GET.dict()}, sites=sites)
        if not form.is_valid():
            return self._page(request, form=form)
        site = next(each for each in sites if str(each.pk) == form.cleaned_data["site"])
        log = selector.day(site, form.cleaned_data["day"])
        links = [
            Link("Day before", _address(log, days=-1), icon="chevron_left"),
            Link("Day after", _address(log, days=1), icon="chevron_right"),
            Link("CSV", _csv(log), icon="download"),
        ]
        return self._page(request, form=form, log=log, sections=_sections(log, actor), links=links)

    def _page(self, request: HttpRequest, **context: Any) -> HttpResponse:
        return self.page(request, "admin/scheduling/drug_log.html", title="Schedule III log", **context)


def _address(log: DayLog, *, days: int) -> str:
    """Of the same page, so many days later."""
    query = urlencode({"site": log.site.pk, "day": log.on + timedelta(days)})
    return f"{reverse('admin:scheduling_druglogentry_changelist')}?{query}"


def _csv(log: DayLog) -> str:
    """The API's own address: what is downloaded is what is shown."""
    return f"{reverse('drug-log-csv')}?{urlencode({'site': log.site.pk, 'date': log.on})}"


def _sections(log: DayLog, actor: Actor) -> list[Section]:
    opens = actor.may("gates.read", log.site.pk)
    return [
        Section(
            title="Totals",
            headers=("Drug", "Drawn, mg", "Given, mg", "Wasted, mg", "Left, mg", "Adds up"),
            rows=[
                (
                    each.drug,
                    str(each.drawn_mg),
                    str(each.given_mg),
                    str(each.wasted_mg),
                    str(each.left_mg),
                    _adds_up(each.left_mg == 0, each.unwitnessed),
                )
                for each in log.balances.values()
            ],
            empty="Nothing was drawn, given or wasted on this day.",
        ),
        Section(
            title="Drawn by lot",
            headers=("Drug", "Lot", "Drawn, mg"),
            rows=[(each.drug, each.lot or shown.NOTHING, str(each.drawn_mg)) for each in log.lots],
            empty="Nothing was drawn on this day.",
        ),
        Section(
            title="Entries",
            headers=(
                "Time",
                "Patient",
                "What",
                "mg",
                "Drug",
                "Lot",
                "Left then, mg",
                "Recorded by",
                "Witness",
                "Note",
            ),
            rows=[_row(line, log, opens=opens) for line in log.lines],
            empty="Nothing was recorded for this day. Entries are made on the page of a session.",
        ),
    ]


def _adds_up(nothing_left: bool, unwitnessed: int) -> Cell:  # noqa: FBT001 - a finding, not a switch
    """In words with a colour; what is missing comes first."""
    if not nothing_left:
        return shown.label("urgent", "does not balance")
    if unwitnessed:
        return shown.label("urgent", f"{unwitnessed} not witnessed")
    return shown.label("done", "balances")


def _row(line: Line, log: DayLog, *, opens: bool) -> tuple[Cell, ...]:
    row, zone = line.entry, log.site.zone
    patient = row.session.appointment.patient
    mrn: Cell = f"MRN {patient.mrn}"
    struck = row.struck_at is not None
    return (
        shown.to("scheduling_druglogentry_change", row.pk, text=shown.clock_time(row.at, zone)),
        shown.to("scheduling_appointment_session", row.session_id, text=mrn) if opens else mrn,
        row.get_kind_display(),
        format_html("<s>{}</s>", row.mg) if struck else str(row.mg),
        row.drug,
        row.lot or shown.NOTHING,
        str(line.running_mg),
        str(row.by or "Onset"),
        _witness(row),
        f"Struck by {row.struck_by or 'Onset'}: {row.struck_reason}" if struck else row.note or shown.NOTHING,
    )


def _witness(row: DrugLogEntry) -> Cell:
    if row.witness is not None:
        return str(row.witness)
    wanted = any(entry.wants_witness for entry in selector.counted([row]))
    return shown.label("urgent", "no witness") if wanted else shown.NOTHING
