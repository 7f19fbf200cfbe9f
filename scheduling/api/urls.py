"""/api/v1/: what is scheduled, and what it is scheduled on."""

from clinic.api.routers import OnsetRouter
from scheduling.api.appointments import AppointmentViewSet
from scheduling.api.availability import AvailabilityViewSet
from scheduling.api.calendar_feeds import CalendarFeedViewSet
from scheduling.api.calendars import ClosureViewSet, WorkingHoursViewSet
from scheduling.api.check_ins import CheckInViewSet
from scheduling.api.course_templates import CourseTemplateViewSet
from scheduling.api.courses import CourseViewSet
from scheduling.api.day_board import DayBoardViewSet
from scheduling.api.drug_log import DrugLogViewSet, SessionDrugLogViewSet
from scheduling.api.follow_ups import FollowUpViewSet
from scheduling.api.holds import HoldViewSet
from scheduling.api.infusion_sessions import InfusionSessionViewSet
from scheduling.api.measures import MeasuresViewSet
from scheduling.api.prescriptions import PrescriptionViewSet
from scheduling.api.rems import RemsViewSet
from scheduling.api.repairs import RepairViewSet, ReplanViewSet
from scheduling.api.resources import ResourceViewSet
from scheduling.api.session_doses import DoseProtocolViewSet, SessionDoseViewSet
from scheduling.api.session_vitals import SessionVitalsViewSet
from scheduling.api.timeline import TimelineViewSet
from scheduling.api.treatment_plans import PlanItemViewSet, TreatmentPlanViewSet
from scheduling.api.visit_types import VisitTypeViewSet
from scheduling.api.waitlist import OfferViewSet, WaitlistViewSet

router = OnsetRouter()
router.register("appointments", AppointmentViewSet, basename="appointment")
router.register("availability", AvailabilityViewSet, basename="availability")
router.register("calendar-feeds", CalendarFeedViewSet, basename="calendar-feed")
router.register("closures", ClosureViewSet, basename="closure")
router.register("course-templates", CourseTemplateViewSet, basename="course-template")
router.register("courses", CourseViewSet, basename="course")
router.register("dose-protocols", DoseProtocolViewSet, basename="dose-protocol")
router.register("infusion-sessions", InfusionSessionViewSet, basename="infusion-session")
router.register("infusion-sessions", SessionDoseViewSet, basename="infusion-session-dose")
router.register("infusion-sessions", SessionVitalsViewSet, basename="infusion-session-vitals")
router.register("infusion-sessions", SessionDrugLogViewSet, basename="infusion-session-drug-log")
router.register("infusion-sessions", RemsViewSet, basename="infusion-session-rems")
router.register("drug-log", DrugLogViewSet, basename="drug-log")
router.register("day-board", DayBoardViewSet, basename="day-board")
router.register("follow-ups", FollowUpViewSet, basename="follow-up")
router.register("holds", HoldViewSet, basename="hold")
router.register("appointments/replan", ReplanViewSet, basename="replan")
router.register("measures", MeasuresViewSet, basename="measure")
router.register("repairs", RepairViewSet, basename="repair")
router.register("resources", ResourceViewSet, basename="resource")
router.register("visit-types", VisitTypeViewSet, basename="visit-type")
router.register("working-hours", WorkingHoursViewSet, basename="working-hours")
router.register("patients", TimelineViewSet, basename="patient-timeline")
router.register("prescriptions", PrescriptionViewSet, basename="prescription")
router.register("check-ins", CheckInViewSet, basename="check-in")
router.register("treatment-plans", TreatmentPlanViewSet, basename="treatment-plan")
router.register("treatment-plan-items", PlanItemViewSet, basename="treatment-plan-item")
router.register("waitlist", WaitlistViewSet, basename="waitlist-entry")
router.register("offers", OfferViewSet, basename="offer")
urlpatterns = router.urls
