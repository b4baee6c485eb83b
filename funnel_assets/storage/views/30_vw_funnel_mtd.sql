CREATE VIEW funnel.vw_funnel_mtd AS
WITH published AS (
    SELECT date, nullif(missing, '') AS missing FROM funnel.published_days WHERE dataset = 'funnel_marts'
),
span AS (
    SELECT min(date) AS first_day, max(date) AS last_day FROM published
),
parts AS (
    SELECT
        date,
        concat_ws(
            ', ',
            CASE WHEN NOT bool_and(has_marketing) THEN 'marketing' END,
            CASE WHEN NOT bool_and(has_sales) THEN 'sales' END,
            CASE WHEN NOT bool_and(has_spend) THEN 'spend' END
        ) AS missing
    FROM funnel.funnel_marts
    GROUP BY date
),
-- Every calendar day from the first published one to the newest, and what it lacks.
calendar AS (
    SELECT
        day::date AS date,
        CASE
            WHEN published.date IS NULL THEN 'everything'
            ELSE coalesce(nullif(parts.missing, ''), published.missing)
        END AS missing
    FROM span
    CROSS JOIN LATERAL generate_series(first_day::timestamp, last_day::timestamp, interval '1 day') AS day
    LEFT JOIN published ON published.date = day::date
    LEFT JOIN parts ON parts.date = day::date
),
months AS (
    SELECT
        date_trunc('month', date::timestamp)::date AS month,
        max(date) AS through_date,
        count(*) FILTER (WHERE missing IS NOT NULL) AS missing_days,
        string_agg(date || ' (' || missing || ')', '; ' ORDER BY date) FILTER (WHERE missing IS NOT NULL) AS missing_detail
    FROM calendar
    GROUP BY 1
),
figures AS (
    SELECT
        date_trunc('month', date::timestamp)::date AS month, funnel,
        sum(leads)::bigint AS leads, sum(registrations)::bigint AS registered, sum(attended)::bigint AS attended,
        sum(handovers)::bigint AS assigned_mtd, sum(handovers_attended)::bigint AS assigned_attended,
        sum(sales)::bigint AS sales,
        sum(gross_revenue_inr) AS gross_revenue_inr, sum(net_revenue_inr) AS net_revenue_inr,
        sum(spend_inr) AS spend_inr,
        sum(spend_inr) FILTER (WHERE has_spend AND has_sales) AS matched_spend,
        sum(sales) FILTER (WHERE has_spend AND has_sales) AS matched_sales
    FROM funnel.funnel_marts
    GROUP BY 1, 2
)
SELECT
    figures.month, figures.funnel, months.through_date,
    leads, registered, attended, assigned_mtd, assigned_attended, sales,
    gross_revenue_inr, net_revenue_inr, spend_inr,
    round(matched_spend / nullif(matched_sales, 0), 2) AS cac_inr,
    round(100.0 * sales / nullif(assigned_mtd, 0), 2) AS conversion_pct,
    coalesce(months.missing_days, 0) = 0 AS is_complete,
    coalesce(months.missing_days, 0) AS missing_days,
    months.missing_detail
FROM figures
LEFT JOIN months USING (month);

COMMENT ON VIEW funnel.vw_funnel_mtd IS
    'The dashboard: one row per calendar month and funnel, the current month up to the newest published day. There is no total row: counts and amounts add up over funnels and months, rates do not. An empty figure is unknown, not 0.';
COMMENT ON COLUMN funnel.vw_funnel_mtd.month IS 'First day of the calendar month';
COMMENT ON COLUMN funnel.vw_funnel_mtd.funnel IS 'Funnel category';
COMMENT ON COLUMN funnel.vw_funnel_mtd.through_date IS 'Last local day of the month that is included';
COMMENT ON COLUMN funnel.vw_funnel_mtd.leads IS 'Unique people with their first touch of the month in it';
COMMENT ON COLUMN funnel.vw_funnel_mtd.registered IS 'Registrations for events held in the month';
COMMENT ON COLUMN funnel.vw_funnel_mtd.attended IS 'Attendances of events held in the month';
COMMENT ON COLUMN funnel.vw_funnel_mtd.assigned_mtd IS 'Unique phones handed over to sales in the month, under their first source';
COMMENT ON COLUMN funnel.vw_funnel_mtd.assigned_attended IS 'Handed-over phones that attended an event';
COMMENT ON COLUMN funnel.vw_funnel_mtd.sales IS 'Paid sales created in the month, under their final funnel';
COMMENT ON COLUMN funnel.vw_funnel_mtd.gross_revenue_inr IS 'Price of the paid sales, INR';
COMMENT ON COLUMN funnel.vw_funnel_mtd.net_revenue_inr IS 'Net amount of the paid sales, INR';
COMMENT ON COLUMN funnel.vw_funnel_mtd.spend_inr IS 'Cost of ads, INR';
COMMENT ON COLUMN funnel.vw_funnel_mtd.cac_inr IS
    'Spend per paid sale, INR, over the days on which both are known; empty without sales';
COMMENT ON COLUMN funnel.vw_funnel_mtd.conversion_pct IS 'Sales per handed-over phone, percent; empty without handovers';
COMMENT ON COLUMN funnel.vw_funnel_mtd.is_complete IS 'Whether no day of the month so far lacks a part';
COMMENT ON COLUMN funnel.vw_funnel_mtd.missing_days IS 'Days of the month so far that lack a part';
COMMENT ON COLUMN funnel.vw_funnel_mtd.missing_detail IS 'Which days lack what; empty when none';
