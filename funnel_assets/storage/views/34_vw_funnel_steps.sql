CREATE VIEW funnel.vw_funnel_steps AS
WITH steps AS (
    SELECT step_number, step, max(date) AS known_day
    FROM (
        VALUES
            (1, 'lead to registration', 'dedup_leads'),
            (2, 'registration to attendance', 'dedup_leads'),
            (3, 'attendance to handover', 'assigned_leads'),
            (4, 'handover to sale', 'sales_enriched'),
            (5, 'lead to sale', 'sales_enriched')
    ) AS listed (step_number, step, dataset)
    LEFT JOIN funnel.published_days USING (dataset)
    GROUP BY step_number, step
),
newest AS (
    SELECT cohort_month, funnel, step_number, max(began) AS last_began
    FROM funnel._step_began
    GROUP BY cohort_month, funnel, step_number
),
-- By the days taken: how many went on within so many days, and how many at all.
went AS (
    SELECT
        cohort_month, funnel, step_number, days, people,
        sum(people) FILTER (WHERE days IS NOT NULL) OVER (way ORDER BY days) AS so_far,
        coalesce(sum(people) FILTER (WHERE days IS NOT NULL) OVER way, 0)::bigint AS k
    FROM funnel._step_days
    WINDOW way AS (PARTITION BY cohort_month, funnel, step_number)
),
-- The places of the median and of the ninth decile in that order, counted from 0, as percentile_cont has them.
placed AS (
    SELECT *, 0.5::double precision * (k - 1) AS half, 0.9::double precision * (k - 1) AS most FROM went
),
counted AS (
    SELECT
        cohort_month, funnel, step_number, sum(people)::bigint AS people, sum(people)::double precision AS n, k, half, most,
        min(days) FILTER (WHERE so_far > floor(half)) AS half_low, min(days) FILTER (WHERE so_far > ceil(half)) AS half_high,
        min(days) FILTER (WHERE so_far > floor(most)) AS most_low, min(days) FILTER (WHERE so_far > ceil(most)) AS most_high
    FROM placed
    GROUP BY cohort_month, funnel, step_number, k, half, most
),
known AS (
    SELECT
        cohort_month, funnel, step_number, step, people, n,
        CASE WHEN known_day IS NOT NULL THEN k END AS k,
        half_low + (half_high - half_low) * (half - floor(half)) AS median_days,
        most_low + (most_high - most_low) * (most - floor(most)) AS p90_days,
        coalesce(last_began + 30 <= known_day, false) AS is_mature
    FROM counted
    JOIN steps USING (step_number)
    LEFT JOIN newest USING (cohort_month, funnel, step_number)
)
SELECT
    cohort_month, funnel, step_number, step, people, k AS went_on,
    round(100.0 * k / people, 2) AS rate_pct,
    round((100 * (k + 1.920729 - 1.959964 * sqrt(k * (n - k) / n + 0.960365)) / (n + 3.841459))::numeric, 2)
        AS rate_low_pct,
    round((100 * (k + 1.920729 + 1.959964 * sqrt(k * (n - k) / n + 0.960365)) / (n + 3.841459))::numeric, 2)
        AS rate_high_pct,
    median_days, p90_days, is_mature
FROM known;

COMMENT ON VIEW funnel.vw_funnel_steps IS
    'How many people take each step from lead over registration, attendance and handover to sale, and how long it takes: one row per month and funnel of the first touch ever (on the published days), and step. People add up over months and funnels, rates and days do not. Compare only rows that are mature.';
COMMENT ON COLUMN funnel.vw_funnel_steps.cohort_month IS 'First day of the calendar month of the person''s first touch ever';
COMMENT ON COLUMN funnel.vw_funnel_steps.funnel IS 'Funnel of the first touch ever';
COMMENT ON COLUMN funnel.vw_funnel_steps.step_number IS 'Order of the steps; 5 is the whole way from lead to sale';
COMMENT ON COLUMN funnel.vw_funnel_steps.step IS
    'lead to registration, registration to attendance, attendance to handover, handover to sale, or lead to sale';
COMMENT ON COLUMN funnel.vw_funnel_steps.people IS 'People who reached the beginning of the step';
COMMENT ON COLUMN funnel.vw_funnel_steps.went_on IS
    'Those of them who reached its end, on the same day or later; each person''s first of both. Empty when the part that tells is not published';
COMMENT ON COLUMN funnel.vw_funnel_steps.rate_pct IS 'Share that went on, percent';
COMMENT ON COLUMN funnel.vw_funnel_steps.rate_low_pct IS 'Lower end of the rate''s 95 % interval (Wilson), percent';
COMMENT ON COLUMN funnel.vw_funnel_steps.rate_high_pct IS 'Upper end of the rate''s 95 % interval (Wilson), percent';
COMMENT ON COLUMN funnel.vw_funnel_steps.median_days IS 'Half of those who went on took at most so many days; empty when nobody did';
COMMENT ON COLUMN funnel.vw_funnel_steps.p90_days IS 'Nine in ten of those who went on took at most so many days; empty when nobody did';
COMMENT ON COLUMN funnel.vw_funnel_steps.is_mature IS
    'Whether everyone in the row has had at least 30 days for the step; false rows can still grow much';
