-- Paid sales by origin and customer tier, added up once per publish.
CREATE MATERIALIZED VIEW funnel.revenue_facts AS
WITH sale AS (
    SELECT
        CASE
            WHEN sold.origin_touch_at IS NULL THEN 'unknown'
            ELSE coalesce(nullif(lower(btrim(sold.origin_source)), ''), '(none)')
        END AS origin_source,
        coalesce(profile.icp_tier, 'Unknown') AS icp_tier,
        sold.net_amount_inr, sold.total_amount_inr, sold.days_to_revenue,
        -- A sale on the day of the touch took a day: nothing is sold in no time.
        CASE WHEN sold.days_to_revenue IS NOT NULL THEN greatest(sold.days_to_revenue, 1) END AS cycle_days
    FROM funnel.sales_enriched AS sold
    LEFT JOIN funnel.profile_facts AS profile USING (person_id)
    WHERE sold.is_paid
)
SELECT
    origin_source, icp_tier, count(*) AS sales, count(days_to_revenue) AS sales_with_touch,
    sum(total_amount_inr) AS gross_revenue_inr, sum(net_amount_inr) AS net_revenue_inr,
    round(avg(days_to_revenue), 1) AS avg_days_to_revenue,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY days_to_revenue) AS median_days_to_revenue,
    sum(cycle_days) AS cycle_days,
    sum(net_amount_inr) FILTER (WHERE cycle_days IS NOT NULL) AS cycle_revenue_inr
FROM sale
GROUP BY origin_source, icp_tier;

CREATE UNIQUE INDEX revenue_facts_key ON funnel.revenue_facts (origin_source, icp_tier);

COMMENT ON MATERIALIZED VIEW funnel.revenue_facts IS
    'Paid sales, revenue and days to revenue by origin source and customer tier. Made anew with every publish; read vw_revenue_efficiency instead.';
