-- People and their purchases by channel, campaign and customer tier.
SELECT
    lead_source, lead_medium, lead_campaign, icp_tier,
    count(*) AS people,
    count(first_touch_date) FILTER (WHERE NOT is_known_before) AS leads,
    count(*) FILTER (WHERE first_touch_date IS NOT NULL AND NOT is_known_before AND sales > 0) AS converted,
    count(*) FILTER (WHERE sales > 0) AS customers,
    sum(sales)::bigint AS sales,
    coalesce(sum(net_revenue_inr), 0)::numeric(18, 2) AS net_revenue_inr,
    coalesce(sum(first_sale_date - first_touch_date) FILTER (WHERE first_sale_date >= first_touch_date), 0)
        AS wait_days,
    count(*) FILTER (WHERE first_sale_date >= first_touch_date) AS waited
FROM {rows}
GROUP BY lead_source, lead_medium, lead_campaign, icp_tier
