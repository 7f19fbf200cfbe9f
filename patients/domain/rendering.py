"""Fills a template in for one patient: dates as people say them, in the patient's language, and a text
message that stays a single SMS, its link included."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from string import Template
from zoneinfo import ZoneInfo

import phonenumbers

from patients.domain import gsm7, wording

_EN_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_EN_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
    "November", "December",
)  # fmt: skip
_ES_DAYS = ("lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo")
_ES_MONTHS = (
    "enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre",
    "noviembre", "diciembre",
)  # fmt: skip
_NOON = 12
_SHORT = 3
_MISSING = {"when": "no_moment", "day": "no_moment", "time": "no_moment", "link": "no_link"}


class CannotRender(ValueError):
    """The words cannot be filled in; ``code`` says why, for the ledger."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """A template's text."""

    subject: str
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the placeholders stand for. ``moment`` is an instant, or a day when no time matters.

    ``zone`` is where the moment is read; ``home`` the patient's, so that a difference is spelt out.
    ``visits`` are the starts of all visits of a course.
    """

    name: str
    site: str
    phone: str
    moment: datetime | date | None
    zone: ZoneInfo
    home: ZoneInfo
    link: str = ""
    visits: tuple[datetime, ...] = ()


def uses(words: Words, name: str) -> bool:
    """Whether a placeholder stands in the subject or the body."""
    return any(name in Template(text).get_identifiers() for text in (words.subject, words.body))


def render(words: Words, facts: Facts, *, channel: str, language: str) -> Words:
    """The message as the patient reads it. An SMS is GSM-7 and at most 160 places: a long site name is cut.

    Raises CannotRender: ``no_moment`` or ``no_link`` when one is asked for but unknown, ``revealing`` when
    the words or the site's name tell what is treated, ``too_long``, ``bad_template``.
    """
    if wording.revealing_words(f"{words.subject}\n{words.body}\n{facts.site}"):
        raise CannotRender("revealing")
    values = _values(facts, short=channel == "sms", language=language)
    if channel == "email":
        subject = " ".join(_fill(words.subject, values).split())
        return Words(subject=subject, body=_fill(words.body, values))
    return Words(subject="", body=_one_sms(words.body, values))


def _one_sms(body: str, values: dict[str, str]) -> str:
    plain = {name: gsm7.transliterate(value) for name, value in values.items()}
    text = gsm7.transliterate(_fill(body, plain))
    excess = gsm7.places(text) - gsm7.SINGLE_SMS
    if excess > 0:
        uses = max(1, Template(body).get_identifiers().count("site"))
        site = gsm7.shorten(plain["site"], gsm7.places(plain["site"]) - -(-excess // uses))
        text = gsm7.transliterate(_fill(body, plain | {"site": site}))
        if len(site) < _SHORT or gsm7.places(text) > gsm7.SINGLE_SMS:
            raise CannotRender("too_long")
    return text


def _fill(text: str, values: Mapping[str, str]) -> str:
    try:
        return Template(text).substitute(values)
    except KeyError as error:
        raise CannotRender(_MISSING.get(error.args[0], "bad_template")) from None
    except ValueError:
        raise CannotRender("bad_template") from None


def _values(facts: Facts, *, short: bool, language: str) -> dict[str, str]:
    values = {"name": facts.name, "site": facts.site, "phone": readable_phone(facts.phone)}
    if facts.link:
        values["link"] = facts.link
    if facts.visits:
        each = [_moment_words(start, facts, short=short, language=language)["when"] for start in facts.visits]
        values |= {"count": str(len(each)), "dates": "\n".join(f"- {when}" for when in each)}
    if isinstance(facts.moment, datetime):
        return values | _moment_words(facts.moment, facts, short=short, language=language)
    if facts.moment is not None:
        values["day"] = day_words(facts.moment, language=language, short=short)
    return values


def _moment_words(moment: datetime, facts: Facts, *, short: bool, language: str) -> dict[str, str]:
    local = moment.astimezone(facts.zone)
    day = day_words(local.date(), language=language, short=short)
    clock = clock_words(local, language=language)
    if local.utcoffset() != moment.astimezone(facts.home).utcoffset():
        clock = f"{clock} ({local.tzname()})"
    between = ", " if short else {"es": " a las "}.get(language, " at ")
    if between == " a las " and local.hour % _NOON == 1:
        between = " a la "
    return {"day": day, "time": clock, "when": f"{day}{between}{clock}"}


def day_words(day: date, *, language: str, short: bool) -> str:
    """``Monday, January 11`` or ``lunes 11 de enero``; short: ``Mon, Jan 11`` or ``lun 11 ene``."""
    if language == "es":
        weekday, month = _ES_DAYS[day.weekday()], _ES_MONTHS[day.month - 1]
        return (
            f"{weekday[:_SHORT]} {day.day} {month[:_SHORT]}" if short else f"{weekday} {day.day} de {month}"
        )
    weekday, month = _EN_DAYS[day.weekday()], _EN_MONTHS[day.month - 1]
    return f"{weekday[:_SHORT]}, {month[:_SHORT]} {day.day}" if short else f"{weekday}, {month} {day.day}"


def clock_words(local: datetime, *, language: str) -> str:
    """``9:00 AM``, or ``9:00 am`` in Spanish: without full stops, so that one may end the sentence."""
    hour = local.hour % _NOON or _NOON
    before_noon = local.hour < _NOON
    half = ("am" if before_noon else "pm") if language == "es" else ("AM" if before_noon else "PM")
    return f"{hour}:{local.minute:02d} {half}"


def readable_phone(number: str) -> str:
    """A number as people in its country write it: ``(303) 555-0100``; others stay international."""
    try:
        parsed = phonenumbers.parse(number, "US")
    except phonenumbers.NumberParseException:
        return number
    nanp = parsed.country_code == 1
    form = phonenumbers.PhoneNumberFormat.NATIONAL if nanp else phonenumbers.PhoneNumberFormat.INTERNATIONAL
    return str(phonenumbers.format_number(parsed, form))
