"""Ids of people that were shown under a former secret, or before keys had one: whom do they name today?

Ids of phones and e-mails are found by making the former ids of all that the lake knows. The id of a record that stands
alone, from before there was a secret, is found by itself. What can't be found is returned as it is, and told as any id
that is in no record: ids by which sources know people, and records that stand alone, from before a rotation. The lake
doesn't hold what these were made of.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from functools import cached_property

import narwhals as nw
import numpy as np
import pyarrow as pa

from funnel_assets.contracts.base import CONTRACTS, arrow_schema
from funnel_assets.domain.email import mailboxes
from funnel_assets.domain.keys import ALONE_MARK, EMAIL_MARK, PHONE_MARK, key_numbers, unkeyed
from funnel_assets.domain.text import as_arrow, as_text
from funnel_assets.storage.engine import DuckDBEngine
from funnel_assets.storage.lake import BEFORE, Lake
from funnel_assets.storage.secret import Keyring

KNOWN_BY = ("raw_leads", "zoom_attendance", "engagement_events", "crm_assignments", "crm_sales")
"""Datasets whose rows name people."""

_ALONE_IN = ("raw_leads", "zoom_attendance", "engagement_events")
_HASH_LETTERS = 32


class FormerIds:
    """Gives the id of today for an id shown earlier; one object for one state of the lake.

    Args:
        lake: Where phones and e-mails are.
        keyring: The secret in use and those before it.
        days: Days that the lake has of each dataset of ``KNOWN_BY``.
    """

    def __init__(self, lake: Lake, keyring: Keyring, days: Mapping[str, Sequence[dt.date]]) -> None:
        self._lake, self._keyring, self._days = lake, keyring, days
        self._translated: dict[str, str] = {}

    def is_of(self, keyring: Keyring, days: Mapping[str, Sequence[dt.date]]) -> bool:
        """Return whether it still tells the truth under these secrets, of a lake of these days."""
        return keyring == self._keyring and days == self._days

    def __call__(self, key: str) -> str:
        """Return the id of today; an id that is of today, or stands for nobody known, as it is."""
        if key not in self._translated:
            self._translated[key] = self._found(key)
        return self._translated[key]

    def _found(self, key: str) -> str:
        if key.startswith(ALONE_MARK):
            return self._alone(key)
        if key.startswith(PHONE_MARK):
            return self._former_phones.get(key, key)
        return self._former_emails.get(key, key) if key.startswith(EMAIL_MARK) else key

    @cached_property
    def _former_phones(self) -> "_Former":
        phones = self._values("phone")
        series = as_text(phones)
        former = [as_arrow(one.phone_keys(series)) for one in self._keyring.older]
        return _Former(
            [unkeyed(PHONE_MARK, phones), *former], as_arrow(self._keyring.current.phone_keys(series))
        )

    @cached_property
    def _former_emails(self) -> "_Former":
        emails = self._values("email")
        series = as_text(emails)
        former = [as_arrow(one.email_keys(series)) for one in self._keyring.older]
        # At first whole addresses were hashed, then the mailboxes that they reach.
        first = [unkeyed(EMAIL_MARK, texts) for texts in (emails, as_arrow(mailboxes(series)))]
        return _Former([*first, *former], as_arrow(self._keyring.current.email_keys(series)))

    def _values(self, column: str) -> pa.Array:
        """Distinct phones or e-mails of the lake."""
        found = [pa.array([], pa.large_string())]
        with DuckDBEngine() as engine:
            for dataset in KNOWN_BY:
                if column in arrow_schema(CONTRACTS[dataset]).names:
                    days = [BEFORE, *self._days[dataset]]
                    rows = nw.from_native(engine.scan(self._lake, dataset, days, [column])).unique()
                    found.append(as_arrow(engine.collect(rows.drop_nulls().to_native())[column]))
        return pa.concat_arrays([one.cast(pa.large_string()) for one in found]).unique()

    def _alone(self, key: str) -> str:
        """Return the id of a record whose content had this hash, if there is such a record."""
        digest, dash, ordinal = key[len(ALONE_MARK) :].partition("-")
        if len(digest) != _HASH_LETTERS:
            return key
        now = self._keyring.current.record_ids(pa.array([digest], pa.large_string()))[0].as_py()
        renamed = f"{now}{dash}{ordinal}"
        return ALONE_MARK + renamed if self._has_record(renamed) else key

    def _has_record(self, record: str) -> bool:
        with DuckDBEngine() as engine:
            for dataset in _ALONE_IN:
                name = CONTRACTS[dataset].key[0]
                rows = nw.from_native(
                    engine.scan(self._lake, dataset, [BEFORE, *self._days[dataset]], [name])
                )
                if engine.collect(rows.filter(nw.col(name) == record).to_native()).num_rows:
                    return True
        return False


class _Former:
    """Which id of today stands in the place of each former one; 8 bytes an id."""

    def __init__(self, former: Sequence[pa.Array], current: pa.Array) -> None:
        self._current = current
        self._sorted = []
        for keys in former:
            numbers = key_numbers(keys).to_numpy()
            order = np.argsort(numbers)
            self._sorted.append((numbers[order], order))

    def get(self, key: str, default: str) -> str:
        """Return the id of today."""
        wanted = np.uint64(int(key[1:], 16))
        for numbers, order in self._sorted:
            place = int(np.searchsorted(numbers, wanted))
            if place < len(numbers) and numbers[place] == wanted:
                return self._current[int(order[place])].as_py()
        return default
