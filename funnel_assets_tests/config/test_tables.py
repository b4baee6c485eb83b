"""Config tables: files as spreadsheets save them, every mistake with file and line, fingerprints."""

import contextlib
import csv
import datetime as dt
import io
import os
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from funnel_assets.config.table_specs import ACTIVITIES, OVERRIDABLE, SPECS, STAGES
from funnel_assets.config.tables import Tables, default_file, load_tables, write_defaults
from funnel_assets.contracts.marketing import STAGES as CONTRACT_STAGES
from funnel_assets.domain import scoring
from funnel_assets.errors import ConfigError

MAPPING = "source,funnel,status,valid_from,valid_to\n"
EXPECTED_MAPPING = [
    {"source": "fb", "funnel": "Webinar", "status": "active", "valid_from": None, "valid_to": None},
    {
        "source": "ig",
        "funnel": "Bootcamp",
        "status": "deprecated",
        "valid_from": dt.date(2026, 3, 1),
        "valid_to": dt.date(2026, 3, 31),
    },
]


def load(folder: Path, **files: str | bytes) -> Tables:
    for name, content in files.items():
        data = content if isinstance(content, bytes) else content.encode()
        (folder / f"{name}.csv").write_bytes(data)
    return load_tables(folder)


def rows(frame: pd.DataFrame) -> list[dict[str, object]]:
    return pa.Table.from_pandas(frame, preserve_index=False).to_pylist()


def shuffled(content: str) -> str:
    header, *lines = content.splitlines()
    return "\n".join([header, *reversed(lines)]) + "\n"


def failure(folder: Path, **files: str | bytes) -> ConfigError:
    with pytest.raises(ConfigError) as error:
        load(folder, **files)
    return error.value


# Defaults


def test_defaults_load_with_types(tmp_path: Path) -> None:
    tables = load_tables(tmp_path / "nowhere")
    assert set(tables.frames) == set(SPECS)
    assert all(path is None for path in tables.files.values())
    types = {"text": pa.string(), "integer": pa.int64(), "date": pa.date32()}
    for name, spec in SPECS.items():
        expected = {column.name: pd.ArrowDtype(types[column.kind]) for column in spec.columns}
        assert tables[name].dtypes.to_dict() == expected


def test_default_scoring_is_view_download_and_demo_all_else_0() -> None:
    points = {row["activity"]: row["points"] for row in rows(load_tables(Path("nowhere"))["scoring"])}
    assert {name: worth for name, worth in points.items() if worth} == {
        "view": 10,
        "download": 20,
        "demo_booked": 40,
    }


def test_scoring_takes_event_types_of_ones_own_but_no_slip_of_a_known_one(tmp_path: Path) -> None:
    tables = load(tmp_path, scoring="activity,points\nPoll Answered,7\nVIEW,10\n")
    assert {row["activity"] for row in rows(tables["scoring"])} == {"poll_answered", "view"}
    with pytest.raises(ConfigError, match="did you mean download"):
        load(tmp_path, scoring="activity,points\ndonwload,7\n")
    with pytest.raises(ConfigError, match="has no total to give a band of"):
        load(tmp_path, scoring="activity,points,at_least\npoll_answered,7,3\n")


def test_default_stages_are_the_specs() -> None:
    stages = load_tables(Path("nowhere"))["stages"]
    rules = {
        (row["stage"], row["rank"], row["activity"], row["minimum"], row["requires_stage"])
        for row in rows(stages)
    }
    assert rules == {
        ("Lead", 1, None, None, None),
        ("MQL", 2, "download", 1, None),
        ("MQL", 2, "attendance", 1, None),
        ("MQL", 2, "webinar_join", 1, None),
        ("SQL", 3, "demo_booked", 1, None),
        ("SQL", 3, "direct_inquiry", 1, None),
        ("Opportunity", 4, "follow_up", 1, "SQL"),
        ("Opportunity", 4, "open_deal", 1, "SQL"),
        ("Customer", 5, "deal_closed", 1, None),
        ("Customer", 5, "paid_sale", 1, None),
    }


def test_words_are_those_of_contract_and_domain() -> None:
    assert STAGES == CONTRACT_STAGES
    assert set(ACTIVITIES) == set(scoring.ACTIVITIES)
    assert set(OVERRIDABLE) == set(scoring.OVERRIDE_FIELDS)


def test_domain_takes_the_default_rules() -> None:
    tables = load_tables(Path("nowhere"))
    scoring.Rules(
        **{name: tables.rows(name) for name in ("scoring", "stages", "nurture_tracks", "playbooks")}
    )


def test_write_defaults_writes_what_is_absent_and_never_overwrites(tmp_path: Path) -> None:
    own = MAPPING + "fb,Webinar,,,\n"
    (tmp_path / "Funnel_Mapping.csv").write_text(own)
    written = {path.name for path in write_defaults(tmp_path)}
    assert written == {spec.file for spec in SPECS.values()} - {"funnel_mapping.csv"} | {
        "sources.example.yaml"
    }
    assert write_defaults(tmp_path) == []
    assert (tmp_path / "Funnel_Mapping.csv").read_text() == own
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix == ".tmp") == []
    tables = load_tables(tmp_path)
    assert rows(tables["funnel_mapping"])[0]["source"] == "fb"
    assert tables.fingerprint("scoring") == load_tables(tmp_path / "nowhere").fingerprint("scoring")


def test_template_loads_where_a_table_may_be_empty(tmp_path: Path) -> None:
    empty = {name: spec.template() for name, spec in SPECS.items() if spec.may_be_empty}
    assert all(len(load(tmp_path, **empty)[name]) == 0 for name in empty)


# Files as spreadsheets save them

PLAIN = MAPPING + "fb,Webinar,active,,\nig,Bootcamp,deprecated,2026-03-01,2026-03-31\n"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(PLAIN.encode(), id="plain"),
        pytest.param(b"\xef\xbb\xbf" + PLAIN.encode(), id="BOM"),
        pytest.param(PLAIN.encode("utf-16"), id="UTF-16"),
        pytest.param(PLAIN.encode("utf-16-le"), id="UTF-16 without BOM"),
        pytest.param(PLAIN.encode("utf-16-be"), id="UTF-16 big-endian without BOM"),
        pytest.param(PLAIN.replace(",", ";").encode(), id="semicolons"),
        pytest.param(PLAIN.replace(",", "\t").encode("utf-16"), id="Unicode text of Excel"),
        pytest.param(b"sep=;\r\n" + PLAIN.replace(",", ";").replace("\n", "\r\n").encode(), id="sep line"),
        pytest.param(PLAIN.replace("\n", "\r\n").encode(), id="CRLF"),
        pytest.param(PLAIN.replace("\n", "\r").encode(), id="CR"),
        pytest.param(PLAIN.rstrip("\n").encode(), id="no last newline"),
        pytest.param(PLAIN.replace("\n", ",,,\n").encode(), id="empty columns at the end"),
        pytest.param((PLAIN + ",,,,\n\n,,,,\n").encode(), id="empty rows at the end"),
        pytest.param(b"\n,,,,\n" + PLAIN.encode(), id="empty rows first"),
        pytest.param(PLAIN.replace("active,,\n", "active\n").encode(), id="row cut short"),
        pytest.param(
            PLAIN.replace(MAPPING, "Source, FUNNEL ,Status,Valid From,valid-to\n").encode(), id="header"
        ),
        pytest.param(
            b'"source","funnel","status","valid_from","valid_to"\n"fb"," Webinar ","Active","",""\n'
            b'"ig","Bootcamp","DEPRECATED","01/03/2026","31-03-2026"\n',
            id="quotes, spaces, case, day first",
        ),
        pytest.param(PLAIN.replace("2026-03-01", "1-Mar-2026").replace("2026-03-31", "31-Mar-26").encode(), id="Mar"),
        pytest.param(PLAIN.replace("2026-03-01", "2026-03-01 00:00:00").encode(), id="midnight"),
        pytest.param(PLAIN.replace("fb", "\u200bfb\u00a0").encode(), id="invisible"),
        pytest.param(
            b"valid_to,status,funnel,source,valid_from\n2026-03-31,deprecated,Bootcamp,ig,2026-03-01\n"
            b",active,Webinar,fb,\n",
            id="other order of columns and rows",
        ),
    ],
)  # fmt: skip
def test_the_same_table_however_saved(tmp_path: Path, content: bytes) -> None:
    tables = load(tmp_path, funnel_mapping=content)
    assert rows(tables["funnel_mapping"]) == EXPECTED_MAPPING
    (tmp_path / "funnel_mapping.csv").write_text(PLAIN)
    assert tables.fingerprint("funnel_mapping") == load_tables(tmp_path).fingerprint("funnel_mapping")


def test_cp1252(tmp_path: Path) -> None:
    tables = load(tmp_path, conductors="alias;conductor\nRené;Prof. Müller – “Max”\n".encode("cp1252"))
    assert rows(tables["conductors"]) == [
        {"webinar_id": None, "alias": "René", "conductor": "Prof. Müller – “Max”"}
    ]


def test_two_columns_of_the_old_sheet_are_enough(tmp_path: Path) -> None:
    assert rows(load(tmp_path, funnel_mapping="source,funnel\nfb,Webinar\n")["funnel_mapping"]) == [
        EXPECTED_MAPPING[0]
    ]


def test_sale_id_under_its_name_in_the_crm(tmp_path: Path) -> None:
    tables = load(tmp_path, manual_mapping="_id,value\n65f0aa01,Walk in\n")
    assert rows(tables["manual_mapping"]) == [{"sale_id": "65f0aa01", "value": "Walk in"}]


def test_webinar_id_keeps_digits_only(tmp_path: Path) -> None:
    tables = load(tmp_path, conductors="webinar_id,alias,conductor\n812 3456-7890,,Asha\n")
    assert rows(tables["conductors"])[0]["webinar_id"] == "81234567890"


def test_whole_numbers_as_excel_shows_them(tmp_path: Path) -> None:
    tables = load(tmp_path, scoring='activity,points\nview,10.0\nclick,"1,000"\ndownload,-5\n')
    assert [row["points"] for row in rows(tables["scoring"])] == [1000, -5, 10]


def test_several_validity_periods_of_one_source(tmp_path: Path) -> None:
    text = MAPPING + "fb,Webinar,,,31/03/2026\nFB ,Bootcamp,,01/04/2026,\n"
    assert len(load(tmp_path, funnel_mapping=text)["funnel_mapping"]) == 2


def test_file_name_in_another_case_is_read(tmp_path: Path) -> None:
    (tmp_path / "Funnel_Mapping.CSV").write_text(PLAIN)
    assert rows(load_tables(tmp_path)["funnel_mapping"]) == EXPECTED_MAPPING


def test_references_get_the_spelling_of_their_table(tmp_path: Path) -> None:
    tables = load(
        tmp_path,
        overrides="person,field,value,reason,author,effective_on,expires_on\n"
        "a@example.com,Current_Stage,sql,called,asha,2026-03-01,\n",
    )
    row = rows(tables["overrides"])[0]
    assert (row["field"], row["value"]) == ("current_stage", "SQL")


def test_dropping_a_stage_drops_its_rows_from_packaged_tables(tmp_path: Path) -> None:
    stages = default_file("stages.csv").decode()
    kept = "".join(line for line in stages.splitlines(keepends=True) if not line.startswith("Customer"))
    tables = load(tmp_path, stages=kept)
    assert "Customer" not in set(tables["nurture_tracks"]["stage"])
    assert "Customer" not in set(tables["playbooks"]["stage_at_least"])


def test_stages_come_by_rank_and_playbooks_by_how_much_they_ask(tmp_path: Path) -> None:
    tables = load(
        tmp_path,
        stages=shuffled(default_file("stages.csv").decode()),
        playbooks=shuffled(default_file("playbooks.csv").decode()),
    )
    assert [(row["rank"], row["activity"]) for row in tables.rows("stages")] == [
        (1, None),
        (2, "download"),
        (2, "attendance"),
        (2, "webinar_join"),
        (3, "demo_booked"),
        (3, "direct_inquiry"),
        (4, "follow_up"),
        (4, "open_deal"),
        (5, "paid_sale"),
        (5, "deal_closed"),
    ]
    assert [(row["health"], row["stage_at_least"]) for row in tables.rows("playbooks")] == [
        ("Active", "SQL"),
        ("Stale", "SQL"),
        ("Active", "MQL"),
        ("Stale", None),
        ("Dormant", None),
        (None, None),
    ]


def test_blanks_between_the_words_of_a_funnel_count_as_one(tmp_path: Path) -> None:
    tables = load(
        tmp_path,
        funnel_mapping=MAPPING + "fb,WE  Webinar,,,\n",
        manual_funnels="value,funnel\nx,WE Webinar\n",
    )
    assert tables["funnel_mapping"]["funnel"].tolist() == tables["manual_funnels"]["funnel"].tolist()


def test_other_names_of_activities(tmp_path: Path) -> None:
    tables = load(tmp_path, scoring="activity,points\nForm_Submission,5\nminutes,0\n")
    assert [row["activity"] for row in tables.rows("scoring")] == ["form_submit", "minute"]


def test_overrides_may_follow_and_overlap(tmp_path: Path) -> None:
    row = "p1,sales_priority,{},why,asha,{},\n"
    tables = load(
        tmp_path, overrides=OVERRIDES + row.format("high", "1/3/2026") + row.format("low", "2/3/2026")
    )
    assert len(tables["overrides"]) == 2


# Mistakes

OTHERS = ",,Education,low\n"
STAGES_HEADER = "stage,rank,activity,minimum,requires_stage,owner_department,reason\n"
LEAD = "Lead,1,always,,,Marketing,Known\n"
OVERRIDES = "person,field,value,reason,author,effective_on,expires_on\n"
LINKS = "action,person_a,person_b,reason,author\n"


@pytest.mark.parametrize(
    ("name", "content", "line", "expected"),
    [
        pytest.param(
            "funnel_mapping",
            "source,funel\nfb,Webinar\n",
            1,
            "column 'funel' isn't known (did you mean funnel?); "
            "allowed: source, funnel, status, valid_from, valid_to",
            id="unknown column",
        ),
        pytest.param("funnel_mapping", "source,status\n", 1, "column funnel is missing", id="missing column"),
        pytest.param(
            "funnel_mapping", "source,funnel,Source\n", 1, "column source is there twice", id="twice"
        ),
        pytest.param(
            "funnel_mapping",
            MAPPING + "\nfb,Webinar,actve,,\n",
            3,
            "status 'actve' isn't allowed (did you mean active?); allowed: active, deprecated",
            id="value not allowed",
        ),
        pytest.param("funnel_mapping", MAPPING + ",Webinar,,,\n", 2, "source is empty", id="empty cell"),
        pytest.param(
            "funnel_mapping",
            MAPPING + '"fb\n2",Webinar,,,\nig,Bootcamp,,03/31/2026,\n',
            4,
            "valid_from '03/31/2026' isn't a date; write 2026-03-31, 31/03/2026 (day first) or 31-Mar-2026",
            id="month first, after a cell of two lines",
        ),
        pytest.param("funnel_mapping", MAPPING + "a,B,,46082,\n", 2, "isn't a date", id="serial number"),
        pytest.param("funnel_mapping", MAPPING + "a,B,,2026-02-30,\n", 2, "isn't a date", id="30 February"),
        pytest.param("funnel_mapping", MAPPING + "a,B,,1-Ma-2026,\n", 2, "isn't a date", id="which month"),
        pytest.param("funnel_mapping", MAPPING + "a,B,,0026-03-01,\n", 2, "isn't a date", id="year 26"),
        pytest.param(
            "funnel_mapping",
            MAPPING + "a,B,,2026-03-02,2026-03-01\n",
            2,
            "valid_to 2026-03-01 is before valid_from 2026-03-02",
            id="ends before it starts",
        ),
        pytest.param(
            "funnel_mapping",
            MAPPING + "fb,Webinar,,,\nig,Webinar,,,\n FB,Webinar,,,\n",
            4,
            "source 'FB' is on line 2 too, and the periods overlap",
            id="duplicate key",
        ),
        pytest.param(
            "funnel_mapping",
            MAPPING + "fb,Webinar,,,2026-03-31\nfb,Bootcamp,,2026-03-31,\n",
            3,
            "set valid_from and valid_to so that one ends on the day before the other starts",
            id="one day in both periods",
        ),
        pytest.param(
            "funnel_mapping",
            MAPPING + "fb,A,,2026-01-01,2026-12-31\nfb,B,,2026-02-01,2026-02-10\nfb,C,,2026-03-01,\n",
            3,
            "line 4: source 'fb' is on line 2 too",
            id="a long period over two short ones",
        ),
        pytest.param(
            "funnel_mapping",
            MAPPING + "fb,Webinar,,,\nig,webinar,,,\n",
            3,
            "funnel 'webinar' is spelled 'Webinar' on line 2 of funnel_mapping.csv; use one spelling",
            id="two spellings",
        ),
        pytest.param(
            "manual_funnels",
            "value,funnel\nWalk in,WEBINAR\n",
            2,
            "funnel 'WEBINAR' is spelled 'Webinar' on line 2 of funnel_mapping.csv",
            id="two spellings in two tables",
        ),
        pytest.param(
            "manual_funnels",
            "value,funnel\nWalk in,Web,inar\n",
            2,
            "column 3 has a value but the header has no name for it; a comma inside a value needs quotation marks",
            id="comma in a value",
        ),
        pytest.param(
            "manual_funnels", "value,funnel,\na,B,c\n", 2, "column 3 has a value", id="column without a name"
        ),
        pytest.param(
            "manual_funnels",
            'value,funnel\nok,A\n"open,B\nlost,C\n',
            3,
            "a quotation mark on this line is opened or closed in the wrong place",
            id="open quote would swallow rows",
        ),
        pytest.param("manual_funnels", "", 1, "the file is empty, its header too", id="empty file"),
        pytest.param("manual_funnels", "\n;;\n", 1, "the file is empty", id="blank file"),
        pytest.param(
            "manual_funnels", b"PK\x03\x04rest", 1, "this is an Excel workbook", id="workbook named csv"
        ),
        pytest.param(
            "manual_mapping",
            "sale_id,value\n65f0aa01,x\n65F0AA01,y\n",
            3,
            "sale_id '65F0AA01' is on line 2 already; it may appear once",
            id="duplicate sale",
        ),
        pytest.param(
            "manual_mapping",
            "sale_id,value\n9.19877E+11,x\n",
            2,
            "was turned into a number by the spreadsheet and lost digits; format the column as text",
            id="scientific notation",
        ),
        pytest.param(
            "conductors", "webinar_id,alias,conductor\n,,Asha\n", 2, "one of webinar_id, alias", id="one of"
        ),
        pytest.param("conductors", "webinar_id,conductor\n8x2,Asha\n", 2, "than digits", id="not digits"),
        pytest.param("scoring", "activity,points\nview,ten\n", 2, "points 'ten' isn't a whole number", id="word"),
        pytest.param("scoring", "activity,points\nview,1.5\n", 2, "isn't a whole number", id="half a point"),
        pytest.param("scoring", "activity,points\nview,\n", 2, "points is empty", id="no number"),
        pytest.param(
            "scoring",
            "activity,points\nviews,10\n",
            2,
            "activity 'views' isn't allowed (did you mean view?); allowed: view, click, download,",
            id="unknown activity",
        ),
        pytest.param("scoring", "activity,points\n", 1, "needs at least one row", id="no rows"),
        pytest.param(
            "stages",
            STAGES_HEADER + LEAD + "MQL,0,download,1,,Marketing,x\n",
            3,
            "rank is 0, but 1 is the smallest allowed",
            id="rank 0",
        ),
        pytest.param(
            "stages",
            STAGES_HEADER + LEAD + "MQL,1,download,1,,Marketing,x\n",
            3,
            "MQL and Lead have the same rank 1",
            id="same rank",
        ),
        pytest.param(
            "stages",
            STAGES_HEADER + LEAD + "MQL,2,download,1,,Marketing,x\nMQL,3,click,1,,Marketing,x\n",
            4,
            "rank of MQL is 3 here and 2 on line 3",
            id="two ranks",
        ),
        pytest.param(
            "stages",
            STAGES_HEADER + LEAD + "MQL,2,download,1,SQL,Marketing,x\n",
            3,
            "requires_stage 'SQL' isn't a stage of stages.csv",
            id="required stage is not there",
        ),
        pytest.param(
            "stages",
            STAGES_HEADER + LEAD + "MQL,2,download,1,MQL,Marketing,x\n",
            3,
            "requires_stage MQL must have a lower rank than MQL",
            id="requires itself",
        ),
        pytest.param(
            "stages",
            STAGES_HEADER + LEAD + "MQL,2,download,,,Marketing,x\n",
            3,
            "minimum must be empty for always, and a number for every other activity",
            id="no minimum",
        ),
        pytest.param(
            "stages",
            STAGES_HEADER + "Lead,1,view,1,,Marketing,x\n",
            2,
            "the lowest stage, Lead, needs a row with activity always",
            id="nobody's stage",
        ),
        pytest.param(
            "nurture_tracks",
            "stage,track,frequency,channels\nLead,Low,Weekly,Email\n",
            1,
            "there is no row for stage Customer; every stage of stages.csv needs one",
            id="stage without a track",
        ),
        pytest.param(
            "nurture_tracks",
            "stage,track,frequency,channels\nLaed,Low,Weekly,Email\n",
            2,
            "stage 'Laed' isn't a stage of stages.csv (did you mean Lead?); "
            "allowed: Customer, Lead, MQL, Opportunity, SQL",
            id="unknown stage",
        ),
        pytest.param(
            "playbooks",
            "health,stage_at_least,playbook,priority\nActive,,Education,low\n",
            1,
            "there is no row with health and stage_at_least both empty: the playbook of everyone else",
            id="contact without a playbook",
        ),
        pytest.param(
            "playbooks",
            "health,stage_at_least,playbook,priority\n" + OTHERS + ",,Call,high\n",
            3,
            "is on line 2 already; it may appear once",
            id="two playbooks for everyone else",
        ),
        pytest.param(
            "overrides",
            OVERRIDES + "p1,current_stage,SLQ,why,asha,2026-03-01,\n",
            2,
            "value 'SLQ' isn't allowed for current_stage (did you mean SQL?)",
            id="override to no stage",
        ),
        pytest.param(
            "overrides",
            OVERRIDES + "p1,stage,SQL,why,asha,2026-03-01,\n",
            2,
            "field 'stage' isn't allowed",
            id="override of no field",
        ),
        pytest.param(
            "overrides",
            OVERRIDES + "p1,sales_priority,high,why,a,01/03/2026,\nP1,sales_priority,low,why,a,1-Mar-26,\n",
            3,
            "person 'P1' and field 'sales_priority' and effective_on '2026-03-01' is on line 2 already",
            id="two overrides from one day",
        ),
        pytest.param(
            "overrides",
            OVERRIDES + "p1,sales_priority,high,why,a,01/03/2026,01/03/2026\n",
            2,
            "expires_on 2026-03-01 must be after effective_on 2026-03-01",
            id="override that never holds",
        ),
        pytest.param(
            "icp_tiers", "field,value,tier\nindustry,Banking,Top\n", 2, "allowed: High, Mid, Low", id="tier"
        ),
        pytest.param("placeholders", "value\n9999999999\n9999999999\n", 3, "is on line 2", id="placeholder"),
        pytest.param(
            "identity_links",
            LINKS + "must_link,98123 00001,+919812300001,same,asha\n",
            2,
            "person_a and person_b are the same",
            id="link to itself",
        ),
        pytest.param(
            "identity_links",
            LINKS + "must_link,a@example.com,9812300001,same,asha\nmust_link,098123-00001,A@Example.com,x,asha\n",
            3,
            "the same two people are on line 2 already",
            id="linked twice",
        ),
        pytest.param(
            "identity_links",
            LINKS + "must_link,a@example.com,9812300001,same,asha\ncannot_link,98123 00001,A@Example.com,no,asha\n",
            3,
            "cannot_link parts two people whom must_link on line 2 joins; take one of these rows out",
            id="linked and parted",
        ),
        pytest.param(
            "identity_links",
            LINKS
            + "must_link,a@example.com,9812300001,x,asha\ncannot_link,a@example.com,9812300002,no,asha\n"
            + "must_link,9812300001,b@example.com,x,asha\nmust_link,9812300002,b@example.com,x,asha\n",
            3,
            "whom must_link on line 2 and 4 and 5 joins",
            id="parted, and linked through others",
        ),
        pytest.param(
            "identity_links",
            LINKS + "must_link,Asha Rao,9812300001,same,asha\n",
            2,
            "person_a is no phone, e-mail or person id; take the id from `funnel explain`",
            id="link to a name",
        ),
        pytest.param(
            "identity_links",
            LINKS + "must_link,9999999999,9812300001,same,asha\n",
            2,
            "person_a is no phone",
            id="link to a placeholder",
        ),
    ],
)  # fmt: skip
def test_mistake_has_file_line_and_what_is_allowed(
    tmp_path: Path, name: str, content: str | bytes, line: int, expected: str
) -> None:
    error = failure(tmp_path, **{name: content})
    assert (error.file, error.line) == (f"{name}.csv", line)
    assert expected in str(error)
    assert "until then the last good result stays published" in str(error)


def test_whole_message(tmp_path: Path) -> None:
    assert str(failure(tmp_path, scoring="activity,points\nview,ten\n")) == (
        "[file scoring.csv, line 2] points 'ten' isn't a whole number. "
        "Next: correct it in the spreadsheet and save; until then the last good result stays published."
    )


def test_all_mistakes_of_all_files_in_one_error(tmp_path: Path) -> None:
    error = failure(
        tmp_path,
        scoring="activity,points\nview,ten\nclikc,5\n",
        manual_funnels="value\nx\n",
    )
    assert str(error).startswith(
        "[file manual_funnels.csv, line 1] 3 mistakes in the config files:\n"
        "  manual_funnels.csv line 1: column funnel is missing; allowed: value, funnel\n"
        "  scoring.csv line 2: points 'ten' isn't a whole number\n"
        "  scoring.csv line 3: activity 'clikc' isn't allowed (did you mean click?); allowed: view, "
    )


def test_twenty_mistakes_are_shown(tmp_path: Path) -> None:
    error = failure(tmp_path, scoring="activity,points\n" + "view,ten\n" * 25)
    assert "25 mistakes" in str(error)
    assert str(error).count("scoring.csv line ") == 20
    assert "  and 5 more\n" in str(error)


def test_one_mistake_is_not_reported_twice(tmp_path: Path) -> None:
    error = failure(tmp_path, stages=STAGES_HEADER + "Lead,one,always,,,Marketing,x\n")
    assert str(error).startswith("[file stages.csv, line 2] rank 'one' isn't a whole number. Next:")


def test_no_phone_or_email_in_messages(tmp_path: Path) -> None:
    row = "{},current_stage,Lead,why,asha,2026-03-01,\n"
    text = OVERRIDES + 2 * row.format("asha.k@example.com") + 2 * row.format("9812345670")
    message = str(failure(tmp_path, overrides=text))
    assert "is on line 2 already" in message
    assert "asha.k" not in message
    assert "9812345670" not in message


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("scorings.csv", "this file isn't read (did you mean scoring.csv?)"),
        ("scoring.xlsx", "this file isn't read; save it as scoring.csv (CSV UTF-8)"),
    ],
)
def test_misnamed_file_is_a_mistake(tmp_path: Path, name: str, expected: str) -> None:
    (tmp_path / name).write_text("activity,points\nview,10\n")
    with pytest.raises(ConfigError) as error:
        load_tables(tmp_path)
    assert error.value.file == name
    assert expected in str(error.value)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        pytest.param(os.mkfifo, "it is a pipe, not a regular file", id="pipe"),
        pytest.param(Path.mkdir, "it is a folder, not a regular file", id="folder"),
        pytest.param(
            lambda path: path.symlink_to("nowhere.csv"), "it is a link that leads nowhere", id="broken link"
        ),
    ],
)
def test_what_is_no_file_under_a_tables_name_is_a_mistake_and_no_default(
    tmp_path: Path, make: Callable[[Path], object], expected: str
) -> None:
    make(tmp_path / "Scoring.csv")
    with pytest.raises(ConfigError, match=expected):
        load_tables(tmp_path)
    assert list(load_tables(tmp_path, apart=True).wrong) == ["scoring"]


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    write_defaults(tmp_path)
    for name in (
        "~$scoring.csv",
        ".~lock.scoring.csv#",
        "scoring - Copy.csv",
        "notes.csv",
        "scoring.xlsx",
        "a.txt",
    ):
        (tmp_path / name).write_text("x")
    assert load_tables(tmp_path).files["scoring"] == tmp_path / "scoring.csv"


def test_same_file_twice_is_a_mistake(tmp_path: Path) -> None:
    for name in ("scoring.csv", "Scoring.csv"):
        (tmp_path / name).write_text("activity,points\nview,10\n")
    if len(list(tmp_path.iterdir())) == 1:
        pytest.skip("this file system doesn't tell case apart")
    with pytest.raises(ConfigError, match=r"there are both Scoring\.csv and scoring\.csv; keep one"):
        load_tables(tmp_path)


def test_a_folder_by_a_tables_name_is_told_not_replaced_by_the_default(tmp_path: Path) -> None:
    (tmp_path / "scoring.csv").mkdir()
    with pytest.raises(ConfigError, match=r"scoring\.csv.*it is a folder, not a regular file"):
        load_tables(tmp_path)


# Fingerprints


def test_fingerprint_sees_every_change(tmp_path: Path) -> None:
    seen = set()
    for text in (
        "source,funnel\nfb,Webinar\n",
        "source,funnel\nfb,Bootcamp\n",
        "source,funnel,status\nfb,Webinar,deprecated\n",
        "source,funnel,valid_from\nfb,Webinar,1/1/2026\n",
        "source,funnel,valid_to\nfb,Webinar,1/1/2026\n",
        "source,funnel\n",
    ):
        seen.add(load(tmp_path, funnel_mapping=text).fingerprint("funnel_mapping"))
    assert len(seen) == 6


def test_fingerprint_of_several_tables(tmp_path: Path) -> None:
    tables = load_tables(tmp_path)
    assert tables.fingerprint("scoring", "stages") == tables.fingerprint("stages", "scoring")
    assert tables.fingerprint("scoring", "stages") != tables.fingerprint("scoring")
    changed = load(tmp_path, scoring="activity,points\nview,11\n")
    assert changed.fingerprint("scoring", "stages") != tables.fingerprint("scoring", "stages")
    assert changed.fingerprint("stages", "playbooks") == tables.fingerprint("stages", "playbooks")


WORD = st.text(st.sampled_from("abcdeéñ अ,;|\"'-()&"), min_size=1, max_size=8).map(str.strip).filter(bool)
DAY = st.none() | st.dates(dt.date(2000, 1, 1), dt.date(2099, 12, 31))
RECORD = st.tuples(WORD.filter(lambda word: not word.startswith("'")), st.sampled_from(["A", "B"]), DAY)
DATE_STYLES = ("%Y-%m-%d", "%d/%m/%Y", "%d-%m-%Y", "%d-%b-%Y", "%d-%b-%y", "%d %B %Y", "%d.%m.%Y")


def written(records: list[tuple[str, str, dt.date | None]], draw: st.DrawFn) -> bytes:
    """Write records as some spreadsheet might."""
    columns = draw(st.permutations(["source", "funnel", "valid_from"]))
    style = draw(st.sampled_from(DATE_STYLES))
    pad = draw(st.sampled_from(["", " ", "\u00a0"]))
    out = io.StringIO()
    writer = csv.writer(
        out,
        delimiter=draw(st.sampled_from([",", ";", "\t"])),
        lineterminator=draw(st.sampled_from(["\n", "\r\n"])),
        quoting=draw(st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL])),
    )
    header = draw(st.sampled_from([str.lower, str.upper, str.title]))
    extra = [""] * draw(st.integers(0, 2))
    writer.writerow(
        [header(name.replace("_", draw(st.sampled_from(["_", " "])))) for name in columns] + extra
    )
    for source, funnel, day in draw(st.permutations(records)):
        cells = {
            "source": source + pad,
            "funnel": pad + funnel,
            "valid_from": day.strftime(style) if day else "",
        }
        writer.writerow([cells[name] for name in columns] + extra)
    return out.getvalue().encode(draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"])))


@given(data=st.data(), records=st.lists(RECORD, max_size=6, unique_by=lambda record: record[0].lower()))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_fingerprint_ignores_order_and_format(
    tmp_path: Path, data: st.DataObject, records: list[tuple[str, str, dt.date | None]]
) -> None:
    first, second = (
        load(tmp_path, funnel_mapping=data.draw(st.composite(lambda draw: written(records, draw))()))
        for _ in range(2)
    )
    assert first.fingerprint("funnel_mapping") == second.fingerprint("funnel_mapping")
    assert rows(first["funnel_mapping"]) == rows(second["funnel_mapping"])
    assert {
        (row["source"], row["funnel"], row["valid_from"]) for row in rows(first["funnel_mapping"])
    } == set(records)


@given(
    name=st.sampled_from(["funnel_mapping", "stages", "overrides", "conductors"]),
    at=st.integers(0, 600),
    gone=st.integers(0, 40),
    put=st.binary(max_size=12) | st.text(st.sampled_from('",;\t\n\r\x00é ')).map(str.encode),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_damage_ends_in_an_answer_or_a_config_error(
    tmp_path: Path, name: str, at: int, gone: int, put: bytes
) -> None:
    for path in tmp_path.iterdir():
        path.unlink()
    content = default_file(f"{name}.csv")
    with contextlib.suppress(ConfigError):
        load(tmp_path, **{name: content[:at] + put + content[at + gone :]})
