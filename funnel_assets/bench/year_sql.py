"""The marts of many days as one hand-written DuckDB script over the sources' files: what a year's backfill is measured
against.

No orchestration, no lake, no contract, no quarantine, no publishing, nothing to restate with. Phones, addresses and
dates are cleaned in SQL, roughly: a handful of odd cells come out differently, so figures are held to the pipeline's
with a tolerance. Zoom reports are read by the project's own reader, because nobody reads those in SQL; the time that
takes is counted, and told apart.

    python -m funnel_assets.bench.year_sql --dumps DIR --config DIR --inbox DIR --first … --last … --out mart.parquet
"""

import argparse
import datetime as dt
import time
from functools import partial
from pathlib import Path
from typing import Any

from funnel_assets.bench.measure import say

MEASURES = (
    "leads",
    "registrations",
    "attended",
    "handovers",
    "handovers_attended",
    "sales",
    "gross_revenue_paise",
    "net_revenue_paise",
    "spend_paise",
    "impressions",
    "clicks",
)

CLEAN = """
CREATE MACRO digits(t) AS regexp_replace(regexp_replace(t, '\\.0+$', ''), '[^0-9]', '', 'g');
CREATE MACRO phone_of(t) AS CASE
    WHEN t IS NULL OR regexp_matches(t, '^[0-9.]+[eE][+][0-9]+$') OR length(digits(t)) < 10 THEN NULL
    WHEN right(digits(t), 10) IN (SELECT value FROM placeholders)
      OR regexp_matches(right(digits(t), 10), '^(0+|1+|2+|3+|4+|5+|6+|7+|8+|9+)$') THEN NULL
    WHEN (t LIKE '%+%' OR digits(t) LIKE '00%') AND ltrim(digits(t), '0') NOT LIKE '91%'
      AND length(ltrim(digits(t), '0')) BETWEEN 11 AND 13 THEN ltrim(digits(t), '0')
    ELSE '91' || right(digits(t), 10) END;
CREATE MACRO email_of(t) AS CASE
    WHEN regexp_matches(lower(trim(t)), '^[^@ ]+@[^@ ]+[.][a-z]{2,}$') THEN lower(trim(t)) END;
CREATE MACRO ist(t) AS timezone('UTC', t - INTERVAL 330 MINUTES);
CREATE MACRO day_of(t) AS CAST(timezone('Asia/Kolkata', t) AS DATE);
CREATE MACRO paise(t) AS CAST(round(TRY_CAST(replace(t, ',', '') AS DECIMAL(18, 4)) * 100) AS BIGINT);
"""

READ = """
CREATE TABLE leads AS
WITH typed AS (
    SELECT 0 AS source_order, "Email" AS e, "Phone number" AS p, "utmSource" AS source, "utmMedium" AS medium,
           "utmCamp" AS campaign, ist(try_strptime("created date", '%Y-%m-%d %H:%M:%S')) AS moment
    FROM read_csv('{dumps}/sheets/leads.csv', all_varchar = true)
    UNION ALL
    SELECT 1, "Email", "Phone number", utm_source, utm_medium, utm_campaign,
           ist(try_strptime("Submitted at", '%d/%m/%Y %H:%M'))
    FROM read_csv('{dumps}/sheets/landing_leads.csv', all_varchar = true)
)
SELECT day_of(moment) AS date, moment, source_order, row_number() OVER () AS id, source, medium, campaign,
       phone_of(p) AS phone, email_of(e) AS email
FROM typed WHERE moment IS NOT NULL;

CREATE TABLE events AS
SELECT day_of(event_time) AS date, event_time AS moment, phone_of(phone) AS phone, email_of(email) AS email
FROM read_json('{dumps}/events.json', format = 'array', maximum_object_size = 1000000,
               columns = {{event_id: 'VARCHAR', email: 'VARCHAR', phone: 'VARCHAR', event_time: 'TIMESTAMPTZ'}});

CREATE TABLE assignments AS
SELECT day_of(moment) AS date, moment, source, phone FROM (
    SELECT ist(try_strptime("assignOn", '%Y-%m-%d %H:%M:%S')) AS moment, sources AS source,
           phone_of("leadMobile") AS phone
    FROM read_csv('{dumps}/crm/assignments.csv', all_varchar = true)
) WHERE moment IS NOT NULL AND phone IS NOT NULL;

CREATE TABLE sales AS
SELECT day_of(moment) AS date, * FROM (
    SELECT _id AS id, timezone('UTC', try_strptime("createdOn", '%Y-%m-%d %H:%M:%S')) AS moment,
           phone_of("StudentContact") AS phone, email_of("StudentEmail") AS email, "Funnel" AS funnel,
           paise("TotalAmount") AS gross, paise("netAmount") AS net
    FROM read_csv('{dumps}/crm/sales.csv', all_varchar = true)
    WHERE NOT regexp_matches(lower(coalesce(status, '')),
                             'fail|cancel|refund|chargeback|revers|declin|reject|bounce|void')
    QUALIFY row_number() OVER (PARTITION BY _id ORDER BY "Last_Paid_Date" DESC NULLS LAST, paise("paidAmount") DESC) = 1
) WHERE moment IS NOT NULL;

CREATE TABLE spend AS
SELECT CAST(try_strptime(date_time, '%Y-%m-%d %H:%M:%S') AS DATE) AS date, "Funnel" AS funnel, platform AS source,
       "CampaignType" AS medium, campaign, paise(cost) AS cost, CAST(impressions AS BIGINT) AS impressions,
       CAST(clicks AS BIGINT) AS clicks
FROM read_csv('{dumps}/spend.csv', all_varchar = true);
"""

PEOPLE = """
CREATE TABLE links AS
SELECT email, phone, date, max(moment) AS moment FROM (
    SELECT email, phone, date, moment FROM leads
    UNION ALL SELECT email, phone, date, moment FROM zoom
    UNION ALL SELECT email, phone, date, moment FROM events
) WHERE email IS NOT NULL AND phone IS NOT NULL GROUP BY ALL;

CREATE TABLE records AS
SELECT 'l' || id AS id, date, moment, source_order, source, medium, campaign, phone, email FROM leads
UNION ALL
SELECT id, date, moment, 1000000,
       CASE WHEN regexp_matches(registration_source, '[^#0-9 .:()/_-]') THEN registration_source
            ELSE event_type END, 'zoom',
       webinar_name, phone, email FROM zoom
UNION ALL
SELECT 's' || id, date, moment, NULL, NULL, NULL, NULL, phone, email FROM sales;

CREATE TABLE spans AS
SELECT email, phone AS known, date AS since, lead(date) OVER (PARTITION BY email ORDER BY date) AS until FROM (
    SELECT * FROM links SEMI JOIN (SELECT email FROM records WHERE phone IS NULL) USING (email)
    QUALIFY row_number() OVER (PARTITION BY email, date ORDER BY moment DESC, phone DESC) = 1
);

CREATE TABLE persons AS
SELECT r.*, coalesce(r.phone, s.known, r.email, 'a' || r.id) AS person
FROM records r LEFT JOIN spans s
  ON r.phone IS NULL AND s.email = r.email AND r.date >= s.since AND (s.until IS NULL OR r.date < s.until);

CREATE TABLE heads AS
SELECT person, date, date_trunc('month', date) AS month, source, medium, campaign FROM persons
WHERE source_order IS NOT NULL AND date <= DATE '{last}'
QUALIFY row_number() OVER (PARTITION BY person, date_trunc('month', date) ORDER BY date, moment, source_order, id) = 1;
"""

MART = """
CREATE TABLE funnels AS
SELECT a.source, a.date, m.funnel FROM (
    SELECT source, date FROM heads UNION SELECT source, date FROM assignments
) a JOIN mapping m ON lower(trim(m.source)) = lower(trim(a.source))
 AND coalesce(m.valid_from, '0001') <= CAST(a.date AS VARCHAR)
 AND coalesce(m.valid_to, '9999') >= CAST(a.date AS VARCHAR)
QUALIFY row_number() OVER (PARTITION BY a.source, a.date ORDER BY m.valid_from DESC NULLS LAST, m.funnel DESC) = 1;

CREATE TABLE handed_over AS
SELECT * FROM assignments
QUALIFY row_number() OVER (PARTITION BY phone, date_trunc('month', date) ORDER BY moment) = 1;

CREATE TABLE met AS
SELECT h.phone, h.date, bool_or(z.attended = 'Y') AS was_there FROM handed_over h JOIN zoom z ON z.phone = h.phone
 AND z.date BETWEEN h.date - 90 AND last_day(h.date) GROUP BY ALL;

CREATE TABLE origins AS
SELECT s.id, arg_min({{'source': t.source, 'medium': t.medium, 'campaign': t.campaign}},
                     (t.date, t.moment, t.source_order, t.id)) AS o
FROM persons s JOIN persons t
  ON s.source_order IS NULL AND t.source_order IS NOT NULL AND t.person = s.person
 AND t.date BETWEEN s.date - 90 AND s.date
GROUP BY ALL;

CREATE TABLE parts AS
SELECT h.date, f.funnel, h.source, h.medium, h.campaign, 1 AS leads, 0 AS registrations, 0 AS attended, 0 AS handovers,
       0 AS handovers_attended, 0 AS sales, 0 AS gross_revenue_paise, 0 AS net_revenue_paise, 0 AS spend_paise,
       0 AS impressions, 0 AS clicks
FROM heads h LEFT JOIN funnels f ON f.source = h.source AND f.date = h.date
UNION ALL
SELECT z.date, f.funnel, h.source, h.medium, h.campaign, 0, CAST(z.attendance_type IN ('attended', 'no_show') AS INT),
       CAST(z.attended = 'Y' AS INT), 0, 0, 0, 0, 0, 0, 0, 0
FROM zoom z JOIN persons p ON p.id = z.id AND p.date = z.date
LEFT JOIN heads h ON h.person = p.person AND h.month = date_trunc('month', z.date)
LEFT JOIN funnels f ON f.source = h.source AND f.date = h.date
UNION ALL
SELECT a.date, f.funnel, a.source, NULL, NULL, 0, 0, 0, 1, coalesce(CAST(m.was_there AS INT), 0), 0, 0, 0, 0, 0, 0
FROM handed_over a LEFT JOIN funnels f ON f.source = a.source AND f.date = a.date
LEFT JOIN met m ON m.phone = a.phone AND m.date = a.date
UNION ALL
SELECT s.date, CASE WHEN lower(trim(s.funnel)) = 'other sources (miscellaneous)' THEN coalesce(v.funnel, s.funnel)
                    ELSE coalesce(nullif(mm.value, ''), s.funnel) END,
       o.o.source, o.o.medium, o.o.campaign, 0, 0, 0, 0, 0, 1, s.gross, s.net, 0, 0, 0
FROM sales s LEFT JOIN manual_mapping mm ON mm.sale_id = s.id
LEFT JOIN manual_funnels v ON lower(trim(v.value)) = lower(trim(mm.value))
LEFT JOIN origins o ON o.id = 's' || s.id
UNION ALL
SELECT date, funnel, source, medium, campaign, 0, 0, 0, 0, 0, 0, 0, 0, cost, impressions, clicks FROM spend;

COPY (
    SELECT date, coalesce(nullif(trim(funnel), ''), 'Other Sources (Miscellaneous)') AS funnel,
           coalesce(nullif(trim(source), ''), 'Unknown') AS source,
           coalesce(nullif(trim(medium), ''), 'Unknown') AS medium,
           coalesce(nullif(trim(campaign), ''), 'Unknown') AS campaign, {sums}
    FROM parts WHERE date BETWEEN DATE '{first}' AND DATE '{last}'
    GROUP BY ALL
) TO '{out}' (FORMAT parquet);
"""

CONFIG = {
    "mapping": "funnel_mapping",
    "manual_mapping": "manual_mapping",
    "manual_funnels": "manual_funnels",
    "placeholders": "placeholders",
}


def marts_by_sql(
    dumps: Path, config: Path, inbox: Path, first: dt.date, last: dt.date, out: Path
) -> dict[str, Any]:
    """Write the mart of the days; returns rows written, and the seconds that went on Zoom reports and on SQL."""
    import duckdb

    started = time.perf_counter()
    zoom = _zoom(inbox, config, first, last)
    zoom_seconds = time.perf_counter() - started
    given = {"dumps": dumps, "first": first, "last": last, "out": out}
    sums = ", ".join(f"CAST(sum({name}) AS BIGINT) AS {name}" for name in MEASURES)
    with duckdb.connect(config={"memory_limit": "1500MB"}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET preserve_insertion_order = false")
        connection.register("zoom", zoom)
        for name, file in CONFIG.items():
            path = config / f"{file}.csv"
            connection.execute(
                f"CREATE TABLE {name} AS FROM read_csv('{path}', all_varchar = true, header = true)"
            )
        connection.execute(CLEAN)
        for script in (READ, PEOPLE, MART):
            connection.execute(script.format(**given, sums=sums))
        found = connection.execute(f"SELECT count(*) FROM '{out}'").fetchone()
    seconds = time.perf_counter() - started
    return {
        "rows": found[0] if found else 0,
        "zoom_seconds": zoom_seconds,
        "sql_seconds": seconds - zoom_seconds,
    }


def _zoom(inbox: Path, config: Path, first: dt.date, last: dt.date) -> Any:
    import pandas as pd
    import pyarrow as pa

    from funnel_assets.domain.attendance import attendance_days
    from funnel_assets.domain.phone import normalize_phones
    from funnel_assets.errors import FunnelError
    from funnel_assets.sources.zoom.reader import read_report

    reports = []
    for path in sorted(inbox.iterdir()):
        landed = dt.datetime.fromtimestamp(path.stat().st_mtime, dt.UTC)
        try:
            reports.append(
                read_report(path.read_bytes(), file=path.name, timezone="Asia/Kolkata", landed_at=landed)
            )
        except FunnelError:
            continue
    tables = {
        name: pd.read_csv(config / f"{name}.csv", dtype="str")
        for name in ("categories", "conductors", "placeholders")
    }
    rows = attendance_days(
        reports,
        categories=tables["categories"],
        conductors=tables["conductors"],
        normalise_phones=partial(normalize_phones, placeholders=frozenset(tables["placeholders"]["value"])),
    ).rows
    rows = rows[(rows["date"] >= first) & (rows["date"] <= last)].rename(
        columns={"attendance_id": "id", "touched_at": "moment"}
    )
    names = ["date", "id", "moment", "phone", "email", "attended", "attendance_type", "event_type"]
    return pa.Table.from_pandas(rows[[*names, "registration_source", "webinar_name"]], preserve_index=False)


def main() -> None:
    """Write the mart of many days and print what it took."""
    parser = argparse.ArgumentParser(description="The marts of many days by one DuckDB script.")
    for name in ("dumps", "config", "inbox", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    for name in ("first", "last"):
        parser.add_argument(f"--{name}", type=dt.date.fromisoformat, required=True)
    given = parser.parse_args()
    say(**marts_by_sql(given.dumps, given.config, given.inbox, given.first, given.last, given.out))


if __name__ == "__main__":
    main()
