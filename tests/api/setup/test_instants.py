"""How instants are read and written: strict RFC 3339 in, the offset of the place out."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from clinic.api.fields import Unreadable, read_instant, write_instant


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2027-01-04T09:00:00-07:00", datetime(2027, 1, 4, 16, tzinfo=UTC)),
        ("2027-01-04t16:00:00z", datetime(2027, 1, 4, 16, tzinfo=UTC)),
        ("2027-01-04T16:00:00.250Z", datetime(2027, 1, 4, 16, 0, 0, 250_000, tzinfo=UTC)),
        ("2027-01-04T16:00:00.123456789+00:00", datetime(2027, 1, 4, 16, 0, 0, 123_456, tzinfo=UTC)),
        ("2027-01-05T06:00:00+14:00", datetime(2027, 1, 4, 16, tzinfo=UTC)),
        ("2200-12-31T23:59:59-12:00", datetime(2201, 1, 1, 11, 59, 59, tzinfo=UTC)),
    ],
)
def test_reads(text: str, utc: datetime) -> None:
    assert read_instant(text) == utc


def test_keeps_the_offset_it_was_written_with() -> None:
    assert read_instant("2027-01-04T09:00:00-07:00").isoformat() == "2027-01-04T09:00:00-07:00"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("2027-01-04T09:00:00", "offset_required"),
        ("2027-01-04T09:00:00.5", "offset_required"),
        ("99999-01-04T09:00:00Z", "invalid"),
        ("1899-12-31T23:59:59Z", "out_of_range"),
        ("2201-01-01T00:00:00Z", "out_of_range"),
        ("0001-01-01T00:00:00+14:00", "out_of_range"),
        ("2027-01-04T09:00:00+14:01", "out_of_range"),
        ("2027-01-04T09:00:00-23:43", "out_of_range"),
        ("2027-02-30T09:00:00Z", "invalid"),
        ("2027-01-04T24:00:00Z", "invalid"),
        ("2027-01-04T09:00:60Z", "invalid"),
        ("2027-01-04T09:00:00+24:00", "invalid"),
        ("2027-01-04T09:00:00-0700", "invalid"),
        ("2027-01-04T09:00:00+00:00:01", "invalid"),
        ("2027-01-04 09:00:00Z", "invalid"),
        ("2027-01-04", "invalid"),
        ("20270104T090000Z", "invalid"),
        ("2027-W01-1T09:00:00Z", "invalid"),
        ("٢٠٢٧-01-04T09:00:00Z", "invalid"),
        ("2027-01-04T09:00:00Z\n", "invalid"),
        ("tomorrow", "invalid"),
        ("", "invalid"),
    ],
)
def test_refuses(text: str, code: str) -> None:
    with pytest.raises(Unreadable) as refused:
        read_instant(text)
    assert refused.value.code == code


def test_writes_the_offset_of_the_place_or_z() -> None:
    instant = datetime(2027, 7, 4, 16, tzinfo=UTC)
    assert write_instant(instant, ZoneInfo("America/Denver")) == "2027-07-04T10:00:00-06:00"
    assert write_instant(instant) == "2027-07-04T16:00:00Z"
