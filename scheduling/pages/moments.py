"""How pages say when something is: in the time of the office, and in the patient's where that differs."""

from datetime import datetime
from zoneinfo import ZoneInfo

from patients.domain.rendering import clock_words, day_words
from patients.pages.words import say
from scheduling.pages.words import WORDS

_NOON = 12
_NO_BREAK = "\u00a0"
"""Between the hour and AM or PM, which a narrow screen would part."""


def when_words(instant: datetime, *, zone: ZoneInfo, language: str) -> str:
    """``Monday, January 11 at 9:00 AM``; an hour that the clocks repeat names its zone."""
    local = instant.astimezone(zone)
    day, clock = day_words(local.date(), language=language, short=False), time_words(local, language=language)
    return say(WORDS, "at_one" if local.hour % _NOON == 1 else "at_time", language, day=day, time=clock)


def time_words(local: datetime, *, language: str) -> str:
    """``9:00 AM``, or ``1:30 AM (MST)`` when that time comes twice on this day."""
    clock = clock_words(local, language=language).replace(" ", _NO_BREAK)
    twice = local.utcoffset() != local.replace(fold=1 - local.fold).utcoffset()
    return f"{clock} ({local.tzname()})" if twice else clock


def your_time(instant: datetime, *, zone: ZoneInfo, home: ZoneInfo, language: str) -> str:
    """The sentence that gives the patient's own time, or nothing when it is the same."""
    there, here = instant.astimezone(zone), instant.astimezone(home)
    if there.utcoffset() == here.utcoffset():
        return ""
    when = f"{when_words(instant, zone=home, language=language)} ({here.tzname()})"
    return say(WORDS, "your_time", language, when=when)
