-- People by their way through the funnel. Months are numbers here, so that their difference is a whole number of months.
CREATE MATERIALIZED VIEW funnel.cohort_facts AS
SELECT
    first_touch_month AS cohort,
    CASE WHEN first_attended_date >= first_touch_date THEN attended_month - first_touch_month END AS attended_after,
    CASE WHEN first_assigned_date >= first_touch_date THEN assigned_month - first_touch_month END AS assigned_after,
    CASE WHEN first_sale_date >= first_touch_date THEN sale_month - first_touch_month END AS sale_after,
    count(*) AS people
FROM (
    SELECT
        first_touch_date, first_attended_date, first_assigned_date, first_sale_date,
        (date_part('year', first_touch_date) * 12 + date_part('month', first_touch_date) - 1)::int AS first_touch_month,
        (date_part('year', first_attended_date) * 12 + date_part('month', first_attended_date) - 1)::int AS attended_month,
        (date_part('year', first_assigned_date) * 12 + date_part('month', first_assigned_date) - 1)::int AS assigned_month,
        (date_part('year', first_sale_date) * 12 + date_part('month', first_sale_date) - 1)::int AS sale_month
    FROM funnel._contact_state
    WHERE first_touch_date IS NOT NULL
) AS contact
GROUP BY 1, 2, 3, 4;

CREATE UNIQUE INDEX cohort_facts_key ON funnel.cohort_facts (cohort, attended_after, assigned_after, sale_after);

COMMENT ON MATERIALIZED VIEW funnel.cohort_facts IS
    'People by month of first touch (year x 12 + month - 1) and calendar months until they attended, were handed over and bought. Made anew with every publish; read vw_cohort_conversion instead.';
