-- Changes of stage, each with the days since the change before it.
WITH step AS (
    SELECT
        person_id, date, previous_stage, current_stage,
        date - lag(date) OVER (PARTITION BY person_id ORDER BY date) AS days_in_previous_stage
    FROM funnel.scored_contacts
    WHERE current_stage IS DISTINCT FROM previous_stage
        AND {among person_id, SELECT person_id FROM funnel.scored_contacts WHERE current_stage IS DISTINCT FROM previous_stage AND date}
)
SELECT
    previous_stage, current_stage, date, count(*) AS contacts,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY days_in_previous_stage) AS median_days_in_previous_stage
FROM step
WHERE {among date}
GROUP BY previous_stage, current_stage, date
