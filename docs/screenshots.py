"""Takes the pictures in docs/: the asset graph, a partition page, a failed run, and the report.

Runs the sample world in a throw-away home, lets the CRM fail for one day, opens the pages in a real browser and saves
what it shows. Needs a Chromium (Debian's ``chromium`` will do):

    make screenshots
"""

import os
import shutil
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from playwright.sync_api import Page, sync_playwright  # noqa: E402

from funnel_assets.pipeline.graph import NODES  # noqa: E402
from funnel_assets.pipeline.pipeline import Pipeline  # noqa: E402
from funnel_assets.report import page as report_page  # noqa: E402
from funnel_assets_tests.end_to_end.ui import Ui, running_ui  # noqa: E402
from funnel_assets_tests.world import place  # noqa: E402

OUT = PROJECT / "docs"
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
]


def chromium() -> str:
    """Path of a Chromium on this machine."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if not found:
        raise SystemExit(
            "No Chromium found. Install one (Debian: apt-get install chromium), or set CHROMIUM."
        )
    return found


def make_history(ui: Ui, days: list[str]) -> None:
    """Backfill all days but the last, then the last with a CRM that answers 500."""
    done = ui.launch_backfill(sorted(NODES), days[:-1])
    ui.wait("The history", lambda: ui.backfill_status(done).startswith("COMPLETED"), seconds=600)


def shoot(
    page: Page,
    url: str,
    name: str,
    ready: str,
    *,
    click: str | None = None,
    settle_ms: int = 4000,
    height: int | None = None,
) -> None:
    """Open a page, wait for a text on it, perhaps click another, and save what is seen."""
    page.goto(url)
    page.get_by_text(ready).first.wait_for(timeout=120_000)
    page.wait_for_timeout(settle_ms)
    if click:
        page.locator(f"text={click}").first.click()
        page.wait_for_timeout(settle_ms)
    size = page.viewport_size or {"width": 1500, "height": 900}
    page.screenshot(
        path=str(OUT / name),
        clip={"x": 0, "y": 0, "width": size["width"], "height": height or size["height"]},
    )
    print(f"docs/{name}")  # noqa: T201


def main() -> None:
    """Take every picture."""
    with place(days=40, scale=0.3, seed=11) as here, running_ui(here, FUNNEL_DAILY_AT="02:30") as ui:
        days = [day.isoformat() for day in Pipeline(here.settings).all_days()]
        make_history(ui, days)
        here.server.misbehave("/crm/sales.csv", status=500, times=1000)
        failed = ui.launch_backfill(sorted(NODES), days[-1:])
        ui.wait("The failure", lambda: ui.backfill_status(failed).startswith("COMPLETED"), seconds=300)
        run_id = next(run["runId"] for run in ui.runs() if run["status"] == "FAILURE")
        with sync_playwright() as play:
            browser = play.chromium.launch(executable_path=chromium(), args=CHROMIUM_FLAGS)
            page = browser.new_page(viewport={"width": 1500, "height": 900})
            lineage = f"{ui.url}/assets/funnel_marts?view=lineage&lineageScope=upstream&lineageDepth=6"
            shoot(page, lineage, "asset-graph.png", "Upstream", settle_ms=9000)
            day = days[-2]
            shoot(
                page,
                f"{ui.url}/assets/raw_leads?view=partitions",
                "partition.png",
                "Partitions Selected",
                click=day,
            )
            shoot(page, f"{ui.url}/runs/{run_id}", "failed-run.png", "crm_sales", settle_ms=6000, height=698)
            here.server.behave()
            report = report_page.write(Pipeline(here.settings).warehouse, here.settings)
            page.set_viewport_size({"width": 1100, "height": 1400})
            shoot(page, report.as_uri(), "report.png", "Funnel", settle_ms=500)
            browser.close()


if __name__ == "__main__":
    sys.exit(main())
