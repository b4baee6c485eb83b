"""Publishing: whole or not at all, whatever happens in between; and who sees what."""

import contextlib
import datetime as dt
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path

import psutil
import psycopg2
import pyarrow as pa
import pytest
from sqlalchemy.engine import make_url

from funnel_assets.errors import ContractViolation, FunnelError, SourceUnavailable
from funnel_assets.storage import warehouse as warehouse_module
from funnel_assets.storage.postgres import ensure_server, server_status
from funnel_assets.storage.warehouse import ColumnDdl, TableDdl, Warehouse
from funnel_assets_tests.postgres_fixture import throw_away_home

pytest_plugins = ["funnel_assets_tests.postgres_fixture"]

DAY_1, DAY_2, DAY_3 = dt.date(2026, 1, 1), dt.date(2026, 1, 2), dt.date(2026, 1, 3)
LEADS = TableDdl(
    "leads",
    (
        ColumnDdl("date", "date", nullable=False, comment="Local day"),
        ColumnDdl("lead_id", "text", nullable=False),
        ColumnDdl("phone", "text", personal=True),
        ColumnDdl("city", "text"),
        ColumnDdl("touches", "bigint"),
    ),
    primary_key=("date", "lead_id"),
    comment="One row a lead",
)
VIEW = "CREATE OR REPLACE VIEW vw_cities AS SELECT city, count(*) AS leads FROM leads GROUP BY 1"


@pytest.fixture
def warehouse(database_url: str) -> Warehouse:
    return Warehouse(database_url)


def leads(*rows: tuple[dt.date, str, str | None, str | None, int | None]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * 5
    types = [pa.date32(), pa.string(), pa.string(), pa.string(), pa.int64()]
    names = ["date", "lead_id", "phone", "city", "touches"]
    return pa.table({n: pa.array(c, t) for n, c, t in zip(names, columns, types, strict=True)})


def publish(
    warehouse: Warehouse,
    rows: pa.Table | Callable[[], pa.RecordBatchReader],
    days: Sequence[dt.date] | None,
    table: TableDdl = LEADS,
    after: Sequence[str] = (VIEW,),
) -> None:
    warehouse.publish({table.name: rows}, replace_days={table.name: days}, ddl=[table], after=after)


def found(warehouse: Warehouse, query: str = "SELECT lead_id FROM leads ORDER BY 1") -> list:
    return [
        tuple(row.values()) if len(row) > 1 else next(iter(row.values())) for row in warehouse.fetch(query)
    ]


# --- days ---


def test_a_day_is_replaced_and_the_others_stay(warehouse: Warehouse) -> None:
    publish(warehouse, leads((DAY_1, "a", None, "Pune", 1), (DAY_2, "b", None, "Pune", 1)), [DAY_1, DAY_2])
    publish(warehouse, leads((DAY_1, "c", None, "Delhi", 2)), [DAY_1])
    assert found(warehouse, "SELECT date, lead_id FROM leads ORDER BY 1") == [(DAY_1, "c"), (DAY_2, "b")]
    assert found(warehouse, "SELECT * FROM vw_cities ORDER BY 1") == [("Delhi", 1), ("Pune", 1)]
    assert warehouse.published_days(LEADS) == [DAY_1, DAY_2]


def test_a_day_that_became_empty_loses_its_rows(warehouse: Warehouse) -> None:
    publish(warehouse, leads((DAY_1, "a", None, None, 1)), [DAY_1])
    publish(warehouse, leads(), [DAY_1])
    assert found(warehouse) == []


def test_a_table_without_days_is_replaced_whole(warehouse: Warehouse) -> None:
    table = TableDdl("codes", (ColumnDdl("code", "text"),), date_column=None)
    for codes in (["x", "y"], ["z"]):
        publish(warehouse, pa.table({"code": codes}), None, table, after=())
    assert found(warehouse, "SELECT code FROM codes") == ["z"]


def test_publishing_the_same_again_changes_nothing(warehouse: Warehouse) -> None:
    rows = leads((DAY_1, "a", None, "Pune", 1), (DAY_1, "b", None, "Pune", None))
    for _ in range(3):
        publish(warehouse, rows, [DAY_1])
    assert found(warehouse) == ["a", "b"]


def test_a_table_that_is_not_there_has_no_days(warehouse: Warehouse) -> None:
    assert warehouse.published_days(LEADS) == []


def test_rows_outside_the_replaced_days_are_refused(warehouse: Warehouse) -> None:
    with pytest.raises(ContractViolation, match="2026-01-02"):
        publish(warehouse, leads((DAY_2, "a", None, None, 1)), [DAY_1])


def test_a_table_needs_days_and_a_description(warehouse: Warehouse) -> None:
    with pytest.raises(ValueError, match="leads"):
        warehouse.publish({"leads": leads()}, replace_days={}, ddl=[LEADS])


# --- values ---


def test_every_kind_of_value_arrives_as_it_was(warehouse: Warehouse) -> None:
    table = TableDdl(
        "kinds",
        (
            ColumnDdl("n", "integer"),
            ColumnDdl("text", "text"),
            ColumnDdl("at", "timestamptz"),
            ColumnDdl("yes", "boolean"),
            ColumnDdl("ratio", "double precision"),
            ColumnDdl("amount", "numeric(18,2)"),
        ),
        date_column=None,
    )
    at = dt.datetime(2026, 1, 1, 18, 30, 0, 123456, tzinfo=dt.UTC)
    texts = ["", None, 'a "quote", comma', "two\nlines\r\nand \\. end", "\\N", "नमस्ते 🙂", " lead and trail "]
    rows = pa.table(
        {
            "n": pa.array(range(len(texts)), pa.int64()),
            "text": texts,
            "at": pa.array([at, None] * 3 + [at], pa.timestamp("us", "UTC")),
            "yes": [True, False, None, True, False, None, True],
            "ratio": [0.1, 1e-300, None, float("inf"), 1 / 3, 0.0, -2.5],
            "amount": pa.array(
                [Decimal("0.10"), None, *[Decimal("-12345678901.99")] * 5], pa.decimal128(18, 2)
            ),
        }
    )
    publish(warehouse, rows, None, table, after=())
    back = warehouse.fetch("SELECT * FROM kinds ORDER BY n")
    assert [row["text"] for row in back] == texts
    for name in ("at", "yes", "ratio", "amount"):
        assert [row[name] for row in back] == rows.column(name).to_pylist(), name


def test_a_stream_is_published_batch_by_batch(warehouse: Warehouse) -> None:
    table = leads(*[(DAY_1, f"{n:06d}", None, None, n) for n in range(1000)])
    publish(warehouse, lambda: table.to_reader(max_chunksize=64), [DAY_1])
    assert found(warehouse, "SELECT count(*), sum(touches)::bigint AS touches FROM leads") == [(1000, 499500)]


# --- all or nothing ---


def two_tables() -> list[TableDdl]:
    other = TableDdl("other", (ColumnDdl("date", "date"), ColumnDdl("n", "integer")))
    return [LEADS, other]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (leads((DAY_1, "x", None, None, 1), (DAY_1, "x", None, None, 2)), "leads_pkey"),
        (leads((DAY_1, "x", None, None, 1)).drop_columns(["city"]), "city"),
        (leads((DAY_1, "x\0", "919812345678", None, 1)), "0x00"),
    ],
    ids=["key twice", "column missing", "a byte that text can't hold"],
)
def test_bad_rows_leave_every_table_as_it_was(warehouse: Warehouse, bad: pa.Table, message: str) -> None:
    before = leads((DAY_1, "old", None, "Pune", 1))
    numbers = pa.table({"date": [DAY_1], "n": pa.array([1], pa.int64())})
    days = {"leads": [DAY_1], "other": [DAY_1]}
    warehouse.publish({"leads": before, "other": numbers}, replace_days=days, ddl=two_tables())
    changed = numbers.set_column(1, "n", pa.array([2], pa.int64()))
    with pytest.raises(ContractViolation, match=message) as caught:
        warehouse.publish({"other": changed, "leads": bad}, replace_days=days, ddl=two_tables())
    assert caught.value.dataset == "leads"
    assert "Next: " in str(caught.value)
    assert "9812345678" not in str(caught.value)
    assert found(warehouse) == ["old"]
    assert found(warehouse, "SELECT n FROM other") == [1]


def test_a_reader_sees_the_old_day_until_all_is_there(warehouse: Warehouse, database_url: str) -> None:
    publish(warehouse, leads((DAY_1, "old", None, None, 1)), [DAY_1])
    reached, go_on = threading.Event(), threading.Event()
    schema = leads().schema

    def slow() -> pa.RecordBatchReader:
        def batches() -> Iterator[pa.RecordBatch]:
            yield from leads((DAY_1, "new", None, None, 1)).to_batches()
            reached.set()
            go_on.wait(20)

        return pa.RecordBatchReader.from_batches(schema, batches())

    writer = threading.Thread(target=publish, args=(warehouse, slow, [DAY_1]))
    writer.start()
    assert reached.wait(20)
    try:
        assert found(Warehouse(database_url)) == ["old"]
        assert found(Warehouse(database_url), "SELECT leads FROM vw_cities") == [1]
    finally:
        go_on.set()
        writer.join()
    assert found(warehouse) == ["new"]


def test_publishers_at_once_take_turns(database_url: str) -> None:
    days = [DAY_1 + dt.timedelta(days=n) for n in range(6)]
    failures: list[BaseException] = []

    def work(mine: list[dt.date]) -> None:
        try:
            for _ in range(3):
                rows = leads(*[(day, f"{n}", None, "Pune", 1) for day in mine for n in range(50)])
                publish(Warehouse(database_url), rows, mine)
        except BaseException as error:
            failures.append(error)

    # The second and third overlap on purpose, and all three find an empty database.
    threads = [threading.Thread(target=work, args=(part,)) for part in (days[:2], days[1:5], days[3:])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert found(Warehouse(database_url), "SELECT count(*), count(DISTINCT date) AS days FROM leads") == [
        (300, 6)
    ]


# --- the server goes away ---


@pytest.fixture
def own_home() -> Iterator[Path]:
    with throw_away_home() as folder:
        yield folder


def killing(home: Path, rows: pa.Table, kills: int) -> Callable[[], pa.RecordBatchReader]:
    """A stream that kills the server in mid-copy, the first ``kills`` times it is opened."""
    opened: list[int] = []

    def batches() -> Iterator[pa.RecordBatch]:
        opened.append(1)
        for number, batch in enumerate(rows.to_batches(max_chunksize=100)):
            if number == 2 and len(opened) <= kills:
                server = psutil.Process(server_status(home).pid)
                # A busy backend may outlive the server that began it by a commit.
                for process in (server, *server.children()):
                    with contextlib.suppress(psutil.NoSuchProcess):
                        process.kill()
                while server_status(home).running:
                    time.sleep(0.01)
            yield batch

    return lambda: pa.RecordBatchReader.from_batches(rows.schema, batches())


def test_a_server_killed_in_mid_publish_comes_back_with_the_old_day(
    own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warehouse_module, "_TRIES", 2)
    warehouse = Warehouse(ensure_server(own_home).warehouse_url)
    publish(warehouse, leads((DAY_1, "old", None, None, 1)), [DAY_1])
    rows = leads(*[(DAY_1, f"{n:06d}", None, None, n) for n in range(1000)])
    with pytest.raises(SourceUnavailable, match=r"what was published before stays.*funnel db-url"):
        publish(warehouse, killing(own_home, rows, kills=1), [DAY_1])
    again = Warehouse(ensure_server(own_home).warehouse_url)
    assert found(again) == ["old"]
    publish(again, rows, [DAY_1])
    assert found(again, "SELECT count(*) FROM leads") == [1000]


def test_a_server_that_can_be_revived_costs_nothing(own_home: Path) -> None:
    url = ensure_server(own_home).warehouse_url
    warehouse = Warehouse(url, revive=lambda: ensure_server(own_home))
    publish(warehouse, leads((DAY_1, "old", None, None, 1)), [DAY_1])
    rows = leads(*[(DAY_1, f"{n:06d}", None, None, n) for n in range(1000)])
    publish(warehouse, killing(own_home, rows, kills=1), [DAY_1])
    assert found(warehouse, "SELECT count(*) FROM leads") == [1000]


def test_no_server_is_an_error_without_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warehouse_module, "_TRIES", 1)
    with pytest.raises(SourceUnavailable) as caught:
        publish(Warehouse("postgresql+psycopg2://u:hidden-secret@127.0.0.1:1/x"), leads(), [DAY_1])
    assert "hidden-secret" not in f"{caught.value} {Warehouse('postgresql://u:hidden-secret@h/x')!r}"


# --- tables that change ---


def with_columns(*columns: ColumnDdl) -> TableDdl:
    return TableDdl("leads", columns, LEADS.primary_key, "changed")


def test_an_added_column_is_null_in_older_days(warehouse: Warehouse) -> None:
    publish(warehouse, leads((DAY_1, "a", None, "Pune", 1)), [DAY_1])
    wider = with_columns(*LEADS.columns, ColumnDdl("state", "text", nullable=False))
    rows = leads((DAY_2, "b", None, "Pune", 1)).append_column("state", pa.array(["MH"]))
    publish(warehouse, rows, [DAY_2], wider)
    assert found(warehouse, "SELECT lead_id, state FROM leads ORDER BY 1") == [("a", None), ("b", "MH")]
    rows = leads((DAY_1, "a", None, "Pune", 1)).append_column("state", pa.array(["MH"]))
    publish(warehouse, rows, [DAY_1], wider)
    assert found(warehouse, "SELECT count(*) FROM leads WHERE state IS NULL") == [0]


def test_a_column_that_left_the_contract_goes_and_the_views_are_made_anew(warehouse: Warehouse) -> None:
    publish(warehouse, leads((DAY_1, "a", None, "Pune", 1)), [DAY_1])
    narrower = with_columns(*LEADS.columns[:3], LEADS.columns[4])
    view = "CREATE OR REPLACE VIEW vw_cities AS SELECT sum(touches)::bigint AS touches FROM leads"
    publish(warehouse, leads((DAY_2, "b", None, None, 2)), [DAY_2], narrower, [view])
    assert found(warehouse, "SELECT * FROM vw_cities") == [3]
    assert found(warehouse, "SELECT * FROM leads ORDER BY 1") == [
        (DAY_1, "a", None, 1),
        (DAY_2, "b", None, 2),
    ]


def test_a_changed_type_keeps_the_older_days(warehouse: Warehouse) -> None:
    publish(warehouse, leads((DAY_1, "a", None, "Pune", 1)), [DAY_1])
    changed = with_columns(*LEADS.columns[:4], ColumnDdl("touches", "numeric(10,2)"))
    publish(warehouse, leads((DAY_2, "b", None, "Pune", 2)), [DAY_2], changed)
    assert found(warehouse, "SELECT touches FROM leads ORDER BY 1") == [Decimal("1.00"), Decimal("2.00")]


def test_a_type_that_older_days_cannot_take_is_an_error_with_the_way_out(warehouse: Warehouse) -> None:
    publish(warehouse, leads((DAY_1, "a", None, "Pune", 1)), [DAY_1], after=())
    changed = with_columns(*LEADS.columns[:3], ColumnDdl("city", "integer"), LEADS.columns[4])
    with pytest.raises(FunnelError, match=r"city can't become integer.*DROP TABLE funnel.leads"):
        publish(warehouse, leads((DAY_2, "b", None, None, 2)), [DAY_2], changed, after=())
    assert found(warehouse) == ["a"]


def test_a_view_left_out_goes_and_another_persons_view_is_named(
    warehouse: Warehouse, database_url: str
) -> None:
    publish(warehouse, leads((DAY_1, "a", None, "Pune", 1)), [DAY_1])
    with psycopg2.connect(Warehouse(database_url)._url) as connection:
        connection.cursor().execute("CREATE VIEW public.mine AS SELECT * FROM funnel.vw_cities")
    with pytest.raises(FunnelError, match=r"(?s)built on them.*drop what was added by hand"):
        publish(warehouse, leads((DAY_1, "b", None, "Pune", 1)), [DAY_1], after=())
    assert found(warehouse) == ["a"]


def test_helpers_of_an_older_version_make_room_whatever_they_were(warehouse: Warehouse) -> None:
    older = [
        "CREATE TABLE _cities AS SELECT city, touches FROM leads",
        "CREATE MATERIALIZED VIEW facts AS SELECT city, sum(touches) AS touches FROM _cities GROUP BY city",
        "CREATE VIEW vw_cities AS SELECT * FROM facts",
    ]
    newer = [
        "CREATE TABLE _cities AS SELECT city, sum(touches) AS touches FROM leads GROUP BY city",
        "CREATE VIEW vw_cities AS SELECT * FROM _cities",
    ]
    for after, day in ((older, DAY_1), (newer, DAY_2)):
        publish(warehouse, leads((day, str(day), None, "Pune", 1)), [day], after=after)
    assert found(warehouse, "SELECT touches FROM vw_cities") == [2]
    assert found(warehouse, "SELECT to_regclass('facts')") == [None]


def test_the_planner_knows_the_rows_before_helpers_are_made_of_them(warehouse: Warehouse) -> None:
    known = "CREATE TABLE _known AS SELECT reltuples::int FROM pg_class WHERE oid = 'leads'::regclass"
    publish(
        warehouse,
        leads(*((DAY_1, str(number), None, "Pune", 1) for number in range(9))),
        [DAY_1],
        after=[known],
    )
    assert found(warehouse, "SELECT reltuples FROM _known") == [9]


def test_a_view_that_is_wrong_blocks_the_publish_and_is_named(warehouse: Warehouse) -> None:
    with pytest.raises(FunnelError, match="vw_wrong") as caught:
        publish(
            warehouse,
            leads(),
            [DAY_1],
            after=["CREATE OR REPLACE VIEW vw_wrong AS SELECT nothing FROM leads"],
        )
    assert caught.value.dataset == "vw_wrong"


def test_views_are_left_alone_while_nothing_changed(warehouse: Warehouse) -> None:
    query = "SELECT xmin::text FROM pg_class WHERE relname = 'vw_cities'"
    publish(warehouse, leads((DAY_1, "a", None, "Pune", 1)), [DAY_1])
    before = found(warehouse, query)
    publish(warehouse, leads((DAY_1, "b", None, "Pune", 1)), [DAY_1])
    assert found(warehouse, query) == before


def test_a_table_dropped_by_hand_comes_back(warehouse: Warehouse, database_url: str) -> None:
    publish(warehouse, leads((DAY_1, "a", None, "Pune", 1)), [DAY_1])
    with psycopg2.connect(Warehouse(database_url)._url) as connection:
        connection.cursor().execute("DROP TABLE funnel.leads CASCADE")
    publish(warehouse, leads((DAY_2, "b", None, "Pune", 1)), [DAY_2])
    assert found(warehouse, "SELECT leads FROM vw_cities") == [1]


def test_a_locked_table_ends_in_an_error_that_says_who_to_look_for(
    warehouse: Warehouse, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(warehouse, leads((DAY_1, "a", None, "Pune", 1)), [DAY_1])
    monkeypatch.setattr(warehouse_module, "_TABLE_LOCK_SECONDS", 1)
    monkeypatch.setattr(warehouse_module, "_TRIES", 1)
    wider = with_columns(*LEADS.columns, ColumnDdl("state", "text"))
    reader = psycopg2.connect(Warehouse(database_url)._url)
    try:
        reader.cursor().execute("SELECT * FROM funnel.leads")
        rows = leads((DAY_1, "b", None, "Pune", 1)).append_column("state", pa.array(["MH"]))
        with pytest.raises(FunnelError, match=r"stayed locked.*long-running queries"):
            publish(warehouse, rows, [DAY_1], wider)
    finally:
        reader.close()
    assert found(warehouse) == ["a"]


@contextlib.contextmanager
def as_analyst(database_url: str, role: str) -> Iterator[psycopg2.extensions.connection]:
    """A session of the analyst's own, such as a BI tool holds."""
    url = make_url(Warehouse(database_url)._url)
    with psycopg2.connect(Warehouse(database_url)._url) as owner, owner.cursor() as cursor:
        cursor.execute(f"ALTER ROLE {role} LOGIN PASSWORD 'a-test'")
    owner.close()
    theirs = url.set(username=role, password="a-test").render_as_string(hide_password=False)
    connection = psycopg2.connect(theirs)
    try:
        yield connection
    finally:
        connection.close()


def test_an_analyst_cannot_take_the_lock_of_publishing(database_url: str) -> None:
    role = "analyst_and_locks"
    warehouse = Warehouse(database_url, analyst_role=role)
    publish(warehouse, leads((DAY_1, "a", None, "Pune", 1)), [DAY_1])
    with as_analyst(database_url, role) as theirs, theirs.cursor() as cursor:
        # Anybody may take any advisory lock, so none decides anything here.
        cursor.execute("SELECT pg_advisory_lock(1718972014, hashtext('funnel')), pg_advisory_lock_shared(1)")
        cursor.execute(
            "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = 'funnel' AND c.relkind = 'r'"
        )
        tables = [name for (name,) in cursor.fetchall()]
        assert "_turn" in tables
        theirs.commit()
        for table in tables:
            for mode in ("EXCLUSIVE", "ACCESS EXCLUSIVE", "SHARE", "ROW EXCLUSIVE", "SHARE UPDATE EXCLUSIVE"):
                with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                    cursor.execute(f"LOCK TABLE funnel.{table} IN {mode} MODE NOWAIT")
                theirs.rollback()
        started = time.monotonic()
        publish(warehouse, leads((DAY_1, "b", None, "Pune", 1)), [DAY_1])
        assert time.monotonic() - started < 5
    assert found(warehouse) == ["b"]


def test_an_analyst_that_reads_for_long_does_not_hold_a_publish_up(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    role = "analyst_and_reads"
    warehouse = Warehouse(database_url, analyst_role=role)
    publish(warehouse, leads((DAY_1, "a", None, "Pune", 1)), [DAY_1])
    monkeypatch.setattr(warehouse_module, "_TABLE_LOCK_SECONDS", 1)
    wider = with_columns(*LEADS.columns, ColumnDdl("state", "text"))
    rows = leads((DAY_1, "b", None, "Pune", 1)).append_column("state", pa.array(["MH"]))
    with as_analyst(database_url, role) as theirs, as_analyst(database_url, role) as idle:
        idle.cursor().execute("SELECT 1")
        theirs.cursor().execute("SELECT lead_id FROM funnel.leads")  # and goes for lunch
        publish(warehouse, leads((DAY_1, "c", None, "Pune", 1)), [DAY_1])
        publish(warehouse, rows, [DAY_1], wider)
        with pytest.raises(psycopg2.OperationalError):
            theirs.cursor().execute("SELECT lead_id FROM funnel.leads")
        idle.cursor().execute("SELECT 1")
    assert found(warehouse) == ["b"]


def test_comments_describe_tables_and_columns(warehouse: Warehouse) -> None:
    publish(warehouse, leads(), [DAY_1])
    query = "SELECT obj_description('leads'::regclass), col_description('leads'::regclass, 1)"
    assert found(warehouse, query) == [("One row a lead", "Local day")]


def test_days_are_found_by_an_index(warehouse: Warehouse) -> None:
    table = TableDdl("leads", LEADS.columns, ("lead_id",))
    publish(warehouse, leads(), [DAY_1], table)
    indexes = found(warehouse, "SELECT indexdef FROM pg_indexes WHERE tablename = 'leads' ORDER BY 1")
    assert [text.partition("USING ")[2] for text in indexes] == ["btree (date)", "btree (lead_id)"]


# --- who sees what ---


def test_a_role_gets_limits_on_any_server_and_an_administrators_own_ones_stay(database_url: str) -> None:
    role = "analyst_and_limits"
    with psycopg2.connect(Warehouse(database_url)._url) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE ROLE {role} LOGIN; ALTER ROLE {role} SET statement_timeout = '1h'")
    publish(Warehouse(database_url, analyst_role=role), leads(), [DAY_1])
    with as_analyst(database_url, role) as theirs, theirs.cursor() as cursor:
        for name, value in {
            "statement_timeout": "1h",
            "idle_in_transaction_session_timeout": "2min",
            "default_transaction_read_only": "on",
        }.items():
            cursor.execute(f"SHOW {name}")
            assert cursor.fetchone() == (value,), name
        cursor.execute("SELECT rolconnlimit FROM pg_roles WHERE rolname = user")
        assert cursor.fetchone() == (20,)


def test_limits_that_may_not_be_set_are_told_and_stop_nothing(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    owner, role = "owner_without_rights", "analyst_of_another"
    with psycopg2.connect(Warehouse(database_url)._url) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE ROLE {role}; CREATE ROLE {owner} LOGIN PASSWORD 'a-test'")
        name = make_url(database_url).database
        cursor.execute(f'GRANT CREATE, CONNECT, TEMPORARY ON DATABASE "{name}" TO {owner}')
    url = make_url(database_url).set(username=owner, password="a-test").render_as_string(hide_password=False)
    theirs = Warehouse(url, analyst_role=role)
    publish(theirs, leads((DAY_1, "a", None, "Pune", 1)), [DAY_1])
    assert found(theirs) == ["a"]
    assert f"Limits of {role} that couldn't be set here: default_transaction_read_only" in caplog.text


def test_the_analyst_reads_all_but_personal_columns(warehouse: Warehouse, database_url: str) -> None:
    phones = "CREATE OR REPLACE VIEW vw_phones AS SELECT lead_id, phone FROM leads"
    publish(warehouse, leads((DAY_1, "a", "919800000000", "Pune", 1)), [DAY_1], after=[VIEW, phones])
    with psycopg2.connect(Warehouse(database_url)._url) as connection, connection.cursor() as cursor:

        def refused(query: str) -> bool:
            cursor.execute("SAVEPOINT here")
            try:
                cursor.execute(query)
            except psycopg2.errors.InsufficientPrivilege:
                cursor.execute("ROLLBACK TO SAVEPOINT here")
                return True
            return False

        cursor.execute("SET LOCAL ROLE analyst")
        cursor.execute("SET LOCAL search_path = funnel")
        assert not refused("SELECT date, lead_id, city, touches FROM leads")
        assert not refused("SELECT * FROM vw_cities")
        assert not refused("SELECT lead_id FROM vw_phones")
        assert refused("SELECT phone FROM leads")
        assert refused("SELECT phone FROM vw_phones")
        assert refused("SELECT * FROM _layout")
        assert refused("DELETE FROM leads")
