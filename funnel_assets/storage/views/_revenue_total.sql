-- Paid sales by the source of the first touch ever, customer tier and the days they took.
SELECT
    ever_source, icp_tier, days_to_revenue, count(*) AS sales,
    coalesce(sum(seconds_to_revenue), 0)::bigint AS seconds,
    coalesce(sum(total_amount_inr), 0)::numeric(18, 2) AS gross_revenue_inr,
    coalesce(sum(net_amount_inr), 0)::numeric(18, 2) AS net_revenue_inr
FROM {rows}
GROUP BY ever_source, icp_tier, days_to_revenue
