CREATE VIEW funnel.vw_unmapped_sources AS
SELECT month, source, leads, handovers, sales, net_revenue_inr, first_seen, last_seen
FROM funnel._unmapped_month;

COMMENT ON VIEW funnel.vw_unmapped_sources IS
    'Sources that count as Other Sources (Miscellaneous), and what is at stake: one row per month and source. The list to fill in is exports/unmapped_sources.csv.';
COMMENT ON COLUMN funnel.vw_unmapped_sources.month IS 'First day of the calendar month';
COMMENT ON COLUMN funnel.vw_unmapped_sources.source IS 'Source as it was written; spellings that differ in case or blanks are one';
COMMENT ON COLUMN funnel.vw_unmapped_sources.leads IS 'People whose first touch of the month came from the source';
COMMENT ON COLUMN funnel.vw_unmapped_sources.handovers IS 'Phones handed over to sales under the source';
COMMENT ON COLUMN funnel.vw_unmapped_sources.sales IS 'Paid sales whose first touch in the 90 days before came from the source';
COMMENT ON COLUMN funnel.vw_unmapped_sources.net_revenue_inr IS 'Net amount of these sales, INR';
COMMENT ON COLUMN funnel.vw_unmapped_sources.first_seen IS 'First local day in the month';
COMMENT ON COLUMN funnel.vw_unmapped_sources.last_seen IS 'Last local day in the month';
