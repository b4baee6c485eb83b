-- The firm that each person named last, from events.
-- An event is its phone's, else that of the phone last seen with its e-mail. Before that was known, the e-mail was a
-- person of its own. A source's own id is a person where records hold nothing else (a deal, a subscription): what an
-- event tells about the id holds for that person too, whatever else the event knows.
SELECT DISTINCT ON (person_id)
    person_id, nullif(btrim(company), '') AS company, nullif(btrim(industry), '') AS industry
FROM (
    SELECT phone_key AS person_id, company, industry, event_at, event_id
    FROM funnel.engagement_events
    WHERE {among phone_key}
    UNION ALL
    SELECT owner.phone_key, company, industry, event_at, event_id
    FROM funnel._email_phone AS owner
    JOIN funnel.engagement_events AS event USING (email_key)
    WHERE event.phone_key IS NULL AND (company IS NOT NULL OR industry IS NOT NULL) AND {among owner.phone_key}
    UNION ALL
    SELECT email_key, company, industry, event_at, event_id
    FROM funnel.engagement_events
    WHERE phone_key IS NULL AND (company IS NOT NULL OR industry IS NOT NULL) AND {among email_key}
    UNION ALL
    SELECT external_key, company, industry, event_at, event_id
    FROM funnel.engagement_events
    WHERE (company IS NOT NULL OR industry IS NOT NULL) AND {among external_key}
) AS told
WHERE person_id IS NOT NULL AND (btrim(company) <> '' OR btrim(industry) <> '')
ORDER BY person_id, nullif(btrim(industry), '') IS NULL, event_at DESC, event_id
