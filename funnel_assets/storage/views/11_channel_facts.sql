-- People and their purchases by channel, campaign and customer tier, added up once per publish.
CREATE MATERIALIZED VIEW funnel.channel_facts AS
SELECT
    lead_source, lead_medium, lead_campaign, coalesce(icp_tier, 'Unknown') AS icp_tier,
    count(first_touch_date) AS leads,
    count(*) FILTER (WHERE first_touch_date IS NOT NULL AND sales > 0) AS converted,
    count(*) FILTER (WHERE sales > 0) AS customers,
    sum(sales)::bigint AS sales,
    coalesce(sum(net_revenue_inr), 0) AS net_revenue_inr,
    coalesce(sum(first_sale_date - first_touch_date) FILTER (WHERE first_sale_date >= first_touch_date), 0)
        AS wait_days,
    count(*) FILTER (WHERE first_sale_date >= first_touch_date) AS waited
FROM funnel._contact_state
LEFT JOIN funnel.profile_facts USING (person_id)
GROUP BY 1, 2, 3, 4;

CREATE UNIQUE INDEX channel_facts_key ON funnel.channel_facts (lead_source, lead_medium, lead_campaign, icp_tier);

COMMENT ON MATERIALIZED VIEW funnel.channel_facts IS
    'People, customers and revenue by source, medium and campaign of the first known touch and by customer tier. Made anew with every publish; read vw_channel_economics instead.';
