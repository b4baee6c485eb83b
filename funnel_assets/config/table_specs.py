"""What each CSV that people edit may hold: the one place for columns, keys and allowed values (SPEC 7).

Belongs here: declarations. Does not belong here: reading files (`tables.py`) and rules over several rows
(`table_rules.py`).
"""

from dataclasses import dataclass
from typing import Literal

STAGES = ("Lead", "MQL", "SQL", "Opportunity", "Customer")
HEALTH = ("Active", "Stale", "Dormant")
PRIORITIES = ("high", "medium", "low")
ACTIVITIES = (
    "view",
    "click",
    "download",
    "form_submit",
    "registration",
    "attendance",
    "minute",
    "site_minute",
    "webinar_join",
    "demo_booked",
    "direct_inquiry",
    "follow_up",
    "paid_sale",
    "deal_closed",
    "open_deal",
)
_ACTIVITY_ALIASES = (
    ("form_submission", "form_submit"),
    ("minutes", "minute"),
    ("site_minutes", "site_minute"),
)
OVERRIDABLE = (
    "current_stage",
    "engagement_health",
    "nurture_track",
    "next_playbook",
    "sales_priority",
    "owner_department",
    "track_frequency",
    "track_channels",
)


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: Its name in the header; case, spaces and hyphens don't matter there.
        description: For people, with units.
        kind: ``text``, ``integer`` (64 bit) or ``date``.
        required: Whether every row needs a value; a column that isn't required may be left out of the file.
        default: Value of an empty cell; the column may be left out too.
        allowed: The values it may hold; the frame has this spelling, whatever the case in the file.
        others: Names of one's own are allowed too, in lower case with underscores for blanks and hyphens, unless one
            is nearly an allowed value.
        value_aliases: ``(written, meant)``: other spellings of values; meant empty stands for no value.
        minimum: Smallest allowed integer.
        aliases: Other names for it in the header.
        refers_to: ``(table, column)`` that must hold the value; the frame has the spelling used there.
        vocabulary: Names: several blanks are read as one, and names that differ only in case are a mistake, in all
            columns of the same vocabulary.
        identifier: An id or phone: what a spreadsheet has turned into ``9.19E+11`` is a mistake.
        digits: Only digits count: spaces and hyphens are dropped, anything else is a mistake.
    """

    name: str
    description: str
    kind: Literal["text", "integer", "date"] = "text"
    required: bool = True
    default: str | None = None
    allowed: tuple[str, ...] = ()
    others: bool = False
    value_aliases: tuple[tuple[str, str], ...] = ()
    minimum: int | None = None
    aliases: tuple[str, ...] = ()
    refers_to: tuple[str, str] | None = None
    vocabulary: str | None = None
    identifier: bool = False
    digits: bool = False

    @property
    def may_be_absent(self) -> bool:
        """Whether the file may do without the column."""
        return not self.required or self.default is not None


@dataclass(frozen=True)
class TableSpec:
    """One table.

    Attributes:
        name: File name without ``.csv``.
        description: What a row does, for people.
        columns: In the order of the template.
        keys: Each may appear once, ignoring case; where the key is one column, rows without it don't count.
        period: First and last day of validity, both inclusive and open when empty; then a key may come back
            as long as its periods don't overlap.
        one_of: At least one of these columns needs a value.
        may_be_empty: Whether a header without rows is fine.
        order: Columns that the frame is sorted by first; ``-`` in front for the highest first. Allowed values sort
            as they are listed, references as the rank of the stage they refer to, an empty value as the lowest
            rank or after every listed value.
    """

    name: str
    description: str
    columns: tuple[Column, ...]
    keys: tuple[tuple[str, ...], ...]
    period: tuple[str, str] | None = None
    one_of: tuple[str, ...] = ()
    may_be_empty: bool = True
    order: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in order."""
        return tuple(column.name for column in self.columns)

    @property
    def file(self) -> str:
        """File name in the config folder."""
        return f"{self.name}.csv"

    def column(self, name: str) -> Column:
        """Return a column by name."""
        return next(column for column in self.columns if column.name == name)

    def template(self) -> str:
        """Return an empty file with the header."""
        return ",".join(self.names) + "\n"


_REASON = Column("reason", "Why, in a few words; shown in `funnel explain`")
_AUTHOR = Column("author", "Who decided")

_SPECS = (
    TableSpec(
        "funnel_mapping",
        "Counts a lead source to a funnel. A source that isn't here is Other Sources (Miscellaneous).",
        (
            Column("source", "Source as the sheet, Zoom or the CRM names it"),
            Column("funnel", "Funnel that the source counts to", vocabulary="funnel"),
            Column(
                "status",
                "deprecated for a source that is no longer used; its old leads keep their funnel",
                default="active",
                allowed=("active", "deprecated"),
            ),
            Column(
                "valid_from", "First day on which the row counts; empty: always", kind="date", required=False
            ),
            Column(
                "valid_to", "Last day on which the row counts; empty: until now", kind="date", required=False
            ),
        ),
        keys=(("source",),),
        period=("valid_from", "valid_to"),
    ),
    TableSpec(
        "manual_mapping",
        "A value set by hand for one sale; it decides the final funnel (seed 001 Phase 2, Manual Mapping).",
        (
            Column("sale_id", "The sale's _id in the CRM", aliases=("id",), identifier=True),
            Column(
                "value",
                "Manual value; manual_funnels.csv gives the funnel of a Miscellaneous sale; empty: none yet",
                required=False,
            ),
        ),
        keys=(("sale_id",),),
    ),
    TableSpec(
        "manual_funnels",
        "The funnel that a manual value stands for, for Miscellaneous sales.",
        (
            Column("value", "Manual value as in manual_mapping.csv"),
            Column("funnel", "Its funnel", vocabulary="funnel"),
        ),
        keys=(("value",),),
    ),
    TableSpec(
        "categories",
        "Gives an event its category when the word is in its topic.",
        (
            Column("token", "Word looked for in the topic"),
            Column("category", "Category of the event", vocabulary="category"),
        ),
        keys=(("token",),),
    ),
    TableSpec(
        "conductors",
        "Names who held an event: by webinar ID first, else by an alias among the panelists.",
        (
            Column("webinar_id", "Zoom's webinar number", required=False, identifier=True, digits=True),
            Column("alias", "Panelist's name as it appears in reports", required=False),
            Column("conductor", "Name to show", vocabulary="conductor"),
        ),
        keys=(("webinar_id",), ("alias",)),
        one_of=("webinar_id", "alias"),
    ),
    TableSpec(
        "scoring",
        "Points of the intent score: for each time someone does something, or once for how much of it there is.",
        (
            Column(
                "activity",
                "What was done; minute: each minute in an event; site_minute: each minute on the web site; or any "
                "other event type of a source",
                allowed=ACTIVITIES,
                others=True,
                value_aliases=_ACTIVITY_ALIASES,
            ),
            Column("points", "Points each time, or once in a band; may be negative", kind="integer"),
            Column(
                "at_least",
                "Smallest total of the band in which the points are given, once; empty with below: none",
                kind="integer",
                required=False,
                minimum=1,
            ),
            Column(
                "below",
                "Total at which the band ends, not part of it; empty: it has no end",
                kind="integer",
                required=False,
                minimum=1,
            ),
        ),
        keys=(("activity", "at_least"),),
        may_be_empty=False,
    ),
    TableSpec(
        "stages",
        "A contact is in the highest stage of which one row holds.",
        (
            Column("stage", "Stage", allowed=STAGES),
            Column("rank", "Order of the stages, 1 the lowest", kind="integer", minimum=1),
            Column(
                "activity",
                "Activity that is counted; always or empty: holds for everyone",
                required=False,
                allowed=ACTIVITIES,
                value_aliases=(*_ACTIVITY_ALIASES, ("always", "")),
            ),
            Column(
                "minimum",
                "How often it must have happened; empty for always",
                kind="integer",
                required=False,
                minimum=1,
            ),
            Column(
                "requires_stage",
                "Stage whose own rule must hold too; empty: none",
                required=False,
                refers_to=("stages", "stage"),
            ),
            Column("owner_department", "Department that owns the stage", vocabulary="department"),
            Column("reason", "Shown as stage_reason"),
        ),
        keys=(("stage", "activity"),),
        may_be_empty=False,
        order=("rank", "activity"),
    ),
    TableSpec(
        "nurture_tracks",
        "What a contact in a stage is sent, how often and where.",
        (
            Column("stage", "Stage", refers_to=("stages", "stage")),
            Column("track", "Low, Mid or High, or a name of your own", vocabulary="track"),
            Column("frequency", "How often, in words"),
            Column("channels", "Channels, in words"),
        ),
        keys=(("stage",),),
        may_be_empty=False,
    ),
    TableSpec(
        "playbooks",
        "Next playbook: of the rows that fit, the one with the highest stage; then one that names the health.",
        (
            Column(
                "health",
                "Active to 14 days since the last engagement, Stale to 45, then Dormant; empty: any",
                required=False,
                allowed=HEALTH,
            ),
            Column(
                "stage_at_least",
                "Lowest stage the row is for; empty: any",
                required=False,
                refers_to=("stages", "stage"),
            ),
            Column("playbook", "Name of the playbook", vocabulary="playbook"),
            Column("priority", "Priority for sales", allowed=PRIORITIES),
        ),
        keys=(("health", "stage_at_least"),),
        may_be_empty=False,
        order=("-stage_at_least", "health"),
    ),
    TableSpec(
        "overrides",
        "Sets a field of one person by hand; of two rows that hold, the later effective_on wins.",
        (
            Column("person", "Phone, e-mail or person_id", identifier=True),
            Column("field", "What is set", allowed=OVERRIDABLE),
            Column("value", "What it is set to"),
            _REASON,
            _AUTHOR,
            Column("effective_on", "First day", kind="date"),
            Column(
                "expires_on",
                "First day on which it no longer holds; empty: holds until taken out",
                kind="date",
                required=False,
            ),
        ),
        keys=(("person", "field", "effective_on"),),
    ),
    TableSpec(
        "icp_tiers",
        "How well a person with this fact fits the ideal customer profile.",
        (
            Column("field", "Field of the contact, e.g. industry, company or city"),
            Column("value", "Its value"),
            Column("tier", "Fit", allowed=("High", "Mid", "Low")),
        ),
        keys=(("field", "value"),),
    ),
    TableSpec(
        "placeholders",
        "Phones (10 digits) and e-mails that people type instead of their own.",
        (Column("value", "The phone or e-mail", identifier=True),),
        keys=(("value",),),
    ),
    TableSpec(
        "identity_links",
        "Joins two people that are one, or keeps two apart that look like one.",
        (
            Column("action", "must_link or cannot_link", allowed=("must_link", "cannot_link")),
            Column("person_a", "Phone, e-mail or person_id", identifier=True),
            Column("person_b", "Phone, e-mail or person_id", identifier=True),
            _REASON,
            _AUTHOR,
        ),
        keys=(),
    ),
)

SPECS: dict[str, TableSpec] = {spec.name: spec for spec in _SPECS}
