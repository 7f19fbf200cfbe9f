"""The Schedule III log as it is read: the balance of a session, a site's day with its running balance."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from django.db.models import Q

from clinic.access.models import Site, User
from clinic.common.csv_text import Cell, csv_text
from scheduling.domain.drug_log import NOTHING, Balance, Entry, Kind, balances, beyond
from scheduling.models import DoseOrder, DoseProtocol, DrugLogEntry, InfusionSession


@dataclass(frozen=True, slots=True)
class SessionLog:
    """The log of one session. ``beyond_mg``: given beyond the dose ordered; the order is not undone by it."""

    entries: list[DrugLogEntry]
    balances: dict[str, Balance]
    ordered_mg: Decimal | None
    beyond_mg: Decimal

    @property
    def settled(self) -> bool:
        """Every drug balances and every waste was witnessed."""
        return all(balance.settled for balance in self.balances.values())


@dataclass(frozen=True, slots=True)
class Line:
    """One entry of a day, and what its drug had drawn and not accounted for by then."""

    entry: DrugLogEntry
    running_mg: Decimal


@dataclass(frozen=True, slots=True)
class LotTotal:
    """What of one lot was drawn."""

    drug: str
    lot: str
    drawn_mg: Decimal


@dataclass(frozen=True, slots=True)
class DayLog:
    """The log of a site on one of its days; struck entries are shown, and count for nothing."""

    site: Site
    on: date
    lines: list[Line]
    balances: dict[str, Balance]
    lots: list[LotTotal]

    @property
    def unwitnessed(self) -> int:
        """Wasted amounts that nobody signed for."""
        return sum(balance.unwitnessed for balance in self.balances.values())


def of_session(session: InfusionSession) -> SessionLog:
    """The log of a session, struck entries too. Two queries."""
    rows = DrugLogEntry.objects.filter(session=session).select_related("witness", "by", "struck_by")
    entries = list(rows.order_by("at", "id"))
    sums = balances(counted(entries))
    order = DoseOrder.objects.filter(session=session).order_by("-sequence").first()
    if order is None:
        return SessionLog(entries, sums, None, NOTHING)
    drug = order.protocol_read["drug"].casefold()
    given = sums[drug].given_mg if drug in sums else NOTHING
    return SessionLog(entries, sums, order.mg, beyond(given, order.mg, rounding_mg=_rounding(order)))


def drugs(session: InfusionSession) -> list[str]:
    """The drugs that protocols of this visit type have."""
    visit = session.appointment
    rows = DoseProtocol.objects.filter(Q(site=None) | Q(site=visit.site_id), visit_type=visit.visit_type_id)
    return sorted({drug.casefold() for drug in rows.values_list("drug", flat=True)})


def counted(rows: Iterable[DrugLogEntry]) -> list[Entry]:
    """What of the log counts."""
    return [
        Entry(Kind(row.kind), row.drug, row.mg, row.lot, seen=row.witness_id is not None)
        for row in rows
        if row.struck_at is None
    ]


def day(site: Site, on: date) -> DayLog:
    """The whole log of a day on the site's calendar. One query, whatever its length."""
    start, end = (
        datetime.combine(each, time(), site.zone).astimezone(UTC) for each in (on, on + timedelta(1))
    )
    rows = DrugLogEntry.objects.filter(site=site, at__gte=start, at__lt=end).order_by("at", "id")
    entries = list(rows.select_related("session__appointment__patient", "by", "witness", "struck_by"))
    running: dict[str, Balance] = {}
    lots: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    lines = []
    for row in entries:
        balance = running.setdefault(row.drug, Balance(row.drug))
        for entry in counted([row]):
            balance.add(entry)
            if entry.kind == Kind.DRAWN:
                lots[entry.drug, entry.lot] += entry.mg
        lines.append(Line(row, balance.left_mg))
    totals = [LotTotal(drug, lot, mg) for (drug, lot), mg in sorted(lots.items())]
    return DayLog(site, on, lines, dict(sorted(running.items())), totals)


def _rounding(order: DoseOrder) -> Decimal:
    """The protocol's rounding as it was; of fixed doses none: their step is another dose."""
    read = order.protocol_read
    return NOTHING if read["basis"] == DoseProtocol.Basis.FIXED_MG else Decimal(read["round_mg"])


def as_csv(log: DayLog) -> str:
    """The day as a table, struck entries too: what is struck says so in its last columns."""
    zone = log.site.zone
    header = (
        "at", "visit", "mrn", "kind", "drug", "mg", "lot", "running_mg", "recorded_by", "witness",
        "witnessed_at", "note", "struck_at", "struck_by", "struck_reason",
    )  # fmt: skip
    rows: list[Sequence[Cell]] = []
    for line in log.lines:
        row = line.entry
        rows.append(
            (
                row.at.astimezone(zone),
                row.session_id,
                row.session.appointment.patient.mrn,
                row.kind,
                row.drug,
                row.mg,
                row.lot,
                line.running_mg,
                _name(row.by),
                _name(row.witness),
                row.witnessed_at and row.witnessed_at.astimezone(zone),
                row.note,
                row.struck_at and row.struck_at.astimezone(zone),
                _name(row.struck_by),
                row.struck_reason,
            )
        )
    return csv_text(header, rows)


def file_name(log: DayLog) -> str:
    """Of the CSV."""
    return f"drug-log-{log.site.pk}-{log.on}.csv"


def _name(user: User | None) -> str:
    return user.get_username() if user else ""
