"""/api/v1/: what is scheduled, and what it is scheduled on."""

from clinic.api.routers import OnsetRouter
from scheduling.api.appointments import AppointmentViewSet
from scheduling.api.availability import AvailabilityViewSet
from scheduling.api.calendars import ClosureViewSet, WorkingHoursViewSet
from scheduling.api.check_ins import CheckInViewSet
from scheduling.api.course_templates import CourseTemplateViewSet
from scheduling.api.courses import CourseViewSet
from scheduling.api.follow_ups import FollowUpViewSet
from scheduling.api.holds import HoldViewSet
from scheduling.api.prescriptions import PrescriptionViewSet
from scheduling.api.repairs import RepairViewSet, ReplanViewSet
from scheduling.api.resources import ResourceViewSet
from scheduling.api.timeline import TimelineViewSet
from scheduling.api.treatment_plans import PlanItemViewSet, TreatmentPlanViewSet
from scheduling.api.visit_types import VisitTypeViewSet
from scheduling.api.waitlist import OfferViewSet, WaitlistViewSet

router = OnsetRouter()
router.register("appointments", AppointmentViewSet, basename="appointment")
router.register("availability", AvailabilityViewSet, basename="availability")
router.register("closures", ClosureViewSet, basename="closure")
router.register("course-templates", CourseTemplateViewSet, basename="course-template")
router.register("courses", CourseViewSet, basename="course")
router.register("follow-ups", FollowUpViewSet, basename="follow-up")
router.register("holds", HoldViewSet, basename="hold")
router.register("appointments/replan", ReplanViewSet, basename="replan")
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
