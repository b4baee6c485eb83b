-- Events carry no person. The phone last seen with an e-mail says whose an event without a phone is.
SELECT DISTINCT ON (email_key) email_key, phone_key
FROM (
    SELECT email_key, phone_key, created_at AS seen_at FROM funnel.raw_leads WHERE {among email_key}
    UNION ALL
    SELECT email_key, phone_key, touched_at FROM funnel.zoom_attendance WHERE {among email_key}
    UNION ALL
    SELECT email_key, phone_key, event_at FROM funnel.engagement_events WHERE {among email_key}
) AS seen
WHERE phone_key IS NOT NULL AND email_key IN (
    SELECT email_key
    FROM funnel.engagement_events
    WHERE phone_key IS NULL AND (company IS NOT NULL OR industry IS NOT NULL) AND {among email_key}
)
ORDER BY email_key, seen_at DESC, phone_key DESC
