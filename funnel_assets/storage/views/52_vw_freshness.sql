CREATE VIEW funnel.vw_freshness AS
WITH expected AS (
    SELECT dataset
    FROM (
        VALUES ('raw_leads'), ('zoom_attendance'), ('engagement_events'), ('spend'), ('dedup_leads'),
            ('engagement_summary'), ('scored_contacts'), ('crm_assignments'), ('crm_sales'), ('assigned_leads'),
            ('sales_enriched'), ('sale_credit'), ('funnel_marts')
    ) AS known (dataset)
),
clock AS (
    SELECT (now() AT TIME ZONE 'Asia/Kolkata')::date - 1 AS due_day, (SELECT min(date) FROM funnel.published_days) AS first_day
),
published AS (
    SELECT dataset, min(date) AS oldest_day, max(date) AS newest_day, count(*) AS days, sum(rows)::bigint AS rows,
        max(published_at) AS last_published_at
    FROM funnel.published_days
    GROUP BY dataset
),
-- The last 14 days that are due, and never before the first day there is.
gaps AS (
    SELECT expected.dataset, count(*) AS missing, string_agg(day::date::text, ', ' ORDER BY day) AS missing_list
    FROM expected
    CROSS JOIN clock
    CROSS JOIN LATERAL generate_series(
        greatest(due_day - 13, first_day)::timestamp, due_day::timestamp, interval '1 day'
    ) AS day
    WHERE NOT EXISTS (
        SELECT FROM funnel.published_days AS there WHERE there.dataset = expected.dataset AND there.date = day::date
    )
    GROUP BY expected.dataset
)
SELECT
    expected.dataset, oldest_day, newest_day, due_day,
    CASE WHEN newest_day IS NOT NULL THEN greatest(due_day - newest_day, 0) END AS days_behind,
    coalesce(missing, 0) AS missing_recent_days,
    missing_list AS missing_recent_list,
    coalesce(days, 0) AS days, coalesce(published.rows, 0) AS rows, last_published_at,
    newest_day IS NOT NULL AND newest_day >= due_day AND coalesce(missing, 0) = 0 AS is_fresh
FROM expected
CROSS JOIN clock
LEFT JOIN published USING (dataset)
LEFT JOIN gaps USING (dataset);

COMMENT ON VIEW funnel.vw_freshness IS
    'How up to date each dataset is: one row per dataset. Due is yesterday, by the clock of the funnel''s time zone.';
COMMENT ON COLUMN funnel.vw_freshness.dataset IS 'Dataset';
COMMENT ON COLUMN funnel.vw_freshness.oldest_day IS 'First local day published; empty when none is';
COMMENT ON COLUMN funnel.vw_freshness.newest_day IS 'Last local day published; empty when none is';
COMMENT ON COLUMN funnel.vw_freshness.due_day IS 'Last local day that should be there: yesterday';
COMMENT ON COLUMN funnel.vw_freshness.days_behind IS 'Days from the newest day to the due day; empty when nothing is published';
COMMENT ON COLUMN funnel.vw_freshness.missing_recent_days IS 'Days of the last 14 due ones that are not published';
COMMENT ON COLUMN funnel.vw_freshness.missing_recent_list IS 'Which days these are; empty when none';
COMMENT ON COLUMN funnel.vw_freshness.days IS 'Days published';
COMMENT ON COLUMN funnel.vw_freshness.rows IS 'Rows published';
COMMENT ON COLUMN funnel.vw_freshness.last_published_at IS 'When a day of it was last written (UTC)';
COMMENT ON COLUMN funnel.vw_freshness.is_fresh IS 'Whether the due day is there and none of the last 14 is missing';
