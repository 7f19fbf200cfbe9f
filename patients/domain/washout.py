"""Which medicines lie too near each other: the first must be out of the body before the second begins.

The idea to know: a rule makes the first medicine last ``days`` longer than it is taken. Whatever days of the
second fall inside that are days at risk, whether it was begun too early or never stopped. Source: DOMAIN 3.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import permutations

from patients.domain.medicines import Medicine, named


@dataclass(frozen=True)
class WashoutRule:
    """``days`` without a medicine of ``from_classes`` or ``from_words`` before one of ``to_classes``."""

    code: str
    days: int
    to_classes: frozenset[str]
    from_classes: frozenset[str] = frozenset()
    from_words: tuple[str, ...] = ()
    source: str = ""


@dataclass(frozen=True)
class Clash:
    """Two medicines too near each other from ``from_on`` until the day before ``clear_on``.

    ``clear_on`` None: not before one of them is stopped.
    """

    first: Medicine
    second: Medicine
    rule: WashoutRule
    from_on: date
    clear_on: date | None

    @property
    def sentence(self) -> str:
        """What is too near what, in words."""
        wait = f"{self.rule.days} days between {self.first.name} and {self.second.name}"
        if self.clear_on is None:
            return f"{wait}: {self.first.name} is still being taken."
        return f"{wait}: not before {self.clear_on:%b} {self.clear_on.day}, {self.clear_on.year}."


def rule_for(first: Medicine, second: Medicine, rules: Sequence[WashoutRule]) -> WashoutRule | None:
    """The rule that holds from one to the other: one that names the medicine beats one for its class.

    Of several the longest counts.
    """
    to_second = [rule for rule in rules if second.medicine_class in rule.to_classes]
    by_name = [rule for rule in to_second if named(first.name, rule.from_words)]
    by_class = [rule for rule in to_second if first.medicine_class in rule.from_classes]
    return max(by_name or by_class, key=lambda rule: (rule.days, rule.code), default=None)


def clashes(*, medicines: Sequence[Medicine], rules: Sequence[WashoutRule], today: date) -> list[Clash]:
    """Every pair that is or will be too near, one clash a pair; what was over before today is left out.

    Of a pair that clashes both ways, the one that lasts longer is kept.
    """
    found: dict[frozenset[str], Clash] = {}
    for first, second in permutations(medicines, 2):
        clash = _clash(first, second, rules, today)
        pair = frozenset((first.key, second.key))
        if clash and (pair not in found or _later(clash, found[pair])):
            found[pair] = clash
    return sorted(found.values(), key=lambda each: (each.from_on, each.first.key, each.second.key))


def _clash(first: Medicine, second: Medicine, rules: Sequence[WashoutRule], today: date) -> Clash | None:
    rule = rule_for(first, second, rules)
    if rule is None or first.key == second.key:
        return None
    out_on = date.max if first.stopped_on is None else first.stopped_on + timedelta(days=rule.days)
    start, end = max(first.begins_on, second.begins_on), min(out_on, second.ends_on)
    if start >= end or end <= today:
        return None
    return Clash(first, second, rule, start, None if end == date.max else end)


def _later(one: Clash, other: Clash) -> bool:
    return (one.clear_on or date.max) > (other.clear_on or date.max)
