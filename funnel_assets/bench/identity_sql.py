"""Identity and first touch as one hand-written DuckDB query: what the Narwhals version is measured against.

Belongs here: the query, for `make bench` and for the test that holds both to the same rows. Does not belong here:
anything the pipeline runs.

It uses what only DuckDB has: ranged window frames, aggregates with an order, USING keys.
"""

import datetime as dt
from typing import Any

from funnel_assets.domain.attribution import ZOOM_SOURCE_ORDER
from funnel_assets.domain.frames import LOOK_BACK_DAYS, look_back_start, month_start
from funnel_assets.domain.identity import NAME_LETTERS, SHARED_PHONE_EMAILS
from funnel_assets.domain.mapping import MISCELLANEOUS

FIRST_NAME = "'^[^a-z]*(?:[^ ,]+ *, *)?(?:(?:mr|mrs|ms|miss|dr|prof|shri|smt)[. ]+)?([a-z]*)'"
SIGHTINGS = """
SELECT email_key, phone_key, date, min(phone) AS phone, max(seen_at) AS seen_at,
       min(called) AS called
FROM (
    SELECT email_key, phone_key, phone, date, created_at AS seen_at, name AS called FROM {raw_leads}
    UNION ALL SELECT email_key, phone_key, phone, date, touched_at, first_name FROM {zoom_attendance}
)
WHERE email_key IS NOT NULL AND phone_key IS NOT NULL
GROUP BY ALL
"""

DEDUP_LEADS = """
WITH pairs AS (
    SELECT phone_key, email_key, min(date) AS since, arg_min(first_name, date) AS called,
           arg_min(seen_at, date) AS seen_at
    FROM (
        SELECT *, nullif(regexp_extract(lower(called), {name}, 1)[:{letters}], '') AS first_name
        FROM {links} SEMI JOIN (
            SELECT phone_key FROM {links} GROUP BY phone_key HAVING min(email_key) <> max(email_key)
        ) USING (phone_key)
    )
    WHERE first_name IS NOT NULL GROUP BY ALL
),
strangers AS (
    SELECT phone_key, email_key, since
    FROM (SELECT *, first_value(called) OVER (
              PARTITION BY phone_key ORDER BY since, seen_at, email_key) AS holder FROM pairs)
    WHERE NOT starts_with(called, holder) AND NOT starts_with(holder, called)
),
typed AS (
    SELECT lead_id AS touch_id, date, created_at AS touched_at, source_order, utm_source AS source,
           utm_medium AS medium, utm_campaign AS campaign, phone, email, name, city, phone_key, email_key
    FROM {raw_leads} WHERE date BETWEEN DATE '{since}' AND DATE '{last}'
    UNION ALL
    SELECT attendance_id, date, touched_at, {zoom_order},
           CASE WHEN trim(registration_source) <> '' THEN registration_source ELSE event_type END,
           'zoom', webinar_name, phone, email,
           coalesce(first_name || ' ' || last_name, first_name, last_name, user_name), NULL, phone_key, email_key
    FROM {zoom_attendance} WHERE date BETWEEN DATE '{since}' AND DATE '{last}'
),
records AS (
    SELECT t.* EXCLUDE (phone_key, phone), t.phone_key AS typed_key,
           CASE WHEN s.since IS NULL THEN t.phone_key END AS phone_key,
           CASE WHEN s.since IS NULL THEN t.phone END AS phone
    FROM typed t LEFT JOIN strangers s
      ON s.phone_key = t.phone_key AND s.email_key = t.email_key AND s.since <= t.date
),
in_need AS (
    SELECT DISTINCT email_key, date FROM records WHERE phone_key IS NULL AND email_key IS NOT NULL
),
spans AS (
    SELECT email_key, phone_key AS known, phone AS known_phone, date AS since,
           lead(date) OVER (PARTITION BY email_key ORDER BY date) AS until
    FROM (
        SELECT l.* FROM {links} l SEMI JOIN in_need USING (email_key)
        ANTI JOIN strangers s ON s.phone_key = l.phone_key AND s.email_key = l.email_key AND s.since <= l.date
        QUALIFY row_number() OVER (PARTITION BY email_key, date ORDER BY seen_at DESC, phone_key DESC) = 1
    )
),
known AS (
    SELECT n.email_key, n.date, s.known, s.known_phone
    FROM in_need n JOIN spans s
      ON s.email_key = n.email_key AND n.date >= s.since AND (s.until IS NULL OR n.date < s.until)
),
touches AS (
    SELECT r.* EXCLUDE (phone, phone_key, typed_key, email_key),
           coalesce(r.phone, CASE WHEN r.phone_key IS NULL THEN k.known_phone END) AS phone,
           coalesce(r.phone_key, k.known, r.email_key, 'a' || touch_id) AS person_id,
           CASE WHEN r.phone_key IS NOT NULL THEN 'phone' WHEN k.known IS NOT NULL THEN 'email_phone'
                WHEN r.typed_key IS NOT NULL THEN 'shared_phone'
                WHEN r.email_key IS NOT NULL THEN 'email' ELSE 'alone' END AS identified_by
    FROM records r LEFT JOIN known k USING (email_key, date)
),
numbered AS (
    SELECT *, row_number() OVER (
        PARTITION BY person_id ORDER BY date, touched_at, source_order, touch_id) AS nth
    FROM touches
),
looked_back AS (
    SELECT *,
        arg_min({{'date': date, 'at': touched_at, 'source': source, 'medium': medium, 'campaign': campaign}}, nth)
            OVER back AS origin,
        arg_min(phone, nth) FILTER (phone IS NOT NULL) OVER back AS known_phone,
        arg_min(email, nth) FILTER (email IS NOT NULL) OVER back AS known_email,
        arg_min(name, nth) FILTER (name IS NOT NULL) OVER back AS known_name,
        arg_min(city, nth) FILTER (city IS NOT NULL) OVER back AS known_city,
        count(*) OVER (PARTITION BY person_id ORDER BY date RANGE BETWEEN CURRENT ROW AND CURRENT ROW) AS touches
    FROM numbered
    WINDOW back AS (
        PARTITION BY person_id ORDER BY date
        RANGE BETWEEN INTERVAL {look_back} DAYS PRECEDING AND CURRENT ROW)
),
heads AS (
    SELECT * FROM looked_back WHERE date >= DATE '{month}'
    QUALIFY row_number() OVER (PARTITION BY person_id, year(date), month(date) ORDER BY nth) = 1
),
rules AS (
    SELECT lower(trim(source)) AS key, funnel, valid_from, valid_to FROM {mapping}
    WHERE source IS NOT NULL AND funnel IS NOT NULL
),
asked AS (
    SELECT DISTINCT source, date FROM heads
    UNION SELECT DISTINCT origin.source, origin.date FROM heads
),
funnels AS (
    SELECT a.source, a.date, r.funnel FROM asked a JOIN rules r
      ON r.key = lower(trim(a.source))
     AND (r.valid_from IS NULL OR r.valid_from <= a.date) AND (r.valid_to IS NULL OR r.valid_to >= a.date)
    QUALIFY row_number() OVER (
        PARTITION BY a.source, a.date ORDER BY r.valid_from DESC NULLS LAST, r.funnel DESC) = 1
),
shared AS (
    SELECT phone_key, list_sort(list(since))[{shared}] AS shared_from
    FROM (SELECT phone_key, email_key, min(date) AS since FROM {links} GROUP BY ALL)
    GROUP BY phone_key HAVING count(*) >= {shared}
)
SELECT h.date, h.person_id, h.identified_by, known_phone AS user_id, known_phone AS phone, known_email AS email,
       known_name AS name, known_city AS city, h.touched_at AS first_touch_at, h.source AS first_source,
       h.medium AS first_medium, h.campaign AS first_campaign, coalesce(f.funnel, '{misc}') AS first_funnel,
       h.origin.at AS origin_touch_at, h.origin.source AS origin_source, h.origin.medium AS origin_medium,
       h.origin.campaign AS origin_campaign, coalesce(o.funnel, '{misc}') AS origin_funnel, h.touches,
       h.origin.date = h.date AS is_new_person, coalesce(s.shared_from <= h.date, false) AS is_shared_phone
FROM heads h
LEFT JOIN funnels f ON f.source = h.source AND f.date = h.date
LEFT JOIN funnels o ON o.source = h.origin.source AND o.date = h.origin.date
LEFT JOIN shared s ON s.phone_key = h.person_id
WHERE h.date BETWEEN DATE '{first}' AND DATE '{last}'
"""


def dedup_leads_sql(connection: Any, first: dt.date, last: dt.date, **tables: str) -> Any:
    """Return dedup_leads of the days by hand-written SQL, as a DuckDB relation with the contract's columns.

    Args:
        connection: DuckDB connection.
        first: First day wanted.
        last: Last day wanted.
        tables: Table names (or any SQL that can stand after FROM) of raw_leads, zoom_attendance and mapping. A
            temporary table ``links_by_hand`` is left behind.
    """
    sightings = SIGHTINGS.format(**tables)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE links_by_hand AS {sightings}")
    return connection.sql(
        DEDUP_LEADS.format(
            **tables,
            links="links_by_hand",
            name=FIRST_NAME,
            letters=NAME_LETTERS,
            first=first,
            last=last,
            since=look_back_start(first),
            month=month_start(first),
            look_back=LOOK_BACK_DAYS,
            zoom_order=ZOOM_SOURCE_ORDER,
            shared=SHARED_PHONE_EMAILS,
            misc=MISCELLANEOUS,
        )
    )
