"""A medicine as flags and washouts see it: what it is, and the days on which it is taken."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Medicine:
    """One stretch of taking one medicine, prescribed here or elsewhere.

    ``key`` names where it is recorded. Taken from ``from_on`` (None: since ever) up to the day before
    ``stopped_on``, which is the first day without it (None: no end is known).
    """

    key: str
    name: str
    medicine_class: str
    from_on: date | None = None
    stopped_on: date | None = None

    @property
    def begins_on(self) -> date:
        """The first day, the earliest of all when it is not known."""
        return self.from_on or date.min

    @property
    def ends_on(self) -> date:
        """The first day without it, the last of all when there is none."""
        return self.stopped_on or date.max

    def over_by(self, day: date) -> bool:
        """Whether it is not taken any more on ``day``."""
        return self.ends_on <= day


def named(text: str, words: Iterable[str]) -> bool:
    """Whether one of the words stands in the text as a word: venlafaxine is not in desvenlafaxine."""
    return any(re.search(rf"\b{re.escape(word)}\b", text, re.IGNORECASE) for word in words)
