"""The engines that every domain function runs on, as the tests use them: Arrow tables in, plain rows out."""

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa

Rows = list[tuple[Any, ...]]


class PandasEngine:
    """Arrow-backed pandas frames."""

    name = "pandas"

    def load(self, tables: Mapping[str, pa.Table]) -> dict[str, Any]:
        """Return the tables as this engine's frames."""
        return {name: table.to_pandas(types_mapper=pd.ArrowDtype) for name, table in tables.items()}

    def table(self, native: Any) -> pa.Table:
        """Return a result as an Arrow table."""
        return pa.Table.from_pandas(native, preserve_index=False).replace_schema_metadata(None)

    def materialize(self, native: Any) -> Any:
        """Pandas keeps its results."""
        return native


class DuckEngine:
    """DuckDB relations of one connection; a pinned one is a temporary table."""

    name = "duckdb"

    def __init__(self) -> None:
        self.connection = duckdb.connect()
        self.connection.execute("SET TimeZone = 'UTC'")
        self.connection.execute("SET threads = 2")
        self.pins = 0

    def load(self, tables: Mapping[str, pa.Table]) -> dict[str, Any]:
        """Return the tables as relations."""
        return {name: self.materialize(self.connection.from_arrow(table)) for name, table in tables.items()}

    def table(self, native: Any) -> pa.Table:
        """Return a result as an Arrow table."""
        found = native.arrow()
        return found if isinstance(found, pa.Table) else found.read_all()

    def materialize(self, native: Any) -> Any:
        """Keep a relation's result in a temporary table."""
        self.pins += 1
        native.to_table(name := f"pin_{self.pins}")
        return self.connection.table(name)


class SparkEngine:
    """PySpark frames of one local session."""

    name = "spark"

    def __init__(self) -> None:
        from pyspark.sql import SparkSession

        self.session = (
            SparkSession.builder.master("local[1]")
            .config("spark.sql.shuffle.partitions", "1")
            .config("spark.default.parallelism", "1")
            .config("spark.ui.enabled", "false")
            .config("spark.ui.showConsoleProgress", "false")
            .config("spark.sql.codegen.wholeStage", "false")
            .config("spark.sql.codegen.factoryMode", "NO_CODEGEN")
            .config("spark.driver.extraJavaOptions", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
            .config("spark.sql.session.timeZone", "UTC")
            .config("spark.sql.execution.arrow.pyspark.enabled", "true")
            .config("spark.sql.adaptive.enabled", "false")
            .config("spark.sql.autoBroadcastJoinThreshold", "-1")
            # Small inputs, large plans: the time goes into planning them.
            .config("spark.sql.constraintPropagation.enabled", "false")
            .config("spark.sql.dataFrameQueryContext.enabled", "false")
            .config("spark.python.sql.dataFrameDebugging.enabled", "false")
            .config("spark.sql.lightweightPlanChangeValidation", "false")
            .getOrCreate()
        )
        self.session.sparkContext.setLogLevel("ERROR")

    def load(self, tables: Mapping[str, pa.Table]) -> dict[str, Any]:
        """Return the tables as Spark frames."""
        return {name: self.session.createDataFrame(table) for name, table in tables.items()}

    def table(self, native: Any) -> pa.Table:
        """Return a result as an Arrow table."""
        return native.toArrow()

    def materialize(self, native: Any) -> Any:
        """Keep a frame's result, and forget how it was made."""
        return native.localCheckpoint()


def rows(table: pa.Table) -> Rows:
    """Return a table's rows in an order of their own, instants as UTC, so that engines compare exactly."""
    found = [tuple(map(_plain, row.values())) for row in table.to_pylist()]
    return sorted(found, key=repr)


def _plain(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC)
    return value


def run(
    engine: Any, function: Callable[..., Any], tables: Mapping[str, pa.Table], **options: Any
) -> pa.Table:
    """Run a function on an engine with tables as its arguments, and return the result as a table."""
    frames = engine.load(tables)
    return engine.table(function(**frames, **options))
