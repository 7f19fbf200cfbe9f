"""/api/v1/: patients with their consents and conditions, the message ledger, and work items."""

from clinic.api.routers import OnsetRouter
from patients.api.conditions import ConditionViewSet
from patients.api.consents import ConsentViewSet
from patients.api.messages import MessageViewSet
from patients.api.patients import PatientViewSet
from patients.api.work_items import WorkItemViewSet

router = OnsetRouter()
router.register("patients", PatientViewSet, basename="patient")
router.register("patients", ConsentViewSet, basename="patient-consent")
router.register("patients", ConditionViewSet, basename="patient-condition")
router.register("messages", MessageViewSet, basename="message")
router.register("work-items", WorkItemViewSet, basename="work-item")

urlpatterns = router.urls
