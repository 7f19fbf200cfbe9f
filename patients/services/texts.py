"""A text while it is taken in: who sent it, and the two things that can follow from it: our answer, and a
work item for a person. Neither repeats what was written."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from clinic.access.models import Site
from clinic.access.policy import Role
from patients.models import InboundMessage, Patient, WorkItem
from patients.models.inbound import site_of_strangers
from patients.services import replies
from patients.services.work_items import open_item

DESK_ANSWER = timedelta(hours=4)


@dataclass(slots=True, kw_only=True)
class Text:
    """A text that is being taken in. ``answered``: the provider has answered it."""

    inbound: InboundMessage
    people: list[Patient]
    answered: bool
    now: datetime

    @property
    def site(self) -> Site | None:
        """Whose staff reads it."""
        return self.people[0].site if self.people else site_of_strangers()

    @property
    def shared(self) -> str:
        """A warning for staff, where the number is several patients'."""
        return " Several patients share its number." if len(self.people) > 1 else ""

    def answer(self, kind: str, patient: Patient, context: Mapping[str, str] | None = None) -> bool:
        """Answer the sender; about this patient, whose language and site the words use."""
        if self.answered:
            return False
        return replies.answer(inbound=self.inbound, patient=patient, kind=kind, context=context, now=self.now)

    def ask(
        self,
        kind: str,
        summary: str,
        *,
        cause: str = "",
        patient: Patient | None = None,
        role: str = Role.FRONT_DESK,
        within: timedelta = DESK_ANSWER,
        urgent: bool = False,
    ) -> None:
        """Open a work item that points to the text and repeats nothing of it."""
        patient = patient or self.inbound.patient
        site = patient.site if patient else self.site
        if site is None:
            return  # no site yet, so nobody who could read it
        open_item(
            kind=kind,
            key=f"{kind}:{cause or f'text:{self.inbound.pk}'}",
            severity=WorkItem.Severity.URGENT if urgent else WorkItem.Severity.ROUTINE,
            site_id=site.pk,
            patient=patient,
            summary=summary.format(text=f"text {self.inbound.pk}"),
            owner_role=role,
            due_at=self.now + within,
            now=self.now,
        )
