"""The company's secret: made once, the lake's own, and never where what is given away lies."""

import os
import stat
from pathlib import Path

import pytest

from funnel_assets.config.settings import Settings, load_settings
from funnel_assets.errors import ConfigError, DamagedFile
from funnel_assets.storage.lake import Lake
from funnel_assets.storage.secret import NOTE, load_keyring, pseudonyms_of, rotate, secret_file

ONE, OTHER = "1" * 32, "2" * 32


def home(tmp_path: Path, name: str = "home", **environ: str) -> tuple[Settings, Lake]:
    """A home; all of a test share one lake."""
    given = {"FUNNEL_HOME": str(tmp_path / name), "FUNNEL_LAKE": str(tmp_path / "lake"), **environ}
    settings = load_settings(given, dotenv=False)
    return settings, Lake(settings.lake)


def test_it_is_made_once_for_the_owner_alone(tmp_path: Path) -> None:
    settings, lake = home(tmp_path)
    first, again = load_keyring(settings, lake), load_keyring(settings, lake)
    assert first == again
    path = secret_file(settings)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [one.name for one in path.parent.iterdir()] == ["key"]
    text = path.read_text().splitlines()[-1]
    assert text.encode() not in (lake.read_note(NOTE) or b"")
    assert first.current == pseudonyms_of(text)


def test_two_homes_of_a_lake_share_it(tmp_path: Path) -> None:
    settings, lake = home(tmp_path)
    made = load_keyring(settings, lake)
    with pytest.raises(ConfigError, match=r"secret that this home doesn't have.*FUNNEL_SECRET_FILE"):
        load_keyring(*home(tmp_path, "second"))
    assert not secret_file(home(tmp_path, "second")[0]).exists(), "a second secret was made"
    told = {"FUNNEL_SECRET_FILE": str(secret_file(settings))}
    assert load_keyring(*home(tmp_path, "second", **told)) == made
    with pytest.raises(ConfigError, match="isn't the one that the lake's keys were made with"):
        load_keyring(*home(tmp_path, "third", FUNNEL_SECRET=ONE))


def test_a_changed_secret_is_followed_by_homes_that_know_both(tmp_path: Path) -> None:
    before = load_keyring(*home(tmp_path, FUNNEL_SECRET=ONE))
    now = load_keyring(*home(tmp_path, FUNNEL_SECRET=f"{OTHER}, {ONE}"))
    assert now.older == (before.current,)
    with pytest.raises(ConfigError, match="isn't the one"):
        load_keyring(*home(tmp_path, FUNNEL_SECRET=ONE))
    with pytest.raises(ConfigError, match="only you can change"):
        rotate(*home(tmp_path, FUNNEL_SECRET=OTHER))


def test_rotation_keeps_the_old_ones_to_read_by(tmp_path: Path) -> None:
    settings, lake = home(tmp_path)
    first = load_keyring(settings, lake)
    second = rotate(settings, lake)
    third = rotate(settings, lake)
    assert third.older == (second.current, first.current)
    assert load_keyring(settings, lake) == third
    assert stat.S_IMODE(secret_file(settings).stat().st_mode) == 0o600


def test_a_lost_secret_is_replaced_only_on_demand(tmp_path: Path) -> None:
    settings, lake = home(tmp_path)
    first = load_keyring(settings, lake)
    secret_file(settings).unlink()
    with pytest.raises(ConfigError, match="rotate-secret --lost"):
        load_keyring(settings, lake)
    with pytest.raises(ConfigError, match="rotate-secret --lost"):
        rotate(settings, lake)
    found = rotate(settings, lake, lost=True)
    assert found.current != first.current
    assert load_keyring(settings, lake) == found


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "short\n", "\xff"], ids=["empty", "comment", "short", "bytes"]
)
def test_a_file_that_holds_none_is_told(tmp_path: Path, text: str) -> None:
    settings, lake = home(tmp_path)
    load_keyring(settings, lake)
    secret_file(settings).write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError, match=r"backup") as told:
        load_keyring(settings, lake)
    assert str(secret_file(settings)) in str(told.value)


def test_a_damaged_note_of_the_lake_is_no_reason_to_make_another_secret(tmp_path: Path) -> None:
    settings, lake = home(tmp_path)
    load_keyring(settings, lake)
    lake.write_note(NOTE, b"{")
    with pytest.raises(DamagedFile, match=r"_secret\.json.*delete it if you are sure"):
        load_keyring(settings, lake)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    settings, lake = home(tmp_path)
    load_keyring(settings, lake)
    secret_file(settings).chmod(0)
    with pytest.raises(ConfigError, match="can't be read"):
        load_keyring(settings, lake)
