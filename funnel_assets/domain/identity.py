"""Who a record belongs to (SPEC 6, Identity).

Belongs here: the rule that turns a phone, an e-mail or a source's own id into a person. Does not belong here:
cleaning phones and e-mails, or making their pseudonyms.

A person is named by the first of these that a record has:

1. its phone;
2. the phone most recently known for its e-mail, up to the end of the record's own local day;
3. its e-mail;
4. the source's own id (``external_key``, where a source has one);
5. nothing: it stands alone, under its own record id.

What is learnt later never renames an earlier record: only links up to the record's day count. The answer depends on
the set of records, not on their order: the latest sighting wins, on a tie the phone key that sorts last.
"""

from typing import Any

import narwhals as nw

from funnel_assets.domain.frames import (
    Frame,
    Materialize,
    Native,
    last_by,
    numbered,
    pinned,
    unchanged,
)

SHARED_PHONE_EMAILS = 3
"""E-mails after which a phone is flagged as shared: two are one person's private and work address; from three on it
is more often a family's or a counsellor's own number, typed for several people."""

LINK_COLUMNS = ("email_key", "phone_key", "phone", "date", "seen_at")


def identity_links(
    raw_leads: Native, zoom_attendance: Native, engagement_events: Native | None = None
) -> Native:
    """Return every sighting of an e-mail and a phone in one record: one row per e-mail, phone and local day.

    Columns: email_key, phone_key, phone (digits), date, seen_at (last sighting of the day, UTC). Needs all days there
    are, because a link holds until a newer one.
    """
    sighted = [
        _sightings(nw.from_native(raw_leads), "created_at"),
        _sightings(nw.from_native(zoom_attendance), "touched_at"),
    ]
    if engagement_events is not None:
        sighted.append(_sightings(nw.from_native(engagement_events), "event_at"))
    return (
        nw.concat(sighted, how="vertical")
        .group_by("email_key", "phone_key", "date")
        .agg(nw.col("phone").min().alias("phone"), nw.col("seen_at").max().alias("seen_at"))
        .select(*LINK_COLUMNS)
        .to_native()
    )


def _sightings(records: Frame, seen_at: str) -> Frame:
    both = ~nw.col("email_key").is_null() & ~nw.col("phone_key").is_null()
    return records.filter(both).select(
        "email_key", "phone_key", "phone", "date", nw.col(seen_at).alias("seen_at")
    )


def identify(
    records: Native, links: Native, record_id: str, *, materialize: Materialize = unchanged
) -> Native:
    """Return the records with ``person_id``, ``identified_by`` and ``linked_phone`` added.

    Args:
        records: Frame with phone_key, email_key, date, the record id and, where the source has one, external_key.
        links: Result of :func:`identity_links`.
        record_id: Name of the column that names a record.
        materialize: Keeps an intermediate result that is used more than once.

    ``identified_by`` is phone, email_phone, email, external or alone. ``linked_phone`` holds the digits of the phone
    where it came from the e-mail, else null.
    """
    return identified(nw.from_native(records), nw.from_native(links), record_id, materialize).to_native()


def identified(records: Frame, links: Frame, record_id: str, materialize: Materialize = unchanged) -> Frame:
    """Do the work of :func:`identify` on Narwhals frames."""
    return named(records, pinned(known_phones(records, links), materialize), record_id)


def named(records: Frame, known: Frame, record_id: str) -> Frame:
    """Add the person to records, given the phones known for their e-mails (:func:`known_phones`)."""
    alone = nw.concat_str([nw.lit("a"), nw.col(record_id).cast(nw.String)])
    names: list[Any] = [nw.col("phone_key"), nw.col("known_phone_key"), nw.col("email_key")]
    how = (
        nw.when(~nw.col("phone_key").is_null())
        .then(nw.lit("phone"))
        .when(~nw.col("known_phone_key").is_null())
        .then(nw.lit("email_phone"))
        .when(~nw.col("email_key").is_null())
        .then(nw.lit("email"))
    )
    if "external_key" in records.collect_schema().names():
        names.append(nw.col("external_key"))
        how = how.when(~nw.col("external_key").is_null()).then(nw.lit("external"))
    linked = nw.col("phone_key").is_null() & ~nw.col("known_phone_key").is_null()
    return (
        records.join(known, on=["email_key", "date"], how="left")
        .with_columns(
            nw.coalesce(*names, alone).alias("person_id"),
            how.otherwise(nw.lit("alone")).alias("identified_by"),
            nw.when(linked).then(nw.col("known_phone")).alias("linked_phone"),
        )
        .drop("known_phone_key", "known_phone")
    )


def known_phones(records: Frame, links: Frame) -> Frame:
    """Return the phone known for an e-mail on a day, for the e-mails and days of records without a phone.

    Most records have a phone of their own, so only the few e-mails in need are looked up.
    """
    in_need = (
        records.filter(nw.col("phone_key").is_null(), ~nw.col("email_key").is_null())
        .select("email_key", "date")
        .unique()
    )
    sighted = links.join(in_need.select("email_key").unique(), on="email_key", how="semi")
    latest_of_day = last_by(sighted, ["email_key", "date"], ["seen_at", "phone_key"])
    spans = latest_of_day.select(
        "email_key",
        nw.col("phone_key").alias("known_phone_key"),
        nw.col("phone").alias("known_phone"),
        nw.col("date").alias("known_from"),
        nw.col("date").shift(-1).over("email_key", order_by="date").alias("known_until"),
    )
    holds = (nw.col("date") >= nw.col("known_from")) & (
        nw.col("known_until").is_null() | (nw.col("date") < nw.col("known_until"))
    )
    return (
        in_need.join(spans, on="email_key", how="inner")
        .filter(holds)
        .select("email_key", "date", "known_phone_key", "known_phone")
    )


def shared_phones(links: Native) -> Native:
    """Return the phones used with many e-mails: phone_key, shared_from (the local day it became so)."""
    return shared(nw.from_native(links)).to_native()


def shared(links: Frame) -> Frame:
    """Do the work of :func:`shared_phones` on Narwhals frames."""
    pairs = links.group_by("phone_key", "email_key").agg(nw.col("date").min().alias("shared_from"))
    in_order = numbered(pairs, "phone_key", ["shared_from", "email_key"], "nth")
    return in_order.filter(nw.col("nth") == SHARED_PHONE_EMAILS).select("phone_key", "shared_from")
