CREATE OR REPLACE VIEW funnel.vw_revenue_efficiency AS
WITH sale AS (
    SELECT
        CASE
            WHEN sold.origin_touch_at IS NULL THEN 'unknown'
            ELSE coalesce(nullif(lower(btrim(sold.origin_source)), ''), '(none)')
        END AS origin_source,
        coalesce(contact.icp_tier, 'Unknown') AS icp_tier,
        sold.net_amount_inr, sold.total_amount_inr, sold.days_to_revenue,
        -- A sale on the day of the touch took a day: nothing is sold in no time.
        CASE WHEN sold.days_to_revenue IS NOT NULL THEN greatest(sold.days_to_revenue, 1) END AS cycle_days
    FROM funnel.sales_enriched AS sold
    LEFT JOIN funnel.contact_facts AS contact USING (person_id)
    WHERE sold.is_paid
),
overall AS (
    SELECT sum(net_amount_inr) FILTER (WHERE cycle_days IS NOT NULL) / nullif(sum(cycle_days), 0) AS velocity FROM sale
),
grouped AS (
    SELECT
        origin_source, icp_tier, count(*) AS sales, count(days_to_revenue) AS sales_with_touch,
        sum(total_amount_inr) AS gross_revenue_inr, sum(net_amount_inr) AS net_revenue_inr,
        round(avg(days_to_revenue), 1) AS avg_days_to_revenue,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY days_to_revenue) AS median_days_to_revenue,
        sum(net_amount_inr) FILTER (WHERE cycle_days IS NOT NULL) / nullif(sum(cycle_days), 0) AS velocity
    FROM sale
    GROUP BY origin_source, icp_tier
)
SELECT
    origin_source, icp_tier, sales, sales_with_touch, gross_revenue_inr, net_revenue_inr, avg_days_to_revenue,
    median_days_to_revenue,
    round(grouped.velocity, 2) AS velocity_inr_per_day,
    round(grouped.velocity / nullif(overall.velocity, 0), 2) AS efficiency_index
FROM grouped
CROSS JOIN overall;

COMMENT ON VIEW funnel.vw_revenue_efficiency IS
    'How fast money comes from where: paid sales by the source of their first touch in the 90 days before, and by ideal customer profile. One row per source and tier.';
COMMENT ON COLUMN funnel.vw_revenue_efficiency.origin_source IS
    'Source of the first touch in the 90 days before the sale, lower case; (none) when the touch had none; unknown without a touch';
COMMENT ON COLUMN funnel.vw_revenue_efficiency.icp_tier IS 'High, Mid or Low by icp_tiers.csv; Unknown when nothing about the buyer is listed';
COMMENT ON COLUMN funnel.vw_revenue_efficiency.sales IS 'Paid sales';
COMMENT ON COLUMN funnel.vw_revenue_efficiency.sales_with_touch IS 'Paid sales whose days to revenue are known';
COMMENT ON COLUMN funnel.vw_revenue_efficiency.gross_revenue_inr IS 'Price of the paid sales, INR';
COMMENT ON COLUMN funnel.vw_revenue_efficiency.net_revenue_inr IS 'Net amount of the paid sales, INR';
COMMENT ON COLUMN funnel.vw_revenue_efficiency.avg_days_to_revenue IS 'Average days from first touch to sale; empty without a touch';
COMMENT ON COLUMN funnel.vw_revenue_efficiency.median_days_to_revenue IS 'Median days from first touch to sale; empty without a touch';
COMMENT ON COLUMN funnel.vw_revenue_efficiency.velocity_inr_per_day IS
    'Net revenue per day between first touch and sale, INR: net revenue divided by the sum of days, each sale at least one day';
COMMENT ON COLUMN funnel.vw_revenue_efficiency.efficiency_index IS
    'Velocity divided by the velocity of all sales with a touch: 1.0 is average, 2.0 earns twice as much per day';
