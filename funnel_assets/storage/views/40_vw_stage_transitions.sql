CREATE VIEW funnel.vw_stage_transitions AS
SELECT previous_stage, current_stage, date, contacts, median_days_in_previous_stage
FROM funnel._stage_day;

COMMENT ON VIEW funnel.vw_stage_transitions IS
    'Changes of stage: one row per day, stage left and stage entered. Contacts add up over days, the median does not.';
COMMENT ON COLUMN funnel.vw_stage_transitions.previous_stage IS 'Stage left; empty for a new contact';
COMMENT ON COLUMN funnel.vw_stage_transitions.current_stage IS 'Stage entered';
COMMENT ON COLUMN funnel.vw_stage_transitions.date IS 'Local day of the change';
COMMENT ON COLUMN funnel.vw_stage_transitions.contacts IS 'Contacts that made the change on the day';
COMMENT ON COLUMN funnel.vw_stage_transitions.median_days_in_previous_stage IS
    'Half of them had been in the stage left for at most so many days; empty for new contacts';
