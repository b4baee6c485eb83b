"""Days that came and went unmade are owed; history before the first start isn't."""

import datetime as dt
from pathlib import Path

from funnel_assets.pipeline.owed import owed_days

DAY = dt.date(2026, 3, 20)


def days(*offsets: int) -> list[dt.date]:
    return [DAY + dt.timedelta(days=offset) for offset in offsets]


def nothing_made(day: dt.date) -> bool:
    return False


def test_fresh_install_owes_nothing(tmp_path: Path) -> None:
    assert owed_days(tmp_path / "owed", DAY, None, nothing_made) == []


def test_after_ten_days_off_all_ten_are_owed_newest_first(tmp_path: Path) -> None:
    owed_days(tmp_path / "owed", DAY, DAY, nothing_made)
    assert owed_days(tmp_path / "owed", DAY + dt.timedelta(days=10), DAY, nothing_made) == days(
        *range(10, 0, -1)
    )


def test_owed_days_stay_owed_until_made_whatever_is_made_in_between(tmp_path: Path) -> None:
    owed_days(tmp_path / "owed", DAY, DAY, nothing_made)
    made = set(days(3))
    assert owed_days(tmp_path / "owed", DAY + dt.timedelta(days=3), DAY, made.__contains__) == days(2, 1)
    made |= set(days(1, 2))
    assert owed_days(tmp_path / "owed", DAY + dt.timedelta(days=3), DAY, made.__contains__) == []


def test_first_start_after_a_backfill_owes_what_came_since(tmp_path: Path) -> None:
    assert owed_days(tmp_path / "owed", DAY, DAY - dt.timedelta(days=2), nothing_made) == days(0, -1)


def test_a_gap_in_history_is_not_owed(tmp_path: Path) -> None:
    owed_days(tmp_path / "owed", DAY, DAY, nothing_made)
    made = {DAY, DAY - dt.timedelta(days=5)}
    assert owed_days(tmp_path / "owed", DAY, DAY, made.__contains__) == []
