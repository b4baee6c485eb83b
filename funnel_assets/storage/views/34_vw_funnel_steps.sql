CREATE OR REPLACE VIEW funnel.vw_funnel_steps AS
WITH newest AS (
    SELECT
        max(date) FILTER (WHERE dataset = 'dedup_leads') AS leads_day,
        max(date) FILTER (WHERE dataset = 'assigned_leads') AS assigned_day,
        max(date) FILTER (WHERE dataset = 'sales_enriched') AS sales_day
    FROM funnel.published_days
),
told AS (
    SELECT
        step_facts.*, people::double precision AS n,
        CASE
            WHEN step_number IN (1, 2) THEN leads_day
            WHEN step_number = 3 THEN assigned_day
            ELSE sales_day
        END AS known_day
    FROM funnel.step_facts
    CROSS JOIN newest
),
known AS (
    SELECT *, CASE WHEN known_day IS NOT NULL THEN went_on END AS k FROM told
)
SELECT
    cohort_month, funnel, step_number, step, people, k AS went_on,
    round(100.0 * k / people, 2) AS rate_pct,
    round((100 * (k + 1.920729 - 1.959964 * sqrt(k * (n - k) / n + 0.960365)) / (n + 3.841459))::numeric, 2)
        AS rate_low_pct,
    round((100 * (k + 1.920729 + 1.959964 * sqrt(k * (n - k) / n + 0.960365)) / (n + 3.841459))::numeric, 2)
        AS rate_high_pct,
    median_days, p90_days,
    coalesce(last_began + 30 <= known_day, false) AS is_mature
FROM known;

COMMENT ON VIEW funnel.vw_funnel_steps IS
    'How many people take each step from lead over registration, attendance and handover to sale, and how long it takes: one row per month and funnel of the first known touch, and step. People add up over months and funnels, rates and days do not. Compare only rows that are mature.';
COMMENT ON COLUMN funnel.vw_funnel_steps.cohort_month IS 'First day of the calendar month of the person''s first known touch';
COMMENT ON COLUMN funnel.vw_funnel_steps.funnel IS 'Funnel of the first known touch';
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
