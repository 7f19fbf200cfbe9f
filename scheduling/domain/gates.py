"""The gates of an infusion day: what must be true before a treatment starts and before the patient goes home.

Which gates a visit has, and their numbers, are rows (GateRule); this module knows what each check needs to
be told, and judges the facts. DOMAIN section 2.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from clinic.common.errors import FieldError, Invalid

LIMITS: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {
        "consent": {"valid_days": 365},
        "identity": {},
        "escort": {},
        "driving": {},
        "fasting": {"clear_fluids_minutes": 120, "light_meal_minutes": 360, "fatty_meal_minutes": 480},
        "weight": {"valid_hours": 12},
        "vitals": {"valid_minutes": 60},
        "rescreen": {},
        "flags": {},
        "mood": {"phq9_valid_hours": 72},
        "aldrete": {"least": 9},
        "blood_pressure": {"within_percent": 20, "valid_minutes": 30},
        "oriented": {},
        "gait": {},
        "escort_present": {},
        "driving_advice": {},
        "observation": {"least_minutes": 120},
        "resolved": {},
    }
)
"""Check -> the names of its numbers, with the values that ship. 0 switches a number off."""

CODES = tuple(LIMITS)
_MOST = 100_000


def read_limits(code: str, value: object) -> dict[str, int]:
    """The numbers of one check, those not given as shipped. Raises Invalid (``invalid_limits``)."""
    known = LIMITS[code]
    if not isinstance(value, Mapping):
        raise _invalid("must be an object of whole numbers")
    given: Mapping[Any, Any] = value
    for name, number in given.items():
        if name not in known:
            raise _invalid(f"may only have {', '.join(known) or 'nothing'}")
        if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= _MOST:
            raise _invalid(f"{name} must be a whole number from 0 to {_MOST}")
    return {**known, **given}


def _invalid(detail: str) -> Invalid:
    return Invalid(detail, code="invalid_limits", errors=[FieldError("/limits", "invalid_limits", detail)])
