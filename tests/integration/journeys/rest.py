"""A clinic's day worked over REST alone: what each role sends, at the clinic's present time."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from rest_framework.test import APIClient

from clinic.access.models import Site
from scheduling.models import WorkingHours
from tests.factories import open_clinic
from tests.integration.journeys.tables import at
from tests.unit.assessments.shipped import answers as answers_to

START_ANSWERS: dict[str, dict[str, Any]] = {
    "identity": {"checked": True},
    "driving": {"acknowledged": True},
}
CLINICAL_ANSWERS: dict[str, dict[str, Any]] = {
    "fasting": {"clear_fluids_at": None, "light_meal_at": None, "fatty_meal_at": None},
    "rescreen": {"pregnancy": "no", "new_medicines": "no", "substances": "no"},
}
ALDRETE_10 = dict.fromkeys(
    ("activity", "respiration", "circulation", "consciousness", "oxygen_saturation"), 2
)
GOING_HOME: dict[str, dict[str, Any]] = {
    "aldrete": ALDRETE_10,
    "oriented": {"oriented": True},
    "gait": {"steady": True},
    "escort_present": {"present": True},
    "driving_advice": {"told": True},
}


class Clinic:
    """One site, a person in every role (and a second nurse), and the clock they all read."""

    def __init__(
        self,
        site: Site,
        client_as: Callable[..., APIClient],
        clock: Callable[[datetime], None],
        *,
        chairs: int = 2,
    ) -> None:
        open_clinic(site, chairs=chairs)
        WorkingHours.objects.filter(site=site, weekday__gte=5).delete()
        self.site = site
        roles = ("front_desk", "nurse", "prescriber", "manager")
        self.clients = {role: client_as(role, site) for role in roles}
        self.clients["witness"] = client_as("nurse", site)
        self._clock = clock

    def turn(self, text: str) -> None:
        """The clock says so, in Denver."""
        self._clock(at(text))

    def post(self, role: str, path: str, body: dict[str, Any] | None = None, *, status: int = 200) -> Any:
        """What this role sends, answered so."""
        answer = self.clients[role].post(f"/api/v1/{path}", body or {}, format="json")
        assert answer.status_code == status, answer.json()
        return answer.json()

    def get(self, role: str, path: str, *, status: int = 200) -> Any:
        """What this role reads."""
        answer = self.clients[role].get(f"/api/v1/{path}")
        assert answer.status_code == status, answer.json()
        return answer.json()

    def step(self, role: str, visit: int, verb: str, *, status: int = 200) -> Any:
        """A step of a visit."""
        return self.post(role, f"appointments/{visit}/{verb}/", status=status)

    def open_gates(self, visit: int) -> list[str]:
        """What a refused start names, nothing of the patient in it."""
        refused = self.step("nurse", visit, "start", status=409)
        assert refused["code"] in {"gates_open", "safety_hold"}
        return [gate["gate"] for gate in refused["open"]]

    def phq9(self, patient: int, total: int, item9: int) -> Any:
        """Answered on the clinic's tablet."""
        body = {"patient": patient, "instrument": "PHQ-9", "answers": answers_to("PHQ-9", total, i9=item9)}
        return self.post("nurse", "assessments/", body, status=201)

    def measure(self, visit: int, pressure: str, *, spo2: int = 98) -> Any:
        """A set of vital signs."""
        systolic, diastolic = (int(part) for part in pressure.split("/"))
        given = {"systolic": systolic, "diastolic": diastolic, "heart_rate": 74, "spo2": spo2}
        return self.post("nurse", f"infusion-sessions/{visit}/vitals/", given, status=201)

    def ready(self, visit: int, *, weight_kg: str, pressure: str = "128/80") -> None:
        """Everything asked before the start but the PHQ-9: the desk its part, the nurse hers."""
        at_desk = {**START_ANSWERS, "consent": {"signed_on": "2026-12-22"}, "escort": {"name": "Her sister"}}
        self.post("front_desk", f"infusion-sessions/{visit}/gates/", {"answers": at_desk})
        self.post("nurse", f"infusion-sessions/{visit}/gates/", {"answers": CLINICAL_ANSWERS})
        self.post("nurse", f"infusion-sessions/{visit}/weight/", {"weight_kg": weight_kg})
        self.measure(visit, pressure)

    def log_drug(self, visit: int, *, drawn: str, given: str, wasted: str | None) -> None:
        """Schedule III: what is wasted is signed by another nurse."""
        path = f"infusion-sessions/{visit}/drug-log/"
        amounts = {"drawn": drawn, "given": given, "wasted": wasted}
        made = {
            kind: self.post("nurse", path, {"kind": kind, "mg": mg, "lot": "K27-104"}, status=201)
            for kind, mg in amounts.items()
            if mg is not None
        }
        if wasted is not None:
            sign = f"{path}{made['wasted']['id']}/witness/"
            self.post("nurse", sign, status=403)
            self.post("witness", sign)

    def go_home(self, visit: int) -> None:
        """Discharged, escorted, and the visit is done."""
        left = self.post("nurse", f"infusion-sessions/{visit}/discharge/", {"answers": GOING_HOME})
        assert left["stage"] == "discharged"
        assert self.step("nurse", visit, "complete")["status"] == "completed"
