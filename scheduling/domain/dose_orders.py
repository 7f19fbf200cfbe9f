"""What a prescriber may order, and the dose events an order adds to the history.

The idea to know: an order only ever adds events. What of the earlier ones still stands is read from the
whole history (check_in_history), never rewritten.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal

from clinic.common.errors import FieldError, Invalid
from scheduling.domain.check_in_history import DoseEvent, DoseKind, InvalidHistory, standing_orders

HIGHEST_DOSE_MG = Decimal(10_000)
"""More than any daily dose of an antidepressant: beyond it somebody slipped on the keyboard [D]."""
OLDEST_DAYS = 730
FARTHEST_DAYS = 365
LONGEST_TITRATION_DAYS = 730
RECORDED_LATE_DAYS = 90
"""How long after a dose was really changed the order for it may still be written down [D]."""


@dataclass(frozen=True, slots=True)
class Step:
    """A dose (mg a day) planned from a day on."""

    dose_mg: Decimal
    effective_on: date


@dataclass(frozen=True, slots=True)
class Today:
    """The date for the patient, and the latest date at either the patient's place or the site."""

    patient: date
    latest: date


def standing(*, events: Iterable[DoseEvent]) -> list[DoseEvent]:
    """The events that still stand, in order of effect. Raises InvalidHistory."""
    return [event for order in standing_orders(events=events) for event in order.events]


def in_force(*, events: Iterable[DoseEvent], on: date) -> DoseEvent | None:
    """The event whose dose is taken on a day; None before the first dose."""
    begun = [event for event in standing(events=events) if event.effective_on <= on]
    return begun[-1] if begun else None


def begin(
    *,
    kind: DoseKind,
    dose_mg: Decimal,
    first_dose_on: date,
    ordered_on: date,
    steps: Sequence[Step],
    today: Today,
) -> list[DoseEvent]:
    """The events of a new prescription: a start, or the second half of a switch, and its planned steps.

    Raises Invalid: ``dose_not_positive``, ``dose_too_high``, ``first_dose_too_old``,
    ``first_dose_too_far_ahead``, and what :func:`_steps` raises.
    """
    _check_dose(dose_mg, "/dose_mg")
    if first_dose_on < today.patient - timedelta(days=OLDEST_DAYS):
        raise _refused(
            "/first_dose_on",
            "first_dose_too_old",
            "The first dose is more than two years ago. Record the present dose from a later day.",
        )
    if first_dose_on > today.patient + timedelta(days=FARTHEST_DAYS):
        raise _refused(
            "/first_dose_on",
            "first_dose_too_far_ahead",
            "The first dose is more than a year ahead. Check the date.",
        )
    first = DoseEvent(1, kind, dose_mg, ordered_on, first_dose_on)
    return [first, *_steps(first, steps)]


def change(
    *,
    events: Sequence[DoseEvent],
    dose_mg: Decimal,
    ordered_on: date,
    effective_on: date,
    steps: Sequence[Step],
    today: Today,
) -> list[DoseEvent]:
    """The events of an increase or decrease, whichever ``dose_mg`` is of the dose taken until then.

    Steps planned earlier for ``effective_on`` or later no longer hold unless given again in ``steps``.
    Raises Invalid: ``dose_not_positive``, ``dose_too_high``, ``same_dose``, ``already_stopped``,
    ``change_before_start``, and what :func:`_check_dates` and :func:`_steps` raise.
    """
    _check_dose(dose_mg, "/dose_mg")
    _check_dates(events, ordered_on=ordered_on, effective_on=effective_on, today=today)
    before = _taken_until(events, effective_on)
    if before.kind is DoseKind.STOP:
        raise _refused(
            "/effective_on", "already_stopped", "It has been stopped by then. Record a restart instead."
        )
    if dose_mg == before.dose_mg:
        raise _refused("/dose_mg", "same_dose", "This is the dose taken until then. Give the new dose.")
    kind = DoseKind.INCREASE if dose_mg > before.dose_mg else DoseKind.DECREASE
    head = DoseEvent(_next(events), kind, dose_mg, ordered_on, effective_on)
    return _accepted(events, [head, *_steps(head, steps)])


def stop(
    *,
    events: Sequence[DoseEvent],
    ordered_on: date,
    effective_on: date,
    today: Today,
    taper: Sequence[Step] = (),
) -> list[DoseEvent]:
    """The event of a stop; ``effective_on`` is the first day without the medicine. ``taper``: the lower doses
    on the way there, which come first.

    Raises Invalid: ``stop_before_start``, ``already_stopped``, ``taper_not_lower``, ``taper_after_stop``, and
    what :func:`_check_dates` and, of a taper, :func:`change` raise.
    """
    if events and effective_on < events[0].effective_on:
        raise _refused(
            "/effective_on",
            "stop_before_start",
            "It cannot be stopped before its first dose. Use that day if it was never taken.",
        )
    _check_dates(events, ordered_on=ordered_on, effective_on=effective_on, today=today)
    if _taken_until(events, effective_on).kind is DoseKind.STOP:
        raise _refused("/effective_on", "already_stopped", "It has been stopped by then already.")
    lower = _taper(events, taper, ordered_on=ordered_on, until=effective_on, today=today)
    number = _next([*events, *lower])
    return _accepted(events, [*lower, DoseEvent(number, DoseKind.STOP, Decimal(0), ordered_on, effective_on)])


def _taper(
    events: Sequence[DoseEvent], taper: Sequence[Step], *, ordered_on: date, until: date, today: Today
) -> list[DoseEvent]:
    """The decreases before a stop: one order with its planned steps. The pointer names the step."""
    if not taper:
        return []
    first, *others = taper
    try:
        lower = change(
            events=events,
            dose_mg=first.dose_mg,
            ordered_on=ordered_on,
            effective_on=first.effective_on,
            steps=others,
            today=today,
        )
    except Invalid as refused:
        faults = [replace(fault, pointer=_in_taper(fault.pointer)) for fault in refused.errors]
        raise Invalid(refused.detail, code=refused.code, errors=faults) from refused
    for index, event in enumerate(lower):
        if event.kind is not DoseKind.DECREASE:
            raise _refused(f"/taper/{index}/dose_mg", "taper_not_lower", "Each step of a taper is lower.")
        if event.effective_on >= until:
            raise _refused(
                f"/taper/{index}/effective_on", "taper_after_stop", "A taper ends before the stop."
            )
    return lower


def _in_taper(pointer: str) -> str:
    """Where a fault of the change of dose is in the taper that it was made of."""
    steps = "/planned_steps/"
    if not pointer.startswith(steps):
        return f"/taper/0{pointer}" if pointer != "/ordered_on" else pointer
    number, _slash, rest = pointer.removeprefix(steps).partition("/")
    return f"/taper/{int(number) + 1}/{rest}"


def restart(
    *,
    events: Sequence[DoseEvent],
    dose_mg: Decimal,
    ordered_on: date,
    effective_on: date,
    steps: Sequence[Step],
    today: Today,
) -> list[DoseEvent]:
    """The events of taking a stopped medicine again.

    Raises Invalid: ``dose_not_positive``, ``dose_too_high``, ``not_stopped``, ``change_before_start``, and
    what :func:`_check_dates` and :func:`_steps` raise.
    """
    _check_dose(dose_mg, "/dose_mg")
    _check_dates(events, ordered_on=ordered_on, effective_on=effective_on, today=today)
    if _taken_until(events, effective_on).kind is not DoseKind.STOP:
        raise _refused(
            "/effective_on", "not_stopped", "It is still being taken on that day. Change the dose instead."
        )
    head = DoseEvent(_next(events), DoseKind.RESTART, dose_mg, ordered_on, effective_on)
    return _accepted(events, [head, *_steps(head, steps)])


def _check_dose(dose_mg: Decimal, pointer: str) -> None:
    if dose_mg <= 0:
        raise _refused(pointer, "dose_not_positive", "The dose is more than 0 mg. To end it, record a stop.")
    if dose_mg > HIGHEST_DOSE_MG:
        raise _refused(pointer, "dose_too_high", "The dose is above 10,000 mg. Check the unit and the point.")


def _check_dates(events: Sequence[DoseEvent], *, ordered_on: date, effective_on: date, today: Today) -> None:
    """Raises Invalid: ``ordered_in_the_future``, ``ordered_too_long_ago``, ``effective_long_before_order``,
    ``effective_too_far_ahead``, ``before_present_dose``."""
    if ordered_on > today.latest:
        raise _refused("/ordered_on", "ordered_in_the_future", "The day of the order has not come yet.")
    if ordered_on < today.patient - timedelta(days=OLDEST_DAYS):
        raise _refused("/ordered_on", "ordered_too_long_ago", "The order is more than two years old.")
    if effective_on < ordered_on - timedelta(days=RECORDED_LATE_DAYS):
        raise _refused(
            "/effective_on",
            "effective_long_before_order",
            f"It may take effect at most {RECORDED_LATE_DAYS} days before the order. Check both dates.",
        )
    if effective_on > today.patient + timedelta(days=FARTHEST_DAYS):
        raise _refused(
            "/effective_on",
            "effective_too_far_ahead",
            "It takes effect more than a year ahead. Check the date.",
        )
    present = in_force(events=events, on=today.patient)
    if present is not None and present.sequence > 1 and effective_on < present.effective_on:
        raise _refused(
            "/effective_on",
            "before_present_dose",
            f"The present dose took effect on {present.effective_on}; a change cannot begin before it.",
        )


def _taken_until(events: Sequence[DoseEvent], day: date) -> DoseEvent:
    """What is in force as the order takes effect. Raises Invalid (``change_before_start``)."""
    before = in_force(events=events, on=day)
    if before is None:
        raise _refused(
            "/effective_on",
            "change_before_start",
            "This is before the first dose. Correct one of the two dates.",
        )
    return before


def _steps(head: DoseEvent, steps: Sequence[Step]) -> list[DoseEvent]:
    """Raises Invalid: ``dose_not_positive``, ``dose_too_high``, ``same_dose``, ``step_before_first_dose``,
    ``steps_out_of_order``, ``step_too_far_ahead``; the pointer names the step."""
    events: list[DoseEvent] = []
    last = head
    for index, step in enumerate(steps):
        pointer = f"/planned_steps/{index}"
        _check_dose(step.dose_mg, f"{pointer}/dose_mg")
        if step.effective_on <= head.effective_on:
            raise _refused(
                f"{pointer}/effective_on",
                "step_before_first_dose",
                "A step comes after the day the order begins.",
            )
        if step.effective_on <= last.effective_on:
            raise _refused(
                f"{pointer}/effective_on", "steps_out_of_order", "Each step comes after the one before it."
            )
        if step.effective_on > head.effective_on + timedelta(days=LONGEST_TITRATION_DAYS):
            raise _refused(
                f"{pointer}/effective_on", "step_too_far_ahead", "Steps are planned for at most two years."
            )
        if step.dose_mg == last.dose_mg:
            raise _refused(f"{pointer}/dose_mg", "same_dose", "A step changes the dose. Leave this one out.")
        kind = DoseKind.INCREASE if step.dose_mg > last.dose_mg else DoseKind.DECREASE
        last = DoseEvent(
            head.sequence + index + 1, kind, step.dose_mg, head.ordered_on, step.effective_on, planned=True
        )
        events.append(last)
    return events


def _next(events: Sequence[DoseEvent]) -> int:
    return max(event.sequence for event in events) + 1


def _accepted(events: Sequence[DoseEvent], added: list[DoseEvent]) -> list[DoseEvent]:
    """What the rules above let through must also make a history."""
    try:
        standing_orders(events=[*events, *added])
    except InvalidHistory as refused:
        raise _refused("/effective_on", refused.code, refused.detail) from refused
    return added


def _refused(pointer: str, code: str, detail: str) -> Invalid:
    return Invalid(detail, code=code, errors=[FieldError(pointer, code, detail)])
