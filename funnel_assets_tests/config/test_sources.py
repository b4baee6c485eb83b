"""sources.yaml: what it may say, and what is said about its mistakes."""

import contextlib
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from funnel_assets.config.source_model import Auth, HttpOverrides, Source
from funnel_assets.config.sources import SourcesConfig, load_sources
from funnel_assets.config.tables import default_file
from funnel_assets.errors import ConfigError

ENVIRON = {
    "FUNNEL_HOME": "/srv/funnel",
    "FUNNEL_SOURCES_URL": "http://127.0.0.1:8765",
    "FUNNEL_TIMEZONE": "Asia/Kolkata",
}


def load(tmp_path: Path, text: str, **options: object) -> SourcesConfig:
    path = tmp_path / "sources.yaml"
    path.write_text(dedent(text), encoding="utf-8")
    return load_sources(path, ENVIRON, **options)  # type: ignore[arg-type]


def failure(tmp_path: Path, text: str, **options: object) -> ConfigError:
    with pytest.raises(ConfigError) as error:
        load(tmp_path, text, **options)
    return error.value


def one(keys: str, dataset: str = "spend") -> str:
    """A file with one source; ``keys`` start on line 3."""
    return f"{dataset}:\n  - name: mine\n" + "".join(f"    {line}\n" for line in dedent(keys).splitlines())


def test_example_loads_and_names_every_dataset(tmp_path: Path) -> None:
    config = load(tmp_path, default_file("sources.example.yaml").decode())
    assert [source.dataset for source in config.sources] == [
        "raw_leads",
        "zoom_attendance",
        "engagement_events",
        "spend",
        "crm_assignments",
        "crm_sales",
    ]
    assert config.get("zoom_reports").location == "/srv/funnel/inbox/zoom"
    assert config.get("crm_sales").auth == Auth("bearer", "CRM_TOKEN")
    assert config.get("crm_assignments").http == HttpOverrides(timeout_seconds=60.0, retries=4)


@pytest.mark.parametrize(
    "more", ["", "zoom_attendance:\n", "zoom_attendance: ~\n", "zoom_attendance: null\n"]
)
def test_the_documented_inbox_is_a_source_without_being_listed(tmp_path: Path, more: str) -> None:
    config = load(tmp_path, one("kind: csv\npath: spend.csv") + more)
    (inbox,) = config.of("zoom_attendance")
    assert (inbox.name, inbox.kind, inbox.location) == (
        "zoom_reports",
        "zoom_folder",
        "/srv/funnel/inbox/zoom",
    )
    listed = load(tmp_path, one("kind: zoom_folder\npath: inbox/zoom", "zoom_attendance"))
    assert inbox.timezone == listed.get("mine").timezone
    assert inbox.currency == listed.get("mine").currency


def test_the_inbox_is_switched_off_by_an_empty_list_and_listed_once(tmp_path: Path) -> None:
    assert load(tmp_path, "zoom_attendance: []\n").of("zoom_attendance") == ()
    config = load(tmp_path, one("kind: zoom_folder\npath: elsewhere", "zoom_attendance"))
    assert [source.location for source in config.of("zoom_attendance")] == ["/srv/funnel/elsewhere"]


def test_the_inbox_takes_no_name_that_another_source_has(tmp_path: Path) -> None:
    config = load(tmp_path, "spend:\n  - {name: Zoom_Reports, kind: csv, path: spend.csv}\n")
    assert [source.name for source in config.sources] == ["Zoom_Reports", "zoom_reports_2"]


def test_how_many_rows_may_share_an_id_is_a_percentage(tmp_path: Path) -> None:
    for text, wanted in (("", 10.0), ("most_superseded_pct: 100", 100.0)):
        found = load(tmp_path, one(f"kind: csv\npath: a.csv\n{text}", "crm_sales")).get("mine")
        assert found.most_superseded_pct == wanted


@pytest.mark.parametrize(
    ("dataset", "keys", "name", "default"),
    [
        ("zoom_attendance", "kind: zoom_folder\npath: in", "totals_tolerance_pct", 5.0),
        ("spend", "kind: http_csv\nurl: https://example.com/a.csv", "least_rows_pct", 80.0),
    ],
)
def test_shares_are_percentages(tmp_path: Path, dataset: str, keys: str, name: str, default: float) -> None:
    assert getattr(load(tmp_path, one(keys, dataset)).get("mine"), name) == default
    for text, wanted in (("0", 0.0), ("12.5", 12.5), ("100%", 100.0), ("30 %", 30.0)):
        found = load(tmp_path, one(f"{keys}\n{name}: {text}", dataset)).get("mine")
        assert getattr(found, name) == wanted
        assert found.fingerprint() == load(tmp_path, one(keys, dataset)).get("mine").fingerprint()
    for text in ("101", "-5", "most", "0.8.1", "nan"):
        told = str(failure(tmp_path, one(f"{keys}\n{name}: {text}", dataset)))
        assert f"{name} '{text}' isn't a percentage from 0 to 100" in told
    assert f"{name} means nothing for kind csv" in str(
        failure(tmp_path, one(f"kind: csv\npath: a.csv\n{name}: 50"))
    )


def test_everything_a_source_may_say(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        """
        spend:
          - name: agency
            kind: csv
            path: drops/agency.csv
            timezone: UTC
            date_formats: ["%d/%m/%Y", excel]
            currency: USD
            columns: {cost: Amount spent, campaign: 007}
            constants:
              Funnel: Webinar
              platform: no
            encoding: CP1252
            delimiter: tab
            drift: discard row
            allow_empty: yes
            amounts: minor
            values: {platform: {FB: facebook, G: google}}
            only: {state: [live, ended], paid: any}
        raw_leads: []
        """,
    )
    assert config.without == {"raw_leads"}
    assert config.of("spend") == (
        Source(
            dataset="spend",
            name="agency",
            order=0,
            kind="csv",
            location="/srv/funnel/drops/agency.csv",
            line=3,
            timezone="UTC",
            columns={"cost": "Amount spent", "campaign": "007"},
            constants={"Funnel": "Webinar", "platform": "no"},
            date_formats=("%d/%m/%Y", "excel"),
            currency="USD",
            encoding="cp1252",
            delimiter="\t",
            drift="discard_row",
            allow_empty=True,
            amounts="minor",
            values={"platform": {"FB": "facebook", "G": "google"}},
            only={"state": ("live", "ended"), "paid": ()},
        ),
    )


def test_a_source_is_in_the_currency_of_all_unless_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "sources.yaml").write_text(one(BASE + "currency: {column: plan.currency}"))
    found = load_sources(tmp_path / "sources.yaml", {"FUNNEL_CURRENCY": "USD"}).get("mine")
    assert (found.currency, found.currency_column) == ("USD", "plan.currency")
    assert load(tmp_path, one(BASE)).get("mine").currency == "INR"


def test_a_sources_national_phones_are_of_the_country_of_all_unless_it_says_so(tmp_path: Path) -> None:
    text = """
        raw_leads:
          - {name: a, kind: csv, path: a.csv, country: us}
          - {name: b, kind: csv, path: b.csv}
        zoom_attendance:
          - {name: z, kind: zoom_folder, path: zoom, country: GB}
        spend:
          - {name: s, kind: csv, path: s.csv}
        """
    (tmp_path / "sources.yaml").write_text(dedent(text))
    found = load_sources(tmp_path / "sources.yaml", {"FUNNEL_COUNTRY": "AE"})
    assert {source.name: source.country for source in found.sources} == {
        "a": "US",
        "b": "AE",
        "z": "GB",
        "s": "IN",
    }
    plain = load_sources(tmp_path / "sources.yaml", {})
    # Another country restates what has phones, and nothing else.
    changed = {s.name for s in found.sources if s.fingerprint() != plain.get(s.name).fingerprint()}
    assert changed == {"b"}


def test_a_country_by_its_name_is_told_its_code(tmp_path: Path) -> None:
    error = failure(tmp_path, one("kind: csv\npath: a.csv\ncountry: United States", "raw_leads"))
    assert error.line == 5
    assert "did you mean US?" in str(error)


def test_spend_has_no_country(tmp_path: Path) -> None:
    (tmp_path / "sources.yaml").write_text("spend: [{name: s, kind: csv, path: s.csv, country: US}]")
    with pytest.raises(ConfigError, match="spend has none"):
        load_sources(tmp_path / "sources.yaml", {})


@pytest.mark.parametrize("written", ["tab", '"\\t"', "'\\t'"])
def test_ways_to_write_a_tab(tmp_path: Path, written: str) -> None:
    assert load(tmp_path, one(f"kind: csv\npath: a\ndelimiter: {written}")).get("mine").delimiter == "\t"


def test_order_is_the_order_in_the_file(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        """
        raw_leads:
          - {name: b, kind: csv, path: b.csv}
          - {name: a, kind: xlsx, path: a.xlsx, sheet: March}
        crm_sales:
        spend:
          - {name: c, kind: parquet, path: s3://bucket/c.parquet}
        """,
    )
    assert [(source.name, source.order) for source in config.of("raw_leads")] == [("b", 0), ("a", 1)]
    assert config.of("crm_sales") == ()
    assert config.get("c").location == "s3://bucket/c.parquet"


def test_get_suggests_a_name(tmp_path: Path) -> None:
    config = load(tmp_path, one("kind: csv\npath: a.csv"))
    with pytest.raises(ConfigError, match=r"no source 'mien' \(did you mean mine\?\); there are: mine"):
        config.get("mien")


@pytest.mark.parametrize(
    ("keys", "line", "expected"),
    [
        pytest.param(
            "kind: csv\npth: a.csv",
            4,
            "key 'pth' isn't known (did you mean path?); allowed: name, kind, url, path,",
            id="unknown key",
        ),
        pytest.param("kind: csv\npath: a.csv\namounts: cents", 5, "allowed: major, minor", id="amounts"),
        pytest.param("kind: csv\npath: a.csv\nvalues: x", 5, "values needs lines", id="values"),
        pytest.param("kind: csv\npath: a.csv\nvalues: {a: b}", 5, "a in values needs lines", id="no values"),
        pytest.param("kind: csv\npath: a.csv\nonly: [x]", 5, "only needs lines", id="only"),
        pytest.param("kind: cvs\npath: a.csv", 3, "kind 'cvs' isn't allowed (did you mean csv?)", id="kind"),
        pytest.param(
            "kind: google_sheet\nurl: https://x.example.com",
            3,
            "(did you mean http_csv?); allowed: http_csv, http_json, csv, xlsx, json, jsonl, parquet, zoom_folder",
            id="google sheet",
        ),
        pytest.param("path: a.csv", 2, "this source has no kind; allowed: http_csv,", id="no kind"),
        pytest.param("kind: csv", 2, "kind csv needs path", id="no path"),
        pytest.param("kind: csv\npath:", 4, "path needs a value", id="empty path"),
        pytest.param("kind: csv\npath: [a, b]", 4, "path needs a value", id="list for a path"),
        pytest.param(
            "kind: csv\nurl: https://x.example.com/a.csv",
            4,
            "kind csv reads a file and needs path; for a web address use http_csv",
            id="url for a file",
        ),
        pytest.param(
            "kind: http_csv\npath: a.csv", 4, "needs url; for a file use csv", id="path for an address"
        ),
        pytest.param("kind: http_csv\nurl: ftp://x.example.com/a", 4, "url isn't a web address", id="ftp"),
        pytest.param("kind: http_csv\nurl: http://x.example.com:port/a", 4, "isn't a web address", id="port"),
        pytest.param(
            "kind: http_csv\nurl: ${CRM_URL}/a.csv",
            4,
            "url uses CRM_URL, which is set neither in the environment nor in .env",
            id="missing variable",
        ),
        pytest.param("kind: csv\npath: ${HOME/a.csv", 4, "isn't written like ${NAME}", id="open variable"),
        pytest.param(
            "kind: http_csv\nurl: https://docs.google.com/spreadsheets/d/abc/edit#gid=0",
            4,
            "url is the sheet's web page, not its data; end it with /export?format=csv&gid=0",
            id="sheet page",
        ),
        pytest.param(
            "kind: csv\npath: a.csv\nauth: {type: bearer, env: CRM_TOKEN}",
            5,
            "auth means nothing for kind csv; it is for http_csv, http_json",
            id="auth for a file",
        ),
        pytest.param(
            "kind: csv\npath: a.csv\nsheet: March", 5, "sheet means nothing for kind csv", id="sheet of a csv"
        ),
        pytest.param(
            "kind: csv\npath: a.csv\ntimezone: IST", 5, "for India write Asia/Kolkata", id="timezone"
        ),
        pytest.param(
            "kind: csv\npath: a.csv\ndate_formats: dd/mm/yyyy",
            5,
            "has no %; write e.g. %d/%m/%Y %H:%M, or one of excel, unix, unix_ms",
            id="date format words",
        ),
        pytest.param(
            'kind: csv\npath: a.csv\ndate_formats:\n  - "%d/%m/%Y"\n  - "%Q"',
            7,
            "date format '%Q' holds %Q; allowed: %Y, %y",
            id="directive",
        ),
        pytest.param(
            'kind: csv\npath: a.csv\ndate_formats: "%d %H:%M"', 5, "needs a day (%d), a month", id="no month"
        ),
        pytest.param(
            "kind: csv\npath: a.csv\ncurrency: rupees", 5, "isn't a code of three capitals", id="currency"
        ),
        pytest.param(
            "kind: csv\npath: a.csv\ncurrency: {columns: x}", 5, "did you mean column?", id="currency column"
        ),
        pytest.param(
            "kind: csv\npath: a.csv\nencoding: utf-88", 5, "encoding 'utf-88' isn't known", id="encoding"
        ),
        pytest.param("kind: csv\npath: a.csv\nencoding: base64", 5, "isn't known", id="not a text encoding"),
        pytest.param("kind: csv\npath: a.csv\ndelimiter: '#'", 5, "allowed: ',' ';' '|' tab", id="delimiter"),
        pytest.param(
            "kind: csv\npath: a.csv\ndrift: evlove",
            5,
            "drift 'evlove' isn't allowed (did you mean evolve?); "
            "allowed: evolve, freeze, discard_row, discard_value",
            id="drift",
        ),
        pytest.param("kind: csv\npath: a.csv\nallow_empty: maybe", 5, "allowed: true, false", id="flag"),
        pytest.param("kind: csv\npath: a.csv\npath: b.csv", 5, "key 'path' is there twice", id="twice"),
        pytest.param(
            "kind: csv\npath: a.csv\ncolumns: {Funnel: F}\nconstants: {funnel: Webinar}",
            6,
            "'funnel' is in columns and in constants; keep one",
            id="column and constant",
        ),
        pytest.param("kind: csv\npath: a.csv\ncolumns: cost", 5, "columns needs lines", id="columns text"),
        pytest.param(
            "kind: http_csv\nurl: https://x.example.com/a\nhttp:\n  timeout: 5",
            6,
            "key of http 'timeout' isn't known (did you mean timeout_seconds?)",
            id="http key",
        ),
        pytest.param(
            "kind: http_csv\nurl: https://x.example.com/a\nhttp: {retries: 1.5}",
            5,
            "isn't a whole number",
            id="half a retry",
        ),
        pytest.param(
            "kind: http_csv\nurl: https://x.example.com/a\nhttp: {retries: 50}",
            5,
            "10 is the largest allowed",
            id="too many retries",
        ),
        pytest.param(
            "kind: http_csv\nurl: https://x.example.com/a\nhttp: {deadline_seconds: 0}",
            5,
            "deadline_seconds must be more than 0",
            id="no time",
        ),
        pytest.param(
            "kind: http_csv\nurl: https://x.example.com/a\nauth: {type: bearer}",
            5,
            "auth needs env",
            id="no env",
        ),
        pytest.param(
            "kind: http_csv\nurl: https://x.example.com/a\nauth: {type: header, env: CRM_TOKEN}",
            5,
            "auth of type header needs name: the name of the header",
            id="no header name",
        ),
        pytest.param(
            "kind: http_csv\nurl: https://x.example.com/a\nauth: {type: oauth, env: CRM_TOKEN}",
            5,
            "type 'oauth' isn't allowed; allowed: bearer, header, query, basic",
            id="auth type",
        ),
        pytest.param(
            "kind: csv\npath: a.csv\nextract: {campaign: {from: URL, pattern: 'utm=('}}",
            5,
            "pattern 'utm=(' isn't a regular expression (RE2)",
            id="pattern",
        ),
        pytest.param(
            "kind: csv\npath: a.csv\nextract: {campaign: {from: URL, pattern: utm}}",
            5,
            "has no group; put the part that is the value in brackets",
            id="pattern without a value",
        ),
        pytest.param(
            "kind: csv\npath: a.csv\nextract: {campaign: {form: URL, pattern: (a)}}",
            5,
            "key of extract 'form' isn't known (did you mean from?)",
            id="extract key",
        ),
        pytest.param(
            "kind: csv\npath: a.csv\ncolumns: {campaign: a}\nextract: {campaign: {from: b, pattern: (c)}}",
            6,
            "'campaign' is in columns and in extract; keep one",
            id="column and extract",
        ),
        pytest.param(
            "kind: csv\npath: a.csv\ncount: visits", 5, "count means nothing for spend", id="count of spend"
        ),
        pytest.param(
            "kind: csv\npath: a.csv\ndays: {from: 1/4/2015}",
            5,
            "isn't a day; write it as in 2026-03-31",
            id="day",
        ),
        pytest.param(
            "kind: csv\npath: a.csv\ndays: {from: 2026-01-01, to: 2025-01-01}", 5, "swap the two", id="days"
        ),
        pytest.param(
            "kind: csv\npath: a.csv\ndays: {since: 2026-01-01}",
            5,
            "key of days 'since' isn't known",
            id="days key",
        ),
        pytest.param("kind: zoom_folder\npath: inbox", 3, "kind zoom_folder isn't for spend", id="zoom"),
        pytest.param(
            "kind: csv\npath: a.csv\nexternal_id: id",
            5,
            "external_id means nothing for spend; it is for raw_leads, engagement_events, crm_sales",
            id="ids of people in spend",
        ),
    ],
)
def test_mistake_has_line_and_advice(tmp_path: Path, keys: str, line: int, expected: str) -> None:
    error = failure(tmp_path, one(keys))
    assert (error.file, error.line) == ("sources.yaml", line)
    assert expected in str(error)
    assert "Next: " in str(error)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("mql_id", ("mql_id", None, "source mine")),
        ("{column: customer, system: Stripe}", ("customer", "Stripe", "system stripe")),
    ],
)
def test_ids_are_of_their_source_or_of_a_system(
    tmp_path: Path, written: str, expected: tuple[str, str | None, str]
) -> None:
    file = one(f"{BASE}external_id: {written}", "raw_leads")
    mine = load(tmp_path, file).get("mine")
    assert (mine.external_id, mine.system, mine.id_namespace) == expected
    assert mine.fingerprint() != load(tmp_path, one(BASE, "raw_leads")).get("mine").fingerprint()
    other = load(tmp_path, one(f"{BASE}external_id: {{column: customer, system: crm}}", "raw_leads"))
    assert mine.fingerprint() != other.get("mine").fingerprint()


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("{system: stripe}", "external_id needs column"),
        ("{column: id, sytem: stripe}", "key of external_id 'sytem' isn't known (did you mean system?)"),
        ("", "external_id needs a value"),
    ],
)
def test_a_mistake_in_external_id_says_what_is_missing(tmp_path: Path, written: str, expected: str) -> None:
    error = failure(tmp_path, one(f"{BASE}external_id: {written}", "crm_sales"))
    assert error.line == 5
    assert expected in str(error)


@pytest.mark.parametrize(
    ("keys", "advice"),
    [
        pytest.param(
            "kind: http_csv\nurl: https://me:s3cr3t@x.example.com/a.csv",
            "auth: {type: basic, env: NAME_OF_THE_VARIABLE, name: USER}",
            id="user in the url",
        ),
        pytest.param(
            "kind: http_csv\nurl: https://x.example.com/a.csv?Token=s3cr3t",
            "auth: {type: query, env: NAME_OF_THE_VARIABLE, name: Token}",
            id="token in the url",
        ),
        pytest.param(
            "kind: http_csv\nurl: https://x.example.com/a.csv?api-key=s3cr3t", "type: query", id="api key"
        ),
        pytest.param("kind: csv\npath: s3://k:s3cr3t@bucket/a.csv", "take it out", id="path"),
        pytest.param(
            "kind: http_csv\nurl: https://x.example.com/a\nauth: {type: bearer, token: s3cr3t}",
            "secrets are never written here",
            id="token key",
        ),
        pytest.param(
            "kind: http_csv\nurl: https://x.example.com/a\npassword: s3cr3t",
            "secrets are never written here",
            id="password key",
        ),
        pytest.param(
            "kind: http_csv\nurl: https://x.example.com/a\nauth: {type: bearer, env: s3cr3t}",
            "env takes the name of a variable, like CRM_TOKEN",
            id="token as env",
        ),
        pytest.param(
            "kind: http_csv\nurl: https://x.example.com/a\nauth: {type: bearer, env: AKS3CR3TS3CR3TS3CR3T}",
            "env takes the name of a variable",
            id="capital token as env",
        ),
    ],
)
def test_secrets_are_refused_and_not_repeated(tmp_path: Path, keys: str, advice: str) -> None:
    error = failure(tmp_path, one(keys))
    assert advice in str(error)
    assert "s3cr3t" not in str(error).lower()


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        pytest.param("", 1, "lists no source", id="empty"),
        pytest.param("# nothing yet\n", 1, "lists no source", id="comment"),
        pytest.param("spend:\n\t- name: x\n", 2, "indent with spaces, never tabs", id="tab"),
        pytest.param("spend:\n  - name: 'x\n", 3, "This isn't valid YAML", id="open quote"),
        pytest.param("- name: x\n", 1, "allowed: raw_leads, zoom_attendance", id="no dataset"),
        pytest.param("spends:\n  - name: x\n", 1, "dataset 'spends' isn't known (did you mean spend?)", id="name"),
        pytest.param("spend:\n  name: x\n", 2, "needs a list of sources; start each with '- name:'", id="no dash"),
        pytest.param("spend:\n  - x\n", 2, "a source needs lines like", id="text"),
        pytest.param("spend:\n  - kind: csv\n    path: x\n", 2, "this source has no name", id="no name"),
        pytest.param(
            "spend:\n  - {name: a b, kind: csv, path: x}\n", 2, "use letters, digits, - and _ only", id="blank"
        ),
        pytest.param(
            "spend:\n  - {name: a, kind: csv, path: x}\ncrm_sales:\n  - {name: A, kind: csv, path: x}\n",
            4,
            "name 'A' is taken by the source on line 2",
            id="name taken",
        ),
        pytest.param(
            "zoom_attendance:\n  - {name: a, kind: csv, path: x}\n",
            2,
            "zoom_attendance has kind zoom_folder only",
            id="zoom as csv",
        ),
    ],
)  # fmt: skip
def test_mistake_in_the_shape(tmp_path: Path, text: str, line: int, expected: str) -> None:
    error = failure(tmp_path, text)
    assert (error.file, error.line) == ("sources.yaml", line)
    assert expected in str(error)


def test_all_mistakes_are_listed(tmp_path: Path) -> None:
    error = failure(tmp_path, one("kind: csv\npath: a.csv\ncurrency: rs\ndrift: x"))
    assert str(error).startswith("[file sources.yaml, line 5] 2 mistakes in the config files:\n")
    assert "sources.yaml line 5: currency 'rs'" in str(error)
    assert "sources.yaml line 6: drift 'x'" in str(error)


def test_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"There is no sources\.yaml .*Next: run `make run`"):
        load_sources(tmp_path / "sources.yaml", ENVIRON)


def test_not_utf8_has_a_line(tmp_path: Path) -> None:
    path = tmp_path / "sources.yaml"
    path.write_bytes(b"spend:\n  # caf\xe9\n")
    with pytest.raises(ConfigError) as error:
        load_sources(path, ENVIRON)
    assert error.value.line == 2


def test_bom_is_fine(tmp_path: Path) -> None:
    path = tmp_path / "sources.yaml"
    path.write_bytes(b"\xef\xbb\xbfspend:\r\n  - {name: a, kind: csv, path: a.csv}\r\n")
    assert load_sources(path, ENVIRON).get("a").kind == "csv"


KNOWN = {"spend": {"cost_paise": "cost", "cost": "cost", "Funnel": "Funnel", "ad_group": "ad_group"}}


def test_known_columns_are_checked_and_spelled(tmp_path: Path) -> None:
    written = "kind: csv\npath: a\ncolumns: {COST: x, Ad Group: y}\nconstants: {funnel: W}"
    config = load(tmp_path, one(written), known_columns=KNOWN)
    assert config.get("mine").columns == {"cost": "x", "ad_group": "y"}
    assert config.get("mine").constants == {"Funnel": "W"}


@pytest.mark.parametrize(
    ("keys", "line", "expected"),
    [
        (
            "columns:\n  cots: x",
            6,
            "spend has no column 'cots' (did you mean cost?); allowed: cost, Funnel, ad_group",
        ),
        (
            "columns:\n  cost: x\n  cost_paise: y",
            7,
            "'cost_paise' is in columns twice: 'cost' is the same column",
        ),
        ("columns: {cost: x}\nconstants: {cost_paise: 1}", 6, "'cost_paise' is in columns and in constants"),
        ("constants: {Funel: x}", 5, "did you mean Funnel?"),
        ("values: {Funel: {a: b}}", 5, "did you mean Funnel?"),
    ],
)
def test_a_name_that_is_none_of_ours_is_one_mistake(
    tmp_path: Path, keys: str, line: int, expected: str
) -> None:
    error = failure(tmp_path, one(f"kind: csv\npath: a\n{keys}"), known_columns=KNOWN)
    assert error.line == line
    assert expected in str(error)
    assert "mistakes" not in str(error)


def test_a_mistake_concerns_its_dataset_alone(tmp_path: Path) -> None:
    text = """
        raw_leads:
          - {name: leads, kind: csv, path: a.csv}
        spend:
          - {name: ads, kind: csv, path: a.csv, timezone: IST}
    """
    found = load(tmp_path, text, apart=True)
    assert [source.name for source in found.of("raw_leads")] == ["leads"]
    with pytest.raises(ConfigError, match=r"\[file sources.yaml, line 5\] timezone 'IST'"):
        found.of("spend")
    with pytest.raises(ConfigError, match="dataset 'spends' isn't known"):
        load(tmp_path, "spends: []", apart=True)


def test_timezone_defaults_to_the_funnels(tmp_path: Path) -> None:
    path = tmp_path / "sources.yaml"
    path.write_text(one("kind: csv\npath: a"))
    assert load_sources(path, ENVIRON | {"FUNNEL_TIMEZONE": "UTC"}).get("mine").timezone == "UTC"


BASE = "kind: http_csv\nurl: https://x.example.com/a.csv\n"


@pytest.mark.parametrize(
    "keys",
    [
        "kind: csv\npath: elsewhere.csv",
        BASE + "http: {retries: 1}",
        BASE + "auth: {type: bearer, env: CRM_TOKEN}",
        BASE + "allow_empty: true",
        BASE + "currency: INR",
        BASE + "timezone: Asia/Kolkata",
        BASE + "drift: evolve",
    ],
)
def test_fingerprint_ignores_what_does_not_change_parsing(tmp_path: Path, keys: str) -> None:
    plain = load(tmp_path, one(BASE)).get("mine").fingerprint()
    assert load(tmp_path, one(keys)).get("mine").fingerprint() == plain


@pytest.mark.parametrize(
    "keys",
    [
        BASE + "columns: {cost: x}",
        BASE + "constants: {cost: x}",
        BASE + "timezone: UTC",
        BASE + 'date_formats: "%d/%m/%Y"',
        BASE + "currency: USD",
        BASE + "currency: {column: plan.currency}",
        BASE + "encoding: utf-16",
        BASE + "delimiter: ';'",
        BASE + "drift: freeze",
        BASE + "amounts: minor",
        BASE + "only: {state: live}",
        BASE + "values: {platform: {FB: facebook}}",
        "kind: xlsx\npath: a.xlsx",
        "kind: xlsx\npath: a.xlsx\nsheet: March",
    ],
)
def test_fingerprint_sees_what_changes_parsing(tmp_path: Path, keys: str) -> None:
    plain = load(tmp_path, one(BASE)).get("mine").fingerprint()
    assert load(tmp_path, one(keys)).get("mine").fingerprint() != plain


def test_fingerprint_ignores_the_order_of_columns(tmp_path: Path) -> None:
    first = load(tmp_path, one(BASE + "columns: {a: x, b: y}")).get("mine").fingerprint()
    assert load(tmp_path, one(BASE + "columns: {b: y, a: x}")).get("mine").fingerprint() == first


def test_location_is_shown_without_its_query(tmp_path: Path) -> None:
    config = load(tmp_path, one("kind: http_csv\nurl: https://x.example.com/a.csv?gid=7"))
    assert config.get("mine").shown_location == "https://x.example.com/a.csv"
    assert "gid=7" not in repr(config)


EXAMPLE = default_file("sources.example.yaml")


@given(at=st.integers(0, len(EXAMPLE)), gone=st.integers(0, 60), put=st.binary(max_size=12))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_damage_ends_in_an_answer_or_a_config_error(
    tmp_path: Path, at: int, gone: int, put: bytes
) -> None:
    path = tmp_path / "sources.yaml"
    path.write_bytes(EXAMPLE[:at] + put + EXAMPLE[at + gone :])
    with contextlib.suppress(ConfigError):
        load_sources(path, ENVIRON)


def test_endless_nesting_ends_in_an_answer(tmp_path: Path) -> None:
    assert "nested over 200 deep" in str(failure(tmp_path, "spend: " + "[" * 5000))
