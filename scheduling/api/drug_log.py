"""/infusion-sessions/{appointment}/drug-log/ and /drug-log/: the Schedule III log of a session and of a day.

Amounts are milligrams, as strings. Nothing is changed later: a mistake is struck and stays to be seen.
"""

from decimal import Decimal
from typing import Any, ClassVar

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from clinic.access.models import Site
from clinic.api.downloads import CSV, download
from clinic.api.fields import DayField, InstantField
from clinic.api.filters import refuse_unknown
from clinic.api.related import VisibleInQueryField
from clinic.api.views import OnsetViewSet
from scheduling.api.session_parts import ONE, SessionPartViewSet, StrikeSerializer, part
from scheduling.models import DrugLogEntry
from scheduling.selectors import drug_log as selector
from scheduling.services import drug_log

READ, WRITE = "drug_log.read", "drug_log.write"
_LEAST, _MOST = Decimal("0.01"), Decimal(100_000)


class MgField(serializers.DecimalField):
    """Milligrams with two decimals, as a string."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"max_digits": 12, "decimal_places": 2, **options})


class NewDrugEntrySerializer(serializers.Serializer[Any]):
    """An amount drawn, given or wasted."""

    kind = serializers.ChoiceField(choices=DrugLogEntry.Kind.choices)
    mg = MgField(max_digits=8, min_value=_LEAST, max_value=_MOST)
    drug = serializers.CharField(
        required=False, allow_blank=True, max_length=40, help_text="The protocol's, unless given."
    )
    lot = serializers.CharField(
        required=False, allow_blank=True, max_length=40, help_text="The one drawn, unless given."
    )
    at = InstantField(required=False, help_text="Now, unless given; never in the future.")
    note = serializers.CharField(required=False, allow_blank=True, max_length=200)


class DrugEntrySerializer(serializers.ModelSerializer[DrugLogEntry]):
    """One entry of the log."""

    appointment = serializers.IntegerField(source="session_id")
    at = InstantField()
    recorded_at = InstantField()
    witnessed_at = InstantField(allow_null=True)
    struck_at = InstantField(allow_null=True)
    wants_witness = serializers.SerializerMethodField(help_text="Wasted, and nobody signed yet.")

    class Meta:
        model = DrugLogEntry
        fields: tuple[str, ...] = (
            "id", "appointment", "site", "kind", "drug", "mg", "lot", "at", "note", "recorded_at", "by",
            "witness", "witnessed_at", "wants_witness", "struck_at", "struck_by", "struck_reason",
        )  # fmt: skip
        read_only_fields = fields

    def get_wants_witness(self, row: DrugLogEntry) -> bool:
        """Struck entries want nothing."""
        return any(entry.wants_witness for entry in selector.counted([row]))


class DrugEntryWithVersionSerializer(DrugEntrySerializer):
    """The same, with the version of the session."""

    version = serializers.IntegerField(source="session.version")

    class Meta(DrugEntrySerializer.Meta):
        fields = (*DrugEntrySerializer.Meta.fields, "version")
        read_only_fields = fields


class DrugBalanceSerializer(serializers.Serializer[Any]):
    """The sums of one drug: left is drawn - given - wasted."""

    drug = serializers.CharField()
    drawn_mg = MgField()
    given_mg = MgField()
    wasted_mg = MgField()
    left_mg = MgField()
    unwitnessed = serializers.IntegerField(help_text="Wasted amounts without a witness.")
    settled = serializers.BooleanField(help_text="Nothing left, every waste witnessed.")


class SessionDrugLogSerializer(serializers.Serializer[Any]):
    """The log of a session."""

    entries = DrugEntrySerializer(many=True)
    balances = serializers.SerializerMethodField()
    ordered_mg = MgField(allow_null=True)
    beyond_mg = MgField(help_text="Given beyond the dose ordered; a work item asks about it.")
    settled = serializers.BooleanField()
    version = serializers.IntegerField(default=1)

    @extend_schema_field(DrugBalanceSerializer(many=True))
    def get_balances(self, log: selector.SessionLog) -> Any:
        """One of each drug."""
        return DrugBalanceSerializer(log.balances.values(), many=True).data


class DrugLogDaySerializer(serializers.Serializer[Any]):
    """Which site and day."""

    site = VisibleInQueryField(queryset=Site.objects)
    date = DayField()


class DrugLogLineSerializer(serializers.Serializer[Any]):
    """One entry of a day. ``running_mg``: of its drug drawn and not accounted for by then."""

    mrn = serializers.CharField(source="entry.session.appointment.patient.mrn")
    running_mg = MgField()
    entry = DrugEntrySerializer()


class DrugLotSerializer(serializers.Serializer[Any]):
    """What was drawn of one lot; its number is empty where nobody gave it."""

    drug = serializers.CharField()
    lot = serializers.CharField()
    drawn_mg = MgField()


class DrugDayLogSerializer(serializers.Serializer[Any]):
    """The whole log of a day, struck entries too; they count for nothing."""

    site = serializers.IntegerField(source="site.pk")
    date = DayField(source="on")
    unwitnessed = serializers.IntegerField()
    balances = serializers.SerializerMethodField()
    lots = DrugLotSerializer(many=True)
    lines = DrugLogLineSerializer(many=True)

    @extend_schema_field(DrugBalanceSerializer(many=True))
    def get_balances(self, log: selector.DayLog) -> Any:
        """One of each drug."""
        return DrugBalanceSerializer(log.balances.values(), many=True).data


class SessionDrugLogViewSet(SessionPartViewSet):
    """The log of one session."""

    serializer_class = SessionDrugLogSerializer
    permissions: ClassVar = {
        "drug_log": READ,
        "record_drug": WRITE,
        "witness_entry": WRITE,
        "strike_entry": WRITE,
    }

    @extend_schema(operation_id="infusion_session_drug_log", responses=SessionDrugLogSerializer)
    @action(detail=True, methods=["get"], url_path="drug-log", pagination_class=None, filter_backends=())
    def drug_log(self, request: Request, pk: str) -> Response:
        """Entries by time, the sums of each drug, and whether they balance."""
        session = self.session(READ)
        return self.reply(self.get_serializer(selector.of_session(session)).data, session)

    @extend_schema(
        operation_id="infusion_session_record_drug",
        request=NewDrugEntrySerializer,
        responses={201: DrugEntryWithVersionSerializer},
        examples=[
            OpenApiExample("Drawn", request_only=True, value={"kind": "drawn", "mg": "50", "lot": "A1"})
        ],
    )
    @drug_log.mapping.post
    def record_drug(self, request: Request, pk: str) -> Response:
        """Add an entry. What is wasted needs a witness: another person, by their own sign-in."""
        entry = drug_log.record(**self.asked(pk), **self.parse(NewDrugEntrySerializer))
        return self._shown(entry, status=201)

    @extend_schema(
        operation_id="infusion_session_witness_entry",
        parameters=[part("entry")],
        request=None,
        responses={200: DrugEntryWithVersionSerializer},
    )
    @action(detail=True, methods=["post"], url_path=f"drug-log/(?P<entry>{ONE})/witness")
    def witness_entry(self, request: Request, pk: str, entry: str) -> Response:
        """The caller saw it. 403 ``own_entry`` for whoever recorded it."""
        return self._shown(drug_log.witness(**self.asked(pk), entry_id=int(entry)))

    @extend_schema(
        operation_id="infusion_session_strike_entry",
        parameters=[part("entry")],
        request=StrikeSerializer,
        responses={200: DrugEntryWithVersionSerializer},
    )
    @action(detail=True, methods=["post"], url_path=f"drug-log/(?P<entry>{ONE})/strike")
    def strike_entry(self, request: Request, pk: str, entry: str) -> Response:
        """It was entered in error. It stays, struck, and no longer counts."""
        return self._shown(
            drug_log.strike(**self.asked(pk), entry_id=int(entry), **self.parse(StrikeSerializer))
        )

    def _shown(self, entry: DrugLogEntry, *, status: int = 200) -> Response:
        return self.reply(DrugEntrySerializer(entry).data, entry.session, status=status)


class DrugLogViewSet(OnsetViewSet):
    """The log of a site, day by day; clinical roles, managers and auditors."""

    queryset = DrugLogEntry.objects
    serializer_class = DrugDayLogSerializer
    permissions: ClassVar = {"list": READ, "day_csv": READ}
    query_parameters: ClassVar = {"day_csv": frozenset({"site", "date"})}
    pagination_class = None
    filter_backends = ()

    @extend_schema(
        operation_id="drug_log_day", parameters=[DrugLogDaySerializer], responses={200: DrugDayLogSerializer}
    )
    def list(self, request: Request) -> Response:
        """The day's entries with the running balance, its sums per drug and per lot."""
        refuse_unknown(request, {"site", "date"})
        return Response(self.get_serializer(self._day(request)).data)

    @extend_schema(
        operation_id="drug_log_day_csv",
        parameters=[DrugLogDaySerializer],
        responses={(200, "text/csv"): OpenApiTypes.STR},
    )
    @action(detail=False, methods=["get"], url_path="csv", url_name="csv")
    def day_csv(self, request: Request) -> HttpResponse:
        """The same lines as a table."""
        log = self._day(request)
        return download(selector.as_csv(log), name=selector.file_name(log), content_type=CSV)

    def _day(self, request: Request) -> selector.DayLog:
        query = DrugLogDaySerializer(data=request.query_params.dict(), context=self.get_serializer_context())
        query.is_valid(raise_exception=True)
        site: Site = query.validated_data["site"]
        self.actor.require(READ, site.pk)
        return selector.day(site, query.validated_data["date"])
