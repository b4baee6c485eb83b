import datetime as dt
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from funnel_assets.errors import UsageError
from funnel_assets.simulate import cli, saas_faults
from funnel_assets.simulate import saas_catalogue as c
from funnel_assets.simulate.check import check_world
from funnel_assets.simulate.faults import Faults
from funnel_assets.simulate.saas import build_saas, write_saas
from funnel_assets.simulate.saas_tables import lead_ids

END = dt.date(2026, 6, 30)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seventy days at a fiftieth of the volume with every fault, through the command's own function."""
    folder = tmp_path_factory.mktemp("saas")
    cli.simulate("saas", 70, END, 0.02, 5, folder, "moderate", console=Console(quiet=True))
    return folder


def _digests(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_every_check_holds(written: Path) -> None:
    results = check_world(written)

    assert cli.check(written, Console(quiet=True), only_failed=True)
    assert [result for result in results if not result.passed] == []
    assert len(results) >= 200


def test_written_twice_the_bytes_are_the_same_and_faults_touch_exports_only(tmp_path: Path) -> None:
    faults = Faults(2, 1, 2, 1, 1, 0, 1, 1, 1, 1, 4)
    for name, planted in (("one", faults), ("two", faults), ("none", None)):
        write_saas(build_saas(6, END, 0.02, 5, planted), tmp_path / name)

    one, two, none = (_digests(tmp_path / name) for name in ("one", "two", "none"))
    assert one == two
    assert {path for path in none if none[path] != one[path]} == {
        "answer_key/exported_leads.parquet",
        "answer_key/world.json",
        "exports/pipedrive_leads.csv",
        "exports/pipedrive_leads.json",
    }
    assert {path.partition("/")[0] for path in one.keys() - none.keys()} == {"dumps", "answer_key"}


def test_faults_again_without_them_leave_nothing_behind(tmp_path: Path) -> None:
    for faults in (Faults(late_rows=1, cut_files=1), None):
        write_saas(build_saas(7, END, 0.005, 5, faults), tmp_path)

    assert not (tmp_path / "dumps").exists()
    assert not (tmp_path / "answer_key" / "faults.parquet").exists()


@pytest.mark.parametrize(
    ("faults", "told"),
    [
        (
            "junk_phones=900",
            r"junk_phones: 900 can't be planted in this world's exports, which have \d+ leads",
        ),
        ("deleted_crm_rows=40", "paid subscriptions left for it"),
        ("late_rows=1", "late_rows: 1 can't be planted"),
        ("renamed_columns=4", "3 columns that can be renamed"),
        ("added_columns=4", "3 columns that can be added"),
        ("cut_files=5", "4 files to cut .*amplitude_events.jsonl"),
    ],
)
def test_more_faults_than_there_is_room_for_are_refused(faults: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=told) as raised:
        cli.simulate("saas", 5, END, 0.02, 5, tmp_path, faults, console=Console(quiet=True))

    assert "at most" in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def test_days_can_be_made_in_any_order() -> None:
    forward, backward = build_saas(4, END, 0.005, 5), build_saas(4, END, 0.005, 5)

    one = [forward.traffic.day(n) for n in range(4)]
    two = [backward.traffic.day(n) for n in reversed(range(4))][::-1]

    for a, b in zip(one, two, strict=True):
        assert a.sessions.equals(b.sessions)
        assert a.events.equals(b.events)


def test_a_year_has_the_volumes_of_the_decision() -> None:
    """The story at full volume takes seconds; the traffic is planned, not made."""
    world = build_saas(365, END, 1.0, 1)
    leads, volume = world.story.leads, world.story.volume

    assert abs(int(volume.new_users.sum()) - 2_920_000) < 60_000
    assert abs(len(leads) - 92_000) < 1_500
    assert abs(len(world.story.activities) - 357_000) < 7_000
    trials = leads[leads["form"] == c.TRIAL]
    assert abs(len(trials) - 28_700) < 800
    assert abs(trials["converts"].mean() - 0.3395) < 0.012


@pytest.mark.parametrize(
    ("form", "low", "high"),
    [
        (c.DEMO, 8, 8),
        (c.PURCHASED, 1, 2),
        (c.NEWSLETTER, 1, 1),
    ],
    ids=["demo", "purchased", "newsletter"],
)
def test_activities_by_kind_of_lead(form: int, low: int, high: int) -> None:
    story = build_saas(60, END, 0.02, 2).story
    counts = story.activities["lead"].value_counts()
    leads = story.leads.index[story.leads["form"] == form]

    assert counts.reindex(leads).between(low, high).all()


def test_reengagement_never_reaches_new_users() -> None:
    sessions = build_saas(3, END, 0.02, 2).traffic.day(2).sessions
    again = np.array([x.kind == "REENGAGEMENT" for x in c.CAMPAIGNS] + [False])[sessions["campaign"]]

    assert again.any()
    assert sessions.loc[again, "is_returning"].all()


def test_lead_ids_are_all_different_uuids() -> None:
    ids = lead_ids(np.array([0, 1, 2, -1])).to_pylist()

    assert len(set(ids)) == 4
    assert ids[3] is None
    assert all(len(text) == 36 and text[14] == "4" for text in ids[:3])


# Fields as the products' references name them, of the objects that are exported.
AMPLITUDE = """$insert_id $schema adid amplitude_attribution_ids amplitude_event_type amplitude_id app city
    client_event_time client_upload_time country data device_brand device_carrier device_family
    device_id device_manufacturer device_model device_type dma event_id event_properties event_time
    event_type group_properties groups idfa ip_address is_attribution_event language library
    location_lat location_lng os_name os_version paying platform processed_time region sample_rate
    server_received_time server_upload_time session_id start_version user_creation_time user_id
    user_properties uuid version_name"""
PIPEDRIVE = {
    "pipedrive_leads": """id title owner_id creator_id label_ids person_id organization_id source_name origin
        origin_id channel channel_id is_archived was_seen value expected_close_date next_activity_id add_time
        update_time visible_to cc_email custom_fields""",
    "pipedrive_deals": """id title value currency stage_id pipeline_id status probability add_time update_time
        won_time lost_time close_time lost_reason expected_close_date person_id org_id user_id owner_id
        custom_fields""",
    "pipedrive_activities": """id type subject done due_date due_time duration add_time update_time
        marked_as_done_time lead_id deal_id person_id org_id user_id note""",
}
STRIPE = {
    "stripe_products": "id object active name created metadata description livemode updated",
    "stripe_plans": """id object active amount currency interval interval_count product nickname
        trial_period_days created metadata""",
    "stripe_subscriptions": """id object customer status created start_date trial_start trial_end
        current_period_start current_period_end canceled_at ended_at cancel_at_period_end currency items
        metadata""",
    "stripe_invoices": """id object amount_due amount_paid billing_reason created currency customer
        customer_email lines status status_transitions subscription subscription_details""",
}


def _fields(folder: Path, name: str) -> set[str]:
    rows = json.loads((folder / "exports" / f"{name}.json").read_text())["data"]
    return {field for row in rows for field in row}


def test_amplitude_events_have_amplitudes_field_names(written: Path) -> None:
    with (written / "exports" / "amplitude_events.jsonl").open() as lines:
        events = [json.loads(line) for line in lines]

    assert {field for event in events for field in event} <= set(AMPLITUDE.split())
    converted = [e["event_properties"] for e in events if e["event_type"] == "trial_converted"]
    assert converted
    assert all(set(p) == {"trial_path", "product_sku", "conversion_day"} for p in converted)
    middle = {"self_service": 12, "sales_assisted": 14}
    assert all(abs(p["conversion_day"] - middle[p["trial_path"]]) <= 2 for p in converted)


@pytest.mark.parametrize("name", PIPEDRIVE)
def test_pipedrive_records_have_pipedrives_field_names(written: Path, name: str) -> None:
    # The world has every fault: a renamed column and an added one stand under names of their own.
    planted = {*(new for _, new in saas_faults.RENAMED), *saas_faults.ADDED} if "leads" in name else set()

    assert _fields(written, name) - planted <= set(PIPEDRIVE[name].split())


@pytest.mark.parametrize("name", STRIPE)
def test_stripe_objects_have_stripes_field_names(written: Path, name: str) -> None:
    assert _fields(written, name) <= set(STRIPE[name].split())
    invoice = json.loads((written / "exports" / "stripe_invoices.json").read_text())["data"][0]
    assert set(invoice["status_transitions"]) <= {
        "finalized_at",
        "marked_uncollectible_at",
        "paid_at",
        "voided_at",
    }
    assert set(invoice["lines"]["data"][0]["plan"]) <= set(STRIPE["stripe_plans"].split())


def test_ad_platforms_reports_cost_what_their_clicks_cost(written: Path) -> None:
    spend = pq.read_table(written / "parquet" / "ad_spend.parquet").to_pandas()
    price = spend["cost_cents"].sum() / spend["clicks"].sum()

    assert set(spend["campaign_id"]) == {campaign.id for campaign in c.CAMPAIGNS}
    assert 4 <= price <= 9
    assert (spend["impressions"] >= spend["clicks"]).all()


def test_exports_grow_with_the_scale(tmp_path: Path) -> None:
    leads = {}
    for scale in (0.02, 0.06):
        write_saas(build_saas(20, END, scale, 5), tmp_path / str(scale))
        leads[scale] = len(pq.read_table(tmp_path / str(scale) / "answer_key" / "exported_leads.parquet"))

    assert leads[0.06] == pytest.approx(3 * leads[0.02], rel=0.1)


def _parquet(
    name: str, column: str, change: Callable[[list[object]], list[object]]
) -> Callable[[Path], None]:
    def do(folder: Path) -> None:
        path = folder / f"{name}.parquet"
        data = pq.read_table(path)
        values = pa.array(change(data[column].to_pylist()), data.schema.field(column).type)
        pq.write_table(data.set_column(data.schema.get_field_index(column), column, values), path)

    return do


def _drop_rows(name: str, count: int = 1) -> Callable[[Path], None]:
    def do(folder: Path) -> None:
        path = folder / f"{name}.parquet"
        pq.write_table(pq.read_table(path).slice(count), path)

    return do


def _swap_paths(values: list[object]) -> list[object]:
    other = {"self_service": "sales_assisted", "sales_assisted": "self_service"}
    return [other.get(str(value)) for value in values]


def _export(name: str, change: Callable[[list[dict[str, Any]]], object]) -> Callable[[Path], None]:
    def do(folder: Path) -> None:
        path = folder / f"{name}.json"
        whole = json.loads(path.read_text())
        change(whole["data"])
        path.write_text(json.dumps(whole, indent=1))

    return do


def _send_again(folder: Path) -> None:
    path = folder / "exports" / "amplitude_events.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([lines[0], *lines]))


def _finish_cut_files(folder: Path) -> None:
    for path in (folder / "dumps" / "cut").iterdir():
        path.write_bytes((folder / "exports" / path.name).read_bytes())


def _drop_export_line(folder: Path) -> None:
    path = folder / "exports" / "pipedrive_leads.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))


# As in test_check: one copy a batch, and the check that must find each damage is named.
Damage = tuple[Callable[[Path], None], str]
BATCHES: dict[str, dict[str, Damage]] = {
    "rows lost": {
        "session": (_drop_rows("parquet/sessions/2026-06"), "traffic: sessions of each day"),
        "event": (_drop_rows("parquet/events/2026-06"), "traffic: events in all"),
        "activity": (_drop_rows("parquet/activities"), "activities: self_service trials without 1 to 1"),
        "stage": (_drop_rows("parquet/deal_stages"), "stages: others don't begin with qualification"),
        "subscription": (_drop_rows("parquet/subscriptions"), "subscriptions: every trial has one"),
        "export": (_drop_export_line, "exports: pipedrive_leads CSV has the JSON's rows"),
    },
    "values changed": {
        "re-engaged": (
            _parquet(
                "parquet/sessions/2026-06", "utm_campaign", lambda v: [x and "reeng-lapsed-users" for x in v]
            ),
            "campaigns: re-engagement of new users",
        ),
        "deal": (
            _parquet("parquet/deals", "value_cents", lambda v: [x + 1 for x in v]),  # type: ignore[operator]
            "deals: value that isn't the subscription's amount",
        ),
        "plan": (
            _parquet("parquet/plans", "amount", lambda v: [x + 100 for x in v]),  # type: ignore[operator]
            "plans: amounts of the catalogue",
        ),
        "form": (
            _parquet("parquet/leads", "form_type", lambda v: ["demo_request"] * len(v)),
            "leads: trial_signup of form fills",
        ),
        "revenue": (
            _parquet("answer_key/revenue", "amount_cents", lambda v: [v[0] + 1, *v[1:]]),  # type: ignore[operator]
            "revenue: first payments in cents",
        ),
    },
    "faults changed": {
        "another one": (_send_again, "event export: ids used twice"),
        "another cell": (
            _export("exports/pipedrive_leads", lambda rows: rows[0]["custom_fields"].update(person_name="X")),
            "exports: lead cells that differ from the CRM's",
        ),
        "another amount": (
            _export("exports/stripe_subscriptions", lambda rows: rows[0].update(created=0)),
            "exports: subscription cells that differ from the billing's",
        ),
        "one less": (_drop_rows("answer_key/faults"), "faults: as many as asked for"),
        "a copy less": (
            _export("exports/stripe_subscriptions", lambda rows: rows.pop()),
            "fault duplicate_rows: crm_sales sent twice",
        ),
        "a lead before": (
            _export("dumps/before/pipedrive_leads", lambda rows: rows.pop(0)),
            "dump before: rows of pipedrive_leads",
        ),
        "whole": (_finish_cut_files, "fault cut_files: amplitude_events.jsonl can be read"),
    },
    "outcomes changed": {
        "path": (_parquet("parquet/leads", "trial_path", _swap_paths), "trials: self-service"),
        "conversion": (
            _parquet("answer_key/outcomes", "converts", lambda v: [False] * len(v)),
            "trials: convert in all",
        ),
        "amount": (
            _parquet("parquet/subscriptions", "plan_amount", lambda v: [v[0] + 1, *v[1:]]),  # type: ignore[operator]
            "subscriptions: another amount than the plan's",
        ),
        "file": (
            lambda folder: (folder / "parquet" / "deal_stages.parquet").unlink(),
            "deal stages readable",
        ),
    },
}


@pytest.mark.parametrize("batch", BATCHES.values(), ids=BATCHES.keys())
def test_each_damage_is_found(written: Path, tmp_path: Path, batch: dict[str, Damage]) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(written, copy)
    for damage, _ in batch.values():
        damage(copy)

    failed = [result.name for result in check_world(copy) if not result.passed]

    assert [name for name, (_, check) in batch.items() if check not in failed] == []


def test_wrong_use_is_explained(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no world 'mars'"):
        cli.simulate("mars", out=tmp_path)
    with pytest.raises(UsageError, match="unknown fault 'typos'"):
        cli.simulate("saas", out=tmp_path, faults="typos=1")
    with pytest.raises(UsageError, match="at least one day"):
        build_saas(0)
    with pytest.raises(UsageError, match="scale of 100"):
        build_saas(1, END, 200)
