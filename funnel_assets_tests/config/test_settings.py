"""Settings: defaults, checks, the .env file, and what a day is."""

import datetime as dt
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from funnel_assets.config.settings import Settings, load_settings
from funnel_assets.errors import ConfigError

MORNING = dt.datetime(2026, 2, 14, 20, 0, tzinfo=dt.UTC)  # 01:30 on the 15th in India


def load(tmp_path: Path, environ: Mapping[str, str] | None = None, now: dt.datetime = MORNING) -> Settings:
    return load_settings(environ or {}, directory=tmp_path, clock=lambda: now)


def test_defaults(tmp_path: Path) -> None:
    settings = load(tmp_path)
    assert settings.home == (tmp_path / "data").resolve()
    assert settings.timezone == "Asia/Kolkata"
    assert settings.currency == "INR"
    assert settings.engine == "duckdb"
    assert settings.lake == str(settings.home / "lake")
    assert (settings.postgres_url, settings.alert_webhook) == (None, None)
    assert settings.sources_file == settings.home / "config" / "sources.yaml"
    assert settings.inbox_zoom == settings.home / "inbox" / "zoom"
    folders = (settings.landing, settings.staged, settings.exports, settings.bench, settings.logs)
    assert [path.name for path in folders] == ["landing", "staged", "exports", "bench", "logs"]


def test_currency(tmp_path: Path) -> None:
    settings = load(tmp_path, {"FUNNEL_CURRENCY": "usd"})
    assert (settings.currency, settings.environ["FUNNEL_CURRENCY"]) == ("USD", "USD")
    with pytest.raises(ConfigError, match=r"FUNNEL_CURRENCY is .*three letters"):
        load(tmp_path, {"FUNNEL_CURRENCY": "dollars"})


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("India", "did you mean IN"),
        ("UK", "did you mean GB"),
        ("Untied States", "did you mean US"),
        ("USA", "did you mean US"),
        ("91", "codes are two letters"),
    ],
)
def test_a_wrong_country(tmp_path: Path, given: str, words: str) -> None:
    with pytest.raises(ConfigError, match=f"FUNNEL_COUNTRY is .*{words}"):
        load(tmp_path, {"FUNNEL_COUNTRY": given})


def test_country(tmp_path: Path) -> None:
    assert load(tmp_path).country == "IN"
    settings = load(tmp_path, {"FUNNEL_COUNTRY": "us"})
    assert (settings.country, settings.environ["FUNNEL_COUNTRY"]) == ("US", "US")


def test_today_is_the_local_day(tmp_path: Path) -> None:
    assert load(tmp_path).today() == dt.date(2026, 2, 15)
    assert load(tmp_path).yesterday() == dt.date(2026, 2, 14)
    assert load(tmp_path, {"FUNNEL_TIMEZONE": "UTC"}).today() == dt.date(2026, 2, 14)


def test_today_follows_the_clock(tmp_path: Path) -> None:
    now = [dt.datetime(2026, 2, 14, 18, 29, 59, tzinfo=dt.UTC)]
    settings = load_settings({}, directory=tmp_path, clock=lambda: now[0])
    assert settings.today() == dt.date(2026, 2, 14)
    now[0] += dt.timedelta(seconds=1)
    assert settings.today() == dt.date(2026, 2, 15)


def test_fixed_today(tmp_path: Path) -> None:
    assert load(tmp_path, {"FUNNEL_TODAY": "2025-11-04"}).yesterday() == dt.date(2025, 11, 3)


@pytest.mark.parametrize(
    ("today", "start"),
    [("2026-02-15", "2025-10-01"), ("2026-05-31", "2026-01-01"), ("2026-04-01", "2025-12-01")],
)
def test_default_start_is_four_months_back(tmp_path: Path, today: str, start: str) -> None:
    assert load(tmp_path, {"FUNNEL_TODAY": today}).start_date == dt.date.fromisoformat(start)


def test_paths_are_absolute(tmp_path: Path) -> None:
    settings = load(tmp_path, {"FUNNEL_HOME": "elsewhere/../mine", "FUNNEL_LAKE": "big/lake"})
    assert settings.home == (tmp_path / "mine").resolve()
    assert settings.lake == str((tmp_path / "big" / "lake").resolve())
    assert settings.environ["FUNNEL_HOME"] == str(settings.home)


def test_lake_may_be_any_fsspec_path(tmp_path: Path) -> None:
    assert load(tmp_path, {"FUNNEL_LAKE": "s3://bucket/lake"}).lake == "s3://bucket/lake"


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        pytest.param(
            {"FUNNEL_TIMEZONE": "Asia/Calcuta"},
            "FUNNEL_TIMEZONE is 'Asia/Calcuta', which isn't a time zone (did you mean Asia/Calcutta?).",
            id="misspelt zone",
        ),
        pytest.param({"FUNNEL_TIMEZONE": "IST"}, "for India write Asia/Kolkata", id="three letters"),
        pytest.param(
            {"FUNNEL_ENGINE": "duckbd"},
            "FUNNEL_ENGINE is 'duckbd' (did you mean duckdb?); allowed: duckdb, spark, pandas.",
            id="engine",
        ),
        pytest.param(
            {"FUNNEL_START_DATE": "01/03/2026"}, "isn't a date written like 2026-03-01", id="start date"
        ),
        pytest.param({"FUNNEL_START_DATE": "2026-02-15"}, "no day has ended since", id="starts today"),
        pytest.param({"FUNNEL_TODAY": "today"}, "FUNNEL_TODAY is 'today'", id="today"),
    ],
)
def test_bad_value_names_the_variable(tmp_path: Path, environ: dict[str, str], expected: str) -> None:
    with pytest.raises(ConfigError) as error:
        load(tmp_path, environ)
    assert expected in str(error.value)
    assert next(iter(environ)) in str(error.value)


def test_bad_webhook_is_not_shown(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        load(tmp_path, {"FUNNEL_ALERT_WEBHOOK": "hooks.example.com/SECRET"})
    assert "SECRET" not in str(error.value)


def test_dotenv_fills_in_and_never_overrides(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(
        b"\xef\xbb\xbf# ours\r\n\r\nFUNNEL_ENGINE=pandas\r\n"
        b"export CRM_TOKEN='p$a${X}ss'\r\nFUNNEL_TIMEZONE=UTC\r\n"
    )
    before = dict(os.environ)
    settings = load(tmp_path, {"FUNNEL_TIMEZONE": "Asia/Kolkata"})
    assert (settings.engine, settings.timezone) == ("pandas", "Asia/Kolkata")
    assert settings.environ["CRM_TOKEN"] == "p$a${X}ss"
    assert dict(os.environ) == before
    assert load_settings({}, dotenv=False, directory=tmp_path).engine == "duckdb"


@pytest.mark.parametrize(
    ("text", "line"), [("A=1\n\n\nnot a setting\n", 4), ("A=1\n\n\nFUNNEL_ENGINE=oracle\n", 4)]
)
def test_mistake_in_dotenv_has_a_line(tmp_path: Path, text: str, line: int) -> None:
    (tmp_path / ".env").write_text(text)
    with pytest.raises(ConfigError) as error:
        load(tmp_path)
    assert (error.value.file, error.value.line) == (".env", line)


@pytest.mark.parametrize(
    "name", ["LD_PRELOAD", "DYLD_INSERT_LIBRARIES", "PYTHONPATH", "PATH", "DAGSTER_HOME", "Path", "BASH_ENV"]
)
def test_dotenv_decides_nothing_about_how_programs_run(tmp_path: Path, name: str) -> None:
    (tmp_path / ".env").write_text(f"CRM_TOKEN=a\n{name}=/tmp/theirs\n")
    with pytest.raises(ConfigError, match=name) as error:
        load(tmp_path, {"PATH": "/usr/bin"})
    assert (error.value.file, error.value.line) == (".env", 2)
    assert "/tmp/theirs" not in str(error.value)


def test_of_dotenv_only_what_is_ours_is_passed_on(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        "FUNNEL_ENGINE=pandas\nCRM_TOKEN=a\nSHEETS=b\nQUOTED=c\nNODE_OPTIONS=d\nGITHUB_TOKEN=e\nGIVEN=f\n"
    )
    settings = load(tmp_path, {"GIVEN": "by the shell"})
    settings.config_dir.mkdir(parents=True)
    assert not settings.passed_on().keys() & {"CRM_TOKEN", "SHEETS", "NODE_OPTIONS"}
    settings.sources_file.write_text(
        "a: {url: 'https://x/${SHEETS}', auth: {type: bearer, env: CRM_TOKEN}}\nb:\n  auth:\n    env: 'QUOTED'\n"
    )
    passed = settings.passed_on()
    assert {
        name: passed.get(name) for name in ("FUNNEL_ENGINE", "CRM_TOKEN", "SHEETS", "QUOTED", "GIVEN")
    } == {
        "FUNNEL_ENGINE": "pandas",
        "CRM_TOKEN": "a",
        "SHEETS": "b",
        "QUOTED": "c",
        "GIVEN": "by the shell",
    }
    assert not passed.keys() & {"NODE_OPTIONS", "GITHUB_TOKEN"}


def test_secrets_are_not_in_the_repr(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        {
            "FUNNEL_POSTGRES_URL": "postgresql://u:hidden1@h/d",
            "FUNNEL_ALERT_WEBHOOK": "https://h.example.com/hidden2",
            "CRM_TOKEN": "hidden3",
        },
    )
    assert "hidden" not in repr(settings)
