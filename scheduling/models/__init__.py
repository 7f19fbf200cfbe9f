from scheduling.models.appointments import Allocation, Appointment, AppointmentEvent
from scheduling.models.calendars import Closure, WorkingHours
from scheduling.models.check_ins import CheckIn, CheckInPolicy, CheckInRule
from scheduling.models.courses import Course, CourseEvent, CourseTemplate
from scheduling.models.follow_ups import FollowUp
from scheduling.models.holds import Hold, HoldPolicy
from scheduling.models.holidays import SiteHoliday, SiteHolidayCalendar
from scheduling.models.prescriptions import DoseEvent, Prescription
from scheduling.models.reminders import ReminderRule
from scheduling.models.repairs import Repair, RepairChange
from scheduling.models.resource_days import ResourceDay
from scheduling.models.resources import Resource
from scheduling.models.visit_types import VisitType
from scheduling.models.waitlist import FreedSlot, Offer, WaitlistEntry, WaitlistPolicy

__all__ = [
    "Allocation",
    "Appointment",
    "AppointmentEvent",
    "CheckIn",
    "CheckInPolicy",
    "CheckInRule",
    "Closure",
    "Course",
    "CourseEvent",
    "CourseTemplate",
    "DoseEvent",
    "FollowUp",
    "FreedSlot",
    "Hold",
    "HoldPolicy",
    "Offer",
    "Prescription",
    "ReminderRule",
    "Repair",
    "RepairChange",
    "Resource",
    "ResourceDay",
    "SiteHoliday",
    "SiteHolidayCalendar",
    "VisitType",
    "WaitlistEntry",
    "WaitlistPolicy",
    "WorkingHours",
]
