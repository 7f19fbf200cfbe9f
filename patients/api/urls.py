"""/api/v1/: patients with their consents and conditions, the message ledger, and work items."""

from clinic.api.routers import OnsetRouter
from patients.api.alarms import SafetyAlarmViewSet
from patients.api.assessments import AssessmentViewSet
from patients.api.background import (
    AllergyViewSet,
    BackgroundViewSet,
    MedicineViewSet,
    OtherConditionViewSet,
    PainAssessmentViewSet,
    PregnancyViewSet,
    RelativeViewSet,
    SymptomViewSet,
)
from patients.api.catalogue import FlagKindViewSet, TermViewSet
from patients.api.conditions import ConditionViewSet
from patients.api.consents import ConsentViewSet
from patients.api.flags import FlagViewSet
from patients.api.instruments import InstrumentViewSet
from patients.api.messages import MessageViewSet
from patients.api.of_patient import PATIENT
from patients.api.patients import PatientViewSet
from patients.api.work_items import WorkItemViewSet

router = OnsetRouter()
router.register("patients", PatientViewSet, basename="patient")
router.register("patients", ConsentViewSet, basename="patient-consent")
router.register("patients", ConditionViewSet, basename="patient-condition")
router.register("patients", BackgroundViewSet, basename="patient-background")
router.register(f"{PATIENT}/flags", FlagViewSet, basename="flag")
router.register(f"{PATIENT}/background/symptoms", SymptomViewSet, basename="symptom")
router.register(f"{PATIENT}/background/allergies", AllergyViewSet, basename="allergy")
router.register(f"{PATIENT}/background/medicines", MedicineViewSet, basename="other-medicine")
router.register(f"{PATIENT}/background/family-history", RelativeViewSet, basename="family-history")
router.register(f"{PATIENT}/background/pregnancy", PregnancyViewSet, basename="pregnancy")
router.register(f"{PATIENT}/background/other-conditions", OtherConditionViewSet, basename="other-condition")
router.register(f"{PATIENT}/background/pain-assessments", PainAssessmentViewSet, basename="pain-assessment")
router.register("terms", TermViewSet, basename="term")
router.register("flag-kinds", FlagKindViewSet, basename="flag-kind")
router.register("messages", MessageViewSet, basename="message")
router.register("work-items", WorkItemViewSet, basename="work-item")
router.register("instruments", InstrumentViewSet, basename="instrument")
router.register("assessments", AssessmentViewSet, basename="assessment")
router.register("safety-alarms", SafetyAlarmViewSet, basename="safety-alarm")

urlpatterns = router.urls
