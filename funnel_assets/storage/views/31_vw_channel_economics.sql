CREATE VIEW funnel.vw_channel_economics AS
-- The ad platform does not know our source names: a campaign's spend goes to the channel it brought most people to.
WITH campaign_channel AS (
    SELECT DISTINCT ON (lead_campaign) lead_campaign AS campaign, lead_source, lead_medium
    FROM funnel._channel_total
    WHERE lead_campaign <> 'Unknown'
    GROUP BY lead_campaign, lead_source, lead_medium
    ORDER BY lead_campaign, sum(leads) DESC, lead_source, lead_medium
),
paid AS (
    SELECT {named source} AS source, {named medium} AS medium, {named campaign} AS campaign,
        sum(spend_inr) AS spend_inr
    FROM funnel.funnel_marts
    WHERE spend_inr <> 0
    GROUP BY 1, 2, 3
),
spent AS (
    SELECT
        coalesce(lead_source, source) AS source, coalesce(lead_medium, medium) AS medium, sum(spend_inr) AS spend_inr
    FROM paid
    LEFT JOIN campaign_channel USING (campaign)
    GROUP BY 1, 2
),
channel AS (
    SELECT
        lead_source AS source, lead_medium AS medium, sum(leads)::bigint AS leads, sum(converted)::bigint AS converted,
        sum(customers)::bigint AS customers, sum(sales)::bigint AS sales, sum(net_revenue_inr) AS net_revenue_inr,
        sum(wait_days)::numeric / nullif(sum(waited), 0) AS wait_days
    FROM funnel._channel_total
    GROUP BY lead_source, lead_medium
    HAVING sum(leads) > 0 OR sum(customers) > 0
),
-- What was never published is unknown, not 0.
known AS (
    SELECT
        coalesce(bool_or(marketing), false) AS marketing, coalesce(bool_or(sales), false) AS sales,
        coalesce(bool_or(spend), false) AS spend, min(date) AS first_day, max(date) AS last_day,
        coalesce(bool_and(marketing AND sales AND spend), false) AND count(*) = max(date) - min(date) + 1 AS is_complete
    FROM (
        SELECT date, bool_and(has_marketing) AS marketing, bool_and(has_sales) AS sales, bool_and(has_spend) AS spend
        FROM funnel.funnel_marts
        GROUP BY date
    ) AS by_day
),
figures AS (
    SELECT
        source, medium,
        CASE WHEN known.marketing THEN coalesce(leads, 0) END AS leads,
        CASE WHEN known.sales THEN coalesce(converted, 0) END AS converted,
        CASE WHEN known.sales THEN coalesce(customers, 0) END AS customers,
        CASE WHEN known.sales THEN coalesce(channel.sales, 0) END AS sales,
        CASE WHEN known.sales THEN coalesce(net_revenue_inr, 0) END AS net_revenue_inr,
        CASE WHEN known.spend THEN coalesce(spend_inr, 0) END AS spend_inr,
        wait_days, first_day, last_day, is_complete
    FROM channel
    FULL JOIN spent USING (source, medium)
    CROSS JOIN known
),
rates AS (
    SELECT
        *,
        spend_inr / nullif(customers, 0) AS cac,
        net_revenue_inr / nullif(customers, 0) AS ltv,
        nullif(leads, 0)::double precision AS n,
        converted::double precision AS k
    FROM figures
)
SELECT
    source, medium, leads, customers, sales, net_revenue_inr, spend_inr,
    round(spend_inr / nullif(leads, 0), 2) AS cpl_inr,
    round(cac, 2) AS cac_inr,
    round((100 * k / n)::numeric, 2) AS conversion_pct,
    round((100 * (k + 1.920729 - 1.959964 * sqrt(k * (n - k) / n + 0.960365)) / (n + 3.841459))::numeric, 2)
        AS conversion_low_pct,
    round((100 * (k + 1.920729 + 1.959964 * sqrt(k * (n - k) / n + 0.960365)) / (n + 3.841459))::numeric, 2)
        AS conversion_high_pct,
    round(ltv, 2) AS ltv_inr,
    round(ltv / nullif(cac, 0), 2) AS ltv_to_cac,
    round(wait_days, 1) AS avg_days_to_sale,
    CASE WHEN ltv > 0 AND cac <= ltv THEN round(wait_days / 30.4375 + 12 * cac / ltv, 1) END AS payback_months,
    first_day, last_day, is_complete
FROM rates;

COMMENT ON VIEW funnel.vw_channel_economics IS
    'What each channel costs and brings: one row per source and medium of the first touch ever, over all published days. Counts and amounts add up, rates do not. Young leads have had little time to buy, so a channel that has just started looks worse than it is.';
COMMENT ON COLUMN funnel.vw_channel_economics.source IS
    'Source of the first touch ever, lower case; Unknown when the touch had none, and for buyers without a touch; the ad platform for spend of a campaign that brought nobody';
COMMENT ON COLUMN funnel.vw_channel_economics.medium IS 'Medium of the first touch ever, lower case; as source';
COMMENT ON COLUMN funnel.vw_channel_economics.leads IS 'People first touched ever on the days included, through the channel; who was known before is a customer, but no lead';
COMMENT ON COLUMN funnel.vw_channel_economics.customers IS 'People of the channel with a paid sale';
COMMENT ON COLUMN funnel.vw_channel_economics.sales IS 'Paid sales of these customers';
COMMENT ON COLUMN funnel.vw_channel_economics.net_revenue_inr IS 'Net amount of these sales, INR';
COMMENT ON COLUMN funnel.vw_channel_economics.spend_inr IS
    'Cost of ads, INR: each campaign''s whole cost stands under the channel to which it brought most people';
COMMENT ON COLUMN funnel.vw_channel_economics.cpl_inr IS 'Cost per lead: spend per person, INR';
COMMENT ON COLUMN funnel.vw_channel_economics.cac_inr IS 'Cost to acquire a customer: spend per customer, INR';
COMMENT ON COLUMN funnel.vw_channel_economics.conversion_pct IS 'Share of leads that bought, percent';
COMMENT ON COLUMN funnel.vw_channel_economics.conversion_low_pct IS
    'Lower end of the conversion''s 95 % interval (Wilson), percent';
COMMENT ON COLUMN funnel.vw_channel_economics.conversion_high_pct IS
    'Upper end of the conversion''s 95 % interval (Wilson), percent';
COMMENT ON COLUMN funnel.vw_channel_economics.ltv_inr IS
    'Lifetime value: net revenue so far per customer, INR; nothing is projected';
COMMENT ON COLUMN funnel.vw_channel_economics.ltv_to_cac IS
    'Lifetime value divided by CAC, a ratio; empty when nothing was spent or nobody bought';
COMMENT ON COLUMN funnel.vw_channel_economics.avg_days_to_sale IS 'Average days from first touch to first paid sale';
COMMENT ON COLUMN funnel.vw_channel_economics.payback_months IS
    'Months until a customer has paid back the CAC: the average wait for the sale, then 12 x CAC / LTV, as if the net revenue came in evenly over 12 months; empty when it never does (LTV below CAC)';
COMMENT ON COLUMN funnel.vw_channel_economics.first_day IS 'First local day included';
COMMENT ON COLUMN funnel.vw_channel_economics.last_day IS 'Last local day included';
COMMENT ON COLUMN funnel.vw_channel_economics.is_complete IS 'Whether no day in between lacks a part';
