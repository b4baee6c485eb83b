"""What a benchmark found: one row of the table and of ``latest.json`` (SPEC 2).

Belongs here: the row, the table, the file. Does not belong here: measuring.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.table import Table

from funnel_assets.storage.files import write_whole


@dataclass(frozen=True)
class Result:
    """One benchmark.

    Attributes:
        name: Its name.
        ratio: Ours divided by what it is compared with (or the other way round where ``against`` says so); None
            where there is nothing to compare with.
        against: What it is compared with, in words.
        target: What has to hold, in words.
        holds: Whether it does; None where no target was set.
        seconds: Time of the measured work.
        peak_mb: Peak memory of the process that did it.
        rows: Rows that went through it.
    """

    name: str
    ratio: float | None
    against: str
    target: str
    holds: bool | None
    seconds: float
    peak_mb: float | None
    rows: int | None

    def rounded(self) -> dict[str, object]:
        """The row as it is written: figures that pretend no more than they know."""
        found = asdict(self)
        for name, digits in (("ratio", 3), ("seconds", 3), ("peak_mb", 0)):
            if found[name] is not None:
                found[name] = round(found[name], digits)
        return found


def write(results: Sequence[Result], path: Path) -> None:
    """Write ``latest.json``."""
    write_whole(path, (json.dumps([one.rounded() for one in results], indent=1) + "\n").encode())


def table(results: Sequence[Result], caption: str) -> Table:
    """Return the results as a table for the screen."""
    shown = Table(title="Benchmarks", caption=caption, caption_justify="left", show_lines=True)
    for heading in ("name", "ratio", "against", "target", "holds", "seconds", "peak MB", "rows"):
        right = heading in ("ratio", "seconds", "peak MB", "rows")
        shown.add_column(heading, justify="right" if right else "left", overflow="fold")
    for one in results:
        shown.add_row(
            one.name,
            "" if one.ratio is None else f"{one.ratio:.2f}",
            one.against,
            one.target,
            {True: "[green]yes[/]", False: "[red]no[/]", None: ""}[one.holds],
            f"{one.seconds:.2f}",
            "" if one.peak_mb is None else f"{one.peak_mb:.0f}",
            "" if one.rows is None else f"{one.rows:,}",
        )
    return shown
