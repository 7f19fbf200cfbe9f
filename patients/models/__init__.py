from patients.models.conditions import Condition, ConditionCode, PatientCondition
from patients.models.consents import Consent
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
    "Message",
    "MessageTemplate",
    "Patient",
    "PatientCondition",
    "WorkItem",
]
