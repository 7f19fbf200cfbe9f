"""What the infusion day adds to the cards of those who are here: gates and vital signs."""

from collections.abc import Iterable
from datetime import datetime

from clinic.access.models import Site
from scheduling.domain.gates import Gate
from scheduling.domain.session_stages import Stage
from scheduling.models import Appointment, InfusionSession, VisitType
from scheduling.selectors import gates, vitals
from scheduling.selectors.board_cards import Card, Sight

CLINICAL_CHECK = "Clinical check"
"""All that is said of clinical gates to those who do not treat."""
_GATED = {Stage.WAITING: "start", Stage.RECOVERY: "discharge"}
HERE = frozenset({Stage.WAITING, Stage.INFUSING, Stage.RECOVERY, Stage.DISCHARGED})
"""Where a treatment is worked on."""


def complete(cards: Iterable[Card], *, site: Site, sight: Sight, now: datetime) -> None:
    """Fill in the cards of treatments whose patients are here. The same queries however many they are."""
    here = {card.id: card for card in cards if card.infused and card.stage in HERE}
    if not here or not sight.gates:
        return
    visits = list(Appointment.objects.filter(pk__in=here))
    types = VisitType.objects.in_bulk({visit.visit_type_id for visit in visits})
    for visit in visits:
        visit.site, visit.visit_type = site, types[visit.visit_type_id]
    stages = {pk: _GATED[card.stage] for pk, card in here.items() if card.stage in _GATED}
    gated = [visit for visit in visits if visit.pk in stages]
    sessions = InfusionSession.objects.in_bulk(here)
    for pk, found in gates.of(gated, now=now, stages=stages, sessions=sessions).items():
        here[pk].blockers = _names(found, clinical=sight.clinical)
    if not sight.clinical:
        return
    for pk, due in vitals.next_due(visits, now=now, sessions=sessions).items():
        if due is not None:
            here[pk].vitals_due_at = due.due_at
            here[pk].vitals_overdue_at = due.overdue_at
    for pk, level in vitals.unanswered(visits).items():
        here[pk].unanswered = level


def _names(found: Iterable[Gate], *, clinical: bool) -> list[str]:
    blocking = gates.blocking(found)
    names = [gate.name if clinical or not gate.clinical else CLINICAL_CHECK for gate in blocking]
    return list(dict.fromkeys(names))
