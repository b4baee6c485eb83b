"""The tables behind the views: what they are made of, and how a publish brings them up to the rows it replaces.

Belongs here: which helper tables there are, which of their rows a changed row concerns, and the statements that follow
from it. Does not belong here: the queries themselves (``_<table>.sql`` in this folder), and running any of this.

A table is either *kept* by a key, and the rows of the keys concerned are deleted and made anew, or a *sum* over a kept
table's rows, from which what went is subtracted and to which what came is added. Both cost what the replaced days hold,
however many days there are besides. Each query says what the whole table is; that a publish keeps it so is held by
``funnel_assets_tests/pipeline/test_histories.py``.
"""

import datetime as dt
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files


@dataclass(frozen=True)
class Kept:
    """A table of which the rows of some keys can be made alone.

    Attributes:
        name: Its name; the query is the file of that name. ``{among COLUMN}`` in it restricts a column to the keys, and
            ``{among COLUMN, QUERY}`` to what a query finds that ends in a column to restrict.
        key: The column by which rows are replaced.
        reads: Of each table that it is made of, the keys that ``{rows}`` of that table concern: a query.
        meaning: Its comment.
        indexes: Columns of its indexes besides that of a key that is unique.
        is_unique: Whether a key has one row.
    """

    name: str
    key: str
    reads: Mapping[str, str]
    meaning: str
    indexes: tuple[str, ...] = ()
    is_unique: bool = False

    @property
    def made_of(self) -> frozenset[str]:
        """The tables and helpers that it reads."""
        return frozenset(self.reads)


@dataclass(frozen=True)
class Sum:
    """A table that adds up the rows of a kept one.

    Attributes:
        name: Its name; the query is the file of that name, over ``{rows}``.
        of: The table whose rows are added up.
        by: Its columns that rows are grouped by.
        totals: Its other columns, which add up exactly; the first counts rows, so that at 0 the group is gone.
        meaning: Its comment.
    """

    name: str
    of: str
    by: tuple[str, ...]
    totals: tuple[str, ...]
    meaning: str

    @property
    def made_of(self) -> frozenset[str]:
        """The helper that it reads."""
        return frozenset({self.of})


_PEOPLE = "SELECT person_id FROM {rows}"
_EMAILS = (
    "SELECT email_key FROM {rows} WHERE email_key IN (SELECT email_key FROM funnel.engagement_events"
    " WHERE phone_key IS NULL AND (company IS NOT NULL OR industry IS NOT NULL))"
)
_DAYS_OF_MONTHS = (
    "SELECT day::date FROM (SELECT DISTINCT date_trunc('month', date::timestamp) AS month FROM {rows}) AS months,"
    " generate_series(month, month + interval '1 month - 1 day', interval '1 day') AS day"
)
"""Months are made from all their days, whose first is the month's own name."""

HELPERS: tuple[Kept | Sum, ...] = (
    Kept(
        "_email_phone",
        "email_key",
        {"raw_leads": _EMAILS, "zoom_attendance": _EMAILS, "engagement_events": _EMAILS},
        "Phone last seen with each e-mail of events that have none and name a company or industry.",
        indexes=("phone_key",),
        is_unique=True,
    ),
    Kept(
        "_person_firm",
        "person_id",
        {
            "engagement_events": "SELECT unnest(ARRAY[coalesce(phone_key, email_key), external_key]) FROM {rows}"
            " WHERE company IS NOT NULL OR industry IS NOT NULL",
            "_email_phone": "SELECT phone_key FROM {rows}",
        },
        "Company and industry that events last told of each person; read crm_contacts instead.",
        is_unique=True,
    ),
    Kept(
        "_contact_state",
        "person_id",
        {
            "scored_contacts": _PEOPLE,
            "dedup_leads": _PEOPLE,
            "engagement_summary": _PEOPLE,
            "assigned_leads": _PEOPLE,
            "sales_enriched": _PEOPLE,
            "_person_firm": _PEOPLE,
            "_touch_before": _PEOPLE,
            "icp_tiers": "SELECT person_id FROM funnel._contact_state",
        },
        "One row per person: contacts, leads and buyers, with firm, tier, state, origin, engagement and purchases; read"
        " crm_contacts instead.",
        is_unique=True,
    ),
    Kept(
        "_paid_sale",
        "person_id",
        {"sales_enriched": _PEOPLE, "_contact_state": _PEOPLE},
        "Paid sales with the buyer's customer tier.",
        indexes=("person_id",),
    ),
    Kept(
        "_stage_day",
        "date",
        {
            # A change of stage says how long the one before it lasted, which stands on the day of the next.
            "scored_contacts": "SELECT changed.date FROM {rows} UNION SELECT ("
            "SELECT min(later.date) FROM funnel.scored_contacts AS later WHERE later.person_id = changed.person_id"
            " AND later.date > changed.date AND later.current_stage IS DISTINCT FROM later.previous_stage) FROM {rows}"
            " WHERE changed.current_stage IS DISTINCT FROM changed.previous_stage"
        },
        "Changes of stage per day; read vw_stage_transitions instead.",
        indexes=("date",),
    ),
    Kept(
        "_credit_month",
        "month",
        {"sale_credit": _DAYS_OF_MONTHS},
        "Credit of touches in paid sales by month, model, funnel, source, medium and campaign; read vw_sale_credit"
        " instead.",
        indexes=("month",),
    ),
    Kept(
        "_unmapped_month",
        "month",
        dict.fromkeys(("dedup_leads", "assigned_leads", "sales_enriched"), _DAYS_OF_MONTHS),
        "Sources without a funnel by month; read vw_unmapped_sources instead.",
        indexes=("month",),
    ),
    Sum(
        "_channel_total",
        "_contact_state",
        ("lead_source", "lead_medium", "lead_campaign", "icp_tier"),
        ("people", "leads", "converted", "customers", "sales", "net_revenue_inr", "wait_days", "waited"),
        "People, customers and revenue by source, medium and campaign of the first touch ever and by customer tier;"
        " read vw_channel_economics instead.",
    ),
    Sum(
        "_cohort_total",
        "_contact_state",
        ("cohort", "attended_after", "assigned_after", "sale_after"),
        ("people",),
        "People by month of first touch (year x 12 + month - 1) and calendar months until they attended, were handed"
        " over and bought; read vw_cohort_conversion instead.",
    ),
    Sum(
        "_state_total",
        "_contact_state",
        ("lead_source", "first_touch_channel", "current_stage"),
        ("users", "intent_points"),
        "Contacts and points by lead source, channel and stage; read vw_funnel and its neighbours instead.",
    ),
    Sum(
        "_step_days",
        "_contact_state",
        ("cohort_month", "funnel", "step_number", "days"),
        ("people",),
        "People by month and funnel of the first touch, and days from each step to the next (empty: not taken); read"
        " vw_funnel_steps instead.",
    ),
    Sum(
        "_step_began",
        "_contact_state",
        ("cohort_month", "funnel", "step_number", "began"),
        ("people",),
        "People by month and funnel of the first touch, and the day on which each step began; read vw_funnel_steps"
        " instead.",
    ),
    Sum(
        "_revenue_total",
        "_paid_sale",
        ("ever_source", "icp_tier", "days_to_revenue"),
        ("sales", "seconds", "gross_revenue_inr", "net_revenue_inr"),
        "Paid sales and revenue by source of the first touch ever, customer tier and days to revenue; read"
        " vw_revenue_efficiency instead.",
    ),
)
"""Each after those it reads, and before all views."""

_INDEXED = {
    "person_id, date DESC": (
        "scored_contacts",
        "dedup_leads",
        "engagement_summary",
        "assigned_leads",
        "sales_enriched",
    ),
    "person_id": ("_touch_before",),
    "email_key": ("raw_leads", "zoom_attendance", "engagement_events"),
    "phone_key": ("engagement_events",),
}

INDEXES = (
    *(
        f"CREATE INDEX IF NOT EXISTS {name}_{columns.partition('_')[0]} ON funnel.{name} ({columns})"
        for columns, names in _INDEXED.items()
        for name in names
    ),
    "CREATE INDEX IF NOT EXISTS engagement_events_unnamed ON funnel.engagement_events (email_key)"
    " WHERE phone_key IS NULL AND (company IS NOT NULL OR industry IS NOT NULL)",
    "CREATE INDEX IF NOT EXISTS engagement_events_firms ON funnel.engagement_events (external_key)"
    " WHERE company IS NOT NULL OR industry IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS dedup_leads_unmapped ON funnel.dedup_leads (date)"
    " WHERE first_funnel = 'Other Sources (Miscellaneous)'",
)
"""Indexes on published tables by which the rows of some keys are found."""


def with_names(text: str) -> str:
    """Return SQL in which ``{named COLUMN}`` is the source, medium or campaign by which views group.

    Lower case without blanks around it; Unknown where there is none, however a source itself writes that.
    """
    return re.sub(
        r"\{named (.*?)\}", r"coalesce(nullif(nullif(lower(btrim(\1)), ''), 'unknown'), 'Unknown')", text
    )


def query(helper: Kept | Sum, rows: str | None = None) -> str:
    """Return the query that makes a helper.

    Args:
        helper: Which.
        rows: Of a sum, the rows to add up, a table or query in brackets; of a kept one, the table of the keys to make.
            None: all.
    """
    text = with_names((files(__package__ or "") / f"{helper.name}.sql").read_text(encoding="utf-8").strip())
    if isinstance(helper, Sum):
        return text.replace("{rows}", f"{rows or f'funnel.{helper.of}'} AS rows")
    if rows is None:
        return re.sub(r"\{among .*?\}", "TRUE", text)
    text = re.sub(r"\{among (\S+), (.*?)\}", r"\1 IN (\2 IN (SELECT key FROM {keys}))", text)
    return re.sub(r"\{among (\S+)\}", r"\1 IN (SELECT key FROM {keys})", text).replace("{keys}", rows)


def make_statements() -> Iterator[str]:
    """Statements that make all helpers, which must not be there, from whole tables."""
    yield "SET LOCAL work_mem = '128MB'"
    yield from INDEXES
    for helper in HELPERS:
        yield f"CREATE TABLE funnel.{helper.name} AS {query(helper)}"
        if isinstance(helper, Kept):
            if helper.is_unique:
                yield f"ALTER TABLE funnel.{helper.name} ADD PRIMARY KEY ({helper.key})"
            for columns in helper.indexes:
                yield f"CREATE INDEX ON funnel.{helper.name} ({columns})"
        yield f"ANALYZE funnel.{helper.name}"
        yield f"COMMENT ON TABLE funnel.{helper.name} IS '{helper.meaning.replace(chr(39), chr(39) * 2)}'"


def concerned_statements(replace_days: Mapping[str, Sequence[dt.date] | None]) -> Iterator[str]:
    """Statements that note which keys a publish concerns; to be run before its rows go, and again when they came.

    Args:
        replace_days: Days that are replaced, by table; None: all of it.
    """
    for helper in HELPERS:
        if isinstance(helper, Kept):
            yield (
                f"CREATE TEMPORARY TABLE IF NOT EXISTS {_keys(helper)} AS"
                f" SELECT {helper.key} AS key FROM funnel.{helper.name} WITH NO DATA"
            )
            for table, keys in helper.reads.items():
                days = replace_days.get(table, ())
                if days is None:
                    yield _note(helper, keys, f"funnel.{table}")
                elif days:
                    listed = ", ".join(f"'{day}'" for day in days)
                    those = f"(SELECT * FROM funnel.{table} WHERE date = ANY(ARRAY[{listed}]::date[]))"
                    yield _note(helper, keys, those)


def refresh_statements() -> Iterator[str]:
    """Statements that bring the helpers up to the tables; to be run last in every publish.

    Readers are not blocked, and see the old rows until the transaction ends.
    """
    yield "SET LOCAL work_mem = '128MB'"
    read = frozenset[str]().union(*(helper.made_of for helper in HELPERS))
    for helper in HELPERS:
        if isinstance(helper, Sum):
            yield _differ(helper)
            continue
        keys, target = _keys(helper), f"funnel.{helper.name}"
        yield f"ANALYZE {keys}"
        delete = f"DELETE FROM {target} WHERE {helper.key} IN (SELECT key FROM {keys})"
        insert = f"INSERT INTO {target} {query(helper, keys)}"
        if helper.name in read:
            for what, statement in (("gone", delete), ("came", insert)):
                yield f"CREATE TEMPORARY TABLE _{what}{helper.name} (LIKE {target})"
                yield f"WITH these AS ({statement} RETURNING *) INSERT INTO _{what}{helper.name} TABLE these"
            changed = f"(TABLE _gone{helper.name} UNION ALL TABLE _came{helper.name})"
            for reader in HELPERS:
                if isinstance(reader, Kept) and helper.name in reader.reads:
                    yield _note(reader, reader.reads[helper.name], changed)
        else:
            yield delete
            yield insert
    kept = [helper for helper in HELPERS if isinstance(helper, Kept)]
    passing = [f"_{what}{helper.name}" for helper in kept for what in ("gone", "came") if helper.name in read]
    yield f"DROP TABLE {', '.join([*map(_keys, kept), *passing])}"


def _keys(helper: Kept) -> str:
    return f"_keys{helper.name}"


def _note(helper: Kept, keys: str, rows: str) -> str:
    return f"INSERT INTO {_keys(helper)} {keys.replace('{rows}', f'{rows} AS changed')}"


def _differ(helper: Sum) -> str:
    """Subtract what went, add what came, and leave out groups in which nothing is left."""
    by, totals = ", ".join(helper.by), ", ".join(helper.totals)
    added = ", ".join(f"sum({name}) AS {name}" for name in helper.totals)
    less = ", ".join(f"-{name}" for name in helper.totals)
    same = " AND ".join(f"sum({name}) = 0" for name in helper.totals)
    # As text, rows with empty cells are equal too.
    group = f"ROW({by})::text"
    return f"""
        WITH change AS (
            SELECT {by}, {added}
            FROM (
                SELECT {by}, {totals} FROM ({query(helper, f"_came{helper.of}")}) AS came
                UNION ALL
                SELECT {by}, {less} FROM ({query(helper, f"_gone{helper.of}")}) AS gone
            ) AS both_sides
            GROUP BY {by}
            HAVING NOT ({same})
        ),
        before AS (
            DELETE FROM funnel.{helper.name} WHERE {group} IN (SELECT {group} FROM change) RETURNING {by}, {totals}
        )
        INSERT INTO funnel.{helper.name} ({by}, {totals})
        SELECT {by}, {added}
        FROM (TABLE change UNION ALL TABLE before) AS all_rows
        GROUP BY {by}
        HAVING sum({helper.totals[0]}) <> 0
    """
