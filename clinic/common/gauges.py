"""Numbers that operators watch, read from the database when they are asked for: nothing is counted in a
process, so any number of web processes and workers say the same (ADR 12).

``settings.GAUGES`` lists functions ``(now) -> Iterable[Gauge]`` by dotted name.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from django.conf import settings
from django.utils.module_loading import import_string
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from clinic.common import due


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """One number. Its name ends in its unit; labels hold no patient data."""

    name: str
    help: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


def gauges(*, now: datetime) -> Iterator[Gauge]:
    """How late each kind of due work is, and what the apps add."""
    for work in due.kinds():
        oldest = work.next_due_at()
        late = 0.0 if oldest is None else max(0.0, (now - oldest).total_seconds())
        yield Gauge(
            name="onset_due_late_seconds",
            help="For how long the oldest waiting work of a kind has been due.",
            value=late,
            labels={"kind": work.name},
        )
    for dotted in settings.GAUGES:
        yield from import_string(dotted)(now)


def exposition(found: Iterable[Gauge]) -> bytes:
    """Prometheus' text format: gauges of one name stand together, under one HELP and TYPE."""
    families: dict[str, GaugeMetricFamily] = {}
    for gauge in found:
        family = families.get(gauge.name)
        if family is None:
            family = families[gauge.name] = GaugeMetricFamily(
                gauge.name, gauge.help, labels=list(gauge.labels)
            )
        family.add_metric(list(gauge.labels.values()), gauge.value)
    registry = CollectorRegistry()
    registry.register(_Families(list(families.values())))
    return generate_latest(registry)


@dataclass(eq=False)
class _Families(Collector):
    families: list[GaugeMetricFamily]

    def collect(self) -> list[GaugeMetricFamily]:
        return self.families
