-- Contacts by where they stand and where they came from.
SELECT
    lead_source, first_touch_channel, current_stage, count(*) AS users, sum(intent_score)::bigint AS intent_points
FROM {rows}
WHERE current_stage IS NOT NULL
GROUP BY lead_source, first_touch_channel, current_stage
