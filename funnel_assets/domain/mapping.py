"""Which funnel a source belongs to (SPEC 7; seed 001, Funnel_Mapping), and how a funnel is spelled.

Belongs here: the lookup of ``funnel_mapping.csv``, and what makes two funnels one. Does not belong here: reading that
file.
"""

import narwhals as nw

from funnel_assets.domain.frames import Frame, distinct, first_by, given, last_by, matched

MISCELLANEOUS = "Other Sources (Miscellaneous)"
"""The funnel of every source that nobody has mapped yet; the sheet's own words."""


def mapped(
    records: Frame, mapping: Frame, *, source: str, day: str, into: str, keep_missing: bool = False
) -> Frame:
    """Return the records with the funnel of their source added.

    Args:
        records: Frame with the source and day columns named below.
        mapping: source, funnel, status, valid_from, valid_to (days, both included; null is open).
        source: Name of the source column.
        day: Name of the day column that decides which row of the mapping is valid.
        into: Name of the column to add.
        keep_missing: Leave the funnel null where the day is null (there was no touch to map).
    """
    answers = funnels_of(records, mapping, source=source, day=day)
    return with_funnel(records, answers, source=source, day=day, into=into, keep_missing=keep_missing)


def funnels_of(records: Frame, mapping: Frame, *, source: str, day: str) -> Frame:
    """Return the funnel of each source on each day that the records name and the mapping knows: source, day, funnel.

    Sources match trimmed and without case, as the sheet's VLOOKUP does. ``deprecated`` rows still map: history keeps
    its funnel. Should two rows be valid at once, the one that became valid last wins, then the funnel that sorts last.
    """
    rules = mapping.filter(~nw.col("source").is_null(), ~nw.col("funnel").is_null()).select(
        matched("source").alias("_key"), "funnel", "valid_from", "valid_to"
    )
    asked = distinct(records.filter(~nw.col(source).is_null(), ~nw.col(day).is_null()), source, day)
    valid = (
        asked.select(nw.col(source).alias("source"), nw.col(day).alias("day"), matched(source).alias("_key"))
        .join(rules, on="_key", how="inner")
        .filter(
            nw.col("valid_from").is_null() | (nw.col("valid_from") <= nw.col("day")),
            nw.col("valid_to").is_null() | (nw.col("valid_to") >= nw.col("day")),
        )
    )
    return last_by(valid, ["source", "day"], ["valid_from", "funnel"]).select("source", "day", "funnel")


def with_funnel(
    records: Frame, funnels: Frame, *, source: str, day: str, into: str, keep_missing: bool = False
) -> Frame:
    """Return the records with a funnel of :func:`funnels_of` added; arguments as of :func:`mapped`.

    Unknown and missing sources are Miscellaneous.
    """
    answers = funnels.select(
        nw.col("source").alias(source), nw.col("day").alias(day), nw.col("funnel").alias(into)
    )
    found = nw.coalesce(into, nw.lit(MISCELLANEOUS))
    if keep_missing:
        found = nw.when(~nw.col(day).is_null()).then(found)
    return records.join(answers, on=[source, day], how="left").with_columns(found.alias(into))


def one_funnel(funnel: str) -> nw.Expr:
    """Return what is equal for names of one funnel: neither case, as in SUMIFS, nor white space makes another."""
    return nw.col(funnel).str.replace_all(r"\s+", " ").str.strip_chars().str.to_lowercase()


def spelled(records: Frame, mapping: Frame, manual_funnels: Frame, *, funnel: str) -> Frame:
    """Write the funnels of records so that those which are one (:func:`one_funnel`) are written in one way.

    A funnel of ``funnel_mapping.csv`` or ``manual_funnels.csv``, of whatever day, is written as there (they hold one
    spelling of each); any other with a capital first and small letters after. So the spelling depends on the config
    alone, not on which rows or days are there.

    Args:
        records: Frame whose ``funnel`` column has no empty cells.
        mapping: ``funnel_mapping.csv``.
        manual_funnels: ``manual_funnels.csv``.
        funnel: Name of the column.
    """
    known = nw.concat([mapping.select("funnel"), manual_funnels.select("funnel")], how="vertical")
    known = known.filter(given("funnel")).select(
        one_funnel("funnel").alias("_key"), nw.col("funnel").str.strip_chars().alias("_spelled")
    )
    key = nw.col("_key")
    otherwise = nw.concat_str([key.str.slice(0, 1).str.to_uppercase(), key.str.slice(1)])
    return (
        records.with_columns(one_funnel(funnel).alias("_key"))
        .join(first_by(known, ["_key"], ["_spelled"]), on="_key", how="left")
        .with_columns(
            nw.when(key == MISCELLANEOUS.lower())
            .then(nw.lit(MISCELLANEOUS))
            .otherwise(nw.coalesce("_spelled", otherwise))
            .alias(funnel)
        )
        .drop("_key", "_spelled")
    )
