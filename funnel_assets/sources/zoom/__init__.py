"""Event reports (Zoom webinars and meetings, Teams) as files: bytes in, structure out (SPEC 5).

Belongs here: everything about the files. Does not belong here: any rule about attendance or funnels.
"""

from funnel_assets.sources.zoom.errors import ReportRefused
from funnel_assets.sources.zoom.reader import read_report
from funnel_assets.sources.zoom.report import ZoomReport, ZoomSession

__all__ = ["ReportRefused", "ZoomReport", "ZoomSession", "read_report"]
