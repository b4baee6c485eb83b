CREATE VIEW funnel.vw_intent_by_source AS
SELECT lead_source, sum(intent_points) / sum(users) AS avg_intent
FROM funnel._state_total
GROUP BY lead_source;

COMMENT ON VIEW funnel.vw_intent_by_source IS 'Average intent score of contacts by the source of their first touch.';
COMMENT ON COLUMN funnel.vw_intent_by_source.lead_source IS
    'Source of the first touch ever, lower case; Unknown when the touch had none, or without a touch';
COMMENT ON COLUMN funnel.vw_intent_by_source.avg_intent IS 'Average intent score, points';
