from scheduling.models.appointments import Allocation, Appointment, AppointmentEvent
from scheduling.models.calendars import Closure, WorkingHours
from scheduling.models.check_ins import CheckIn, CheckInPolicy, CheckInRule
from scheduling.models.follow_ups import FollowUp
from scheduling.models.prescriptions import DoseEvent, Prescription
from scheduling.models.reminders import ReminderRule
from scheduling.models.resource_days import ResourceDay
from scheduling.models.resources import Resource
from scheduling.models.visit_types import VisitType

__all__ = [
    "Allocation",
    "Appointment",
    "AppointmentEvent",
    "CheckIn",
    "CheckInPolicy",
    "CheckInRule",
    "Closure",
    "DoseEvent",
    "FollowUp",
    "Prescription",
    "ReminderRule",
    "Resource",
    "ResourceDay",
    "VisitType",
    "WorkingHours",
]
