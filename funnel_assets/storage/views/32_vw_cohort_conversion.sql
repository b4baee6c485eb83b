CREATE VIEW funnel.vw_cohort_conversion AS
WITH newest AS (
    SELECT
        max(date) FILTER (WHERE dataset = 'dedup_leads') AS leads_day,
        max(date) FILTER (WHERE dataset = 'assigned_leads') AS assigned_day,
        max(date) FILTER (WHERE dataset = 'sales_enriched') AS sales_day
    FROM funnel.published_days
),
cohorts AS (
    SELECT cohort, sum(people)::bigint AS cohort_people FROM funnel._cohort_total GROUP BY cohort
),
grid AS (
    SELECT
        cohort, cohort_people, months_since,
        make_date(cohort / 12, cohort % 12 + 1, 1) AS cohort_month,
        (make_date((cohort + months_since + 1) / 12, (cohort + months_since + 1) % 12 + 1, 1) - 1) AS window_end
    FROM cohorts
    CROSS JOIN newest
    CROSS JOIN LATERAL generate_series(
        0, (extract(year FROM leads_day) * 12 + extract(month FROM leads_day) - 1)::int - cohort
    ) AS months_since
),
counted AS (
    SELECT
        grid.cohort_month, grid.months_since, grid.cohort_people, grid.window_end,
        coalesce(sum(people) FILTER (WHERE attended_after = months_since), 0)::bigint AS new_attended,
        coalesce(sum(people) FILTER (WHERE assigned_after = months_since), 0)::bigint AS new_assigned,
        coalesce(sum(people) FILTER (WHERE sale_after = months_since), 0)::bigint AS new_customers,
        coalesce(sum(people) FILTER (WHERE attended_after <= months_since), 0)::bigint AS attended,
        coalesce(sum(people) FILTER (WHERE assigned_after <= months_since), 0)::bigint AS assigned,
        coalesce(sum(people) FILTER (WHERE sale_after <= months_since), 0)::bigint AS customers
    FROM grid
    LEFT JOIN funnel._cohort_total USING (cohort)
    GROUP BY 1, 2, 3, 4
),
told AS (
    SELECT
        cohort_month, months_since, cohort_people, new_attended, attended,
        CASE WHEN assigned_day IS NOT NULL THEN new_assigned END AS new_assigned,
        CASE WHEN assigned_day IS NOT NULL THEN assigned END AS assigned,
        CASE WHEN sales_day IS NOT NULL THEN new_customers END AS new_customers,
        CASE WHEN sales_day IS NOT NULL THEN customers END AS customers,
        window_end <= coalesce(least(leads_day, assigned_day, sales_day), leads_day)
            AND assigned_day IS NOT NULL AND sales_day IS NOT NULL AS is_mature,
        cohort_people::double precision AS n
    FROM counted
    CROSS JOIN newest
)
SELECT
    cohort_month, months_since, cohort_people, new_attended, new_assigned, new_customers, attended, assigned, customers,
    round(100.0 * attended / cohort_people, 2) AS attended_pct,
    round(100.0 * assigned / cohort_people, 2) AS assigned_pct,
    round(100.0 * customers / cohort_people, 2) AS conversion_pct,
    round((100 * (customers + 1.920729 - 1.959964 * sqrt(customers * (n - customers) / n + 0.960365)) / (n + 3.841459))::numeric, 2)
        AS conversion_low_pct,
    round((100 * (customers + 1.920729 + 1.959964 * sqrt(customers * (n - customers) / n + 0.960365)) / (n + 3.841459))::numeric, 2)
        AS conversion_high_pct,
    is_mature
FROM told;

COMMENT ON VIEW funnel.vw_cohort_conversion IS
    'People by the calendar month of their first touch ever, as far as it lies on the published days, and how many of them got how far by the end of each following month. One row per cohort and month since. Compare only rows that are mature.';
COMMENT ON COLUMN funnel.vw_cohort_conversion.cohort_month IS 'First day of the calendar month of the first touch ever';
COMMENT ON COLUMN funnel.vw_cohort_conversion.months_since IS 'Calendar months after the cohort''s own month; 0 is that month';
COMMENT ON COLUMN funnel.vw_cohort_conversion.cohort_people IS 'People in the cohort';
COMMENT ON COLUMN funnel.vw_cohort_conversion.new_attended IS 'People who first attended an event in that month; adds up over months since';
COMMENT ON COLUMN funnel.vw_cohort_conversion.new_assigned IS 'People first handed over to sales in that month; adds up over months since';
COMMENT ON COLUMN funnel.vw_cohort_conversion.new_customers IS 'People with their first paid sale in that month; adds up over months since';
COMMENT ON COLUMN funnel.vw_cohort_conversion.attended IS 'People who attended an event by the end of that month';
COMMENT ON COLUMN funnel.vw_cohort_conversion.assigned IS 'People handed over to sales by the end of that month';
COMMENT ON COLUMN funnel.vw_cohort_conversion.customers IS 'People with a paid sale by the end of that month';
COMMENT ON COLUMN funnel.vw_cohort_conversion.attended_pct IS 'Attended, percent of the cohort';
COMMENT ON COLUMN funnel.vw_cohort_conversion.assigned_pct IS 'Handed over, percent of the cohort';
COMMENT ON COLUMN funnel.vw_cohort_conversion.conversion_pct IS 'Customers, percent of the cohort';
COMMENT ON COLUMN funnel.vw_cohort_conversion.conversion_low_pct IS 'Lower end of the conversion''s 95 % interval (Wilson), percent';
COMMENT ON COLUMN funnel.vw_cohort_conversion.conversion_high_pct IS 'Upper end of the conversion''s 95 % interval (Wilson), percent';
COMMENT ON COLUMN funnel.vw_cohort_conversion.is_mature IS
    'Whether leads, handovers and sales are published up to the end of that month; false rows can still grow';
