-- Paid sales with their origin and the buyer's customer tier.
SELECT
    sold.person_id,
    CASE
        WHEN sold.origin_touch_at IS NULL THEN 'unknown'
        ELSE coalesce(nullif(lower(btrim(sold.origin_source)), ''), '(none)')
    END AS origin_source,
    coalesce(buyer.icp_tier, 'Unknown') AS icp_tier,
    sold.days_to_revenue, sold.total_amount_inr, sold.net_amount_inr
FROM funnel.sales_enriched AS sold
LEFT JOIN funnel._contact_state AS buyer USING (person_id)
WHERE sold.is_paid AND {among sold.person_id}
