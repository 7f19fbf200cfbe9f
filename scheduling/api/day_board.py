"""GET /day-board/: a whole board in one reply, for clients that draw their own."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from clinic.access.models import Site
from clinic.api.fields import DayField, write_instant
from clinic.api.filters import refuse_unknown
from clinic.api.related import VisibleInQueryField
from clinic.api.views import OnsetViewSet
from scheduling.api.session_parts import STAGES
from scheduling.models import Appointment
from scheduling.selectors.board_cards import Card, Sight
from scheduling.selectors.day_board import DayBoard, day_board, marks_of


class DayBoardQuery(serializers.Serializer[Any]):
    """Which board."""

    site = VisibleInQueryField(queryset=Site.objects)
    date = DayField(required=False, help_text="On the site's calendar. Default: today there.")


class ColumnSerializer(serializers.Serializer[Any]):
    """A chair by its id, or, with null, the place of visits that need none."""

    resource = serializers.IntegerField(allow_null=True)
    name = serializers.CharField()
    open_minutes = serializers.IntegerField()
    booked_minutes = serializers.IntegerField()


class BoardVisitSerializer(serializers.Serializer[Any]):
    """One visit. What a role may not see is left out: vital signs, and which clinical gates are open."""

    appointment = serializers.IntegerField()
    version = serializers.IntegerField()
    session_version = serializers.IntegerField(allow_null=True, help_text="Of its infusion session, if any.")
    patient = serializers.IntegerField()
    patient_name = serializers.CharField()
    visit_type = serializers.CharField(help_text="Its name.")
    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    expected_end = serializers.DateTimeField(help_text="As things are; never before end.")
    runs_into_next_minutes = serializers.IntegerField()
    resource = serializers.IntegerField(allow_null=True, help_text="Its chair.")
    staff = serializers.ListField(child=serializers.CharField())
    status = serializers.ChoiceField(choices=Appointment.Status.choices)
    stage = serializers.ChoiceField(choices=STAGES)
    since = serializers.DateTimeField(allow_null=True, help_text="When it came to this stage.")
    minutes_in_status = serializers.IntegerField(allow_null=True)
    unconfirmed = serializers.BooleanField(help_text="Nobody confirmed it, and somebody was asked to call.")
    steps = serializers.ListField(child=serializers.CharField(), help_text="Those the caller may take now.")
    next_step = serializers.CharField(allow_null=True)
    can_undo = serializers.BooleanField()
    blockers = serializers.ListField(
        child=serializers.CharField(),
        required=False,
        help_text="Gates by name; to the front desk clinical ones are only Clinical check.",
    )
    safety_hold = serializers.BooleanField(required=False)
    vitals_due = serializers.DateTimeField(required=False, allow_null=True)
    vitals_overdue = serializers.BooleanField(required=False)
    unanswered_reading = serializers.CharField(
        required=False,
        help_text="The gravest level of a reading nobody acknowledged: acknowledge, review, urgent.",
    )


class BoardBlockSerializer(serializers.Serializer[Any]):
    """Time that cannot be booked."""

    kind = serializers.ChoiceField(choices=["closure", "hold"])
    resource = serializers.IntegerField(allow_null=True, help_text="Its chair; null for the whole site.")
    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    reason = serializers.CharField()
    expires_at = serializers.DateTimeField(allow_null=True, help_text="Of a hold.")


class BoardNurseSerializer(serializers.Serializer[Any]):
    """Somebody on duty now."""

    name = serializers.CharField()
    watching = serializers.IntegerField()
    capacity = serializers.IntegerField()


class DayBoardSerializer(serializers.Serializer[Any]):
    """A board from opening to closing, and further where a visit reaches."""

    site = serializers.IntegerField()
    date = serializers.DateField()
    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    as_of = serializers.DateTimeField()
    columns = ColumnSerializer(many=True)
    visits = BoardVisitSerializer(many=True, help_text="By start.")
    off = BoardVisitSerializer(many=True, help_text="Cancelled, or nobody came.")
    blocks = BoardBlockSerializer(many=True)
    nurses = BoardNurseSerializer(many=True)


class DayBoardViewSet(OnsetViewSet):
    """The board of a site and a day."""

    queryset = Site.objects
    permissions: ClassVar = {"list": "appointments.read"}
    pagination_class = None
    filter_backends = ()

    @extend_schema(
        operation_id="day_board",
        parameters=[
            DayBoardQuery,
            OpenApiParameter(
                "If-None-Match", str, OpenApiParameter.HEADER, description="The ETag of the board you have."
            ),
        ],
        examples=[
            OpenApiExample("A site", 1, parameter_only=("site", "query")),
            OpenApiExample("A day", "2027-01-04", parameter_only=("date", "query")),
        ],
        responses={200: DayBoardSerializer, 304: OpenApiResponse(description="Nothing has changed.")},
    )
    def list(self, request: Request) -> Response:
        """The board, or 304 while nothing on it has changed: then it costs next to nothing to ask."""
        refuse_unknown(request, set(DayBoardQuery().fields))
        query = DayBoardQuery(data=request.query_params.dict(), context=self.get_serializer_context())
        query.is_valid(raise_exception=True)
        site: Site = query.validated_data["site"]
        self.actor.require("appointments.read", site.pk)
        day: date = query.validated_data.get("date") or self.now.astimezone(site.zone).date()
        key = Sight.of(self.actor, site.pk).key
        tag = f'"{marks_of(site=site, day=day, now=self.now)}-{key}"'
        if tag in request.headers.get("If-None-Match", ""):
            return Response(status=304, headers={"ETag": tag})
        board = day_board(actor=self.actor, site=site, day=day, now=self.now)
        return Response(_shown(board), headers={"ETag": f'"{board.marks}-{key}"'})


def _shown(board: DayBoard) -> dict[str, Any]:
    """Plain dictionaries: serializers would cost more than everything else (LIMITS)."""
    zone = board.site.zone

    def at(instant: datetime | None) -> str | None:
        return None if instant is None else write_instant(instant, zone)

    return {
        "site": board.site.pk,
        "date": board.day.isoformat(),
        "start": at(board.frame.start),
        "end": at(board.frame.instant(board.frame.ticks)),
        "as_of": at(board.now),
        "columns": [
            {
                "resource": column.id,
                "name": column.name,
                "open_minutes": column.open_minutes,
                "booked_minutes": column.booked_minutes,
            }
            for column in board.columns
        ],
        "visits": [_visit(card, board, at) for card in board.cards],
        "off": [_visit(card, board, at) for card in board.off],
        "blocks": [
            {
                "kind": "closure" if block.expires_at is None else "hold",
                "resource": block.chair_id,
                "start": at(block.start_at),
                "end": at(block.end_at),
                "reason": block.reason,
                "expires_at": at(block.expires_at),
            }
            for block in board.blocks
        ],
        "nurses": [
            {"name": nurse.name, "watching": nurse.watching, "capacity": nurse.capacity}
            for nurse in board.nurses
        ],
    }


def _visit(card: Card, board: DayBoard, at: Callable[[datetime | None], str | None]) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "appointment": card.id,
        "version": card.version,
        "session_version": card.session_version,
        "patient": card.patient_id,
        "patient_name": card.patient,
        "visit_type": card.visit_type,
        "start": at(card.start_at),
        "end": at(card.end_at),
        "expected_end": at(card.ends_at),
        "runs_into_next_minutes": card.into_next,
        "resource": card.chair_id,
        "staff": card.staff,
        "status": card.status.value,
        "stage": card.stage.value,
        "since": at(card.since),
        "minutes_in_status": None
        if card.since is None
        else int((board.now - card.since).total_seconds() // 60),
        "unconfirmed": card.unconfirmed,
        "steps": card.steps,
        "next_step": card.next_step,
        "can_undo": card.can_undo,
    }
    if board.sight.gates:
        shown["blockers"] = card.blockers
    if board.sight.clinical:
        shown["safety_hold"] = card.held
        shown["vitals_due"] = at(card.vitals_due_at)
        shown["vitals_overdue"] = card.vitals_overdue_at is not None and board.now >= card.vitals_overdue_at
        shown["unanswered_reading"] = card.unanswered
    return shown
