-- People at the beginning of each step (vw_funnel_steps has their names), by the month and funnel of the first known
-- touch and the days they took for it. A step counts when it is taken on the day of the one before it or later.
SELECT
    date_trunc('month', first_touch_date::timestamp)::date AS cohort_month, lead_funnel AS funnel,
    step_number, CASE WHEN reached >= began THEN reached - began END AS days,
    count(*) AS people
FROM {rows}
CROSS JOIN LATERAL (
    VALUES
        (1, first_touch_date, first_registered_date),
        (2, first_registered_date, first_attended_date),
        (3, first_attended_date, first_assigned_date),
        (4, first_assigned_date, first_sale_date),
        (5, first_touch_date, first_sale_date)
) AS step (step_number, began, reached)
WHERE first_touch_date IS NOT NULL AND NOT is_known_before AND began IS NOT NULL
GROUP BY 1, 2, 3, 4
