"""A running ``make ui`` and the API that its pages use."""

import contextlib
import datetime as dt
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import requests

from funnel_assets_tests.world import Place, free_port

PROJECT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 180.0
LOOK_SECONDS = 2.0

_SELECTOR = {"repositoryName": "__repository__", "repositoryLocationName": "funnel_assets.definitions"}


class Ui:
    """Talks to a webserver as the browser does."""

    def __init__(self, url: str, log: Path) -> None:
        self.url = url
        self.log = log

    def ask(self, query: str, **variables: Any) -> Any:
        """Send one GraphQL request and return its data."""
        answer = requests.post(
            f"{self.url}/graphql", json={"query": query, "variables": variables}, timeout=60
        )
        answer.raise_for_status()
        found = answer.json()
        assert "errors" not in found, found["errors"]
        return found["data"]

    def launch_backfill(self, datasets: list[str], days: list[str]) -> str:
        """Backfill days of datasets, as the dialog on an asset's page does."""
        found = self.ask(
            """mutation($p: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $p) {
                 __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }""",
            p={"assetSelection": [{"path": [name]} for name in datasets], "partitionNames": days, "tags": []},
        )["launchPartitionBackfill"]
        assert found["__typename"] == "LaunchBackfillSuccess", found
        return found["backfillId"]

    def backfill_status(self, backfill_id: str) -> str:
        """Status of a backfill."""
        return self.ask(
            """query($id: String!) { partitionBackfillOrError(backfillId: $id) {
                 ... on PartitionBackfill { status } } }""",
            id=backfill_id,
        )["partitionBackfillOrError"]["status"]

    def partitions(self, dataset: str) -> dict[str, set[str]]:
        """Days of a dataset by state, as its page shows them: materialized, failed, missing."""
        return self.all_partitions([dataset])[dataset]

    def all_partitions(self, datasets: list[str]) -> dict[str, dict[str, set[str]]]:
        """Dataset -> its days by state, for many datasets at the price of one question."""
        nodes = self.ask(
            """query($keys: [AssetKeyInput!]) { assetNodes(assetKeys: $keys) { assetKey { path }
                 partitionKeys assetPartitionStatuses { ... on TimePartitionStatuses {
                   ranges { status startKey endKey } } } } }""",
            keys=[{"path": [name]} for name in datasets],
        )["assetNodes"]
        found = {node["assetKey"]["path"][0]: _states(node) for node in nodes}
        assert set(found) == set(datasets)
        return found

    def runs(self, **tags: str) -> list[dict[str, Any]]:
        """Runs with these tags, newest first."""
        return self.ask(
            """query($f: RunsFilter!) { runsOrError(filter: $f) { ... on Runs { results {
                 runId status tags { key value } assetSelection { path } } } } }""",
            f={"tags": [{"key": name, "value": value} for name, value in tags.items()]} if tags else {},
        )["runsOrError"]["results"]

    def in_progress(self) -> bool:
        """Whether any run is queued or going on; a day that one of them makes again shows as being made."""
        unfinished = ["QUEUED", "NOT_STARTED", "MANAGED", "STARTING", "STARTED", "CANCELING"]
        found = self.ask(
            "query($f: RunsFilter!) { runsOrError(filter: $f, limit: 1) { ... on Runs { results { runId } } } }",
            f={"statuses": unfinished},
        )
        return bool(found["runsOrError"]["results"])

    def ticks(self, name: str) -> list[dict[str, Any]]:
        """Ticks of a schedule or sensor, newest first."""
        found = self.ask(
            """query($s: InstigationSelector!) { instigationStateOrError(instigationSelector: $s) {
                 ... on InstigationState { status ticks { status runIds skipReason error { message } } } } }""",
            s={"name": name, **_SELECTOR},
        )["instigationStateOrError"]
        return found.get("ticks", [])

    def told(self, name: str) -> str:
        """What the log of each tick of a sensor says, as its page shows it."""
        found = self.ask(
            """query($s: InstigationSelector!) { instigationStateOrError(instigationSelector: $s) {
                 ... on InstigationState { ticks(limit: 10) { logEvents { events { message } } } } } }""",
            s={"name": name, **_SELECTOR},
        )["instigationStateOrError"]
        return "\n".join(
            event["message"] for tick in found.get("ticks", []) for event in tick["logEvents"]["events"]
        )

    def notes(self, dataset: str, day: dt.date) -> str:
        """Texts on the newest materialization of a day, as the dataset's page shows them."""
        found = self.ask(
            """query($key: AssetKeyInput!, $days: [String!]) { assetOrError(assetKey: $key) { ... on Asset {
                 assetMaterializations(partitions: $days, limit: 1) { metadataEntries {
                   ... on MarkdownMetadataEntry { mdStr } ... on TextMetadataEntry { text } } } } } }""",
            key={"path": [dataset]},
            days=[str(day)],
        )["assetOrError"]["assetMaterializations"]
        entries = [entry for made in found for entry in made["metadataEntries"]]
        return "\n".join(entry.get("mdStr") or entry.get("text") or "" for entry in entries)

    def wait(self, what: str, done: Callable[[], Any], *, seconds: float = PATIENCE_SECONDS) -> Any:
        """Wait until something holds; what was logged is in the message if it doesn't."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = done()
            if found:
                return found
            time.sleep(LOOK_SECONDS)
        tail = self.log.read_text(errors="replace")[-6000:]
        raise AssertionError(f"{what} didn't happen within {seconds:.0f} s. The log ends:\n{tail}")


def _states(node: dict[str, Any]) -> dict[str, set[str]]:
    keys = node["partitionKeys"]
    states: dict[str, set[str]] = {"MATERIALIZED": set(), "FAILED": set(), "MATERIALIZING": set()}
    for span in node["assetPartitionStatuses"]["ranges"]:
        here = set(keys[keys.index(span["startKey"]) : keys.index(span["endKey"]) + 1])
        states[span["status"]] = states.get(span["status"], set()) | here
    return states


@contextlib.contextmanager
def running_ui(place: Place, **environ: str) -> Iterator[Ui]:
    """Start ``funnel ui`` in a place and wait until its pages answer; all it started is ended by process id."""
    port = free_port()
    log = place.home / "ui.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "funnel_assets.cli", "ui", "--port", str(port)],
            cwd=PROJECT,
            env={**place.environ, **environ},
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    ui = Ui(f"http://127.0.0.1:{port}", log)

    def answers() -> bool:
        assert process.poll() is None, log.read_text(errors="replace")[-6000:]
        try:
            return bool(ui.ask("{ version }"))
        except (requests.ConnectionError, requests.Timeout):
            return False

    try:
        ui.wait("The UI", answers)
        ui.wait("The daemon", lambda: _healthy(ui))
        yield ui
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    assert not _started_in(place), "Ctrl-C stops all that was started"


def _started_in(place: Place) -> list[str]:
    """Command lines of processes that still work in a place, without its database."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("FUNNEL_HOME") == str(place.home) and process.pid != os.getpid():
                found.append(" ".join(process.cmdline()))
    return [line for line in found if "postgres" not in line]


def _healthy(ui: Ui) -> bool:
    found = ui.ask("{ instance { daemonHealth { allDaemonStatuses { daemonType required healthy } } } }")
    return all(
        daemon["healthy"]
        for daemon in found["instance"]["daemonHealth"]["allDaemonStatuses"]
        if daemon["required"]
    )
