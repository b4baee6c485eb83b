"""What became of every row and file, and whether the reports' own totals agree with what was read."""

import pandas as pd

from funnel_assets.domain.attendance.base import DUPLICATE, QUARANTINED, SET_ASIDE, STAFF, Report
from funnel_assets.domain.attendance.events import Events, Source

_OUTCOME_COLUMNS = ["file", "line", "outcome", "reason", "detail", "raw", "date"]


def idle_outcomes(report: Report) -> pd.DataFrame:
    """Rows of a report that another one replaces are duplicates, broken rows included."""
    people = report.people[~report.people["section"].isin(STAFF)]
    lines = [*people["line"], *report.quarantined["line"]]
    return pd.DataFrame({"file": report.file, "line": lines, "outcome": DUPLICATE})


def unread_outcomes(report: Report) -> pd.DataFrame:
    """Rows that the reader itself set apart."""
    bad = report.quarantined
    return pd.DataFrame(
        {
            "file": report.file,
            "line": bad["line"],
            "outcome": QUARANTINED,
            "reason": bad["reason"],
            "detail": bad["detail"],
            "raw": bad["raw"],
        }
    )


def read_outcomes(table: pd.DataFrame) -> pd.DataFrame:
    """What became of every row that could be read."""
    frame = table[["file", "line", "outcome", "reason", "date"]].copy()
    frame["detail"] = frame["reason"].map(SET_ASIDE)
    aside = table["outcome"] == QUARANTINED
    texts = table.loc[aside, ["user_name", "first_name", "last_name", "email", "phone_raw", "approval"]]
    frame["raw"] = pd.Series(None, index=frame.index, dtype=object)
    frame.loc[aside, "raw"] = [row.to_json(force_ascii=False) for _, row in texts.iterrows()]
    return frame


def join_outcomes(parts: list[pd.DataFrame]) -> pd.DataFrame:
    """All outcomes in file order (``AttendanceResult.outcomes``)."""
    parts = [part.reindex(columns=_OUTCOME_COLUMNS) for part in parts if len(part)]
    if not parts:
        return pd.DataFrame(columns=_OUTCOME_COLUMNS)
    frame = pd.concat([part.astype(object) for part in parts], ignore_index=True)
    frame = frame.where(frame.notna(), None).astype({"line": "int64", "file": "str", "outcome": "str"})
    return frame.sort_values(["file", "line", "outcome"], ignore_index=True, kind="stable")


def file_frame(used: list[Source], idle: list[tuple[Report, str]], events: Events) -> pd.DataFrame:
    """What became of every file (``AttendanceResult.files``)."""
    rows = [
        {"file": s.report.file, "sha256": s.report.sha256, "state": "used", "dates": tuple(days)}
        for s, days in zip(used, events.days, strict=True)
    ]
    rows += [{"file": r.file, "sha256": r.sha256, "state": state, "dates": ()} for r, state in idle]
    frame = pd.DataFrame(rows, columns=["file", "sha256", "state", "dates"])
    return frame.sort_values(["file", "sha256"], ignore_index=True)


def compare_totals(used: list[Source]) -> pd.DataFrame:
    """Numbers reports state about themselves against what was read, with the likely reason of a difference."""
    rows = []
    for source in used:
        report = source.report
        for total in report.stated_totals:
            rows.append(
                {
                    "file": report.file,
                    "what": total.what,
                    "stated": total.stated,
                    "parsed": total.read,
                    "difference": total.difference,
                    "likely_reason": _likely_reason(
                        total.what, total.stated, total.read, len(report.quarantined)
                    ),
                }
            )
    columns = ["file", "what", "stated", "parsed", "difference", "likely_reason"]
    return pd.DataFrame(rows, columns=columns).sort_values(["file", "what"], ignore_index=True)


def _likely_reason(what: str, stated: int, read: int, quarantined: int) -> str | None:
    missing = stated - read
    if missing == 0:
        return None
    if what in ("cancelled", "denied") and read == 0:
        return "This report counts such registrants without listing them."
    if missing > 0 and quarantined >= missing:
        return f"{quarantined} rows of the file are in quarantine."
    if missing > 0:
        return (
            "The file lists fewer people than the report counted: exported early, cut, or shortened by hand."
        )
    return "The file lists more people than the report counted: the same person under several addresses, or edited."
