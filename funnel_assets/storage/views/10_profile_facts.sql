-- Events carry no person: the phone is the person, else the phone last seen with the e-mail, else the e-mail.
CREATE MATERIALIZED VIEW funnel.profile_facts AS
WITH told AS (
    SELECT event_id, event_at, nullif(btrim(company), '') AS company, nullif(btrim(industry), '') AS industry,
        phone_key, email_key
    FROM funnel.engagement_events
    WHERE company IS NOT NULL OR industry IS NOT NULL
),
asked AS (
    SELECT DISTINCT email_key FROM told WHERE phone_key IS NULL AND email_key IS NOT NULL
),
sighting AS (
    SELECT DISTINCT ON (email_key) email_key, seen.phone_key
    FROM (
        SELECT email_key, phone_key, created_at AS seen_at FROM funnel.raw_leads
        UNION ALL
        SELECT email_key, phone_key, touched_at FROM funnel.zoom_attendance
        UNION ALL
        SELECT email_key, phone_key, event_at FROM funnel.engagement_events
    ) AS seen
    JOIN asked USING (email_key)
    WHERE seen.phone_key IS NOT NULL
    ORDER BY email_key, seen_at DESC, seen.phone_key DESC
),
firm AS (
    SELECT DISTINCT ON (owner) owner AS person_id, company, industry
    FROM (
        SELECT coalesce(told.phone_key, sighting.phone_key) AS owner, company, industry, event_at, event_id
        FROM told
        LEFT JOIN sighting ON told.phone_key IS NULL AND sighting.email_key = told.email_key
        UNION ALL
        -- Before its phone was known, the e-mail was a person of its own.
        SELECT email_key, company, industry, event_at, event_id FROM told WHERE phone_key IS NULL
    ) AS owned
    WHERE owner IS NOT NULL AND (company IS NOT NULL OR industry IS NOT NULL)
    ORDER BY owner, industry IS NULL, event_at DESC, event_id
),
tier AS (
    SELECT
        lower(btrim(field)) AS field, lower(btrim(value)) AS value,
        min(CASE tier WHEN 'High' THEN 1 WHEN 'Mid' THEN 2 WHEN 'Low' THEN 3 END) AS rank
    FROM funnel.icp_tiers
    GROUP BY 1, 2
)
SELECT
    person_id, firm.company, firm.industry,
    CASE least(by_industry.rank, by_company.rank, by_city.rank)
        WHEN 1 THEN 'High' WHEN 2 THEN 'Mid' WHEN 3 THEN 'Low' ELSE 'Unknown'
    END AS icp_tier
FROM funnel._contact_state AS known
LEFT JOIN firm USING (person_id)
LEFT JOIN tier AS by_industry ON by_industry.field = 'industry' AND by_industry.value = lower(firm.industry)
LEFT JOIN tier AS by_company ON by_company.field = 'company' AND by_company.value = lower(firm.company)
LEFT JOIN tier AS by_city ON by_city.field = 'city' AND by_city.value = lower(btrim(known.city))
WHERE firm.company IS NOT NULL OR firm.industry IS NOT NULL OR by_city.rank IS NOT NULL;

CREATE UNIQUE INDEX profile_facts_person ON funnel.profile_facts (person_id);

ANALYZE funnel.profile_facts;

COMMENT ON MATERIALIZED VIEW funnel.profile_facts IS
    'Company, industry and customer tier of the people of whom one is known. Made anew with every publish; read crm_contacts instead.';
