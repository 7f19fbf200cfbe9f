"""Sends what is due: claim a batch, commit; then for each message look again, commit that it is handed
over, send outside any transaction, record the outcome where the claim is still ours.

The window in which a crash can double a message: none, by ourselves. A worker that dies between the commit
of ``handed_over_at`` and the commit of the outcome leaves a row that may or may not have been delivered
(for one message, the time the gateway takes to answer plus two commits, about ten milliseconds). Such a row
becomes ``uncertain`` with a work item and is never sent again. A worker that dies earlier has sent nothing:
its rows are queued again when their lease ends.
"""

import random
import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime

import structlog
from billiard.exceptions import SoftTimeLimitExceeded

from clinic.common.errors import Busy
from patients.gateways.base import Fault, Gateway, GatewayError, Outgoing
from patients.gateways.chosen import open_gateways
from patients.selectors import messages as selectors
from patients.services import claims, outcomes
from patients.services.claims import Claimed
from patients.services.handover import Held, Templates, hand_over
from patients.services.sweep import sweep

log = structlog.get_logger(__name__)

BATCH = 100
BATCH_SECONDS = 20.0
"""Well under the lease of 60 s: what a slow gateway leaves over is put back for others."""


@dataclass(slots=True, kw_only=True)
class DispatchReport:
    """What one round did, as counts."""

    swept: int = 0
    claimed: int = 0
    sent: int = 0
    retried: int = 0
    failed: int = 0
    held: int = 0
    released: int = 0

    @property
    def idle(self) -> bool:
        """Whether there was nothing to do."""
        return not self.swept and not self.claimed


def dispatch(
    *, now: datetime, limit: int = BATCH, gateways: Mapping[str, Gateway] | None = None
) -> DispatchReport:
    """One round over at most ``limit`` due messages, oldest due first. Safe to run many times at once.

    ``gateways`` by channel; the ones of the settings when None.
    """
    report = DispatchReport(swept=sweep(now=now, limit=limit))
    batch = claims.claim_due(now=now, limit=limit)
    report.claimed = len(batch)
    if batch:
        with nullcontext(gateways) if gateways is not None else open_gateways() as opened:
            _Round(gateways=opened, batch=batch, now=now, report=report).run()
    return report


@dataclass(slots=True, kw_only=True)
class _Round:
    """One worker's batch."""

    gateways: Mapping[str, Gateway]
    batch: list[Claimed]
    now: datetime
    report: DispatchReport
    policies: Mapping[int, selectors.Policy] = field(init=False)
    templates: Templates = field(init=False)
    down: dict[str, GatewayError] = field(default_factory=dict)
    """Channels whose gateway takes nothing: the rest of the batch does not wait for its timeout."""

    def run(self) -> None:
        started = time.monotonic()
        self.policies = selectors.policies(row.site_id for row in self.batch)
        self.templates = selectors.templates(row.kind for row in self.batch)
        for position, claimed in enumerate(self.batch):
            if time.monotonic() - started > BATCH_SECONDS:
                rest = self.batch[position:]
                claims.release(rest, now=self.now)
                self.report.released = len(rest)
                return
            try:
                self._one(claimed)
            except Busy:  # somebody holds the row or the patient: the lease ends, the sweep settles it
                log.warning("message_busy", message=claimed.message_id)

    def _one(self, claimed: Claimed) -> None:
        if claimed.channel in self.down:
            self._refused(claimed, self.down[claimed.channel], sent_to="")
            return
        outgoing = hand_over(claimed, policies=self.policies, templates=self.templates, now=self.now)
        if isinstance(outgoing, Held):
            outcomes.not_handed_over(claimed, outgoing, now=self.now)
            self.report.held += 1
        elif outgoing is not None:
            self._send(claimed, outgoing)

    def _send(self, claimed: Claimed, outgoing: Outgoing) -> None:
        try:
            provider_id = self.gateways[claimed.channel].send(outgoing)
        except GatewayError as error:
            if error.fault == Fault.UNAVAILABLE:
                self.down[claimed.channel] = error
            self._refused(claimed, error, sent_to=outgoing.to)
        except SoftTimeLimitExceeded:
            raise
        except Exception as error:  # noqa: BLE001 - a bug in one gateway call must not stop the others
            log.error("gateway_broke", message=claimed.message_id, error=type(error).__name__)  # noqa: TRY400
            self._refused(claimed, GatewayError(Fault.UNKNOWN, type(error).__name__), sent_to="")
        else:
            outcomes.accepted(claimed, provider_id=provider_id, now=self.now)
            self.report.sent += 1

    def _refused(self, claimed: Claimed, error: GatewayError, *, sent_to: str) -> None:
        spread = random.random()  # noqa: S311 - jitter, not a secret
        if outcomes.refused(claimed, error, sent_to=sent_to, now=self.now, spread=spread):
            self.report.retried += 1
        else:
            self.report.failed += 1
