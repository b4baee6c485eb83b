"""What a contract is, and what is derived from one.

A contract is a pandera ``DataFrameModel`` over Arrow-backed pandas columns: the one truth about a dataset's columns.
Arrow schema (lake), Postgres columns and comments (warehouse), Dagster column schema and the data dictionary are all
derived from it. Does not belong here: the columns of any one dataset.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import pandas as pd
import pandera.pandas as pan
import pyarrow as pa
from pandera.errors import SchemaErrors

Text = Annotated[pd.ArrowDtype, pa.string()]
Day = Annotated[pd.ArrowDtype, pa.date32()]
Timestamp = Annotated[pd.ArrowDtype, pa.timestamp("us", tz="UTC")]
Integer = Annotated[pd.ArrowDtype, pa.int64()]
Number = Annotated[pd.ArrowDtype, pa.float64()]
Flag = Annotated[pd.ArrowDtype, pa.bool_()]


def column(
    description: str,
    *,
    nullable: bool = False,
    personal: bool = False,
    sheet: str | None = None,
    **checks: Any,
) -> Any:
    """Declare a contract column.

    Args:
        description: Meaning and unit, for people; becomes the Postgres comment and the dictionary's text.
        nullable: Whether a missing value is allowed.
        personal: Whether it identifies a person (hidden from the ``analyst`` role and masked in previews).
        sheet: Name of the column in the source file, where the field came from one.
        checks: pandera checks (``ge``, ``isin``, ``unique`` …).
    """
    return pan.Field(
        nullable=nullable,
        description=description,
        metadata={"personal": personal, "sheet": sheet},
        **checks,
    )


class Model(pan.DataFrameModel):
    """Base of every dataset's model: exactly these columns, in this order, unknown ones refused."""

    class Config:
        strict = True
        ordered = True


@dataclass(frozen=True)
class Contract:
    """A dataset's name, place, grain and key, and the model of its columns."""

    dataset: str
    group: str
    grain: str
    key: tuple[str, ...]
    model: type[Model]

    @property
    def description(self) -> str:
        """The model's own docstring: what one row is, and where the rule comes from."""
        return " ".join((self.model.__doc__ or "").split())


CONTRACTS: dict[str, Contract] = {}


def contract(
    dataset: str, *, group: str, grain: str, key: tuple[str, ...]
) -> Callable[[type[Model]], type[Model]]:
    """Register a model as the contract of a dataset."""

    def register(model: type[Model]) -> type[Model]:
        CONTRACTS[dataset] = Contract(dataset, group, grain, key, model)
        return model

    return register


@dataclass(frozen=True)
class ColumnFacts:
    """One column of a contract, for whoever derives something from it."""

    name: str
    arrow_type: pa.DataType
    nullable: bool
    description: str
    personal: bool
    sheet: str | None


def columns(contract: Contract) -> tuple[ColumnFacts, ...]:
    """Return the facts of every column of a contract, in order."""
    return tuple(
        ColumnFacts(
            name=name,
            arrow_type=facts.dtype.type.pyarrow_dtype,
            nullable=facts.nullable,
            description=facts.description,
            personal=(facts.metadata or {}).get("personal", False),
            sheet=(facts.metadata or {}).get("sheet"),
        )
        for name, facts in contract.model.to_schema().columns.items()
    )


def arrow_schema(contract: Contract) -> pa.Schema:
    """Return the Arrow schema of a contract: what a lake partition holds, column for column."""
    return pa.schema([pa.field(facts.name, facts.arrow_type) for facts in columns(contract)])


def conform(frame: pd.DataFrame | pa.Table, contract: Contract) -> pa.Table:
    """Return a frame as an Arrow table with exactly the contract's columns and types.

    Raises:
        pa.ArrowInvalid: If a value doesn't fit its type (never rounded or cut silently).
        KeyError: If a column is missing.
    """
    schema = arrow_schema(contract)
    if isinstance(frame, pd.DataFrame):
        return pa.Table.from_pandas(frame[schema.names], schema=schema, preserve_index=False)
    return frame.select(schema.names).cast(schema)


@dataclass(frozen=True)
class Violation:
    """One broken rule of a contract: how many rows break it, and on which of the frame's rows."""

    rule: str
    column: str
    rows: tuple[int, ...]


def violations(table: pa.Table, contract: Contract) -> list[Violation]:
    """Check a table against its contract and return what is broken (empty when all holds).

    Row positions are those of ``table``; a rule about the whole frame has no rows. Values are not returned:
    they may be personal data.
    """
    frame = table.to_pandas(types_mapper=pd.ArrowDtype)
    found: dict[tuple[str, str], list[int]] = {}
    try:
        contract.model.validate(frame, lazy=True)
    except SchemaErrors as errors:
        for case in errors.failure_cases.itertuples():
            rule = re.sub(r"\s+", " ", str(case.check))[:120]
            rows = found.setdefault((rule, str(case.column)), [])
            if case.index is not None and not pd.isna(case.index):
                rows.append(int(case.index))
    duplicated = frame.duplicated(list(contract.key), keep="first")
    if duplicated.any():
        found[("unique key", ", ".join(contract.key))] = [
            int(row) for row in duplicated.to_numpy().nonzero()[0]
        ]
    return [Violation(rule, name, tuple(rows)) for (rule, name), rows in found.items()]
