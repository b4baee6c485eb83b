"""Pseudonyms and content ids."""

import hashlib
import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from funnel_assets.domain.keys import Pseudonyms, numbered, row_hashes
from funnel_assets.domain.text import as_arrow, as_text
from funnel_assets_tests.pseudonyms import PSEUDONYMS


def content_ids(frame: pd.DataFrame, *, ordinal: bool = True, salt: str = "") -> pd.Series:
    hashes = row_hashes([as_arrow(frame[name]) for name in frame.columns], salt)
    return as_text(numbered(hashes) if ordinal else hashes, frame.index)


def test_keys_are_keyed_hashes_of_each_kind() -> None:
    phones = pd.Series(["919812345670", None, "919812345670"], index=[2, 0, 1], dtype="str")
    keyed = hashlib.blake2b(b"919812345670", key=PSEUDONYMS.secret, person=b"phone", digest_size=8)
    expected = "p" + keyed.hexdigest()
    assert PSEUDONYMS.phone_key("919812345670") == expected
    pd.testing.assert_series_equal(
        PSEUDONYMS.phone_keys(phones), pd.Series([expected, None, expected], index=[2, 0, 1], dtype="str")
    )
    emails = pd.Series(["asha@example.com", None], dtype="str")
    assert PSEUDONYMS.email_keys(emails).fillna("").tolist() == [PSEUDONYMS.email_key("asha@example.com"), ""]
    ids = pd.Series(["919812345670", None], dtype="str")
    one, other = (PSEUDONYMS.external_keys(ids, space)[0] for space in ("crm", "chat"))
    digits = {key[1:] for key in (expected, PSEUDONYMS.email_key("919812345670"), one, other)}
    assert len(digits) == 4, "content of one kind could be tried against keys of another"


def test_another_secret_gives_other_keys_and_tells_nothing_of_itself() -> None:
    other = Pseudonyms(b"another secret of 32 letters ....")
    assert other.phone_key("919812345670") != PSEUDONYMS.phone_key("919812345670")
    assert other.fingerprint != PSEUDONYMS.fingerprint
    assert "another" not in repr(other)
    hashes = row_hashes([as_arrow(pd.Series(["a", None, "a"], dtype="str"))])
    ids, others = (of.record_ids(hashes).to_pylist() for of in (PSEUDONYMS, other))
    assert ids[0] == ids[2] != ids[1]
    assert not set(ids) & set(others) | set(ids) & set(hashes.to_pylist())


@pytest.mark.parametrize("secret", [b"", b"short", bytes(65)], ids=["none", "short", "long"])
def test_a_secret_that_is_none_is_refused(secret: bytes) -> None:
    with pytest.raises(ValueError, match="16 to 64"):
        Pseudonyms(secret)


def test_ids_never_change_between_versions() -> None:
    frame = pd.DataFrame({"a": ["x", "x"], "b": ["1", None]}, dtype="str")
    expected = [
        hashlib.blake2b(b"salt\x1fx\x1f1", digest_size=16).hexdigest() + "-1",
        hashlib.blake2b(b"salt\x1fx\x1f\x1bn", digest_size=16).hexdigest() + "-1",
    ]
    assert content_ids(frame, salt="salt").tolist() == expected


def test_identical_rows_are_numbered_and_other_origins_differ() -> None:
    frame = pd.DataFrame({"a": ["x", "y", "x"]}, dtype="str")
    ids = content_ids(frame)
    assert [text[-2:] for text in ids] == ["-1", "-1", "-2"]
    assert ids[0][:32] == ids[2][:32]
    assert content_ids(frame, ordinal=False).nunique() == 2
    assert not set(content_ids(frame, salt="other")) & set(ids)


CELL = st.one_of(st.none(), st.text(alphabet="ab\x1b\x1fns", max_size=3))


@settings(deadline=None)
@given(st.lists(st.tuples(CELL, CELL), min_size=1, max_size=12), st.randoms())
def test_a_reordered_sheet_has_the_same_ids(rows: list[tuple[str | None, str | None]], random) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)
    first, second = (content_ids(pd.DataFrame(r, columns=["a", "b"], dtype="str")) for r in (rows, shuffled))
    assert sorted(first) == sorted(second)
    assert first.is_unique


@settings(deadline=None)
@given(st.tuples(CELL, CELL), st.tuples(CELL, CELL))
@example(("a\x1f", "b"), ("a", "\x1fb"))
@example(("a", None), ("a", "\x1bn"))
@example(("a\x1bs", "b"), ("a\x1f", "b"))
@example(("a", ""), ("a", None))
def test_different_rows_have_different_hashes(one: tuple, other: tuple) -> None:
    ids = content_ids(pd.DataFrame([one, other], columns=["a", "b"], dtype="str"), ordinal=False)
    assert (ids[0] == ids[1]) == (one == other)


def test_empty_frame() -> None:
    assert content_ids(pd.DataFrame({"a": pd.Series([], dtype="str")})).tolist() == []


def test_a_million_ids_in_seconds() -> None:
    numbers = pd.Series(np.arange(300_000).astype(str), dtype="str")
    started = time.process_time()
    content_ids(pd.DataFrame(dict.fromkeys("abcdefghi", numbers)))
    assert time.process_time() - started < 5
