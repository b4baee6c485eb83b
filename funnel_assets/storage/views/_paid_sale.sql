-- Paid sales with the source of the buyer's first touch ever and the buyer's customer tier.
SELECT
    sold.person_id, {named sold.ever_source} AS ever_source,
    coalesce(buyer.icp_tier, 'Unknown') AS icp_tier,
    sold.days_to_revenue, extract(epoch FROM sold.created_at - sold.ever_touch_at)::bigint AS seconds_to_revenue,
    sold.total_amount_inr, sold.net_amount_inr
FROM funnel.sales_enriched AS sold
LEFT JOIN funnel._contact_state AS buyer USING (person_id)
WHERE sold.is_paid AND {among sold.person_id}
