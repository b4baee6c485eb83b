-- People by their way through the funnel. Months are numbers here, so that their difference is a whole number of months.
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
    FROM {rows}
    WHERE first_touch_date IS NOT NULL AND NOT is_known_before
) AS contact
GROUP BY 1, 2, 3, 4
