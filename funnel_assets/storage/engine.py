"""The engine that runs set logic: chosen here, and nowhere else (SPEC 1).

Domain functions are written once with Narwhals; an engine gives them frames, pins intermediate results and takes
the result out as Arrow. Does not belong here: any rule, and any dataset's name.
"""

import uuid
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any, Protocol, Self

import duckdb
import narwhals as nw
import pandas as pd
import pyarrow as pa

from funnel_assets.errors import ConfigError
from funnel_assets.storage.lake import Lake

# Bounds what one run may take on a small machine; larger work spills to disk.
MEMORY_LIMIT = "900MB"
ROWS_AT_ONCE = 50_000


class Engine(Protocol):
    """What set logic needs of an engine. Use as a context manager."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def scan(self, lake: Lake, dataset: str, days: Iterable[Any], columns: Sequence[str]) -> Any:
        """Frame over those of the days that exist, with just these columns."""
        ...

    def frame(self, table: pa.Table) -> Any:
        """Frame over an Arrow table."""
        ...

    def materialize(self, frame: Any) -> Any:
        """Pin an intermediate result that is used more than once. Takes and gives a native frame."""
        ...

    def collect(self, frame: Any) -> pa.Table:
        """Take a native frame out as Arrow."""
        ...


class PandasEngine:
    """Everything in memory, on Arrow-backed pandas: for tests and small work."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def scan(self, lake: Lake, dataset: str, days: Iterable[Any], columns: Sequence[str]) -> pd.DataFrame:
        return self.frame(lake.read(dataset, days, columns=columns, require=False))

    def frame(self, table: pa.Table) -> pd.DataFrame:
        # A column of no chunks (what filtering leaves of nothing) loses its type in narwhals' date arithmetic.
        return (table if table.num_rows else table.schema.empty_table()).to_pandas(types_mapper=pd.ArrowDtype)

    def materialize(self, frame: pd.DataFrame) -> pd.DataFrame:
        return frame

    def collect(self, frame: Any) -> pa.Table:
        return nw.from_native(frame, eager_only=True).to_arrow()


class DuckDBEngine:
    """The default: lazy, out of core, one process."""

    def __enter__(self) -> Self:
        self._connection = duckdb.connect(config={"memory_limit": MEMORY_LIMIT})
        self._connection.execute("SET TimeZone = 'UTC'")
        self._connection.execute("SET preserve_insertion_order = false")
        self._kept: list[pa.Table] = []
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()
        self._kept.clear()

    def scan(self, lake: Lake, dataset: str, days: Iterable[Any], columns: Sequence[str]) -> Any:
        files = lake.files(dataset, days) if lake.is_local else []
        if not files:
            return self.frame(lake.read(dataset, days, columns=columns, require=False))
        even = lake.is_even(dataset)
        # The day is a column of the file already: the folder's name must not make a second one.
        found = self._connection.read_parquet(files, hive_partitioning=False, union_by_name=not even)
        return found.select(
            ", ".join(f'"{name}"' for name in columns)
            if even
            else self._filled(found, lake, dataset, columns)
        )

    def _filled(self, found: Any, lake: Lake, dataset: str, columns: Sequence[str]) -> str:
        """Return the columns to select where files of an older version lack some: these are empty."""
        empty = self._connection.from_arrow(lake.read(dataset, (), columns=columns))
        kinds = dict(zip(empty.columns, empty.types, strict=True))
        return ", ".join(
            f'"{name}"' if name in found.columns else f'CAST(NULL AS {kinds[name]}) AS "{name}"'
            for name in columns
        )

    def frame(self, table: pa.Table) -> Any:
        self._kept.append(table)  # a relation over Arrow only borrows it
        return self._connection.from_arrow(table)

    def materialize(self, frame: Any) -> Any:
        name = f"pinned_{uuid.uuid4().hex}"
        frame.create(name)
        return self._connection.table(name)

    def collect(self, frame: Any) -> pa.Table:
        result = frame.to_arrow_table() if hasattr(frame, "to_arrow_table") else frame.arrow()
        return result if isinstance(result, pa.Table) else result.read_all()

    def batches(self, frame: Any) -> pa.RecordBatchReader:
        """Take a native frame out piece by piece."""
        return frame.to_arrow_reader(ROWS_AT_ONCE)


class SparkEngine:
    """Past one machine: the same functions on a Spark session (extra ``spark``, needs Java)."""

    def __enter__(self) -> Self:
        try:
            from pyspark.sql import SparkSession  # pyright: ignore[reportMissingImports] - an extra
        except ImportError as error:
            raise ConfigError(
                "FUNNEL_ENGINE is spark, but pyspark isn't installed.",
                fix="install the extra: `pip install funnel-assets[spark]`, or unset FUNNEL_ENGINE.",
            ) from error
        self._session = (
            SparkSession.builder.appName("funnel_assets")
            .config("spark.sql.session.timeZone", "UTC")
            .config("spark.ui.enabled", "false")
            .getOrCreate()
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.catalog.clearCache()

    def scan(self, lake: Lake, dataset: str, days: Iterable[Any], columns: Sequence[str]) -> Any:
        files = lake.files(dataset, days) if lake.is_local and lake.is_even(dataset) else []
        if not files:
            return self.frame(lake.read(dataset, days, columns=columns, require=False))
        return self._session.read.parquet(*files).select(*columns)

    def frame(self, table: pa.Table) -> Any:
        return self._session.createDataFrame(table)

    def materialize(self, frame: Any) -> Any:
        return frame.localCheckpoint()

    def collect(self, frame: Any) -> pa.Table:
        return frame.toArrow()


ENGINES: dict[str, type[Engine]] = {"duckdb": DuckDBEngine, "pandas": PandasEngine, "spark": SparkEngine}


def open_engine(name: str) -> Engine:
    """Return the engine of that name, to be used as a context manager.

    Raises:
        ConfigError: If there is no such engine.
    """
    if name not in ENGINES:
        raise ConfigError(
            f"FUNNEL_ENGINE is {name!r}.", fix=f"set it to one of: {', '.join(sorted(ENGINES))}."
        )
    return ENGINES[name]()
