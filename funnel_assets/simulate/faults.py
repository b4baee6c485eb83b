"""Faults that a test or a demonstration can plant in a world, by name and number.

Belongs here: which faults exist, how a request for them is read, and what is the same in every world: choosing rows,
junk, columns that come new, cut files, the answer key's table. Does not belong here: where a world plants them.
"""

import dataclasses
from collections.abc import Sequence

import pyarrow as pa

from funnel_assets.errors import UsageError
from funnel_assets.simulate.rand import Draws, Ints

ADDED = ("utmTerm", "Consent", "Device")
"""Columns that come new to a dump, in this order."""

_ADDED_CELLS = ("", "yes", "mobile")
_JUNK_WEIGHTS = (6, 2, 1)

Planted = tuple[str, str, int, str]
"""Name of the fault, dataset, row of the answer key, what was done."""


@dataclasses.dataclass(frozen=True)
class Faults:
    """How many of each fault to plant, over and above the dirt every world has; each is recorded in the answer key.

    Attributes:
        junk_phones: Lead rows whose phone becomes a placeholder or no number at all.
        scientific_phones: Lead rows whose phone a spreadsheet turned into ``9.19877E+11``.
        duplicate_rows: Lead rows sent a second time, equal in every cell.
        family_phones: People who give the phone of another person.
        typo_emails: Lead rows with a mistyped e-mail address.
        late_rows: Lead rows that reach the sheet one to five days after their created date.
        edited_crm_rows: Assignment and sale rows changed days after they were written.
        deleted_crm_rows: Assignment and sale rows taken out of the dump days after they were written.
        renamed_columns: Columns of the leads sheet whose header changes in the last quarter of the world (at
            most 3).
        added_columns: Columns added to the leads sheet in the last quarter of the world (at most 3).
        cut_files: Files that end in the middle of a line: Zoom reports, in the SaaS world exports.
    """

    junk_phones: int = 0
    scientific_phones: int = 0
    duplicate_rows: int = 0
    family_phones: int = 0
    typo_emails: int = 0
    late_rows: int = 0
    edited_crm_rows: int = 0
    deleted_crm_rows: int = 0
    renamed_columns: int = 0
    added_columns: int = 0
    cut_files: int = 0

    @classmethod
    def moderate(cls) -> "Faults":
        """A few of every fault."""
        return cls(40, 25, 40, 20, 30, 30, 30, 10, 2, 1, 2)

    @classmethod
    def parse(cls, text: str) -> "Faults":
        """Read ``"moderate"`` or ``"junk_phones=20,cut_files=1"``.

        Raises:
            UsageError: On an unknown fault or a number that is none.
        """
        if text.strip().lower() in ("moderate", "some", "yes"):
            return cls.moderate()
        known = [field.name for field in dataclasses.fields(cls)]
        counts: dict[str, int] = {}
        for part in filter(None, (piece.strip() for piece in text.split(","))):
            name, _, number = part.partition("=")
            if name.strip() not in known:
                raise UsageError(f"unknown fault {name.strip()!r}", fix=f"use one of {', '.join(known)}")
            if not number.strip().isdigit():
                raise UsageError(
                    f"fault {name.strip()!r} needs a whole number", fix=f"write {name.strip()}=10"
                )
            counts[name.strip()] = int(number)
        return cls(**counts)


def chosen(seed: int, fault: str, free: Ints, count: int) -> Ints:
    """Choose ``count`` of the free rows for a fault (all of them where there are fewer), in ascending order."""
    return free[Draws(seed, f"fault/{fault}").sample(len(free), count)]


def junk(draw: Draws, size: int) -> Ints:
    """Draw what stands in place of each junk phone: 0 a placeholder, 1 ``NA``, 2 nothing."""
    return draw.pick(size, _JUNK_WEIGHTS)


def added_cells(column: int, rows: Ints) -> pa.Array:
    """Return the cells of the ``column``-th of the `ADDED` columns."""
    return pa.array(_ADDED_CELLS).take(pa.array((rows + column) % len(_ADDED_CELLS)))


def cut(body: bytes) -> bytes:
    """Return a file as it is when writing it broke off."""
    return body[: len(body) * 6 // 10]


def fault_table(planted: Sequence[Planted]) -> pa.Table:
    """Return the answer key's table of faults. Grain: one planted fault."""
    names = ("fault", "dataset", "row", "detail")
    kinds = (pa.string(), pa.string(), pa.int64(), pa.string())
    return pa.table({n: pa.array([p[i] for p in planted], kinds[i]) for i, n in enumerate(names)})
