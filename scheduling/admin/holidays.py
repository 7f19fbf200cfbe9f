"""Public holidays in the admin: which ones a site keeps, what became of each date, which visits are hit."""

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from unfold.decorators import display

from clinic.access import shown
from clinic.access.admin.base import OnsetAdmin, SiteFilter, actor_in
from clinic.access.admin.forms import STAMP, OnsetForm, require_stamp
from clinic.access.admin.inputs import Phrases, Text
from clinic.access.admin.refusals import attempt
from clinic.access.admin.sections import Section
from clinic.access.models import Site
from clinic.common import clock
from scheduling.admin.resources import tell_affected
from scheduling.domain.calendars import day_start
from scheduling.domain.public_holidays import public_holidays
from scheduling.models import Appointment, Closure, SiteHoliday, SiteHolidayCalendar
from scheduling.selectors.closures import ACTIVE, affected_appointments, with_affected
from scheduling.services import holidays

_ONE_DAY = timedelta(days=1)


class HolidayCalendarForm(OnsetForm):
    """Names one to a line, as the country calls them."""

    country = Text(max_length=2, help_text="Two letters, such as US.")
    subdivision = Text(max_length=6, required=False, help_text="Such as CO for Colorado.")
    names = Phrases(  # type: ignore[assignment]  # a field of the form, not OnsetForm.names
        separator="\n",
        label="Only these holidays",
        help_text="One to a line, as in the list below. Empty: all of them.",
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if "names" in self.fields:
            self.fields["names"].widget.attrs["rows"] = 9

    def clean_country(self) -> str:
        """In capitals, as the codes are."""
        return str(self.cleaned_data["country"]).strip().upper()

    def clean_subdivision(self) -> str:
        """In capitals, as the codes are."""
        return str(self.cleaned_data["subdivision"]).strip().upper()


@admin.register(SiteHolidayCalendar)
class HolidayCalendarAdmin(OnsetAdmin):
    """One calendar per site. Choosing closes nothing; a button does, and names the visits that it hits."""

    reads, writes = "setup.read", "setup.write"
    form = HolidayCalendarForm
    list_display = ("where", "country", "subdivision", "kept")
    list_display_links = ("where",)
    list_filter = (SiteFilter,)
    fields = ("site", ("country", "subdivision"), "names")
    change_form_outer_before_template = "admin/scheduling/keep_holidays.html"
    change_form_outer_after_template = "admin/scheduling/holiday_dates.html"
    empty_hint = "Add the holidays of your site: a country and a state are all it needs."

    def get_queryset(self, request: HttpRequest) -> QuerySet[SiteHolidayCalendar]:
        """With the site."""
        rows: QuerySet[SiteHolidayCalendar] = super().get_queryset(request)
        return rows.select_related("site")

    def get_readonly_fields(
        self, request: HttpRequest, obj: SiteHolidayCalendar | None = None
    ) -> tuple[str, ...]:
        """A calendar stays with its site."""
        return ("site",) if obj else ()

    @display(description="site", ordering="site__name")  # type: ignore[untyped-decorator]
    def where(self, obj: SiteHolidayCalendar) -> str:
        """Its name."""
        return obj.site.name

    @display(description="keeps")  # type: ignore[untyped-decorator]
    def kept(self, obj: SiteHolidayCalendar) -> str:
        """All of them, or how many names."""
        return f"{len(obj.names)} of them" if obj.names else "all public holidays"

    def get_urls(self) -> list[URLPattern]:
        """Closing the site on its holidays."""
        return [self.route("<int:pk>/close/", self.close, "close", post=True), *super().get_urls()]

    def save_model(self, request: HttpRequest, obj: SiteHolidayCalendar, form: Any, change: bool) -> None:  # noqa: FBT001
        """Through the service."""
        if change:
            known = SiteHolidayCalendar.objects.select_for_update().get(pk=obj.pk)
            require_stamp(known, form.cleaned_data[STAMP])
        given = form.cleaned_data
        obj.pk = holidays.choose(
            actor=actor_in(request),
            now=clock.now(),
            site_id=obj.site_id,
            country=given["country"],
            subdivision=given["subdivision"],
            names=given["names"],
        ).pk

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """With the dates of this year and the next, and what closing them would hit."""
        found = self.get_queryset(request).filter(pk=object_id).first() if object_id.isdecimal() else None
        context = dict(extra_context or {})
        if found is not None:
            now = clock.now()
            may_see = actor_in(request).may("appointments.read", found.site_id)
            context["sections"] = [dates_of(found, now=now, count_visits=may_see)]
            context["may_close"] = self.may(request, self.writes, found)
        response: HttpResponse = super().change_view(request, object_id, form_url, context)
        return response

    def close(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Make closures of the dates that have none yet."""
        found, now = self.found(request, pk), clock.now()
        years = _years(found.site, now)
        made = attempt(
            request,
            lambda: holidays.sync(actor=actor_in(request), now=now, site_id=found.site_id, years=years),
        )
        if made is not None:
            count = len(made)
            messages.success(request, f"{count} date{'' if count == 1 else 's'} closed.")
            hit = with_affected(Closure.objects.filter(pk__in=[closure.pk for closure in made]))
            tell_affected(request, sorted({pk for each in hit for pk in affected_appointments(each)}))
        return self.to(pk)


def dates_of(calendar: SiteHolidayCalendar, *, now: datetime, count_visits: bool) -> Section:
    """Every holiday still to come this year and the next. Two queries."""
    site, today = calendar.site, now.astimezone(calendar.site.zone).date()
    found = public_holidays(
        country=calendar.country,
        subdivision=calendar.subdivision,
        years=_years(site, now),
        names=calendar.names,
    )
    coming = {day: name for day, name in found.items() if day >= today}
    rows = SiteHoliday.objects.filter(site=site, on__in=coming).select_related("closure")
    known = {row.on: row for row in rows}
    visits = _visits_on(site, list(coming)) if count_visits else Counter[date]()
    return Section(
        title="Holidays to come, this year and the next",
        headers=("Day", "Holiday", "The site", "Visits booked that day"),
        rows=[
            (
                shown.local_day(day),
                name,
                _state(known.get(day)),
                str(visits[day]) if count_visits else shown.NOTHING,
            )
            for day, name in coming.items()
        ],
        empty="None of the names chosen is a holiday in these two years.",
        note="A date is closed once. One whose closure was taken back stays open.",
    )


def _state(row: SiteHoliday | None) -> str:
    if row is None:
        return "open, not decided yet"
    if row.closure_id is None:
        return "open, taken back by a manager"
    return shown.to("scheduling_closure_change", row.closure_id, text="closed")


def _visits_on(site: Site, days: Sequence[date]) -> Counter[date]:
    """Visits that have not ended, by the day on which they begin at the site."""
    if not days:
        return Counter()
    span = (day_start(min(days), site.zone), day_start(max(days) + _ONE_DAY, site.zone))
    starts = Appointment.objects.filter(
        site=site, status__in=ACTIVE, start_at__gte=span[0], start_at__lt=span[1]
    ).values_list("start_at", flat=True)
    wanted = set(days)
    local = (start.astimezone(site.zone).date() for start in starts)
    return Counter(day for day in local if day in wanted)


def _years(site: Site, now: datetime) -> tuple[int, int]:
    """This year and the next, as the site counts them."""
    year = now.astimezone(site.zone).year
    return year, year + 1
