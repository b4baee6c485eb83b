-- Sources that count as Other Sources (Miscellaneous), by month; spellings that differ in case or blanks are one.
WITH seen AS (
    SELECT date, first_source AS source, 1 AS leads, 0 AS handovers, 0 AS sales, 0 AS net_revenue_inr
    FROM funnel.dedup_leads
    WHERE first_funnel = 'Other Sources (Miscellaneous)' AND {among date}
    UNION ALL
    SELECT date, first_source, 0, 1, 0, 0
    FROM funnel.assigned_leads
    WHERE funnel = 'Other Sources (Miscellaneous)' AND {among date}
    UNION ALL
    SELECT date, origin_source, 0, 0, 1, coalesce(net_amount_inr, 0)
    FROM funnel.sales_enriched
    WHERE is_paid AND origin_funnel = 'Other Sources (Miscellaneous)' AND {among date}
)
SELECT
    date_trunc('month', date::timestamp)::date AS month, min(btrim(source)) AS source,
    sum(leads) AS leads, sum(handovers) AS handovers, sum(sales) AS sales, sum(net_revenue_inr) AS net_revenue_inr,
    min(date) AS first_seen, max(date) AS last_seen
FROM seen
WHERE btrim(source) <> ''
GROUP BY 1, lower(btrim(source))
