from scheduling.models.appointments import Allocation, Appointment, AppointmentEvent
from scheduling.models.calendars import Closure, WorkingHours
from scheduling.models.check_in_answers import CheckInDraft, EfficacyRule
from scheduling.models.check_ins import CheckIn, CheckInPolicy, CheckInRule
from scheduling.models.courses import Course, CourseEvent, CourseTemplate
from scheduling.models.feeds import CalendarFeed
from scheduling.models.follow_ups import FollowUp, FollowUpRule
from scheduling.models.holds import Hold, HoldPolicy
from scheduling.models.holidays import SiteHoliday, SiteHolidayCalendar
from scheduling.models.infusion_records import DrugLogEntry, RemsRecord, VitalReading
from scheduling.models.infusion_rules import (
    DoseProtocol,
    GateRule,
    InfusionDayPolicy,
    VitalSchedule,
    VitalSign,
    VitalThreshold,
)
from scheduling.models.infusion_sessions import DoseOrder, GateCheck, InfusionSession
from scheduling.models.measures import MeasureDay, MeasuredSite, MeasurePolicy
from scheduling.models.patient_pages import PatientPagePolicy
from scheduling.models.prescriptions import DoseEvent, Prescription
from scheduling.models.reminders import ConfirmationRule, ReminderRule
from scheduling.models.repairs import Repair, RepairChange
from scheduling.models.resource_days import ResourceDay
from scheduling.models.resources import Resource
from scheduling.models.treatment_plans import PlanEvent, PlanItem, TreatmentPlan
from scheduling.models.visit_types import VisitType
from scheduling.models.waitlist import FreedSlot, Offer, WaitlistEntry, WaitlistPolicy

__all__ = [
    "Allocation",
    "Appointment",
    "AppointmentEvent",
    "CalendarFeed",
    "CheckIn",
    "CheckInDraft",
    "CheckInPolicy",
    "CheckInRule",
    "Closure",
    "ConfirmationRule",
    "Course",
    "CourseEvent",
    "CourseTemplate",
    "DoseEvent",
    "DoseOrder",
    "DoseProtocol",
    "DrugLogEntry",
    "EfficacyRule",
    "FollowUp",
    "FollowUpRule",
    "FreedSlot",
    "GateCheck",
    "GateRule",
    "Hold",
    "HoldPolicy",
    "InfusionDayPolicy",
    "InfusionSession",
    "MeasureDay",
    "MeasurePolicy",
    "MeasuredSite",
    "Offer",
    "PatientPagePolicy",
    "PlanEvent",
    "PlanItem",
    "Prescription",
    "ReminderRule",
    "RemsRecord",
    "Repair",
    "RepairChange",
    "Resource",
    "ResourceDay",
    "SiteHoliday",
    "SiteHolidayCalendar",
    "TreatmentPlan",
    "VisitType",
    "VitalReading",
    "VitalSchedule",
    "VitalSign",
    "VitalThreshold",
    "WaitlistEntry",
    "WaitlistPolicy",
    "WorkingHours",
]
