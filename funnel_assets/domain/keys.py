"""Keys made from content: pseudonyms of people's addresses, and identities of rows that have none of their own.

Belongs here: hashing, and nothing about what is hashed. Never pandas' 64-bit hash: at millions of rows it collides.

Whatever is shown to anyone but the owner is keyed (`Pseudonyms`): India's phones are 4 billion, so an unkeyed hash of
one is found by trying them all, and so is one of a row whose other cells are known. `row_hashes` are for comparisons
inside the owner's files and leave them only through `Pseudonyms.record_ids`.
"""

from binascii import hexlify, unhexlify
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b, sha256

import numpy as np
import pandas as pd
import pyarrow as pa

from funnel_assets.domain.email import mailbox, mailboxes
from funnel_assets.domain.text import Ints, as_arrow, as_bools, as_text, distinct, holds_byte, pc

PHONE_MARK, EMAIL_MARK, EXTERNAL_MARK = "p", "e", "x"
ALONE_MARK = "a"
"""Before the id of a record that stands alone."""
_KEY_DIGITS = 16
_SEPARATOR = "\x1f"
_ESCAPE = "\x1b"
_MISSING = "\x1bn"
_CHUNK_ROWS = 100_000
_HASH_DIGITS = 32


@dataclass(frozen=True)
class Pseudonyms:
    """Makes the keys of people and the ids of records under one secret.

    Keyed BLAKE2b (RFC 7693), a message authentication code like HMAC: without the secret nobody can tell which phone a
    key belongs to, however many they try. Each kind of content has hashes of its own.

    Attributes:
        secret: The company's secret, 16 to 64 random bytes.
    """

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not 16 <= len(self.secret) <= 64:
            raise ValueError("a secret has 16 to 64 bytes")

    @property
    def fingerprint(self) -> str:
        """Tells secrets apart without giving one away: 16 hex digits."""
        return self._digests([b""], "fingerprint", _KEY_DIGITS)[0]

    def phone_key(self, phone: str) -> str:
        """Return the key of a normalised phone: ``p`` and 16 hex digits."""
        return PHONE_MARK + self._digests([phone.encode()], "phone", _KEY_DIGITS)[0]

    def email_key(self, email: str) -> str:
        """Return the key of a normalised e-mail address's mailbox: ``e`` and 16 hex digits."""
        return EMAIL_MARK + self._digests([mailbox(email).encode()], "email", _KEY_DIGITS)[0]

    def phone_keys(self, phones: pd.Series) -> pd.Series:
        """Return the key of each phone; missing stays missing."""
        return self._keys(phones, PHONE_MARK, "phone")

    def email_keys(self, emails: pd.Series) -> pd.Series:
        """Return the key of each e-mail address's mailbox; missing stays missing."""
        return self._keys(mailboxes(emails), EMAIL_MARK, "email")

    def external_keys(self, ids: pd.Series, namespace: str) -> pd.Series:
        """Return the key of each id that a source gives a person: ``x`` and 16 hex digits; missing stays missing.

        Args:
            ids: Ids (:func:`~funnel_assets.domain.external_id.normalize_external_ids`).
            namespace: What the ids are unique in; equal ids of two namespaces are two people.
        """
        return self._keys(ids, EXTERNAL_MARK, "external", f"{namespace}{_SEPARATOR}")

    def record_ids(self, hashes: pa.Array) -> pa.Array:
        """Return the id of each record whose content has this hash: 32 hex digits; missing stays missing."""
        texts, places = distinct(as_arrow(hashes))
        digests = self._digests(texts.cast(pa.large_binary()).to_pylist(), "record", _HASH_DIGITS)
        return pa.array(digests, pa.large_string()).take(places)

    def _keys(self, values: pd.Series, mark: str, kind: str, salt: str = "") -> pd.Series:
        texts, places = distinct(as_arrow(values))
        contents = texts.cast(pa.large_binary()).to_pylist()
        salted = salt.encode()
        digests = self._digests([salted + one for one in contents] if salted else contents, kind, _KEY_DIGITS)
        keys = pc.binary_join_element_wise(
            pa.scalar(mark, pa.large_string()),
            pa.array(digests, pa.large_string()),
            pa.scalar("", pa.large_string()),
        )
        return as_text(keys.take(places), values.index)

    def _digests(self, contents: Sequence[bytes], kind: str, digits: int) -> list[str]:
        # The keyed state is made once and copied: hashing the key anew for each value would take half as long again.
        keyed = blake2b(key=self.secret, person=kind.encode(), digest_size=digits // 2)
        found = []
        for content in contents:
            one = keyed.copy()
            one.update(content)
            found.append(one.hexdigest())
        return found


def unkeyed(mark: str, texts: pa.Array) -> pa.Array:
    """Return the keys that phones or e-mails had before there was a secret: only to understand ids shown then."""
    contents = texts.cast(pa.large_binary()).to_pylist()
    return pa.array([mark + sha256(one).hexdigest()[:_KEY_DIGITS] for one in contents], pa.large_string())


def key_numbers(keys: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Return the number in each key (``uint64``): 0 where there is none, 1 for every record that stands alone.

    Of keys of one kind no two have the same number.
    """
    texts = as_arrow(keys)
    missing = pc.or_kleene(pc.is_null(texts), pc.equal(texts, "")).fill_null(True)
    alone = pc.starts_with(texts, ALONE_MARK).fill_null(False)
    nothing = pa.scalar("0" * (_KEY_DIGITS + 1), pa.large_string())
    digits = pc.utf8_slice_codeunits(pc.if_else(pc.or_(missing, alone), nothing, texts), 1)
    numbers = np.frombuffer(unhexlify(_joined(digits)), ">u8").astype(np.uint64)
    numbers[as_bools(alone)] = 1
    return pa.array(numbers, pa.uint64())


def key_texts(numbers: pa.Array | pa.ChunkedArray, mark: str) -> list[str]:
    """Return the keys of one kind that have these numbers; see :func:`key_numbers`."""
    return [f"{mark}{number:0{_KEY_DIGITS}x}" for number in numbers.to_pylist()]


def row_hashes(columns: Sequence[pa.Array], salt: str = "") -> pa.Array:
    """Return a 128-bit hash of each row's content, 32 hex digits.

    Depends on the order of ``columns`` and on nothing else in the table: neither on other rows nor on their order.
    Missing and empty cells differ; no content of one cell can look like the border between two.

    Args:
        columns: The row's cells, column by column.
        salt: Text that keeps equal rows of different origin apart.
    """
    cells = [_escaped(column) for column in columns]
    first_cell = pa.scalar(salt, pa.large_string())
    hashes = []
    for first in range(0, len(cells[0]), _CHUNK_ROWS):
        joined = pc.binary_join_element_wise(
            first_cell,
            *(column.slice(first, _CHUNK_ROWS) for column in cells),
            pa.scalar(_SEPARATOR, pa.large_string()),
            null_handling="replace",
            null_replacement=_MISSING,
        )
        contents = joined.cast(pa.large_binary()).to_pylist()
        hashes.append(pa.array([blake2b(c, digest_size=16).hexdigest() for c in contents], pa.large_string()))
    return pa.concat_arrays(hashes) if hashes else pa.array([], pa.large_string())


def hash_words(hashes: pa.Array) -> np.ndarray:
    """Return hashes as two numbers each (shape rows by 2, ``uint64``)."""
    return np.frombuffer(unhexlify(_joined(hashes)), ">u8").astype(np.uint64).reshape(-1, 2)


def _joined(texts: pa.Array) -> pa.Buffer:
    """Return the texts of a column without nulls, one behind the other."""
    if not len(texts):
        return pa.py_buffer(b"")
    first, last = np.frombuffer(texts.buffers()[1], np.int64)[[texts.offset, texts.offset + len(texts)]]
    return texts.buffers()[2][first:last]


def key_words(keys: pa.Array) -> np.ndarray:
    """Return keys as hashes of two numbers each (shape rows by 2, ``uint64``); zeros where there is none."""
    words = hash_words(row_hashes([keys]))
    words[as_bools(keys.is_null())] = 0
    return words


def hash_texts(words: np.ndarray) -> pa.Array:
    """Return the hashes that :func:`hash_words` took apart."""
    digits = hexlify(words.astype(">u8").tobytes())
    ends = np.arange(len(words) + 1, dtype=np.int64) * _HASH_DIGITS
    return pa.LargeStringArray.from_buffers(len(words), pa.py_buffer(ends), pa.py_buffer(digits))


def _escaped(column: pa.Array) -> pa.Array:
    column = as_arrow(column)
    if not holds_byte(column, ord(_ESCAPE), ord(_SEPARATOR)):
        return column
    column = pc.replace_substring(column, _ESCAPE, _ESCAPE + _ESCAPE)
    return pc.replace_substring(column, _SEPARATOR, _ESCAPE + "s")


def ordinals(hashes: pa.Array) -> Ints:
    """Number the rows of equal hash 1, 2, 3 … in the order they stand."""
    _, places = distinct(hashes)
    codes = places.to_numpy()
    numbers = np.ones(len(codes), np.int64)
    repeated = np.bincount(codes, minlength=1)[codes] > 1 if len(codes) else np.zeros(0, bool)
    numbers[repeated] += pd.Series(codes[repeated]).groupby(codes[repeated]).cumcount().to_numpy()
    return numbers


def numbered(hashes: pa.Array) -> pa.Array:
    """Return ``hash-ordinal`` for each row: unique, and the same set of ids in whatever order the rows stand."""
    numbers = pa.array(ordinals(hashes)).cast(pa.large_string())
    return pc.binary_join_element_wise(hashes, numbers, pa.scalar("-", pa.large_string()))
