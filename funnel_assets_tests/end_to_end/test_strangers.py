"""What strangers see: an analyst who tries every phone, and another user of the machine."""

import os
import re
import stat
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b, md5, sha1, sha256
from pathlib import Path
from typing import Any

import psycopg2
import pyarrow.parquet as pq
import pytest

from funnel_assets.storage.postgres import ensure_server
from funnel_assets_tests.command import funnel
from funnel_assets_tests.orchestration import harness
from funnel_assets_tests.world import Place, place

pytestmark = pytest.mark.long

PRIVATE = ("lake", "landing", "quarantine", "staged", "secret")
_HEX = re.compile(r"[0-9a-f]{12,}")


@dataclass
class Made:
    """A home after a run and an export, and the environment of its commands."""

    place: Place
    environ: Mapping[str, str]


@pytest.fixture(scope="module")
def made() -> Iterator[Made]:
    """Made under a umask that forbids nothing."""
    before = os.umask(0)
    try:
        with place(days=2, scale=0.03) as here:
            del here.environ["FUNNEL_SECRET"]
            environ = harness.environment(here)
            days = here.settings.start_date, here.settings.yesterday()
            told = funnel("backfill", "--from", str(days[0]), "--to", str(days[1]), environ=environ)
            assert told.returncode == 0, told.stderr
            for command in ("export", "report"):
                assert funnel(command, environ=environ).returncode == 0
            yield Made(here, environ)
    finally:
        os.umask(before)


def analyst_sees(here: Place) -> dict[str, list[str]]:
    """Every text that an analyst may read: all relations, the exports, the report, what Dagster tells of runs."""
    server = ensure_server(here.home)
    assert server.analyst_url is not None
    seen: dict[str, list[str]] = {}
    with psycopg2.connect(server.analyst_url.replace("postgresql+psycopg2", "postgresql")) as db:
        cursor = db.cursor()
        cursor.execute(
            "SELECT DISTINCT format('%I.%I', table_schema, table_name), format('%I', column_name) "
            "FROM information_schema.column_privileges WHERE privilege_type = 'SELECT' "
            "AND table_schema NOT IN ('pg_catalog', 'information_schema')"
        )
        for relation, column in cursor.fetchall():
            cursor.execute(f"SELECT DISTINCT {column}::text FROM {relation} WHERE {column} IS NOT NULL")
            seen[f"{relation}.{column}"] = [text for (text,) in cursor.fetchall()]
    db.close()
    for path in (here.home / "exports").iterdir():
        seen[path.name] = list(texts_of(path))
    seen["report"] = [(here.home / "report.html").read_text()]
    with psycopg2.connect(server.dagster_url.replace("postgresql+psycopg2", "postgresql")) as db:
        cursor = db.cursor()
        cursor.execute("SELECT event FROM event_logs")
        seen["dagster"] = [text for (text,) in cursor.fetchall()]
    db.close()
    return seen


def texts_of(path: Path) -> Iterator[str]:
    """Texts in an exported file."""
    if path.suffix == ".parquet":
        for column in pq.read_table(path).columns:
            yield from map(str, column.unique().to_pylist())
    elif path.suffix == ".xlsx":
        with zipfile.ZipFile(path) as book:
            yield from (book.read(name).decode() for name in book.namelist())
    else:
        yield path.read_text(encoding="utf-8-sig")


def true_people(here: Place) -> tuple[set[str], set[str]]:
    """Phones and e-mails that the home knows."""
    rows: list[dict[str, Any]] = []
    for name in ("raw_leads", "zoom_attendance", "crm_sales"):
        for path in (here.home / "lake" / name).glob("date=*/*.parquet"):
            rows += pq.ParquetFile(path).read(columns=["phone", "email"]).to_pylist()
    return {row["phone"] for row in rows if row["phone"]}, {row["email"] for row in rows if row["email"]}


def spellings(phones: Iterable[str], emails: Iterable[str]) -> Iterator[str]:
    """What could have been hashed, prefixes of kinds of keys included."""
    for phone in phones:
        bare = phone.removeprefix("91")
        for text in (phone, f"+{phone}", bare, f"0{bare}", f"+91 {bare}"):
            yield from (text, f"p{text}", f"phone{text}", f"phone:{text}")
    for email in emails:
        for text in (email, email.lower(), email.upper()):
            yield from (text, f"e{text}", f"email{text}", f"email:{text}")


def hashes(text: str) -> Iterator[str]:
    """Unkeyed hashes of all usual kinds; shorter ones are beginnings of these, but for those of BLAKE2b."""
    data = text.encode()
    yield from (made(data).hexdigest() for made in (md5, sha1, sha256, blake2b))
    for size in (8, 16, 20, 32):
        yield blake2b(data, digest_size=size).hexdigest()
        for kind in (b"phone", b"email", b"record"):
            yield blake2b(data, digest_size=size, person=kind).hexdigest()


def recognised(seen: Mapping[str, list[str]], phones: set[str], emails: set[str]) -> dict[str, set[str]]:
    """Where a phone or an e-mail stands in clear or as an unkeyed hash."""
    starts = {one[:12] for text in spellings(phones, emails) for one in hashes(text)}
    clear = re.compile("|".join([*(phone[-10:] for phone in phones), *map(re.escape, emails)]), re.IGNORECASE)
    found: dict[str, set[str]] = {}
    for where, texts in seen.items():
        for text in texts:
            hits = {one for one in _HEX.findall(text.lower()) if one[:12] in starts or one[1:13] in starts}
            if hits or clear.search(text):
                found.setdefault(where, set()).update(hits or {"in clear"})
    return found


def test_an_analyst_who_tries_every_phone_finds_none(made: Made) -> None:
    phones, emails = true_people(made.place)
    assert len(phones) > 20
    assert len(emails) > 20
    seen = analyst_sees(made.place)
    assert sum(map(len, seen.values())) > 1000
    assert not recognised(seen, phones, emails)
    phone, email = min(phones), min(emails)
    unkeyed = {
        "version before": [f"p{sha256(phone.encode()).hexdigest()[:16]}"],
        "e-mail": [f"e{sha256(email.encode()).hexdigest()[:16]}"],
        "clear": [f"call +{phone} back"],
    }
    assert recognised(unkeyed, phones, emails).keys() == unkeyed.keys()


def test_no_other_user_of_the_machine_can_read_personal_data(made: Made) -> None:
    home = made.place.home
    open_ones = []
    walked = 0
    for name in PRIVATE:
        for path in [home / name, *(home / name).rglob("*")]:
            walked += 1
            if stat.S_IMODE(path.stat().st_mode) != (0o700 if path.is_dir() else 0o600):
                open_ones.append((str(path.relative_to(home)), oct(stat.S_IMODE(path.stat().st_mode))))
    assert walked > 100
    assert not open_ones
    for path in [home / "exports", home / "report.html", *(home / "exports").rglob("*")]:
        assert path.stat().st_mode & stat.S_IROTH, path


def test_rotating_the_secret_leaves_no_old_key_in_exports_and_report(made: Made) -> None:
    def keys() -> set[str]:
        rows = (made.place.home / "exports").glob("*.csv")
        return {key for path in rows for key in re.findall(r"\b[pe][0-9a-f]{16}\b", path.read_text())}

    before, report = keys(), (made.place.home / "report.html").stat().st_mtime_ns
    assert len(before) > 20
    told = funnel("rotate-secret", environ=made.environ)
    assert told.returncode == 0, told.stderr
    assert str(made.place.home / "secret" / "key") in told.stdout.replace("\n", "")
    assert len(keys()) == len(before)
    assert not keys() & before
    assert (made.place.home / "report.html").stat().st_mtime_ns > report
    person = min(key for key in before if key.startswith("p"))
    assert funnel("explain", person, environ=made.environ).returncode == 0
