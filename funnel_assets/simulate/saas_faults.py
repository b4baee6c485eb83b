"""Faults planted on request in the SaaS world's exports; its Parquet files stay what truly happened.

Belongs here: which row gets which fault, the exports with and without them, the answer key of faults. Does not belong
here: what faults there are, and what is the same in every world (`faults`), what exports look like (`saas_exports`).

An export is one whole dump, so faults that take time show in a second one: ``dumps/before/`` holds leads and
subscriptions as they were before late rows came, columns were renamed or added, and CRM rows were edited or deleted.
``dumps/cut/`` holds exports whose writing broke off. ``exports/`` is what there is in the end.
"""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from funnel_assets.errors import UsageError
from funnel_assets.simulate import saas_catalogue as c
from funnel_assets.simulate import words
from funnel_assets.simulate.csvtext import choose, numbers, pc
from funnel_assets.simulate.faults import ADDED, Faults, added_cells, chosen, cut, fault_table, junk
from funnel_assets.simulate.rand import Draws, Ints
from funnel_assets.simulate.saas_story import DAY
from funnel_assets.simulate.saas_tables import FIRST_OWNER, plan_id
from funnel_assets.simulate.writers import junk_phones, scientific

RENAMED = (("person_phone", "Person Phone"), ("source_name", "Source  name"), ("add_time", "Add_Time "))
CUT = {
    "pipedrive_leads.json": "raw_leads",
    "stripe_invoices.json": "crm_sales",
    "amplitude_events.jsonl": "engagement_events",
    "pipedrive_deals.json": "engagement_events",
}
"""Exports that can be cut, and the dataset each is read for."""

Texts = Sequence[str | None]

TAKES_TIME = frozenset(
    ("late_rows", "edited_crm_rows", "deleted_crm_rows", "renamed_columns", "added_columns")
)
"""Faults that show in a dump of their own."""

_SAME_NAME_LETTERS = 3
_LATE_DAYS = 5
_PHONE_DIGITS = 11
_DOMAIN = "work.example.org"


@dataclasses.dataclass(frozen=True)
class SaasFault:
    """One planted fault.

    Attributes:
        fault: Its name.
        dataset: Dataset the row is read for.
        row: Number of the lead or subscription, else position.
        detail: The column, or what was done.
        id: The record's own id; None for columns and files.
        was: Cell without the fault.
        now: Cell with it.
        other: Id of the record that the cell is of; None where it is of none.
    """

    fault: str
    dataset: str
    row: int
    detail: str
    id: str | None = None
    was: str | None = None
    now: str | None = None
    other: str | None = None


@dataclasses.dataclass(frozen=True)
class Dump:
    """Leads and subscriptions as one pair of exports holds them."""

    leads: pa.Table
    subscriptions: pa.Table


class SaasFaults:
    """The exports of a world with the faults that were asked for.

    Every row gets one fault at most, so that what each does can be told.

    Args:
        faults: How many of each.
        seed: The world's.
        leads: The leads to export, in the order of time.
        subscriptions: The subscriptions to export.
        end: First second after the world.

    Attributes:
        now: The dump in the end.
        before: The dump before rows were late, edited or deleted and columns renamed or added; None where none were.
        planted: Every fault.

    Raises:
        UsageError: When more is asked for than there are rows, columns or files for.
    """

    def __init__(self, faults: Faults, seed: int, leads: pa.Table, subscriptions: pa.Table, end: int) -> None:
        self.planted: list[SaasFault] = []
        self._faults, self._seed, self._end = faults, seed, end
        self._leads, self._subscriptions = leads, subscriptions
        self._free = {
            "raw_leads": np.arange(leads.num_rows),
            "crm_sales": np.flatnonzero(subscriptions["paid_at"].is_valid().to_numpy()),
        }
        self._phones()
        self._mistyped()
        self._families()
        late = self._late()
        copies = {dataset: self._copies(dataset) for dataset in self._free}
        edited = {dataset: self._chosen_crm("edited_crm_rows", dataset) for dataset in self._free}
        deleted = {dataset: self._chosen_crm("deleted_crm_rows", dataset) for dataset in self._free}
        first = Dump(
            _taken(self._leads, copies["raw_leads"], without=late),
            _taken(self._subscriptions, copies["crm_sales"]),
        )
        self._edit_leads(edited["raw_leads"])
        self._edit_subscriptions(edited["crm_sales"])
        for dataset, rows in deleted.items():
            self._note("deleted_crm_rows", dataset, rows, "row")
        self.now = Dump(
            self._columns(_taken(self._leads, copies["raw_leads"], late, deleted["raw_leads"])),
            _taken(self._subscriptions, copies["crm_sales"], without=deleted["crm_sales"]),
        )
        self.before = first if any(getattr(faults, name) for name in TAKES_TIME) else None
        self._cut_files = self._chosen_files()
        self._check_events()

    # --- choosing --------------------------------------------------------------------------------------------

    def _room(self, fault: str, wanted: int, there: int, what: str) -> None:
        if wanted > there:
            raise UsageError(
                f"{fault}: {wanted} can't be planted in this world's exports, which have {there} {what}",
                fix=f"ask for {there} at most, or for more --days or a larger --scale",
            )

    def _take(self, fault: str, dataset: str, wanted: int, free: Ints | None = None) -> Ints:
        """Choose rows that have no fault yet."""
        room = self._free[dataset] if free is None else free
        what = {"raw_leads": "leads", "crm_sales": "paid subscriptions"}[dataset]
        self._room(fault, wanted, len(room), f"{what} left for it")
        rows = chosen(self._seed, f"{fault}/{dataset}", room, wanted)
        self._free[dataset] = np.setdiff1d(self._free[dataset], rows)
        return rows

    def _note(
        self,
        fault: str,
        dataset: str,
        rows: Ints,
        detail: str,
        was: Texts = (),
        now: Texts = (),
        other: Texts = (),
    ) -> None:
        table = self._leads if dataset == "raw_leads" else self._subscriptions
        ids = table["id"].take(pa.array(rows)).to_pylist()
        nothing = [None] * len(rows)
        cells = zip(ids, was or nothing, now or nothing, other or nothing, strict=True)
        self.planted += [
            SaasFault(fault, dataset, self._number(dataset, row), detail, id_, then, since, of)
            for row, (id_, then, since, of) in zip(rows.tolist(), cells, strict=True)
        ]

    def _number(self, dataset: str, row: int) -> int:
        if dataset == "raw_leads":
            return self._leads["person_id"][row].as_py() - 1
        return int(self._subscriptions["id"][row].as_py().removeprefix("sub_"))

    def _put(self, fault: str, rows: Ints, column: str, cells: pa.Array, other: Texts = ()) -> None:
        """Write cells into a column of the leads and note them."""
        was = self._leads[column].take(pa.array(rows))
        self._leads = _with(self._leads, column, rows, cells)
        then, since = (part.cast(pa.string()).to_pylist() for part in (was, cells))
        self._note(fault, "raw_leads", rows, column, then, since, other)

    # --- cells -----------------------------------------------------------------------------------------------

    def _phones(self) -> None:
        for fault, wanted in (
            ("junk_phones", self._faults.junk_phones),
            ("scientific_phones", self._faults.scientific_phones),
        ):
            rows = self._take(fault, "raw_leads", wanted)
            typed = self._leads["person_phone"].take(pa.array(rows))
            digits = pc.replace_substring_regex(typed, "[^0-9]", "").combine_chunks()
            number = digits.cast(pa.int64()).to_numpy()
            if fault == "junk_phones":
                draw = Draws(self._seed, f"fault/{fault}/typed")
                cells = choose(junk(draw, len(rows)), *junk_phones(number))
            else:
                cells = scientific(number, _PHONE_DIGITS)
            self._put(fault, rows, "person_phone", cells)

    def _mistyped(self) -> None:
        wrong = words.MISTYPED_DOMAINS[words.MAIL_DOMAINS.index(_DOMAIN)]
        rows = self._take("typo_emails", "raw_leads", self._faults.typo_emails)
        right = self._leads["person_email"].take(pa.array(rows)).combine_chunks()
        self._put("typo_emails", rows, "person_email", pc.replace_substring(right, _DOMAIN, wrong))

    def _families(self) -> None:
        """Give every second lead the phone of the one before, where the two have different first names."""
        free = self._free["raw_leads"]
        pairs = len(free) // 2
        giver, taker = free[: 2 * pairs : 2], free[1 : 2 * pairs : 2]
        letters = pc.utf8_slice_codeunits(self._leads["person_name"], 0, _SAME_NAME_LETTERS).to_numpy()
        at = self._leads["add_time"].cast(pa.int64()).to_numpy()
        differ = (letters[giver] != letters[taker]) & (at[giver] < at[taker])
        fault = "family_phones"
        rows = self._take(fault, "raw_leads", self._faults.family_phones, taker[differ])
        givers = giver[np.searchsorted(taker, rows)]
        self._free["raw_leads"] = np.setdiff1d(self._free["raw_leads"], givers)
        phones, ids = (
            self._leads[name].take(pa.array(givers)).combine_chunks() for name in ("person_phone", "id")
        )
        self._put(fault, rows, "person_phone", phones, ids.to_pylist())

    # --- rows ------------------------------------------------------------------------------------------------

    def _late(self) -> Ints:
        """Choose leads that reach the CRM one to five days late; return them in that order."""
        at = self._leads["add_time"].cast(pa.int64()).to_numpy() // 1_000_000
        free = self._free["raw_leads"]
        free = free[at[free] + _LATE_DAYS * DAY < self._end]
        rows = self._take("late_rows", "raw_leads", self._faults.late_rows, free)
        wait = Draws(self._seed, "fault/late_rows/wait").between(len(rows), DAY, _LATE_DAYS * DAY)
        self._note("late_rows", "raw_leads", rows, "seconds late", now=numbers(wait).to_pylist())
        return rows[np.argsort(at[rows] + wait, kind="stable")]

    def _copies(self, dataset: str) -> Ints:
        """Choose rows sent twice: a third each of leads, paid subscriptions and events."""
        part = self._faults.duplicate_rows // 3
        wanted = part if dataset == "crm_sales" else self._faults.duplicate_rows - 2 * part
        rows = self._take("duplicate_rows", dataset, wanted)
        self._note("duplicate_rows", dataset, rows, "copy")
        return rows

    def _check_events(self) -> None:
        # Every lead of a known user has its form event, so there are at least as many.
        known = int(self._leads["user_id"].is_valid().to_numpy().sum())
        self._room("duplicate_rows", self._faults.duplicate_rows // 3, known, "leads with events")

    def _chosen_crm(self, fault: str, dataset: str) -> Ints:
        """Choose CRM rows: half of them leads, half paid subscriptions."""
        half = getattr(self._faults, fault) // 2
        return self._take(
            fault, dataset, half if dataset == "crm_sales" else getattr(self._faults, fault) - half
        )

    def _edit_leads(self, rows: Ints) -> None:
        """Hand leads to another salesperson."""
        owner = self._leads["owner_id"].take(pa.array(rows)).to_numpy() - FIRST_OWNER
        step = Draws(self._seed, "fault/edited_crm_rows/owner").between(len(rows), 1, c.OWNERS - 1)
        self._put("edited_crm_rows", rows, "owner_id", pa.array(FIRST_OWNER + (owner + step) % c.OWNERS))

    def _edit_subscriptions(self, rows: Ints) -> None:
        """Move subscriptions to the next product of the catalogue."""
        take = pa.array(rows)
        sold = {
            name: self._subscriptions[name].take(take).cast(pa.string()).to_pylist()
            for name in ("plan_id", "plan_interval", "product_sku")
        }
        skus = [product.sku for product in c.PRODUCTS]
        after = [c.PRODUCTS[(skus.index(sku) + 1) % len(skus)] for sku in sold["product_sku"]]
        ways = list(zip(after, sold["plan_interval"], strict=True))
        plans = [plan_id(product, interval) for product, interval in ways]
        amounts = [p.monthly_cents if interval == "month" else p.yearly_cents for p, interval in ways]
        changed = {
            "plan_id": pa.array(plans, pa.string()),
            "plan_product": pa.array([product.id for product in after], pa.string()),
            "plan_amount": pa.array(amounts, pa.int64()),
            "product_sku": pa.array([product.sku for product in after], pa.string()),
        }
        for name, cells in changed.items():
            self._subscriptions = _with(self._subscriptions, name, rows, cells)
        self._note("edited_crm_rows", "crm_sales", rows, "plan_id", sold["plan_id"], plans)

    # --- columns and files -----------------------------------------------------------------------------------

    def _columns(self, leads: pa.Table) -> pa.Table:
        """Rename and add columns of the leads' export."""
        renamed, added = self._faults.renamed_columns, self._faults.added_columns
        self._room("renamed_columns", renamed, len(RENAMED), "columns that can be renamed")
        self._room("added_columns", added, len(ADDED), "columns that can be added")
        names = dict(RENAMED[:renamed])
        leads = leads.rename_columns([names.get(name, name) for name in leads.column_names])
        for number, name in enumerate(ADDED[:added]):
            leads = leads.append_column(name, added_cells(number, np.arange(leads.num_rows)))
        self.planted += [
            SaasFault("renamed_columns", "raw_leads", i, f"{old} to {new!r}", None, old, new)
            for i, (old, new) in enumerate(names.items())
        ]
        self.planted += [
            SaasFault("added_columns", "raw_leads", i, name, now=name) for i, name in enumerate(ADDED[:added])
        ]
        return leads

    def _chosen_files(self) -> list[str]:
        wanted, names = self._faults.cut_files, list(CUT)
        self._room("cut_files", wanted, len(names), f"files to cut ({', '.join(names)})")
        found = [names[i] for i in chosen(self._seed, "cut_files", np.arange(len(names)), wanted)]
        self.planted += [
            SaasFault("cut_files", CUT[name], i, f"dumps/cut/{name}") for i, name in enumerate(found)
        ]
        return found

    def cut(self, folder: Path) -> dict[str, bytes]:
        """Return the exports to be cut, each up to where its writing broke off, by name."""
        return {name: _in_mid_record(cut((folder / name).read_bytes())) for name in self._cut_files}

    def sent_twice(self, path: Path, count: int) -> None:
        """Send some of the ``count`` events in Amplitude's export a second time, right after the first."""
        wanted = self._faults.duplicate_rows // 3
        if not wanted:
            return
        again = set(chosen(self._seed, "duplicate_rows/engagement_events", np.arange(count), wanted).tolist())
        beside = path.with_suffix(".twice")
        with path.open(encoding="utf-8") as lines, beside.open("w", encoding="utf-8", newline="") as out:
            for row, line in enumerate(lines):
                out.write(line)
                if row in again:
                    out.write(line)
                    event = json.loads(line)
                    self.planted.append(
                        SaasFault("duplicate_rows", "engagement_events", row, "copy", event["$insert_id"])
                    )
        beside.replace(path)

    # --- the answer key --------------------------------------------------------------------------------------

    def key(self) -> pa.Table:
        """Return the answer key's table of faults. Grain: one planted fault. Columns: as `SaasFault`."""
        found = fault_table([(f.fault, f.dataset, f.row, f.detail) for f in self.planted])
        for name in ("id", "was", "now", "other"):
            found = found.append_column(name, pa.array([getattr(f, name) for f in self.planted], pa.string()))
        return found

    def leads_key(self, key: pa.Table) -> pa.Table:
        """Take deleted leads out of the answer key's exported leads."""
        gone = pa.array(self._ids("deleted_crm_rows", "raw_leads"), pa.string())
        return key.filter(pc.invert(pc.is_in(key["lead_id"], value_set=gone)))

    def sales_key(self, key: pa.Table) -> pa.Table:
        """Take deleted sales out of the answer key's exported sales, and write what edited ones cost now."""
        gone = pa.array(self._ids("deleted_crm_rows", "crm_sales"), pa.string())
        key = key.filter(pc.invert(pc.is_in(key["sale_id"], value_set=gone)))
        place = pc.index_in(key["sale_id"], value_set=self._subscriptions["id"])
        amounts = self._subscriptions["plan_amount"].take(place)
        return key.set_column(key.schema.get_field_index("amount_cents"), "amount_cents", amounts)

    def _ids(self, fault: str, dataset: str) -> list[str | None]:
        return [f.id for f in self.planted if (f.fault, f.dataset) == (fault, dataset)]


def _with(table: pa.Table, column: str, rows: Ints, cells: pa.Array) -> pa.Table:
    """Return a table with other cells in a column at rows given in ascending order."""
    place, kind = table.schema.get_field_index(column), cells.type
    mask = np.zeros(table.num_rows, dtype=bool)
    mask[rows] = True
    whole = table[column].cast(kind).combine_chunks()
    return table.set_column(place, column, pc.replace_with_mask(whole, pa.array(mask), cells))


_NONE = np.empty(0, np.int64)


def _taken(table: pa.Table, copies: Ints, last: Ints = _NONE, without: Ints = _NONE) -> pa.Table:
    """Return a table's rows but some, with copies of some and then those that come ``last`` at the end."""
    first = np.setdiff1d(np.arange(table.num_rows), np.concatenate([last, without]))
    return table.take(pa.array(np.concatenate([first, copies, last])))


def _in_mid_record(body: bytes) -> bytes:
    while body.endswith((b"\n", b"}")):
        body = body[:-1]
    return body
