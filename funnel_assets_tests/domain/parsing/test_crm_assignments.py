"""Assignments: identical rows once, and never without a phone."""

import pandas as pd
import pytest

from funnel_assets_tests.domain.parsing.tables import NOV_3, NOV_4, by_line, fates, quarantined, read
from funnel_assets_tests.pseudonyms import PSEUDONYMS

ROW = {
    "sources": "FinCert_Webinar",
    "assignOn": "2025-11-03 00:00:00",
    "leadMobile": "9812345670",
    "employee": "Ravi",
}


def test_one_assignment_in_full() -> None:
    parsed = read("crm_assignments", [ROW])
    expected = pd.DataFrame(
        {
            "date": pd.Series([NOV_3], dtype=object),
            "source_name": pd.Series(["source_one"], dtype="str"),
            "assigned_at": pd.to_datetime(["2025-11-02T18:30:00Z"]).as_unit("us"),
            "lead_source": pd.Series(["FinCert_Webinar"], dtype="str"),
            "phone": pd.Series(["919812345670"], dtype="str"),
            "phone_key": pd.Series([PSEUDONYMS.phone_key("919812345670")], dtype="str"),
            "employee": pd.Series(["Ravi"], dtype="str"),
            "dump_rank": pd.Series([0], dtype="Int64"),
            "line": [2],
        }
    )
    pd.testing.assert_frame_equal(parsed.rows.drop(columns="assignment_id"), expected)


def test_identical_rows_are_duplicates_and_the_first_line_stays() -> None:
    parsed = read(
        "crm_assignments", [ROW, ROW | {"employee": "Mina"}, ROW, ROW | {"assignOn": "2025-11-04 09:00:00"}]
    )
    assert fates(parsed) == ["load", "load", "duplicate", "load"]
    assert by_line(parsed, "date") == {2: NOV_3, 3: NOV_3, 5: NOV_4}
    assert parsed.index["reason"].tolist()[2] == "identical_row"


@pytest.mark.parametrize(
    ("phone", "words"),
    [
        ("9.19877E+11", "cut by a spreadsheet"),
        ("9999999999", "stands for no phone"),
        ("12345", "is no phone number of IN"),
        ("", "is empty"),
    ],
)
def test_unusable_phone_is_quarantined_on_its_day(phone: str, words: str) -> None:
    parsed = read("crm_assignments", [ROW | {"leadMobile": phone}, ROW])
    assert quarantined(parsed) == {2: "phone_unusable"}
    assert parsed.quarantine["day"].tolist() == [NOV_3]
    assert words in parsed.quarantine["detail"].iloc[0]


def test_date_rule() -> None:
    rows = [ROW | {"assignOn": "soon"}, ROW | {"assignOn": ""}, dict.fromkeys(ROW, "")]
    assert quarantined(read("crm_assignments", rows)) == {
        2: "date_unreadable",
        3: "date_missing",
        4: "empty_row",
    }
