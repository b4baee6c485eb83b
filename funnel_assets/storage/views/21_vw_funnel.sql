CREATE VIEW funnel.vw_funnel AS
SELECT current_stage, sum(users)::bigint AS users
FROM funnel._state_total
GROUP BY current_stage;

COMMENT ON VIEW funnel.vw_funnel IS 'Contacts by the stage they are in now.';
COMMENT ON COLUMN funnel.vw_funnel.current_stage IS 'Lead, MQL, SQL, Opportunity or Customer';
COMMENT ON COLUMN funnel.vw_funnel.users IS 'Contacts in the stage';
