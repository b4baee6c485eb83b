-- Contacts by where they stand and where they came from, added up once per publish.
CREATE MATERIALIZED VIEW funnel.state_facts AS
SELECT lead_source, first_touch_channel, current_stage, count(*) AS users, sum(intent_score) AS intent_points
FROM funnel._contact_state
WHERE current_stage IS NOT NULL
GROUP BY lead_source, first_touch_channel, current_stage;

CREATE UNIQUE INDEX state_facts_key ON funnel.state_facts (lead_source, current_stage, first_touch_channel);

COMMENT ON MATERIALIZED VIEW funnel.state_facts IS
    'Contacts and points by lead source, channel and stage. Made anew with every publish; read vw_funnel and its neighbours instead.';
