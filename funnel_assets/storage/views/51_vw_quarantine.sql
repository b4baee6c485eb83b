CREATE VIEW funnel.vw_quarantine AS
WITH by_file AS (
    SELECT
        dataset, source, reason, file, count(*) AS quarantined,
        min(day) FILTER (WHERE day LIKE '____-__-__') AS first_day,
        max(day) FILTER (WHERE day LIKE '____-__-__') AS last_day,
        count(*) FILTER (WHERE day LIKE '____-__-__') AS dated,
        -- The newest row as an example: day, line and detail in one text, so that no sort is needed.
        max(
            concat_ws(
                chr(31), CASE WHEN day LIKE '____-__-__' THEN day ELSE '' END, lpad(coalesce(line, 0)::text, 12, '0'),
                coalesce(detail, '')
            )
        ) AS example
    FROM funnel.quarantine
    GROUP BY dataset, source, reason, file
),
counted AS (
    SELECT
        dataset, source, reason, sum(quarantined)::bigint AS quarantined, count(file) AS files,
        min(first_day)::date AS first_day, max(last_day)::date AS last_day,
        sum(quarantined - dated)::bigint AS undated, max(example) AS example
    FROM by_file
    GROUP BY dataset, source, reason
)
SELECT
    dataset, source, reason, quarantined, files, first_day, last_day, undated,
    -- Details are written without personal data; hiding addresses and long numbers once more costs nothing.
    nullif(
        regexp_replace(
            regexp_replace(split_part(example, chr(31), 3), '[^\s@]+@[^\s@,;:]+', '***@***', 'g'),
            '\+?\d[\d ().]{6,}\d', '***', 'g'
        ),
        ''
    ) AS example_detail,
    nullif(split_part(example, chr(31), 2)::bigint, 0) AS example_line
FROM counted;

COMMENT ON VIEW funnel.vw_quarantine IS
    'Rows and files that could not be used, counted by dataset, source and reason. They count nowhere else until they are mended.';
COMMENT ON COLUMN funnel.vw_quarantine.dataset IS 'Dataset that the rows were meant for';
COMMENT ON COLUMN funnel.vw_quarantine.source IS 'Source in sources.yaml';
COMMENT ON COLUMN funnel.vw_quarantine.reason IS 'Reason code';
COMMENT ON COLUMN funnel.vw_quarantine.quarantined IS 'Rows (a whole file counts as one)';
COMMENT ON COLUMN funnel.vw_quarantine.files IS 'Files that the rows came from';
COMMENT ON COLUMN funnel.vw_quarantine.first_day IS 'Earliest local day concerned; empty when no row has a day';
COMMENT ON COLUMN funnel.vw_quarantine.last_day IS 'Latest local day concerned; empty when no row has a day';
COMMENT ON COLUMN funnel.vw_quarantine.undated IS 'Rows whose day could not be told';
COMMENT ON COLUMN funnel.vw_quarantine.example_detail IS 'What is wrong with one of them and what to do, personal data masked';
COMMENT ON COLUMN funnel.vw_quarantine.example_line IS 'Line of that row in its file, counted from 1; in a JSON list, which record it is';
