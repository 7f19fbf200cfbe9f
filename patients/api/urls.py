"""/api/v1/: patients with their consents and conditions."""

from clinic.api.routers import OnsetRouter
from patients.api.conditions import ConditionViewSet
from patients.api.consents import ConsentViewSet
from patients.api.patients import PatientViewSet

router = OnsetRouter()
router.register("patients", PatientViewSet, basename="patient")
router.register("patients", ConsentViewSet, basename="patient-consent")
router.register("patients", ConditionViewSet, basename="patient-condition")

urlpatterns = router.urls
