"""The words that event reports use, read from ``labels.csv`` and a table for each further vendor.

Belongs here: turning any spelling of a title, section, header, status or month into one name. A new language is new
lines in ``labels.csv``, another vendor a table ``labels_<vendor>.csv`` beside it; nothing in this package compares with
a literal header.
"""

import csv
import io
import itertools
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from importlib import resources

LABELS_FILE = "labels.csv"
VENDORS = ("gotowebinar", "webex", "meet")
_WORDS = re.compile(r"[A-Z]?[^\W\dA-Z_]+|[A-Z]+|\d+")


@lru_cache(maxsize=20_000)
def key(text: str) -> str:
    """Reduce a label to what all its spellings share.

    Case, width, accents, spacing and punctuation go: ``# Registered``, ``registered:`` and ``REGISTERED``
    meet. A label made of symbols only is its own key.
    """
    if text.isascii():
        text = text.strip()
        return "".join(filter(str.isalnum, text.lower())) or text
    text = unicodedata.normalize("NFKC", text).strip()
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(char for char in decomposed if not "\u0300" <= char <= "\u036f")
    kept = "".join(
        c for c in unicodedata.normalize("NFKC", plain) if c.isalnum() or unicodedata.category(c)[0] == "M"
    )
    return kept or text


@cache
def _blank_pattern(texts: tuple[str, ...], nothing: str) -> str:
    words = (
        "".join(c if c.isalnum() or unicodedata.category(c)[0] == "M" else " " for c in text).split()
        for text in texts
    )
    ways = "|".join(f"{nothing}*".join(re.escape(part) for part in word) for word in words)
    return f"(?i)^{nothing}*(?:{ways})?{nothing}*$"


@dataclass(frozen=True)
class Labels:
    """One mapping for each kind of word: label key to canonical name."""

    by_kind: Mapping[str, Mapping[str, str]]
    structure_texts: frozenset[str]
    blank_texts: tuple[str, ...] = ()

    @cached_property
    def structure_keys(self) -> frozenset[str]:
        """Every key of a header, a fact about the event or a section."""
        return frozenset(key for kind in ("header", "meta", "section") for key in self.by_kind.get(kind, ()))

    @cached_property
    def column_keys(self) -> frozenset[str]:
        """Every key of a header or of a fact about the event."""
        return frozenset(key for kind in ("header", "alone", "meta") for key in self.by_kind.get(kind, ()))

    def name(self, kind: str, text: str) -> str | None:
        """Canonical name of ``text`` among the words of ``kind``, or None."""
        return self.by_kind[kind].get(key(text)) if text else None

    def blank_pattern(self, nothing: str) -> str:
        """Pattern of a cell that holds none of a person's words: ``N/A``, ``-``, ``Guest``.

        Args:
            nothing: Class of what is neither letter, digit nor mark, as the engine writes it.
        """
        return _blank_pattern(self.blank_texts, nothing)

    def is_named_otherwise(self, heading: str) -> bool:
        """Whether a heading says that its column is no key of a person: a fact about the event, or ``Device ID``."""
        if self.name("meta", heading):
            return True
        words = _WORDS.findall(unicodedata.normalize("NFKC", heading))
        return bool(words) and any(self.name("id_word", word) for word in (words[0], words[-1]))

    def mentions(self, kind: str, text: str) -> bool:
        """Whether ``text`` holds a word of ``kind`` somewhere."""
        reduced = key(text)
        return any(word in reduced for word in self.by_kind[kind])


@cache
def load_labels() -> Labels:
    """Read the tables that ship with the package (once a process)."""
    folder = resources.files("funnel_assets.sources.zoom")
    files = (LABELS_FILE, *(f"labels_{vendor}.csv" for vendor in VENDORS))
    return labels_from_csv(*(folder.joinpath(file).read_text(encoding="utf-8") for file in files))


def labels_from_csv(*tables: str) -> Labels:
    """Build the mappings from CSV texts with columns what, name, language, texts (alternatives parted by
    ``|``).

    The first line that claims a spelling keeps it.
    """
    by_kind: dict[str, dict[str, str]] = {}
    structure_texts: set[str] = set()
    blanks: list[str] = []
    for row in itertools.chain.from_iterable(csv.DictReader(io.StringIO(raw)) for raw in tables):
        for text in row["texts"].split("|"):
            by_kind.setdefault(row["what"], {}).setdefault(key(text), row["name"])
            if row["what"] in ("header", "meta"):
                structure_texts.add(text)
            if row["what"] == "blank":
                blanks.append(text)
    return Labels(by_kind, frozenset(structure_texts), tuple(blanks))
