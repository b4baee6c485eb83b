CREATE VIEW funnel.vw_reconciliation AS
SELECT date, dataset, step, measure, expected, found, difference, difference = 0 AS is_balanced
FROM funnel.reconciliation;

COMMENT ON VIEW funnel.vw_reconciliation IS
    'Whether rows and money add up from step to step: one row per day, dataset, step and measure.';
COMMENT ON COLUMN funnel.vw_reconciliation.date IS 'Local day';
COMMENT ON COLUMN funnel.vw_reconciliation.dataset IS 'Dataset that was checked';
COMMENT ON COLUMN funnel.vw_reconciliation.step IS 'Step of the pipeline that was checked';
COMMENT ON COLUMN funnel.vw_reconciliation.measure IS 'What was added up: rows or an amount';
COMMENT ON COLUMN funnel.vw_reconciliation.expected IS 'Total before the step: rows, or the unit that measure names';
COMMENT ON COLUMN funnel.vw_reconciliation.found IS 'Total after the step, in the same unit';
COMMENT ON COLUMN funnel.vw_reconciliation.difference IS 'What differs, in the same unit; 0 when nothing was lost';
COMMENT ON COLUMN funnel.vw_reconciliation.is_balanced IS 'Whether both totals are equal; empty when one is unknown';
