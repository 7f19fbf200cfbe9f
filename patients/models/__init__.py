from patients.models.conditions import Condition, ConditionCode, PatientCondition
from patients.models.consents import Consent
from patients.models.inbound import DeliveryReport, InboundMessage
from patients.models.links import IdentityCheck, PatientLink
from patients.models.messages import Attempt, Message
from patients.models.patients import Patient
from patients.models.templates import ContactPolicy, MessageTemplate
from patients.models.work_items import WorkItem

__all__ = [
    "Attempt",
    "Condition",
    "ConditionCode",
    "Consent",
    "ContactPolicy",
    "DeliveryReport",
    "IdentityCheck",
    "InboundMessage",
    "Message",
    "MessageTemplate",
    "Patient",
    "PatientCondition",
    "PatientLink",
    "WorkItem",
]
