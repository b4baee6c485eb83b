"""Event reports (Zoom webinars and meetings, Teams) as files: bytes in, structure out (SPEC 5).

Belongs here: everything about the files. Does not belong here: any rule about attendance or funnels.
"""

from funnel_assets.sources.zoom.doubts import Doubt, StatedTotal
from funnel_assets.sources.zoom.errors import ReportRefused
from funnel_assets.sources.zoom.reader import read_report
from funnel_assets.sources.zoom.report import ZoomReport, ZoomSession

__all__ = ["Doubt", "ReportRefused", "StatedTotal", "ZoomReport", "ZoomSession", "read_report"]
