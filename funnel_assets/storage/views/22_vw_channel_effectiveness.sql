CREATE VIEW funnel.vw_channel_effectiveness AS
SELECT first_touch_channel, current_stage, sum(users)::bigint AS users
FROM funnel._state_total
GROUP BY first_touch_channel, current_stage;

COMMENT ON VIEW funnel.vw_channel_effectiveness IS
    'Contacts by the channel that first engaged them and the stage they are in now.';
COMMENT ON COLUMN funnel.vw_channel_effectiveness.first_touch_channel IS
    'Channel of the first engagement; empty when unknown';
COMMENT ON COLUMN funnel.vw_channel_effectiveness.current_stage IS 'Lead, MQL, SQL, Opportunity or Customer';
COMMENT ON COLUMN funnel.vw_channel_effectiveness.users IS 'Contacts of the channel in the stage';
