"""/infusion-sessions/{appointment}/: a treatment from arrival to going home, its gates, end and discharge.

What is clinical reaches clinical roles only; others learn that a clinical check is open, not which.
"""

from datetime import datetime
from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from clinic.api.fields import InstantField, write_instant
from clinic.common.errors import NotFound
from scheduling.api.appointments import ActionSerializer
from scheduling.api.session_doses import DoseOrderSerializer
from scheduling.api.session_parts import STAGES, SessionPartViewSet
from scheduling.domain.gate_answers import QUESTIONS, Kind
from scheduling.domain.gate_facts import State
from scheduling.domain.gates import Gate
from scheduling.models import Appointment, GateRule, InfusionSession, VitalReading
from scheduling.models.infusion_rules import INFUSED
from scheduling.selectors import dosing
from scheduling.selectors import gates as selector
from scheduling.selectors.board_clinical import CLINICAL_CHECK
from scheduling.services import gates, infusion_sessions, session_steps

READ, CLINICAL, WRITE = "gates.read", "infusion_day.read", "infusion_day.write"


class QuestionSerializer(serializers.Serializer[Any]):
    """One answer that a gate takes."""

    name = serializers.CharField()
    words = serializers.CharField()
    kind = serializers.ChoiceField(choices=[each.value for each in Kind])
    null_means = serializers.CharField(help_text="What null stands for; empty where null is refused.")
    choices = serializers.ListField(child=serializers.CharField())
    optional = serializers.BooleanField()


class GateSerializer(serializers.Serializer[Any]):
    """How a gate stands. Of a clinical one other roles get the stage, the state, and no more."""

    gate = serializers.CharField(help_text="Its code; for those who may not know which it is, its stage.")
    stage = serializers.ChoiceField(choices=GateRule.Stage.choices)
    name = serializers.CharField()
    clinical = serializers.BooleanField()
    state = serializers.ChoiceField(choices=[each.value for each in State])
    advice = serializers.CharField(required=False)
    detail = serializers.CharField(required=False)
    overridable_by = serializers.ListField(child=serializers.CharField(), required=False)
    answers = serializers.DictField(allow_null=True, required=False, help_text="The latest ones.")
    questions = QuestionSerializer(
        many=True, required=False, help_text="What it asks; a gate that is measured asks nothing."
    )
    at = InstantField(allow_null=True, required=False, help_text="Of the override or the answer that counts.")
    by = serializers.IntegerField(allow_null=True, required=False)
    reason = serializers.CharField(required=False, help_text="Of the override that counts.")
    about = serializers.CharField(
        required=False, help_text="The facts, as a digest. An override ends when they change."
    )


class SessionSerializer(serializers.Serializer[Any]):
    """A treatment. ``weight_kg`` and what follows it in the list is for clinical roles."""

    appointment = serializers.IntegerField()
    patient = serializers.IntegerField()
    site = serializers.IntegerField()
    visit_type = serializers.IntegerField()
    status = serializers.ChoiceField(choices=Appointment.Status.choices)
    stage = serializers.ChoiceField(choices=STAGES)
    started_at = InstantField(allow_null=True)
    infusion_ended_at = InstantField(allow_null=True)
    discharged_at = InstantField(allow_null=True)
    gates = GateSerializer(many=True)
    weight_kg = serializers.DecimalField(max_digits=5, decimal_places=1, allow_null=True, required=False)
    weighed_at = InstantField(allow_null=True, required=False)
    infusion_minutes = serializers.IntegerField(
        allow_null=True, required=False, help_text="When it differs from the visit type's."
    )
    dose = DoseOrderSerializer(allow_null=True, required=False, help_text="The order that counts.")
    readings = serializers.IntegerField(required=False, help_text="How many, without those struck.")
    version = serializers.IntegerField()


class GatesSerializer(serializers.Serializer[Any]):
    """Every gate of a visit, those before the start first."""

    appointment = serializers.IntegerField()
    gates = GateSerializer(many=True)
    version = serializers.IntegerField()


class AnswersSerializer(serializers.Serializer[Any]):
    """Answers by the code of the gate, as its ``questions`` ask them."""

    answers = serializers.DictField(allow_empty=False)


class OverrideSerializer(serializers.Serializer[Any]):
    """Going on without a gate."""

    gate = serializers.CharField(max_length=32)
    reason = serializers.CharField(max_length=gates.LONGEST_REASON)
    about = serializers.CharField(
        max_length=64,
        required=False,
        allow_blank=True,
        default="",
        help_text="As the gate showed it; 409 ``facts_changed`` when it is another now.",
    )


class DischargeSerializer(ActionSerializer):
    """The answers to the gates before going home; those already given may be left out."""

    answers = serializers.DictField(required=False, default=dict)


class InfusionSessionViewSet(SessionPartViewSet):
    """One visit's treatment. A visit that is still expected has one as well: nothing has happened in it."""

    serializer_class = SessionSerializer
    permissions: ClassVar = {
        "retrieve": READ,
        "gates": READ,
        "answer_gates": "gates.write",
        "override_gate": "gates.write",
        "end_infusion": WRITE,
        "discharge": WRITE,
    }

    @extend_schema(operation_id="infusion_session", responses=SessionSerializer)
    def retrieve(self, request: Request, pk: str) -> Response:
        """Where the patient is and every gate; for clinical roles weight, dose and the count of readings."""
        return self._whole()

    @extend_schema(operation_id="infusion_session_gates", responses=GatesSerializer)
    @action(detail=True, methods=["get"], pagination_class=None, filter_backends=())
    def gates(self, request: Request, pk: str) -> Response:
        """How every gate stands now; of what is done, as it stood then."""
        visit, session = self._read()
        shown = self._gates(visit, session)
        return self.reply({"appointment": visit.pk, "gates": shown}, session)

    @extend_schema(
        operation_id="infusion_session_answer_gates",
        request=AnswersSerializer,
        responses={200: SessionSerializer},
        examples=[
            OpenApiExample(
                "At the front desk",
                request_only=True,
                value={"answers": {"identity": {"checked": True}, "escort": {"name": "A sister"}}},
            )
        ],
    )
    @gates.mapping.post
    def answer_gates(self, request: Request, pk: str) -> Response:
        """Answer some gates, all or none. Answers are kept for good; the latest count."""
        gates.answer(
            actor=self.actor,
            now=self.now,
            appointment_id=int(pk),
            given=self.parse(AnswersSerializer)["answers"],
            expected_version=self.expected_version(),
        )
        return self._whole()

    @extend_schema(
        operation_id="infusion_session_override_gate",
        request=OverrideSerializer,
        responses={200: SessionSerializer},
    )
    @action(detail=True, methods=["post"], url_path="gates/override")
    def override_gate(self, request: Request, pk: str) -> Response:
        """Go on without a gate, with a reason, as long as the facts stay as they are. Its roles only."""
        gates.override(
            actor=self.actor,
            now=self.now,
            appointment_id=int(pk),
            expected_version=self.expected_version(),
            **self.parse(OverrideSerializer),
        )
        return self._whole()

    @extend_schema(
        operation_id="infusion_session_end_infusion",
        request=ActionSerializer,
        responses={200: SessionSerializer},
    )
    @action(detail=True, methods=["post"], url_path="end")
    def end_infusion(self, request: Request, pk: str) -> Response:
        """The infusion is over; recovery begins. ``/appointments/{id}/undo/`` takes it back."""
        session_steps.end(
            actor=self.actor,
            now=self.now,
            appointment_id=int(pk),
            expected_version=self.expected_version(),
            **self.parse(ActionSerializer),
        )
        return self._whole()

    @extend_schema(
        operation_id="infusion_session_discharge",
        request=DischargeSerializer,
        responses={200: SessionSerializer},
    )
    @action(detail=True, methods=["post"])
    def discharge(self, request: Request, pk: str) -> Response:
        """Answer the gates before going home and discharge the patient when none blocks.

        409 ``gates_open`` lists those that do; the answers are kept all the same.
        """
        wanted = self.parse(DischargeSerializer)
        done = session_steps.discharge(
            actor=self.actor,
            now=self.now,
            appointment_id=int(pk),
            given=wanted.pop("answers"),
            expected_version=self.expected_version(),
            **wanted,
        )
        if done.open:  # returned, not raised: an Idempotency-Key must not roll the answers back
            return self.handle_exception(selector.refusal(done.open, step="Going home"))
        return self._whole()

    def _read(self) -> tuple[Appointment, InfusionSession]:
        """The visit and its session, a new one while there is none: reads never write."""
        visit = self.visit(READ)
        if visit.visit_type.kind not in INFUSED:
            raise NotFound("This visit has no infusion: it has no session.")
        session = InfusionSession.objects.filter(pk=visit.pk).first() or InfusionSession(appointment=visit)
        session.appointment = visit
        return visit, session

    def _whole(self) -> Response:
        visit, session = self._read()
        data = {
            "appointment": visit.pk,
            "patient": visit.patient_id,
            "site": visit.site_id,
            "visit_type": visit.visit_type_id,
            "status": visit.status,
            "stage": infusion_sessions.stage_in(session).value,
            "started_at": _instant(session.started_at),
            "infusion_ended_at": _instant(session.infusion_ended_at),
            "discharged_at": _instant(session.discharged_at),
            "gates": self._gates(visit, session),
        }
        if self.actor.may(CLINICAL, visit.site_id):
            order = dosing.current([visit.pk]).get(visit.pk)
            data |= {
                "weight_kg": None if session.weight_kg is None else str(session.weight_kg),
                "weighed_at": _instant(session.weighed_at),
                "infusion_minutes": session.infusion_minutes,
                "dose": DoseOrderSerializer(order).data if order else None,
                "readings": VitalReading.objects.filter(session_id=visit.pk, struck_at=None).count(),
            }
        return self.reply(data, session)

    def _gates(self, visit: Appointment, session: InfusionSession) -> list[dict[str, Any]]:
        clinical = self.actor.may(CLINICAL, visit.site_id)
        found = selector.of([visit], now=self.now)[visit.pk]
        return [shown(gate, clinical=clinical) for gate in found]


def _instant(moment: datetime | None) -> str | None:
    return None if moment is None else write_instant(moment)


def shown(gate: Gate, *, clinical: bool) -> dict[str, Any]:
    """A gate as this reader may see it."""
    if gate.clinical and not clinical:
        return {
            "gate": gate.stage,
            "stage": gate.stage,
            "name": CLINICAL_CHECK,
            "clinical": True,
            "state": gate.state.value,
        }
    return {
        "gate": gate.code,
        "stage": gate.stage,
        "name": gate.name,
        "clinical": gate.clinical,
        "state": gate.state.value,
        "advice": gate.advice,
        "detail": gate.detail,
        "overridable_by": list(gate.overridable_by),
        "answers": gate.answers,
        "questions": [
            {
                "name": each.name,
                "words": each.words,
                "kind": each.kind.value,
                "null_means": each.null_means,
                "choices": list(each.choices),
                "optional": each.optional,
            }
            for each in QUESTIONS.get(gate.code, ())
        ],
        "at": _instant(gate.at),
        "by": gate.by_id,
        "reason": gate.reason,
        "about": gate.about,
    }
