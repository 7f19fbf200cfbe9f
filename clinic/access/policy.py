"""Roles, and the one table that says which role may do what.

An :class:`Actor` is a person with roles per site. Endpoints, admin pages and services ask it; no
other place decides who may do something.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from clinic.common.errors import Forbidden


class Role(StrEnum):
    """What a person does at a site."""

    FRONT_DESK = "front_desk"
    NURSE = "nurse"
    PRESCRIBER = "prescriber"
    MANAGER = "manager"
    AUDITOR = "auditor"
    SERVICE = "service"

    @property
    def label(self) -> str:
        """The role as staff read it."""
        return self.value.replace("_", " ").capitalize()


_DESK, _NURSE, _PRESCRIBER = Role.FRONT_DESK, Role.NURSE, Role.PRESCRIBER
_MANAGER, _AUDITOR = Role.MANAGER, Role.AUDITOR
_STAFF = frozenset({_DESK, _NURSE, _PRESCRIBER, _MANAGER})
_CLINICAL = frozenset({_NURSE, _PRESCRIBER})

PERMISSIONS: Mapping[str, frozenset[Role]] = {
    "setup.read": _STAFF | {_AUDITOR},
    "setup.write": frozenset({_MANAGER}),
    "patients.read": _STAFF,
    "patients.write": frozenset({_DESK, _NURSE, _PRESCRIBER}),
    "patients.import": frozenset({_MANAGER}),
    "background.read": _CLINICAL,
    "background.write": _CLINICAL,
    "flags.acknowledge": frozenset({_PRESCRIBER}),
    "treatment_plans.read": _CLINICAL,
    "treatment_plans.write": _CLINICAL,
    "appointments.read": _STAFF,
    "appointments.write": frozenset({_DESK, _NURSE, _PRESCRIBER}),
    "infusion_day.read": _CLINICAL,
    "infusion_day.write": _CLINICAL,
    "gates.read": frozenset({_DESK, _NURSE, _PRESCRIBER}),
    "gates.write": frozenset({_DESK, _NURSE, _PRESCRIBER}),
    "drug_log.read": _CLINICAL | {_MANAGER, _AUDITOR},
    "drug_log.write": _CLINICAL,
    "prescriptions.read": _CLINICAL,
    "prescriptions.write": frozenset({_PRESCRIBER}),
    "check_ins.read": _CLINICAL,
    "check_ins.write": _CLINICAL,
    "assessments.read": _CLINICAL,
    "assessments.write": _CLINICAL,
    "treatment.clear": frozenset({_PRESCRIBER}),
    "follow_ups.read": _STAFF,
    "follow_ups.write": frozenset({_DESK, _NURSE, _PRESCRIBER}),
    "messages.read": _STAFF,
    "work_items.read": _STAFF,
    "work_items.write": _STAFF,
    "reports.read": frozenset({_MANAGER}),
    "staff.write": frozenset({_MANAGER}),
}
"""Permission -> roles. API.md, "Roles", is the source; a meta-test renders it into docs/access.md."""

SCOPES: tuple[str, ...] = tuple(
    name for name in PERMISSIONS if name.endswith((".read", ".write")) and name != "staff.write"
)
"""What a service token may be given. Staffing stays with people."""


class Via(StrEnum):
    """Through which door something was done; history keeps it."""

    STAFF = "staff"
    SYSTEM = "system"
    PAGE = "page"
    """A patient, on a page that one of our messages led to."""
    REPLY = "reply"
    """A patient, by answering one of our texts."""


@dataclass(frozen=True)
class Actor:
    """Who acts: a user with roles per site, or, without a ``user_id``, the system or a patient."""

    user_id: int | None
    roles: Mapping[int, frozenset[Role]] = field(default_factory=dict)
    sees_every_site: bool = False
    via: Via = Via.STAFF
    scopes: frozenset[str] | None = None
    """Of a program: all that it may do at the sites where it has the role ``service``."""

    def sites(self, permission: str | None = None) -> list[int]:
        """The sites at which this actor has the permission (or any role at all)."""
        if permission is None:
            return sorted(self.roles)
        return sorted(site for site, roles in self.roles.items() if self._allowed(roles, permission))

    def may(self, permission: str, site_id: int | None = None) -> bool:
        """Whether the permission is held at this site, or, without one, at any site."""
        if self.sees_every_site:
            return bool(PERMISSIONS[permission])
        if site_id is not None:
            return self._allowed(self.roles.get(site_id, frozenset()), permission)
        return any(self._allowed(roles, permission) for roles in self.roles.values())

    def _allowed(self, roles: frozenset[Role], permission: str) -> bool:
        if self.scopes is not None:
            return bool(roles) and permission in self.scopes
        return bool(roles & PERMISSIONS[permission])

    def require(self, permission: str, site_id: int | None = None) -> None:
        """Raise :class:`Forbidden` unless the permission is held."""
        if not self.may(permission, site_id):
            raise Forbidden("Your role at this site does not allow this. Ask a manager of the site.")


SYSTEM = Actor(user_id=None, sees_every_site=True, via=Via.SYSTEM)
"""Beat ticks and migrations: what the clinic does by itself."""

PATIENT_ON_PAGE = Actor(user_id=None, sees_every_site=True, via=Via.PAGE)
"""A patient who opened a link of ours. Whoever uses it has checked that the subject is that patient's."""

PATIENT_BY_REPLY = Actor(user_id=None, sees_every_site=True, via=Via.REPLY)
"""A patient who answered a text. Whoever uses it has matched the number to the patient."""
