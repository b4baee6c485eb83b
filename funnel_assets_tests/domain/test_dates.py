"""Dates by the formats of their source, and the local day of a moment."""

import datetime as dt

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from funnel_assets.domain.dates import ISO_FORMATS, local_day, parse_day, parse_local
from funnel_assets.errors import ConfigError

INDIA = "Asia/Kolkata"


def moment(text: str | None, *formats: str, timezone: str = INDIA) -> str | None:
    """Read one cell and write it in UTC."""
    read = parse_local(pd.Series([text], dtype="str"), formats=formats or ISO_FORMATS, timezone=timezone)
    assert read.dtype == "datetime64[us, UTC]"
    return None if read.isna()[0] else read[0].isoformat()


def days(texts: list[str | None], *formats: str, timezone: str = INDIA) -> list[dt.date | None]:
    """Read cells as days in India."""
    return parse_day(
        pd.Series(texts, dtype="str"), formats=formats or ISO_FORMATS, timezone=timezone, day_timezone=INDIA
    ).tolist()


@pytest.mark.parametrize(
    ("text", "fmt", "utc"),
    [
        ("2025-11-03 10:11:12", "%Y-%m-%d %H:%M:%S", "2025-11-03T04:41:12+00:00"),
        ("03/11/2025 10:11", "%d/%m/%Y %H:%M", "2025-11-03T04:41:00+00:00"),
        ("3/11/2025 9:05", "%d/%m/%Y %H:%M", "2025-11-03T03:35:00+00:00"),
        ("11/03/2025 10:11", "%m/%d/%Y %H:%M", "2025-11-03T04:41:00+00:00"),
        ("03-11-25 10:11", "%d-%m-%y %H:%M", "2025-11-03T04:41:00+00:00"),
        ("Mar 22, 2025 19:13:27", "%b %d, %Y %H:%M:%S", "2025-03-22T13:43:27+00:00"),
        ("22 March 2025 07:13 PM", "%d %B %Y %I:%M %p", "2025-03-22T13:43:00+00:00"),
        ("22 Sept 2025 19:13", "%d %b %Y %H:%M", "2025-09-22T13:43:00+00:00"),
        ("12/20/2025 11:00:00 AM", "%m/%d/%Y %I:%M:%S %p", "2025-12-20T05:30:00+00:00"),
        ("12/20/2025 12:00:00 AM", "%m/%d/%Y %I:%M:%S %p", "2025-12-19T18:30:00+00:00"),
        ("12/20/2025 12:30 pm", "%m/%d/%Y %I:%M %p", "2025-12-20T07:00:00+00:00"),
        ("12/20/2025 1:30PM", "%m/%d/%Y %I:%M %p", "2025-12-20T08:00:00+00:00"),
        ("12/20/2025 1:30\u202fPM", "%m/%d/%Y %I:%M %p", "2025-12-20T08:00:00+00:00"),
        ("2025-11-03 10:11:12.5", "%Y-%m-%d %H:%M:%S.%f", "2025-11-03T04:41:12.500000+00:00"),
        ("2025-11-03", "%Y-%m-%d", "2025-11-02T18:30:00+00:00"),
        ("29/02/2024", "%d/%m/%Y", "2024-02-28T18:30:00+00:00"),
        ("45964.5", "excel", "2025-11-03T06:30:00+00:00"),
        ("45964", "excel", "2025-11-02T18:30:00+00:00"),
        ("1762145472", "unix", "2025-11-03T04:51:12+00:00"),
        ("1762145472123", "unix_ms", "2025-11-03T04:51:12.123000+00:00"),
    ],
)
def test_formats(text: str, fmt: str, utc: str) -> None:
    assert moment(text, fmt) == utc


@pytest.mark.parametrize(
    ("text", "fmt"),
    [
        ("31/02/2025 10:00", "%d/%m/%Y %H:%M"),
        ("29/02/2025 10:00", "%d/%m/%Y %H:%M"),
        ("29/02/1900 10:00", "%d/%m/%Y %H:%M"),
        ("13/13/2025 10:00", "%d/%m/%Y %H:%M"),
        ("00/11/2025 10:00", "%d/%m/%Y %H:%M"),
        ("03/11/2025 24:00", "%d/%m/%Y %H:%M"),
        ("03/11/2025 10:60", "%d/%m/%Y %H:%M"),
        ("03/11/2025", "%d/%m/%Y %H:%M"),
        ("03/11/2025 10:00 x", "%d/%m/%Y %H:%M"),
        ("03.11.2025 10:00", "%d/%m/%Y %H:%M"),
        ("0:/11/2025 10:00", "%d/%m/%Y %H:%M"),
        ("03/1 /2025 10:00", "%d/%m/%Y %H:%M"),
        ("03/11/0025 10:00", "%d/%m/%Y %H:%M"),
        ("03/11/20255 10:00", "%d/%m/%Y %H:%M"),
        ("13:00 PM 3/11/2025", "%I:%M %p %d/%m/%Y"),
        ("22 Foo 2025", "%d %b %Y"),
        ("22 Marchs 2025", "%d %b %Y"),
        ("45964", "%Y-%m-%d"),
        ("-1", "excel"),
        ("9812345670", "excel"),
        ("NA", "%Y-%m-%d"),
        ("", "%Y-%m-%d"),
        (None, "%Y-%m-%d"),
    ],
)
def test_what_no_format_reads_is_missing(text: str | None, fmt: str) -> None:
    assert moment(text, fmt) is None


@pytest.mark.parametrize(
    "text",
    [
        "2025-11-03T10:11:12+05:30",
        "2025-11-03 10:11:12+0530",
        "2025-11-03T04:41:12Z",
        "2025-11-03T04:41:12.000z",
        "2025-11-02T23:41:12-05:00",
    ],
)
def test_iso_with_offset_is_always_read_and_ignores_the_time_zone(text: str) -> None:
    assert moment(text, "%d/%m/%Y", timezone="America/New_York") == "2025-11-03T04:41:12+00:00"


def test_formats_are_tried_in_order_for_each_cell() -> None:
    assert moment("03/04/2025", "%d/%m/%Y", "%m/%d/%Y") == "2025-04-02T18:30:00+00:00"
    assert moment("03/04/2025", "%m/%d/%Y", "%d/%m/%Y") == "2025-03-03T18:30:00+00:00"
    assert moment("03/24/2025", "%d/%m/%Y", "%m/%d/%Y") == "2025-03-23T18:30:00+00:00"


def test_hour_that_occurs_twice_is_its_first_occurrence() -> None:
    assert moment("2025-11-02 01:30:00", timezone="America/New_York") == "2025-11-02T05:30:00+00:00"
    assert moment("2025-10-26 01:30:00", timezone="Europe/Dublin") == "2025-10-26T00:30:00+00:00"


def test_time_the_clock_skipped_is_the_first_moment_after() -> None:
    assert moment("2025-03-09 02:30:00", timezone="America/New_York") == "2025-03-09T07:00:00+00:00"


def test_last_and_first_minute_are_on_their_own_days() -> None:
    texts = ["2025-11-03 23:59:59", "2025-11-04 00:00:00"]
    read = parse_local(
        pd.Series([*texts, None], index=[9, 4, 7], dtype="str"), formats=ISO_FORMATS, timezone=INDIA
    )
    expected = pd.Series([dt.date(2025, 11, 3), dt.date(2025, 11, 4), None], index=[9, 4, 7], dtype=object)
    pd.testing.assert_series_equal(local_day(read, INDIA), expected)
    assert days(texts) == [dt.date(2025, 11, 3), dt.date(2025, 11, 4)]
    assert days(["2025-11-03 18:29:59", "2025-11-03 18:30:00"], timezone="UTC") == days(texts)


def test_bare_date_is_that_day_whatever_the_time_zone() -> None:
    assert days(["2025-11-03", "x", None], timezone="Asia/Tokyo") == [dt.date(2025, 11, 3), None, None]
    assert days(["2025-11-03 01:00:00"], timezone="Asia/Tokyo") == [dt.date(2025, 11, 2)]


@pytest.mark.parametrize("fmt", ["%Y-%m", "%d/%m/%Y %Q", "%d/%d/%Y", "hello"])
def test_format_that_cannot_work_is_a_config_error(fmt: str) -> None:
    with pytest.raises(ConfigError, match="date format"):
        moment("2025-11-03", fmt)


def test_unknown_time_zone_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="time zone"):
        moment("2025-11-03", timezone="Asia/Bombay2")


FORMATS = ("%Y-%m-%d %H:%M:%S", "%d/%m/%Y %H:%M:%S", "%b %d, %Y %I:%M:%S %p", "%d-%b-%Y %H:%M:%S")


@settings(deadline=None)
@given(
    st.lists(st.datetimes(dt.datetime(1970, 1, 2), dt.datetime(2100, 1, 1)), max_size=6),
    st.sampled_from(FORMATS),
    st.sampled_from([INDIA, "UTC", "Asia/Tokyo"]),
)
def test_equals_the_standard_library(moments: list[dt.datetime], fmt: str, timezone: str) -> None:
    moments = [at.replace(microsecond=0) for at in moments]
    texts = pd.Series([at.strftime(fmt) for at in moments], dtype="str")
    read = parse_local(texts, formats=[fmt], timezone=timezone)
    assert read.dt.tz_convert(timezone).dt.tz_localize(None).tolist() == [pd.Timestamp(at) for at in moments]
    assert local_day(read, timezone).tolist() == [at.date() for at in moments]


@settings(deadline=None)
@given(st.lists(st.text(alphabet="0123456789/-: ", max_size=19), max_size=5))
def test_neighbours_never_change_what_a_cell_means(texts: list[str]) -> None:
    formats = ("%d/%m/%Y %H:%M", "%Y-%m-%d", "excel")
    together = parse_local(pd.Series(texts, dtype="str"), formats=formats, timezone=INDIA)
    alone = [moment(text, *formats) for text in texts]
    assert [None if pd.isna(at) else at.isoformat() for at in together] == alone
