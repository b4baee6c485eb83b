-- Each person's way from registration to sale, by the month and funnel of the first known touch. A step counts when it
-- is taken on the day of the one before it or later.
CREATE MATERIALIZED VIEW funnel.step_facts AS
WITH way AS (
    SELECT
        date_trunc('month', first_touch_date::timestamp)::date AS cohort_month, lead_funnel AS funnel,
        first_touch_date, first_registered_date, first_attended_date, first_assigned_date, first_sale_date
    FROM funnel._contact_state
    WHERE first_touch_date IS NOT NULL
),
step AS (
    SELECT
        cohort_month, funnel, step.step_number, step.step, step.began,
        CASE WHEN step.reached >= step.began THEN step.reached - step.began END AS days
    FROM way
    CROSS JOIN LATERAL (
        VALUES
            (1, 'lead to registration', first_touch_date, first_registered_date),
            (2, 'registration to attendance', first_registered_date, first_attended_date),
            (3, 'attendance to handover', first_attended_date, first_assigned_date),
            (4, 'handover to sale', first_assigned_date, first_sale_date),
            (5, 'lead to sale', first_touch_date, first_sale_date)
    ) AS step (step_number, step, began, reached)
    WHERE step.began IS NOT NULL
)
SELECT
    cohort_month, funnel, step_number, step, count(*) AS people, count(days) AS went_on, max(began) AS last_began,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY days) AS median_days,
    percentile_cont(0.9) WITHIN GROUP (ORDER BY days) AS p90_days
FROM step
GROUP BY cohort_month, funnel, step_number, step;

CREATE UNIQUE INDEX step_facts_key ON funnel.step_facts (cohort_month, funnel, step_number);

COMMENT ON MATERIALIZED VIEW funnel.step_facts IS
    'People who took and who completed each step from lead to sale, by month and funnel of the first touch. Made anew with every publish; read vw_funnel_steps instead.';
