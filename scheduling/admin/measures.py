"""Measures: the page on which managers read how their clinic does, and the policy by which it is counted."""

from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, reverse
from unfold.decorators import display

from clinic.access.admin.base import actor_in
from clinic.access.admin.inputs import Choice, Day
from clinic.access.models import Site
from clinic.api.fields import FIRST_YEAR, LAST_YEAR
from clinic.common import clock
from scheduling.admin.measures_shown import age, card
from scheduling.admin.rules import RuleAdmin
from scheduling.domain.measures import Group, Period
from scheduling.models import MeasurePolicy, VisitType
from scheduling.selectors.measures import MOST_DAYS, report, visible_sites

_ONE_DAY = timedelta(days=1)
_LAST = {"7": "Last 7 days", "30": "Last 30 days", "90": "Last 90 days"}
_MONTH, _OWN = "month", "own"
_PERIODS = [*_LAST.items(), (_MONTH, "This month"), (_OWN, "From … to …")]
_DAILY_UNTIL, _WEEKLY_UNTIL = 31, 190
"""Days of a period that is shown by day, and by week."""


class PeriodForm(forms.Form):
    """Which site and days. A plain GET: an address that can be kept and sent to a colleague."""

    site = Choice(required=False, label="Site")
    period = Choice(choices=_PERIODS, required=False, label="Period")
    since = Day(required=False, label="From")
    until = Day(required=False, label="To")

    def __init__(self, *args: Any, sites: list[Site], today: date, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.today = today
        named = [(str(site.pk), site.name) for site in sites]
        field = self.fields["site"]
        field.choices = named if len(named) == 1 else [("", "All my sites"), *named]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """Dates that were given count, whatever period is chosen beside them."""
        given: dict[str, Any] = super().clean() or {}
        for name in ("since", "until"):
            if given.get(name) and not FIRST_YEAR <= given[name].year <= LAST_YEAR:
                self.add_error(name, f"Choose a year from {FIRST_YEAR} to {LAST_YEAR}.")
                return given
        if given.get("since") or given.get("until"):
            given["period"] = _OWN
        period = self.chosen(given)
        if period.days < 1:
            self.add_error("until", "The period ends before it begins.")
        elif period.days > MOST_DAYS:
            self.add_error("until", f"Choose at most {MOST_DAYS} days.")
        return given

    def chosen(self, given: dict[str, Any]) -> Period:
        """The days that ``given`` names; up to today unless it says otherwise."""
        tomorrow = self.today + _ONE_DAY
        wanted = given.get("period") or "30"
        if wanted == _MONTH:
            return Period(self.today.replace(day=1), tomorrow)
        if wanted == _OWN:
            end = (given.get("until") or self.today) + _ONE_DAY
            return Period(given.get("since") or end - timedelta(days=30), end)
        return Period(tomorrow - timedelta(days=int(wanted)), tomorrow)


@admin.register(MeasurePolicy)
class MeasurePolicyAdmin(RuleAdmin):
    """What counts as late, and how often it is counted."""

    list_display = ("where", "late", "recent", "older", "source")
    list_select_related = ("site",)
    fields = (
        "site",
        ("late_cancel_hours", "outcome_within_days"),
        ("recent_days", "recent_minutes", "older_days"),
        ("source", "mark"),
    )
    hint = "A change counts for days that are counted afterwards: the recent ones within the hour."
    empty_hint = "Add what counts as a late cancellation."

    @display(description="late within", ordering="late_cancel_hours")  # type: ignore[untyped-decorator]
    def late(self, obj: MeasurePolicy) -> str:
        """``24 hours``."""
        return f"{obj.late_cancel_hours} hours"

    @display(description="recent days")  # type: ignore[untyped-decorator]
    def recent(self, obj: MeasurePolicy) -> str:
        """``the last 60, every 60 minutes``."""
        return f"the last {obj.recent_days}, every {obj.recent_minutes} minutes"

    @display(description="older days")  # type: ignore[untyped-decorator]
    def older(self, obj: MeasurePolicy) -> str:
        """``every 7 days``."""
        return f"every {obj.older_days} days"

    def get_urls(self) -> list[URLPattern]:
        """The page."""
        return [self.route("measures/", self.measures, "measures"), *super().get_urls()]

    def measures(self, request: HttpRequest) -> HttpResponse:
        """All measures of one site or of all one's sites. A fixed number of queries."""
        actor, now = actor_in(request), clock.now()
        if not actor.may("reports.read"):
            raise PermissionDenied
        sites = visible_sites(actor)
        today = max((now.astimezone(site.zone).date() for site in sites), default=now.date())
        form = PeriodForm(request.GET or None, sites=sites, today=today, initial={"period": "30"})
        asked: dict[str, Any] = form.cleaned_data if form.is_bound and form.is_valid() else {}
        picked = [site for site in sites if asked.get("site") in {None, "", str(site.pk)}]
        period = form.chosen(asked)
        group = _group(period)
        found = report(actor=actor, sites=picked, period=period, group=group, now=now)
        names = dict(VisitType.objects.values_list("code", "name"))
        cards = [card(each, period, group, names) for each in found.shown]
        return self.page(
            request,
            "admin/scheduling/measures.html",
            title="Measures",
            form=form,
            picked=picked,
            period=period,
            last_day=period.end - _ONE_DAY,
            group=group,
            cards=[(each, _csv(each.measure.code, asked, period, group)) for each in cards],
            age=age(found.computed_at, now),
            oldest=_oldest(found.oldest_computed_at, found.computed_at, now),
            days_missing=found.days_missing,
        )


def _group(period: Period) -> Group:
    if period.days <= _DAILY_UNTIL:
        return Group.DAY
    return Group.WEEK if period.days <= _WEEKLY_UNTIL else Group.MONTH


def _csv(code: str, asked: dict[str, Any], period: Period, group: Group) -> str:
    """The API's own address: what is downloaded is what is shown."""
    query = {"start": period.start, "end": period.end, "group": group.value}
    if asked.get("site"):
        query["site"] = asked["site"]
    return f"{reverse('measure-csv', args=[code])}?{urlencode(query)}"


def _oldest(oldest: datetime | None, newest: datetime | None, now: datetime) -> str:
    """Said only where it is another age."""
    if oldest is None or age(oldest, now) == age(newest, now):
        return ""
    return age(oldest, now).replace("Computed", "the oldest days")
