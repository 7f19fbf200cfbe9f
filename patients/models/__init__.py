from patients.models.alarms import AlarmPolicy, CrisisContact, SafetyAlarm, SafetyAlarmEvent
from patients.models.assessments import Assessment, Instrument, Threshold
from patients.models.background import (
    Allergy,
    FamilyHistory,
    OtherCondition,
    OtherMedicine,
    PainAssessment,
    PainResult,
    Pregnancy,
    Recorded,
    Symptom,
)
from patients.models.catalogue import Term
from patients.models.conditions import Condition, ConditionCode, PatientCondition
from patients.models.consents import Consent
from patients.models.flags import FlagEvent, FlagKind, ScreeningFlag, Washout
from patients.models.inbound import DeliveryReport, InboundMessage
from patients.models.links import IdentityCheck, PatientLink
from patients.models.messages import Attempt, Message
from patients.models.patients import Patient
from patients.models.templates import ContactPolicy, MessageTemplate
from patients.models.work_items import WorkItem

__all__ = [
    "AlarmPolicy",
    "Allergy",
    "Assessment",
    "Attempt",
    "Condition",
    "ConditionCode",
    "Consent",
    "ContactPolicy",
    "CrisisContact",
    "DeliveryReport",
    "FamilyHistory",
    "FlagEvent",
    "FlagKind",
    "IdentityCheck",
    "InboundMessage",
    "Instrument",
    "Message",
    "MessageTemplate",
    "OtherCondition",
    "OtherMedicine",
    "PainAssessment",
    "PainResult",
    "Patient",
    "PatientCondition",
    "PatientLink",
    "Pregnancy",
    "Recorded",
    "SafetyAlarm",
    "SafetyAlarmEvent",
    "ScreeningFlag",
    "Symptom",
    "Term",
    "Threshold",
    "Washout",
    "WorkItem",
]
