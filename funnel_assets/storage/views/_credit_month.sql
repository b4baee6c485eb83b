-- Credit by month, model and origin.
SELECT
    date_trunc('month', date::timestamp)::date AS month, model, funnel,
    {named source} AS source,
    {named medium} AS medium,
    {named campaign} AS campaign,
    currency,
    round(sum(share::numeric), 4) AS sales,
    coalesce(sum(gross_revenue_inr), 0) AS gross_revenue_inr,
    coalesce(sum(net_revenue_inr), 0) AS net_revenue_inr
FROM funnel.sale_credit
WHERE {among date}
GROUP BY 1, 2, 3, 4, 5, 6, 7
