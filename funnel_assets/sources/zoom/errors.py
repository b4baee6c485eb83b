"""Why a whole report file is refused."""

import datetime as dt

from funnel_assets.errors import SourceBroken

REASONS = {
    "not_a_report": "drop the CSV that the webinar tool exports, unchanged.",
    "truncated": "the file stops in the middle: copy or download it again.",
    "dates_ambiguous": "set date_order (month_first, day_first) for the source in sources.yaml, then replay.",
    "dates_mixed": "export the report again and drop it without opening it in a spreadsheet first.",
    "unknown_zone": "name the zone as an offset: (GMT+5:30) in the header, +05:30 behind a time; then drop it again.",
    "weekday_contradicts": "export the report again and drop it without opening it in a spreadsheet first.",
    "no_event_date": "export the report with its meeting details, or keep the file name that Zoom gave it.",
    "no_row_fits": "compare the rows with their header; export the report again, or ask for its layout to be added.",
    "several_events": "export one report for each event.",
    "encoding": "export the report again and drop it unopened, or save it as UTF-8; this file's text can't be read.",
}


class ReportRefused(SourceBroken):
    """A file that can't be read as an event report.

    Args:
        message: What is wrong, without personal data.
        reason: One of ``REASONS``; the fix follows from it.
        file: File name.
        line: 1-based physical line, where one is to blame.
    """

    def __init__(
        self,
        message: str,
        *,
        reason: str = "not_a_report",
        dataset: str | None = None,
        day: dt.date | str | None = None,
        source: str | None = None,
        file: str | None = None,
        line: int | None = None,
        fix: str | None = None,
    ) -> None:
        self.reason = reason
        super().__init__(
            message,
            dataset=dataset,
            day=day,
            source=source,
            file=file,
            line=line,
            fix=fix or REASONS.get(reason),
        )
