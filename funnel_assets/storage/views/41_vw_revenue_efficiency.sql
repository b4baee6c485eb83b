CREATE VIEW funnel.vw_revenue_efficiency AS
-- By the days taken: how many sales took at most so many, and how many have a touch at all.
WITH ordered AS (
    SELECT
        *,
        -- A sale on the day of the touch took a day: nothing is sold in no time.
        greatest(days_to_revenue, 1) * sales AS cycle_days,
        sum(sales) FILTER (WHERE days_to_revenue IS NOT NULL) OVER (origin ORDER BY days_to_revenue) AS so_far,
        sum(sales) FILTER (WHERE days_to_revenue IS NOT NULL) OVER origin AS with_touch
    FROM funnel._revenue_total
    WINDOW origin AS (PARTITION BY ever_source, icp_tier)
),
figures AS (
    SELECT
        ever_source, icp_tier, sum(sales)::bigint AS sales, coalesce(with_touch, 0)::bigint AS sales_with_touch,
        coalesce(sum(sales) FILTER (WHERE days_to_revenue < 0), 0)::bigint AS sales_before_touch,
        sum(gross_revenue_inr) AS gross_revenue_inr, sum(net_revenue_inr) AS net_revenue_inr,
        round(sum(days_to_revenue * sales) / with_touch, 1) AS avg_days_to_revenue,
        round(sum(seconds) / with_touch / 86400, 1) AS avg_elapsed_days,
        -- The sale in the middle, or the two.
        (min(days_to_revenue) FILTER (WHERE so_far > floor((with_touch - 1) / 2))
            + min(days_to_revenue) FILTER (WHERE so_far > ceil((with_touch - 1) / 2))) / 2.0::double precision
            AS median_days_to_revenue,
        sum(cycle_days) FILTER (WHERE days_to_revenue IS NOT NULL) AS cycle_days,
        sum(net_revenue_inr) FILTER (WHERE days_to_revenue IS NOT NULL) AS cycle_revenue_inr
    FROM ordered
    GROUP BY ever_source, icp_tier, with_touch
),
overall AS (
    SELECT sum(cycle_revenue_inr) / nullif(sum(cycle_days), 0) AS velocity FROM figures
)
SELECT
    ever_source, ever_source AS origin_source, icp_tier, sales, sales_with_touch, sales_before_touch,
    gross_revenue_inr, net_revenue_inr, avg_days_to_revenue, median_days_to_revenue, avg_elapsed_days,
    round(cycle_revenue_inr / nullif(cycle_days, 0), 2) AS velocity_inr_per_day,
    round(cycle_revenue_inr / nullif(cycle_days, 0) / nullif(overall.velocity, 0), 2) AS efficiency_index
FROM figures
CROSS JOIN overall;

COMMENT ON VIEW funnel.vw_revenue_efficiency IS
    'How fast money comes from where: paid sales by the source of the buyer''s first touch ever, and by ideal customer profile. One row per source and tier.';
COMMENT ON COLUMN funnel.vw_revenue_efficiency.ever_source IS
    'Source of the buyer''s first touch ever, days before the first published one included, lower case; Unknown when the touch had none, or without a touch';
COMMENT ON COLUMN funnel.vw_revenue_efficiency.origin_source IS
    'ever_source under its former name. In sales_enriched and dedup_leads, origin_source is that of 90 days';
COMMENT ON COLUMN funnel.vw_revenue_efficiency.icp_tier IS 'High, Mid or Low by icp_tiers.csv; Unknown when nothing about the buyer is listed';
COMMENT ON COLUMN funnel.vw_revenue_efficiency.sales IS 'Paid sales';
COMMENT ON COLUMN funnel.vw_revenue_efficiency.sales_with_touch IS 'Paid sales whose days to revenue are known';
COMMENT ON COLUMN funnel.vw_revenue_efficiency.sales_before_touch IS
    'Paid sales dated before the first touch, which was entered up to 31 days later: their days are negative, and count';
COMMENT ON COLUMN funnel.vw_revenue_efficiency.gross_revenue_inr IS 'Price of the paid sales, INR';
COMMENT ON COLUMN funnel.vw_revenue_efficiency.net_revenue_inr IS 'Net amount of the paid sales, INR';
COMMENT ON COLUMN funnel.vw_revenue_efficiency.avg_days_to_revenue IS 'Average local days from the first touch ever to the sale; empty without a touch';
COMMENT ON COLUMN funnel.vw_revenue_efficiency.median_days_to_revenue IS 'Median days from first touch to sale; empty without a touch';
COMMENT ON COLUMN funnel.vw_revenue_efficiency.avg_elapsed_days IS
    'The same by the clock, in parts of days: a touch in the evening and a sale the next morning are half a day here, and a day above. A touch of which only the day is known stands at midnight';
COMMENT ON COLUMN funnel.vw_revenue_efficiency.velocity_inr_per_day IS
    'Net revenue per day between first touch and sale, INR: net revenue divided by the sum of days, each sale at least one day';
COMMENT ON COLUMN funnel.vw_revenue_efficiency.efficiency_index IS
    'Velocity divided by the velocity of all sales with a touch: 1.0 is average, 2.0 earns twice as much per day';
