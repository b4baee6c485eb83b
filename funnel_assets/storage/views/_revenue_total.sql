-- Paid sales by origin, customer tier and the days they took.
SELECT
    origin_source, icp_tier, days_to_revenue, count(*) AS sales,
    coalesce(sum(total_amount_inr), 0)::numeric(18, 2) AS gross_revenue_inr,
    coalesce(sum(net_amount_inr), 0)::numeric(18, 2) AS net_revenue_inr
FROM {rows}
GROUP BY origin_source, icp_tier, days_to_revenue
