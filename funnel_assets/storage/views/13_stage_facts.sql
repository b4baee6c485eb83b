-- Changes of stage, each with the days since the change before it.
CREATE MATERIALIZED VIEW funnel.stage_facts AS
WITH step AS (
    SELECT
        person_id, date, previous_stage, current_stage,
        date - lag(date) OVER (PARTITION BY person_id ORDER BY date) AS days_in_previous_stage
    FROM funnel.scored_contacts
    WHERE current_stage IS DISTINCT FROM previous_stage
)
SELECT
    previous_stage, current_stage, date, count(*) AS contacts,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY days_in_previous_stage) AS median_days_in_previous_stage
FROM step
GROUP BY previous_stage, current_stage, date;

CREATE UNIQUE INDEX stage_facts_key ON funnel.stage_facts (date, current_stage, previous_stage);

COMMENT ON MATERIALIZED VIEW funnel.stage_facts IS
    'Changes of stage per day. Made anew with every publish; read vw_stage_transitions instead.';
