"""Only regular files are opened, whatever else stands under a name, and nothing waits for ever."""

import contextlib
import datetime as dt
import os
import re
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from funnel_assets import outside
from funnel_assets.config.settings import load_settings
from funnel_assets.config.sources import load_sources
from funnel_assets.config.tables import load_tables, write_defaults
from funnel_assets.errors import ConfigError, FunnelError, SourceBroken
from funnel_assets.pipeline.pipeline import Pipeline
from funnel_assets.sources.tabular import read_table
from funnel_assets.unmapped import apply
from funnel_assets_tests.pseudonyms import SECRET

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="Windows has no pipes in folders"),
    pytest.mark.timeout(60),  # a pipe that is opened waits for ever
]
DAY = dt.date(2025, 3, 20)


def socket_at(path: Path) -> None:
    with contextlib.chdir(path.parent), contextlib.closing(socket.socket(socket.AF_UNIX)) as made:
        made.bind(path.name)


def link_to_pipe(path: Path) -> None:
    os.mkfifo(path.with_name("behind"))
    path.symlink_to(path.with_name("behind"))


MAKERS: dict[str, Callable[[Path], None]] = {
    "a pipe": os.mkfifo,
    "a folder": Path.mkdir,
    "a socket": socket_at,
    "a device": lambda path: path.symlink_to("/dev/zero"),
}


@pytest.mark.parametrize("kind", MAKERS)
def test_what_is_no_regular_file_is_named(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.csv"
    MAKERS[kind](path)
    for read in (outside.content, outside.facts):
        with pytest.raises(outside.NotARegularFile, match=f"it is {kind}, not a regular file"):
            read(path)


def test_link_is_followed_only_where_its_owner_configured_it(tmp_path: Path) -> None:
    (tmp_path / "there.csv").write_bytes(b"x")
    link = tmp_path / "a.csv"
    link.symlink_to(tmp_path / "there.csv")
    assert outside.content(link) == b"x"
    with pytest.raises(outside.NotARegularFile, match="a link to another file"):
        outside.content(link, follow_links=False)
    pipe = tmp_path / "b.csv"
    link_to_pipe(pipe)
    with pytest.raises(outside.NotARegularFile, match="it is a pipe"):
        outside.content(pipe)


@pytest.mark.parametrize("kind", MAKERS)
def test_source_that_is_no_regular_file_fails_its_day_and_says_what_it_is(tmp_path: Path, kind: str) -> None:
    (tmp_path / "config").mkdir()
    write_defaults(tmp_path / "config")
    (tmp_path / "config" / "sources.yaml").write_text(
        "raw_leads:\n  - {name: leads, kind: csv, path: leads.csv}\n"
    )
    MAKERS[kind](tmp_path / "leads.csv")
    given = {
        "FUNNEL_HOME": str(tmp_path),
        "FUNNEL_SECRET": SECRET,
        "FUNNEL_START_DATE": str(DAY),
        "FUNNEL_TODAY": "2025-03-30",
    }
    failed = Pipeline(load_settings(given, dotenv=False)).make("raw_leads", [DAY]).failed[DAY]
    assert isinstance(failed, SourceBroken)
    assert f"it is {kind}, not a regular file" in str(failed)


def config_table(path: Path) -> None:
    load_tables(path.parent, instead={"scoring": path})


def dotenv(path: Path) -> None:
    path.rename(path.with_name(".env"))
    load_settings({}, directory=path.parent)


@pytest.mark.parametrize(
    ("read", "error"),
    [
        (lambda path: load_sources(path, {}), ConfigError),
        (config_table, ConfigError),
        (dotenv, ConfigError),
        (lambda path: apply(path.parent, path), FunnelError),
        (lambda path: read_table(path, kind="csv"), SourceBroken),
    ],
    ids=["sources.yaml", "a config table", ".env", "a filled list", "a table"],
)
def test_every_reader_of_outside_files_refuses_a_pipe(
    tmp_path: Path, read: Callable[[Path], object], error: type[FunnelError]
) -> None:
    os.mkfifo(tmp_path / "a.csv")
    with pytest.raises(error) as caught:
        read(tmp_path / "a.csv")
    assert re.search(r"can't be|not a regular file", str(caught.value))


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"plain (1).csv", "plain (1).csv"),
        ("उपस्थिति\u200d.csv".encode(), "उपस्थिति\u200d.csv"),
        (b"caf\xe9.csv", "caf\ufffd.csv"),
        (b"a\nb\x1b[31m.csv", "a\ufffdb\ufffd[31m.csv"),
        ("report\u202evsc.exe".encode(), "report\ufffdvsc.exe"),
    ],
)
def test_names_are_shown_so_that_they_harm_nobody(name: bytes, shown: str) -> None:
    assert outside.shown_name(Path(os.fsdecode(name))) == shown
