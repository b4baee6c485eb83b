CREATE VIEW funnel.vw_anonymous_events AS
SELECT date, channel, event_type, count(*) AS events
FROM funnel.engagement_events
WHERE phone_key IS NULL AND email_key IS NULL AND external_key IS NULL
GROUP BY date, channel, event_type;

COMMENT ON VIEW funnel.vw_anonymous_events IS
    'Visits of people who are not known: events without a phone, e-mail or id, per day. They count here and are nobody''s contact.';
COMMENT ON COLUMN funnel.vw_anonymous_events.date IS 'Local day of the event';
COMMENT ON COLUMN funnel.vw_anonymous_events.channel IS 'Channel of the event; empty when the source names none';
COMMENT ON COLUMN funnel.vw_anonymous_events.event_type IS 'Kind of event, as view or click';
COMMENT ON COLUMN funnel.vw_anonymous_events.events IS 'Number of events';
