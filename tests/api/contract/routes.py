"""Every method of every route below /api/v1/, as the resolver knows them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from patients.models import Patient
from scheduling.domain.measures import Code
from scheduling.models import InfusionSession
from tests.meta.test_routes_name_permissions import api_routes

_GROUP = re.compile(r"\(\?P<(\w+)>[^)]*\)")
_ANCHORS = re.compile(r"[\^$]|\\Z")


@dataclass(frozen=True)
class Route:
    """One method of one address. ``action`` is empty for views outside the table of permissions."""

    method: str
    template: str
    view: type
    action: str = ""

    def __str__(self) -> str:
        return f"{self.method} {self.template}"

    @property
    def names_a_record(self) -> bool:
        """Whether an id is part of the address."""
        return "{" in self.template

    @property
    def is_file(self) -> bool:
        """Whether a read answers with a file to download."""
        return self.method == "GET" and self.template.endswith(("csv/", "pdf/"))

    @property
    def asks_which(self) -> bool:
        """Whether a read needs parameters that say of which site."""
        return any(f"/{name}/" in self.template for name in ("availability", "day-board")) or (
            self.template.startswith("/api/v1/drug-log/")
        )

    def path(self, ids: Mapping[type, int], *, pk: object = None) -> str:
        """The address with the id of a record of the view's own model, or with ``pk``."""
        model = getattr(getattr(self.view, "queryset", None), "model", None)
        if "/infusion-sessions/" in self.template:
            model = InfusionSession
        found = ids.get(model, 1) if pk is None and model else pk
        below_patient = self.template.replace("{patient_id}", str(ids.get(Patient, 1)))
        if pk is None:
            below_patient = below_patient.replace("{code}", Code.NO_SHOW)  # a measure is no record
        return re.sub(r"\{\w+\}", str(found), below_patient)


def _methods(callback: Any) -> Mapping[str, str]:
    actions = getattr(callback, "actions", None)
    if actions is not None:
        return {method: action for method, action in actions.items() if method != "head"}
    names = ("get", "post", "put", "patch", "delete")
    return {method: "" for method in names if hasattr(callback.cls, method)}


def routes() -> list[Route]:
    """All of them, in the order of the resolver."""
    return [
        Route(
            method=method.upper(),
            template="/" + _ANCHORS.sub("", _GROUP.sub(r"{\1}", path)),
            view=callback.cls,
            action=action,
        )
        for path, callback in api_routes()
        for method, action in _methods(callback).items()
    ]


ROUTES = routes()
TABLED = [route for route in ROUTES if route.action]
"""Those that ask the table of permissions: all but signing in and out and the description of the API."""
