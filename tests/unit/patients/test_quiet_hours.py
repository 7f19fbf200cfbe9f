"""Quiet hours against a slow clock that walks minute by minute, and the edges people know by heart."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patients.domain.quiet_hours import QuietHours, is_quiet, moment_to_send, next_allowed, pull

DENVER = ZoneInfo("America/Denver")
NIGHT = QuietHours(start=time(20), end=time(9), pull_to=time(18))
ZONES = ("America/Denver", "America/New_York", "America/Phoenix", "Europe/Madrid", "Australia/Lord_Howe")
MINUTE = timedelta(minutes=1)

zones = st.sampled_from(ZONES).map(ZoneInfo)
moments = st.integers(0, 2 * 365 * 24 * 60).map(lambda m: datetime(2026, 6, 1, tzinfo=UTC) + m * MINUTE)


@st.composite
def hours(draw: st.DrawFn) -> QuietHours:
    """Nights of many lengths, some within one day, none around the pulling time."""
    start = draw(st.sampled_from([time(19), time(20), time(21, 30), time(23, 45), time(0), time(2, 30)]))
    end = draw(st.sampled_from([time(5), time(7, 30), time(9), time(10)]))
    pull_to = draw(st.sampled_from([time(10), time(12, 15), time(18), time(18, 59)]))
    return QuietHours(start=start, end=end, pull_to=pull_to)


def local(text: str, zone: ZoneInfo = DENVER) -> datetime:
    """An instant by the clock on the wall."""
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


@given(moment=moments, quiet=hours(), zone=zones)
def test_pulling_equals_walking_back_to_the_evening(
    moment: datetime, quiet: QuietHours, zone: ZoneInfo
) -> None:
    walked = moment
    if is_quiet(moment, quiet, zone):
        while is_quiet(walked, quiet, zone) or walked.astimezone(zone).time() != quiet.pull_to:
            walked -= MINUTE
    assert pull(moment, quiet, zone) == walked


@given(moment=moments, quiet=hours(), zone=zones)
def test_waiting_equals_walking_on_to_the_morning(
    moment: datetime, quiet: QuietHours, zone: ZoneInfo
) -> None:
    walked = moment
    while is_quiet(walked, quiet, zone):
        walked += MINUTE
    assert next_allowed(moment, quiet, zone) == walked


@given(moment=moments, quiet=hours(), zone=zones, late=st.integers(-3000, 3000), useful=st.integers(0, 3000))
def test_what_is_sent_is_never_quiet_never_past_and_never_too_late(
    moment: datetime, quiet: QuietHours, zone: ZoneInfo, late: int, useful: int
) -> None:
    now, not_after = moment + late * MINUTE, moment + useful * MINUTE
    chosen = moment_to_send(planned_at=moment, not_after=not_after, now=now, quiet=quiet, zone=zone)
    if chosen is None:
        # Then even the first allowed moment from now on is past the cut-off.
        assert next_allowed(now, quiet, zone) > not_after
    else:
        assert not is_quiet(chosen, quiet, zone)
        assert now <= chosen <= not_after


def test_an_instruction_for_the_morning_goes_out_the_evening_before() -> None:
    assert pull(local("2027-01-05T01:00"), NIGHT, DENVER) == local("2027-01-04T18:00")
    assert pull(local("2027-01-04T20:00"), NIGHT, DENVER) == local("2027-01-04T18:00")
    assert pull(local("2027-01-05T08:59"), NIGHT, DENVER) == local("2027-01-04T18:00")


@pytest.mark.parametrize("text", ["2027-01-05T09:00", "2027-01-05T19:59:59", "2027-01-05T18:00"])
def test_the_day_is_not_touched(text: str) -> None:
    assert pull(local(text), NIGHT, DENVER) == local(text)


@pytest.mark.parametrize(
    ("due", "sent"),
    [
        ("2027-03-13T23:00", "2027-03-14T01:00+00:00"),  # the evening before clocks go forward: MST
        ("2027-03-14T03:30", "2027-03-14T01:00+00:00"),
        ("2027-03-14T23:00", "2027-03-15T00:00+00:00"),  # MDT: an 18:00 text stays 18:00
        ("2027-11-06T23:00", "2027-11-07T00:00+00:00"),  # the evening before clocks go back: MDT
        ("2027-11-07T23:00", "2027-11-08T01:00+00:00"),  # MST: an 18:00 text stays 18:00
    ],
)
def test_an_18_00_text_stays_18_00_when_the_clocks_change(due: str, sent: str) -> None:
    moment = pull(local(due), NIGHT, DENVER)
    assert moment == datetime.fromisoformat(sent)
    assert moment.astimezone(DENVER).time() == time(18)


@pytest.mark.parametrize(
    ("night", "morning"),
    [
        ("2027-03-13T22:00", "2027-03-14T15:00+00:00"),
        ("2027-11-06T22:00", "2027-11-07T16:00+00:00"),
    ],
)
def test_the_morning_is_at_nine_when_the_clocks_changed(night: str, morning: str) -> None:
    assert next_allowed(local(night), NIGHT, DENVER) == datetime.fromisoformat(morning)


def test_a_confirmation_at_night_waits_for_the_morning() -> None:
    night = local("2027-01-04T22:00")
    chosen = moment_to_send(
        planned_at=night, not_after=night + timedelta(days=1), now=night, quiet=NIGHT, zone=DENVER
    )
    assert chosen == local("2027-01-05T09:00")


def test_what_the_morning_is_too_late_for_is_not_sent() -> None:
    night = local("2027-01-04T22:00")
    not_after = night + timedelta(hours=10)
    assert moment_to_send(planned_at=night, not_after=not_after, now=night, quiet=NIGHT, zone=DENVER) is None


def test_what_can_no_longer_go_at_six_goes_now() -> None:
    now = local("2027-01-04T19:00")
    chosen = moment_to_send(
        planned_at=local("2027-01-05T03:00"),
        not_after=local("2027-01-05T08:00"),
        now=now,
        quiet=NIGHT,
        zone=DENVER,
    )
    assert chosen == now


def test_no_quiet_hours_at_all() -> None:
    never = QuietHours(start=time(0), end=time(0), pull_to=time(0))
    moment = local("2027-01-05T03:00")
    assert pull(moment, never, DENVER) == next_allowed(moment, never, DENVER) == moment


@pytest.mark.parametrize("pull_to", [time(20), time(23), time(3), time(8, 59)])
def test_pulling_into_the_night_is_refused(pull_to: time) -> None:
    with pytest.raises(ValueError, match="outside the quiet hours"):
        QuietHours(start=time(20), end=time(9), pull_to=pull_to)
