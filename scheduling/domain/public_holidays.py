"""The dates of public holidays, from the ``holidays`` package; a site chooses among their names.

The idea to know: a holiday that falls on a weekend is often observed on another day. Both dates count.
"""

from collections.abc import Collection
from datetime import date

import holidays

from clinic.common.errors import FieldError, Invalid

_OBSERVED = " (observed)"
_SEPARATOR = "; "


class UnknownCountry(Invalid):
    """There is no calendar of public holidays for this country or subdivision."""

    code = "unknown_country"


class UnknownHoliday(Invalid):
    """A chosen name is not one of the country's public holidays."""

    code = "unknown_holiday"


def public_holidays(
    *, country: str, subdivision: str, years: Collection[int], names: Collection[str] = ()
) -> dict[date, str]:
    """Date to name, by date; only holidays of these ``names`` when given, with the days they are observed on.

    ``country`` is an ISO 3166-1 code, ``subdivision`` of ISO 3166-2 or empty. Raises UnknownCountry.
    """
    try:
        found = holidays.country_holidays(
            country, subdiv=subdivision or None, years=set(years), observed=True
        )
    except NotImplementedError:
        raise UnknownCountry(
            "No public holidays are known for this country and subdivision. Use codes such as US and CO.",
            errors=[FieldError("/country", "unknown_country", "Use codes such as US and CO.")],
        ) from None
    chosen = set(names)
    kept = {
        day: [name for name in text.split(_SEPARATOR) if _plain(name) in chosen or not chosen]
        for day, text in sorted(found.items())
    }
    return {day: _SEPARATOR.join(parts) for day, parts in kept.items() if parts}


def require_known(*, country: str, subdivision: str, years: Collection[int], names: Collection[str]) -> None:
    """Raises UnknownCountry, UnknownHoliday naming what can be chosen."""
    every = public_holidays(country=country, subdivision=subdivision, years=years)
    known = {_plain(name) for text in every.values() for name in text.split(_SEPARATOR)}
    if set(names) - known:
        detail = f"Choose among: {', '.join(sorted(known))}."
        raise UnknownHoliday(detail, errors=[FieldError("/names", "unknown_holiday", detail)])


def _plain(name: str) -> str:
    return name.removesuffix(_OBSERVED)
