-- People at the beginning of each step (as in _step_days), by the day on which they came there.
SELECT
    date_trunc('month', first_touch_date::timestamp)::date AS cohort_month, lead_funnel AS funnel,
    step.step_number, step.began, count(*) AS people
FROM {rows}
CROSS JOIN LATERAL (
    VALUES
        (1, first_touch_date), (2, first_registered_date), (3, first_attended_date), (4, first_assigned_date),
        (5, first_touch_date)
) AS step (step_number, began)
WHERE first_touch_date IS NOT NULL AND NOT is_known_before AND step.began IS NOT NULL
GROUP BY 1, 2, 3, 4
