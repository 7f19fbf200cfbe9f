"""A questionnaire as rules see it: its items, the values each may take, and what a set of answers lacks.

The idea to know: an answer that was not given is missing, never zero. Nothing here fills a gap.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from clinic.common.errors import FieldError, Invalid

Answers = Mapping[str, int]


class Method(StrEnum):
    """How answers become a result."""

    SUM = "sum"
    """The total of all items."""
    SCREEN = "screen"
    """No total: negative, or as severe as the worst critical answer."""
    LIST = "list"
    """Neither total nor band: each item speaks for itself."""


class InvalidAnswers(Invalid):
    """Answers that the questionnaire does not have; ``errors`` names each item."""

    code = "invalid_answers"


@dataclass(frozen=True, slots=True)
class Item:
    """One question. With ``only_if`` it is asked when one of those items was answered ``at_least`` so."""

    code: str
    values: frozenset[int]
    only_if: tuple[str, ...] = ()
    at_least: int = 0

    def is_asked(self, answers: Answers) -> bool:
        """Whether these answers call for this question."""
        if not self.only_if:
            return True
        return any(answers.get(code, self.at_least - 1) >= self.at_least for code in self.only_if)


@dataclass(frozen=True, slots=True)
class Instrument:
    """A version of a questionnaire, without its words."""

    code: str
    method: Method
    items: tuple[Item, ...]

    @classmethod
    def from_rows(
        cls, *, code: str, method: str, items: Sequence[Mapping[str, Any]], scales: Mapping[str, Any]
    ) -> "Instrument":
        """From a catalogue row: each item names the scale of options it is answered on."""
        return cls(
            code=code,
            method=Method(method),
            items=tuple(
                Item(
                    code=item["code"],
                    values=frozenset(option["value"] for option in scales[item["scale"]]),
                    only_if=tuple(item.get("asked_if", {}).get("any_of", ())),
                    at_least=item.get("asked_if", {}).get("at_least", 0),
                )
                for item in items
            ),
        )

    def read(self, given: Mapping[str, object]) -> dict[str, int]:
        """The answers that were given, in the order of the items; null means not answered.

        Raises InvalidAnswers (``unknown_item``, ``not_a_whole_number``, ``out_of_range``, ``no_answers``).
        """
        known = {item.code: item for item in self.items}
        faults = [fault for code, value in given.items() if (fault := _fault(code, value, known.get(code)))]
        if not faults and all(value is None for value in given.values()):
            faults.append(FieldError("/answers", "no_answers", "Send at least one answer."))
        if faults:
            more = f" and {len(faults) - 1} more" if len(faults) > 1 else ""
            raise InvalidAnswers(
                f"These are not answers to this questionnaire: {faults[0].detail}{more}", errors=faults
            )
        return {code: value for code in known if isinstance(value := given.get(code), int)}

    def missing(self, answers: Answers) -> tuple[str, ...]:
        """The items that were to be answered and were not."""
        return tuple(i.code for i in self.items if i.code not in answers and i.is_asked(answers))


def _fault(code: str, value: object, item: Item | None) -> FieldError | None:
    pointer = f"/answers/{code.replace('~', '~0').replace('/', '~1')[:60]}"
    if item is None:
        return FieldError(pointer, "unknown_item", "The questionnaire has no such item.")
    if value is None:
        return None
    if type(value) is not int:
        return FieldError(pointer, "not_a_whole_number", "Answer with a whole number.")
    if value not in item.values:
        lowest, highest = min(item.values), max(item.values)
        return FieldError(pointer, "out_of_range", f"Answer with a number from {lowest} to {highest}.")
    return None
