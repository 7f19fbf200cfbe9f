"""The tables on the page of a course: its sessions with their gaps, who is asked, what was meant and done."""

from collections.abc import Sequence
from datetime import datetime

from clinic.access import shown
from clinic.access.admin.sections import Section
from clinic.access.policy import Actor
from patients.models import WorkItem
from scheduling.admin.stages_field import stage_sentences
from scheduling.domain import courses as domain
from scheduling.domain.transitions import FREES_RESOURCES, Status
from scheduling.models import Appointment, Course
from scheduling.selectors.courses import standing

_VERBS = {
    "book": "Booked",
    "replan": "Planned anew",
    "extend": "Sessions added",
    "maintenance": "Interval changed",
    "stop": "Stopped",
}


def sections(course: Course, actor: Actor, now: datetime) -> list[Section]:
    """In the order in which one asks: when, what is wrong, what was meant, what happened."""
    made = [_sessions(course, actor, now)]
    if actor.may("work_items.read", course.site_id):
        made.append(_work_items(course))
    return [*made, _meant(course), _history(course)]


def _sessions(course: Course, actor: Actor, now: datetime) -> Section:
    zone = course.site.zone
    sessions = sorted(course.sessions.all(), key=lambda each: (each.start_at, each.pk))
    state = standing(course, sessions)
    gaps = {state.live[gap.number - 1].pk: gap for gap in state.gaps}
    may_move = actor.may("appointments.write", course.site_id)
    return Section(
        title="Sessions",
        headers=("No.", "When", "Status", "Gap", "Meant", ""),
        rows=[
            (
                shown.NOTHING if Status(each.status) in FREES_RESOURCES else str(each.session_number),
                shown.to(
                    "scheduling_appointment_change", each.pk, text=shown.local_time(each.start_at, zone)
                ),
                shown.label(each.status, each.get_status_display()),
                _gap(gaps.get(each.pk)),
                _meant_gap(gaps.get(each.pk)),
                shown.to("scheduling_appointment_move", each.pk, text=f"Move session {each.session_number}")
                if may_move and _movable(each, now)
                else "",
            )
            for each in sessions
        ],
        empty="No session is booked.",
        note=" ".join(gap.sentence for gap in state.drift),
    )


def _movable(session: Appointment, now: datetime) -> bool:
    return Status(session.status) in {Status.BOOKED, Status.CONFIRMED} and session.start_at > now


def _gap(gap: domain.Gap | None) -> str:
    if gap is None:
        return shown.NOTHING
    text = f"{gap.days} {_unit(gap.stage, gap.days)}"
    return text if gap.in_range else shown.label("drift", f"{text}, out of range")


def _meant_gap(gap: domain.Gap | None) -> str:
    if gap is None:
        return shown.NOTHING
    stage = gap.stage
    if stage.min_gap_days == stage.max_gap_days:
        return f"{stage.min_gap_days} {_unit(stage, stage.min_gap_days)}"
    return f"{stage.min_gap_days} to {stage.max_gap_days} {_unit(stage, stage.max_gap_days)}"


def _unit(stage: domain.Stage, days: int) -> str:
    open_ = "open " if stage.gap_unit is domain.GapUnit.OPEN_DAYS else ""
    return f"{open_}day{'' if days == 1 else 's'}"


def _work_items(course: Course) -> Section:
    rows = (
        WorkItem.objects.filter(key__startswith=f"course:{course.pk}:")
        .exclude(status=WorkItem.Status.RESOLVED)
        .order_by("due_at", "id")
    )
    return Section(
        title="Open work items",
        headers=("What", "Due", "Owner", "Status"),
        rows=[
            (
                shown.to("patients_workitem_change", item.pk, text=item.summary),
                shown.local_time(item.due_at, course.site.zone),
                item.owner_role.replace("_", " ").capitalize(),
                shown.label(item.status, item.get_status_display()),
            )
            for item in rows
        ],
        empty="Nothing about this course needs anybody.",
    )


def _meant(course: Course) -> Section:
    stages: Sequence[domain.Stage] = domain.parse(course.stages)
    return Section(
        title="What is meant",
        headers=("Stage", "How often", "Source"),
        rows=[
            (stage.name or shown.NOTHING, words, f"{stage.source} [{stage.mark}]" if stage.source else "")
            for stage, words in zip(stages, stage_sentences(stages), strict=True)
        ],
        empty="",
        note=f"As the template was when the course was booked (version {course.template_version}), "
        "and changed since for this course only.",
    )


def _history(course: Course) -> Section:
    zone = course.site.zone
    return Section(
        title="History",
        headers=("When", "What", "Who", "Why"),
        rows=[
            (
                shown.local_time(event.at, zone),
                _VERBS.get(event.verb, event.verb),
                str(event.by or "Onset"),
                " ".join(filter(None, (event.reason, event.override_reason))),
            )
            for event in course.events.select_related("by").order_by("-at", "-id")
        ],
        empty="Nothing has happened yet.",
    )
