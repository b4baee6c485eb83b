"""Who a record belongs to (SPEC 6, Identity).

Belongs here: the rule that turns a phone, an e-mail or a source's own id into a person. Does not belong here:
cleaning phones and e-mails, making their pseudonyms, or reading link rows (:mod:`funnel_assets.domain.link_rows`).

A person is named by the first of these that a record has:

1. its phone, unless its e-mail is a stranger to that phone;
2. the phone most recently known for its e-mail, up to the end of the record's own local day;
3. its e-mail;
4. the source's own id (``external_key``, where a source has one);
5. nothing: it stands alone, under its own record id.

An e-mail is a stranger to a phone when both the e-mail and the first name differ from those the phone was first seen
with: a relative, or somebody whose counsellor typed their own number. A second e-mail of the same name (a mistyped
one, an address at work) is the same person, and so is another name with the same e-mail.

Then the rows of ``identity_links.csv`` decide:

- must_link: a group's people have the group's id. A phone belongs to the group if a row names it, or from the day on
  which it was first seen with an e-mail that a row names; where two groups claim it, to the one that was first.
- cannot_link: of two that mustn't be one person and meet at one (by a shared phone, or through a third), the one that
  came there later stands under its own e-mail or phone. What a row names was always there; on one day the key that
  sorts first was first. An e-mail that was never seen there in a form, Zoom report or event came last.

What is learnt later never renames an earlier record: only links up to the record's day count. The answer depends on
the set of records, not on their order: the latest sighting wins, on a tie the phone key that sorts last.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any

import narwhals as nw

from funnel_assets.domain.frames import (
    Frame,
    Materialize,
    Native,
    distinct,
    first_by,
    numbered,
    pinned,
    unchanged,
)
from funnel_assets.domain.keys import ALONE_MARK

KEYS = ("phone_key", "email_key", "external_key")
"""Columns by which a record names its person, the first that it has first."""

SHARED_PHONE_EMAILS = 3
"""E-mails after which a phone is flagged as shared: two are one person's private and work address; from three on it
is more often a family's or a counsellor's own number, typed for several people."""

NAME_LETTERS = 3
"""Letters of a first name that are compared: Raj is Rajesh, and A. is Asha."""

LINK_COLUMNS = ("email_key", "phone_key", "phone", "date", "seen_at", "name")

_ALWAYS = dt.date(1900, 1, 1)
"""Since when what a row names has been there."""


@dataclass(frozen=True)
class Decided:
    """What link rows decide, as frames of one engine.

    Attributes:
        people: key, person_id: whom must_link rows name (:func:`~funnel_assets.domain.link_rows.people_table`).
        members: key, person_id, since: the same, and the phones seen with their e-mails.
        own: key, own: everyone whom a cannot_link row concerns, and the id they have by themselves.
        kept: key, person_id, since: where each of them may stay.
    """

    people: Frame
    members: Frame
    own: Frame
    kept: Frame


@dataclass(frozen=True)
class Links:
    """All that says who is who, as frames of one engine; made by :func:`opened`.

    Attributes:
        sightings: :func:`identity_links`.
        strangers: email_key, phone_key, since: e-mails that are strangers to a phone, and from which day on.
        shared: phone_key, shared_from: phones used with many e-mails, and the local day on which they became so.
        decided: What link rows decide; None where there are none.
    """

    sightings: Frame
    strangers: Frame
    shared: Frame
    decided: Decided | None = None


def identity_links(
    raw_leads: Native, zoom_attendance: Native, engagement_events: Native | None = None
) -> Native:
    """Return every sighting of an e-mail and a phone in one record: one row per e-mail, phone and local day.

    Columns: email_key, phone_key, phone (digits), date, seen_at (last sighting of the day, UTC), name (of the day's
    records the one that sorts first, as typed; null where none has one). Needs all days there are, because a link holds
    until a newer one.
    """
    sighted = [
        _sightings(nw.from_native(raw_leads), "created_at", "name"),
        _sightings(nw.from_native(zoom_attendance), "touched_at", "first_name"),
    ]
    if engagement_events is not None:
        sighted.append(_sightings(nw.from_native(engagement_events), "event_at", None))
    return (
        nw.concat(sighted, how="vertical")
        .group_by("email_key", "phone_key", "date")
        .agg(
            nw.col("phone").min().alias("phone"),
            nw.col("seen_at").max().alias("seen_at"),
            nw.col("name").min().alias("name"),
        )
        .select(*LINK_COLUMNS)
        .to_native()
    )


def _sightings(records: Frame, seen_at: str, name: str | None) -> Frame:
    both = ~nw.col("email_key").is_null() & ~nw.col("phone_key").is_null()
    nobody = nw.when(nw.col("phone_key").is_null()).then(nw.col("phone_key"))
    return records.filter(both).select(
        "email_key",
        "phone_key",
        "phone",
        "date",
        nw.col(seen_at).alias("seen_at"),
        (nw.col(name) if name else nobody).alias("name"),
    )


def first_letters(name: str) -> nw.Expr:
    """Return the first letters of a first name, in lower case, titles left out; null where there are none.

    ``Rao, Asha`` is Asha, as ``Asha Rao`` is. Only Latin letters: what another script writes isn't compared.
    """
    plain = nw.col(name).str.to_lowercase().str.replace_all("^[^a-z]+", "")
    plain = plain.str.replace_all("^[^ ,]+ *, *", "")
    plain = plain.str.replace_all(r"^(mr|mrs|ms|miss|dr|prof|shri|smt)[. ]+", "")
    letters = plain.str.replace_all("[^a-z].*$", "").str.slice(0, NAME_LETTERS)
    return nw.when(letters != "").then(letters)


def opened(
    links: "Native | Links",
    materialize: Materialize = unchanged,
    *,
    people: Native | None = None,
    apart: Native | None = None,
) -> Links:
    """Work out all that says who is who.

    Args:
        links: :func:`identity_links`; what has been opened already is returned as it is.
        materialize: Keeps an intermediate result that is used more than once.
        people: :func:`~funnel_assets.domain.link_rows.people_table`, given together with ``apart``.
        apart: :func:`~funnel_assets.domain.link_rows.apart_table`.
    """
    if isinstance(links, Links):
        return links
    sightings = nw.from_native(links)
    pairs = pinned(
        sightings.group_by("phone_key", "email_key").agg(nw.col("date").min().alias("shared_from")),
        materialize,
    )
    emails = pairs.group_by("phone_key").agg(nw.len().alias("emails"))
    several = pinned(emails.filter(nw.col("emails") > 1), materialize)
    strangers = pinned(_strangers(sightings, several, materialize), materialize)
    shared = pinned(_shared(pairs, several), materialize)
    if people is None or apart is None:
        return Links(sightings, strangers, shared)
    familiar = _without_strangers(sightings, strangers)
    rows = nw.from_native(people), nw.from_native(apart)
    return Links(sightings, strangers, shared, _decided(familiar, *rows, materialize))


def _shared(pairs: Frame, several: Frame) -> Frame:
    """Return the phones used with many e-mails, given each phone's e-mails with their first day, and how many."""
    of_many = pairs.join(several.filter(nw.col("emails") >= SHARED_PHONE_EMAILS), on="phone_key", how="semi")
    in_order = numbered(of_many, "phone_key", ["shared_from", "email_key"], "nth")
    return in_order.filter(nw.col("nth") == SHARED_PHONE_EMAILS).select("phone_key", "shared_from")


def _strangers(sightings: Frame, several: Frame, materialize: Materialize) -> Frame:
    """Return the e-mails that came to a phone with another first name than the one it was first seen with."""
    met = sightings.filter(~nw.col("name").is_null()).join(several, on="phone_key", how="semi")
    # Kept before the filter on it, or SQL engines look into everybody's name.
    called = pinned(met.with_columns(first_letters("name").alias("first_name")), materialize)
    pairs = first_by(called.filter(~nw.col("first_name").is_null()), ["phone_key", "email_key"], ["date"])
    holders = first_by(pairs, ["phone_key"], ["date", "seen_at", "email_key"]).select(
        "phone_key", nw.col("first_name").alias("_holder")
    )
    return (
        pairs.join(holders, on="phone_key", how="inner")
        .filter(_differ("first_name", "_holder"))
        .select("email_key", "phone_key", nw.col("date").alias("since"))
    )


def _differ(one: str, other: str) -> nw.Expr:
    """Return whether two beginnings of names can't be of one name: the shorter isn't the longer's beginning."""
    return nw.any_horizontal(
        *(
            (nw.col(one).str.len_chars() >= count)
            & (nw.col(other).str.len_chars() >= count)
            & (nw.col(one).str.slice(0, count) != nw.col(other).str.slice(0, count))
            for count in range(1, NAME_LETTERS + 1)
        ),
        ignore_nulls=True,
    )


def _without_strangers(sightings: Frame, strangers: Frame) -> Frame:
    known = sightings.join(strangers, on=["email_key", "phone_key"], how="left")
    return known.filter(nw.col("since").is_null() | (nw.col("date") < nw.col("since"))).drop("since")


def _decided(sightings: Frame, people: Frame, apart: Frame, materialize: Materialize) -> Decided:
    """Work out who belongs to which group from when on, and who must stay away from where."""
    always = nw.lit(_ALWAYS).cast(nw.Date)
    members = pinned(_members(sightings, people), materialize)
    own = apart.select("key", "own").unique()
    met = sightings.select(nw.col("email_key").alias("key"), "phone_key", "date").join(
        own.select("key"), on="key", how="semi"
    )
    first_met = pinned(met.group_by("key", "phone_key").agg(nw.col("date").min()), materialize)
    groups = members.select(nw.col("key").alias("phone_key"), "person_id", "since")
    joined = first_met.join(groups, on="phone_key", how="inner")
    later = nw.when(nw.col("since") > nw.col("date")).then(nw.col("since")).otherwise(nw.col("date"))
    arrivals = nw.concat(
        [
            own.select("key", nw.col("own").alias("person_id"), always.alias("since")),
            members.join(own.select("key"), on="key", how="semi").select("key", "person_id", "since"),
            first_met.select("key", nw.col("phone_key").alias("person_id"), nw.col("date").alias("since")),
            joined.select("key", "person_id", later.alias("since")),
        ],
        how="vertical",
    )
    arrivals = pinned(arrivals.group_by("key", "person_id").agg(nw.col("since").min()), materialize)
    out = pinned(_out(arrivals, apart), materialize)
    gone = out.join(own, on="key", how="inner").filter(nw.col("person_id") != nw.col("own"))
    return Decided(
        people=people,
        members=pinned(members.join(gone, on=["key", "person_id"], how="anti"), materialize),
        own=pinned(own, materialize),
        kept=pinned(arrivals.join(out, on=["key", "person_id"], how="anti"), materialize),
    )


def _members(sightings: Frame, people: Frame) -> Frame:
    """Return whom a row names, and each phone from the day on which it was first seen with an e-mail that one names."""
    by_email = people.select(nw.col("key").alias("email_key"), "person_id")
    claimed = (
        sightings.select("email_key", nw.col("phone_key").alias("key"), "date")
        .join(by_email, on="email_key", how="inner")
        .join(people.select("key"), on="key", how="anti")
        .select("key", "person_id", nw.col("date").alias("since"))
    )
    named_ones = people.select("key", "person_id", nw.lit(_ALWAYS).cast(nw.Date).alias("since"))
    return nw.concat([named_ones, first_by(claimed, ["key"], ["since", "person_id"])], how="vertical")


def _out(arrivals: Frame, apart: Frame) -> Frame:
    """Return who comes to a person at whom somebody already is whom they mustn't be one with."""
    there = arrivals.select(nw.col("key").alias("other"), "person_id", nw.col("since").alias("_there"))
    met = arrivals.join(apart.select("key", "other"), on="key", how="inner").join(
        there, on=["other", "person_id"], how="inner"
    )
    came_first = (nw.col("_there") < nw.col("since")) | (
        (nw.col("_there") == nw.col("since")) & (nw.col("other") < nw.col("key"))
    )
    return met.filter(came_first).select("key", "person_id").unique()


def no_id() -> nw.Expr:
    """Return the external_key of records that have none: Zoom doesn't know people by an id."""
    return nw.when(nw.col("phone_key").is_null()).then(nw.col("phone_key"))


def identify(
    records: Native, links: "Native | Links", record_id: str, *, materialize: Materialize = unchanged
) -> Native:
    """Return the records with ``person_id``, ``identified_by``, ``linked_phone`` and ``own_phone_key`` added.

    Args:
        records: Frame with phone_key, email_key, date, the record id and, where the source has one, external_key.
        links: Result of :func:`identity_links`, or of :func:`opened`, which knows link rows too.
        record_id: Name of the column that names a record.
        materialize: Keeps an intermediate result that is used more than once.

    ``identified_by`` is phone, email_phone, email, external or alone, as above; shared_phone where the e-mail names
    the person because it is a stranger to the record's phone; must_link or cannot_link where a row decided.
    ``linked_phone`` holds the digits of the phone where it came from the e-mail, else null; ``own_phone_key`` the
    record's phone where it is the person's.
    """
    known = opened(links, materialize)
    return identified(nw.from_native(records), known, record_id, materialize).to_native()


def identified(records: Frame, links: Links, record_id: str, materialize: Materialize = unchanged) -> Frame:
    """Do the work of :func:`identify` on Narwhals frames."""
    told = with_own_phone(records, links)
    return named(told, pinned(known_phones(told, links, materialize), materialize), links, record_id)


def with_own_phone(records: Frame, links: Links) -> Frame:
    """Add own_phone_key: the record's phone, null where its e-mail is a stranger to it."""
    strangers = links.strangers.rename({"since": "_since"})
    is_strange = ~nw.col("_since").is_null() & (nw.col("_since") <= nw.col("date"))
    return (
        records.join(strangers, on=["email_key", "phone_key"], how="left")
        .with_columns(nw.when(~is_strange).then(nw.col("phone_key")).alias("own_phone_key"))
        .drop("_since")
    )


def named(records: Frame, known: Frame, links: Links, record_id: str) -> Frame:
    """Add the person to records with own_phone_key, given the phones known for their e-mails (:func:`known_phones`)."""
    alone = nw.concat_str([nw.lit(ALONE_MARK), nw.col(record_id).cast(nw.String)])
    names: list[Any] = [nw.col("own_phone_key"), nw.col("known_phone_key"), nw.col("email_key")]
    how = (
        nw.when(~nw.col("own_phone_key").is_null())
        .then(nw.lit("phone"))
        .when(~nw.col("known_phone_key").is_null())
        .then(nw.lit("email_phone"))
        .when(~nw.col("phone_key").is_null())
        .then(nw.lit("shared_phone"))
        .when(~nw.col("email_key").is_null())
        .then(nw.lit("email"))
    )
    if "external_key" in records.collect_schema().names():
        names.append(nw.col("external_key"))
        how = how.when(~nw.col("external_key").is_null()).then(nw.lit("external"))
    linked = nw.col("own_phone_key").is_null() & ~nw.col("known_phone_key").is_null()
    found = records.join(known, on=["email_key", "date"], how="left").with_columns(
        nw.coalesce(*names, alone).alias("person_id"),
        how.otherwise(nw.lit("alone")).alias("identified_by"),
        nw.when(linked).then(nw.col("known_phone")).alias("linked_phone"),
    )
    if links.decided is not None:
        found = _as_decided(found, links.decided)
    return found.drop("known_phone_key", "known_phone")


def _as_decided(records: Frame, decided: Decided) -> Frame:
    """Put records where link rows put them."""
    groups = decided.members.select(
        nw.col("key").alias("person_id"), nw.col("person_id").alias("_group"), nw.col("since").alias("_since")
    )
    own = decided.own.select(nw.col("key").alias("email_key"), nw.col("own").alias("_own"))
    kept = decided.kept.select(
        nw.col("key").alias("email_key"), nw.col("person_id").alias("_place"), nw.col("since").alias("_kept")
    )
    in_group = ~nw.col("_group").is_null() & (nw.col("_since") <= nw.col("date"))
    may_stay = ~nw.col("_kept").is_null() & (nw.col("_kept") <= nw.col("date"))
    leaves = ~nw.col("_own").is_null() & (nw.col("_own") != nw.col("_place")) & ~may_stay
    return (
        records.join(groups, on="person_id", how="left")
        .with_columns(nw.when(in_group).then(nw.col("_group")).otherwise(nw.col("person_id")).alias("_place"))
        .join(own, on="email_key", how="left")
        .join(kept, on=["email_key", "_place"], how="left")
        .with_columns(
            nw.when(leaves)
            .then(nw.lit("cannot_link"))
            .when(nw.col("_place") != nw.col("person_id"))
            .then(nw.lit("must_link"))
            .otherwise(nw.col("identified_by"))
            .alias("identified_by"),
            nw.when(leaves).then(nw.col("_own")).otherwise(nw.col("_place")).alias("person_id"),
            nw.when(~leaves).then(nw.col("linked_phone")).alias("linked_phone"),
            nw.when(~leaves).then(nw.col("own_phone_key")).alias("own_phone_key"),
        )
        .drop("_group", "_since", "_place", "_own", "_kept")
    )


def known_phones(records: Frame, links: Links, materialize: Materialize = unchanged) -> Frame:
    """Return the phone known for an e-mail on a day, for the e-mails and days of records without a phone of their own.

    Most records have a phone of their own, so only the few e-mails in need are looked up; those that a must_link row
    names need none.
    """
    phoneless = records.filter(nw.col("own_phone_key").is_null(), ~nw.col("email_key").is_null())
    in_need = pinned(distinct(phoneless, "email_key", "date"), materialize)
    if links.decided is not None:
        told = links.decided.people.select(nw.col("key").alias("email_key"))
        in_need = in_need.join(told, on="email_key", how="anti")
    sighted = links.sightings.join(in_need.select("email_key"), on="email_key", how="semi")
    spans = _without_strangers(sighted, links.strangers).select(
        "email_key",
        nw.col("phone_key").alias("known_phone_key"),
        nw.col("phone").alias("known_phone"),
        nw.col("date").alias("known_from"),
        # Of several sightings on one day all but the latest end where they begin: they hold on no day.
        nw.col("date")
        .shift(-1)
        .over("email_key", order_by=["date", "seen_at", "phone_key"])
        .alias("known_until"),
    )
    holds = (nw.col("date") >= nw.col("known_from")) & (
        nw.col("known_until").is_null() | (nw.col("date") < nw.col("known_until"))
    )
    return (
        in_need.join(spans, on="email_key", how="inner")
        .filter(holds)
        .select("email_key", "date", "known_phone_key", "known_phone")
    )


def shared_people(links: Links) -> Frame:
    """Return the people with a shared phone: person_id, shared_from."""
    phones = links.shared.rename({"phone_key": "person_id"})
    if links.decided is None:
        return phones
    groups = links.decided.members.select(
        nw.col("key").alias("person_id"), nw.col("person_id").alias("_group"), "since"
    )
    later = nw.when(nw.col("since") > nw.col("shared_from")).then(nw.col("since"))
    joined = phones.join(groups, on="person_id", how="inner").select(
        nw.col("_group").alias("person_id"), nw.coalesce(later, nw.col("shared_from")).alias("shared_from")
    )
    both = nw.concat([phones.select("person_id", "shared_from"), joined], how="vertical")
    return both.group_by("person_id").agg(nw.col("shared_from").min())
