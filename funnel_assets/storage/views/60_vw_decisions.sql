CREATE VIEW funnel.vw_decisions AS
WITH today AS (
    SELECT coalesce(max(date) FILTER (WHERE dataset = 'funnel_marts'), max(date)) AS date FROM funnel.published_days
),
-- Slow money: average days from the first touch ever to the sale, by its source, over the last 90 days; five sales at least.
slow AS (
    SELECT
        'velocity_drop' AS trigger, {named ever_source} AS subject,
        'average days to revenue, last 90 days' AS observed_is, round(avg(days_to_revenue), 1) AS observed,
        45::numeric AS threshold, count(*) >= 5 AS is_enough,
        'Put a senior counsellor on the open leads of this source (high-touch sales).' AS action
    FROM funnel.sales_enriched
    CROSS JOIN today
    WHERE is_paid AND days_to_revenue IS NOT NULL
        AND sales_enriched.date > today.date - 90 AND sales_enriched.date <= today.date
    GROUP BY 2
),
tiers AS (
    SELECT
        coalesce(sum(leads) FILTER (WHERE icp_tier = 'High'), 0)::double precision AS n,
        coalesce(sum(converted) FILTER (WHERE icp_tier = 'High'), 0)::double precision AS k,
        coalesce(sum(leads), 0) AS everyone, coalesce(sum(converted), 0) AS buyers
    FROM funnel._channel_total
),
-- The best fits should buy at least as often as everybody; they don't when even the upper end of their 95 %
-- interval (Wilson) lies below.
mismatch AS (
    SELECT
        'icp_mismatch' AS trigger, 'High tier' AS subject, 'conversion of leads to customers, percent' AS observed_is,
        round((100 * k / nullif(n, 0))::numeric, 2) AS observed,
        round(100.0 * buyers / nullif(everyone, 0), 2) AS threshold,
        n > 0 AND buyers > 0
            AND (k + 1.920729 + 1.959964 * sqrt(k * (n - k) / nullif(n, 0) + 0.960365)) / (n + 3.841459)
                < buyers::double precision / nullif(everyone, 0) AS is_enough,
        'Review whether the marketing message fits what the product offers these customers.' AS action
    FROM tiers
),
unbalanced AS (
    SELECT
        'quality_alert' AS trigger, dataset || ': reconciliation' AS subject,
        'totals that do not add up' AS observed_is,
        count(*) FILTER (WHERE difference <> 0)::numeric AS observed, 0::numeric AS threshold, true AS is_enough,
        'Stop reporting from this dataset until rows and money add up; vw_reconciliation names the step.' AS action
    FROM funnel.reconciliation
    GROUP BY dataset
),
-- Share of the last 30 days' rows that could not be used.
recent_bad AS (
    SELECT dataset, count(*) AS bad
    FROM funnel.quarantine
    CROSS JOIN today
    WHERE day LIKE '____-__-__' AND day > (today.date - 30)::text AND day <= today.date::text
    GROUP BY dataset
),
recent_rows AS (
    SELECT dataset, sum(rows) AS loaded
    FROM funnel.published_days
    CROSS JOIN today
    WHERE published_days.date > today.date - 30 AND published_days.date <= today.date
    GROUP BY dataset
),
unusable AS (
    SELECT
        'quality_alert' AS trigger, dataset || ': quarantine' AS subject,
        'rows that could not be used, percent of the last 30 days' AS observed_is,
        round(100.0 * bad / (bad + coalesce(loaded, 0)), 2) AS observed, 5::numeric AS threshold, true AS is_enough,
        'Mend the source; vw_quarantine says what is wrong. Do not trust its trend until then.' AS action
    FROM recent_bad
    LEFT JOIN recent_rows USING (dataset)
),
late AS (
    SELECT
        'quality_alert' AS trigger, dataset || ': missing days' AS subject,
        'missing days of the last 14' AS observed_is,
        missing_recent_days::numeric AS observed, 0::numeric AS threshold, true AS is_enough,
        'Backfill the days that vw_freshness names.' AS action
    FROM funnel.vw_freshness
),
found AS (
    SELECT *, observed > threshold AND is_enough AS is_triggered FROM slow
    UNION ALL
    SELECT *, observed < threshold AND is_enough FROM mismatch
    UNION ALL
    SELECT *, observed > threshold FROM unbalanced
    UNION ALL
    SELECT *, observed > threshold FROM unusable
    UNION ALL
    SELECT *, observed > threshold FROM late
)
SELECT
    today.date, trigger, subject, observed_is, observed, threshold, coalesce(is_triggered, false) AS is_triggered, action
FROM found
CROSS JOIN today;

COMMENT ON VIEW funnel.vw_decisions IS
    'What calls for a decision as of the newest published day: one row per trigger and subject, triggered or not.';
COMMENT ON COLUMN funnel.vw_decisions.date IS 'Newest published local day, for which this was worked out';
COMMENT ON COLUMN funnel.vw_decisions.trigger IS
    'velocity_drop (money comes slowly), icp_mismatch (the best fits buy too seldom) or quality_alert (data not to be trusted)';
COMMENT ON COLUMN funnel.vw_decisions.subject IS 'What it is about: a source, a customer tier, or a dataset and its check';
COMMENT ON COLUMN funnel.vw_decisions.observed_is IS 'What was measured, with its unit';
COMMENT ON COLUMN funnel.vw_decisions.observed IS 'The measured value; empty when there was nothing to measure';
COMMENT ON COLUMN funnel.vw_decisions.threshold IS 'The value beyond which it calls for a decision, same unit';
COMMENT ON COLUMN funnel.vw_decisions.is_triggered IS
    'Whether the threshold is passed, with enough data to say so (five sales; a 95 % interval for conversion)';
COMMENT ON COLUMN funnel.vw_decisions.action IS 'What to do when triggered';
