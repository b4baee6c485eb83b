CREATE OR REPLACE VIEW funnel.vw_unmapped_sources AS
WITH seen AS (
    SELECT date, first_source AS source, 1 AS leads, 0 AS handovers, 0 AS sales, 0 AS net_revenue_inr
    FROM funnel.dedup_leads
    WHERE first_funnel = 'Other Sources (Miscellaneous)'
    UNION ALL
    SELECT date, first_source, 0, 1, 0, 0
    FROM funnel.assigned_leads
    WHERE funnel = 'Other Sources (Miscellaneous)'
    UNION ALL
    SELECT date, origin_source, 0, 0, 1, coalesce(net_amount_inr, 0)
    FROM funnel.sales_enriched
    WHERE is_paid AND origin_funnel = 'Other Sources (Miscellaneous)'
)
SELECT
    date_trunc('month', date::timestamp)::date AS month, min(btrim(source)) AS source,
    sum(leads) AS leads, sum(handovers) AS handovers, sum(sales) AS sales, sum(net_revenue_inr) AS net_revenue_inr,
    min(date) AS first_seen, max(date) AS last_seen
FROM seen
WHERE btrim(source) <> ''
GROUP BY 1, lower(btrim(source));

COMMENT ON VIEW funnel.vw_unmapped_sources IS
    'Sources that count as Other Sources (Miscellaneous), and what is at stake: one row per month and source. The list to fill in is exports/unmapped_sources.csv.';
COMMENT ON COLUMN funnel.vw_unmapped_sources.month IS 'First day of the calendar month';
COMMENT ON COLUMN funnel.vw_unmapped_sources.source IS 'Source as it was written; spellings that differ in case or blanks are one';
COMMENT ON COLUMN funnel.vw_unmapped_sources.leads IS 'People whose first touch of the month came from the source';
COMMENT ON COLUMN funnel.vw_unmapped_sources.handovers IS 'Phones handed over to sales under the source';
COMMENT ON COLUMN funnel.vw_unmapped_sources.sales IS 'Paid sales whose first touch in the 90 days before came from the source';
COMMENT ON COLUMN funnel.vw_unmapped_sources.net_revenue_inr IS 'Net amount of these sales, INR';
COMMENT ON COLUMN funnel.vw_unmapped_sources.first_seen IS 'First local day in the month';
COMMENT ON COLUMN funnel.vw_unmapped_sources.last_seen IS 'Last local day in the month';
