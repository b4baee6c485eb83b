CREATE VIEW funnel.crm_contacts AS
SELECT
    person_id, company, coalesce(industry, 'Unknown') AS industry, city, icp_tier,
    lead_source, lead_medium, lead_campaign, lead_funnel, first_touch_date, first_touch_at, first_touch_channel,
    current_stage, previous_stage, stage_reason, stage_author, stage_since_date,
    nurture_track, track_frequency, track_channels, intent_score, intent_index, engagement_health,
    next_playbook, sales_priority, owner_department, override_applied, state_date, last_activity_at,
    clicks, views, downloads, demos_booked, follow_ups, registrations, attendances, bootcamp_day, minutes, form_submissions,
    deals_closed, first_attended_date, first_assigned_date, first_sale_date, sales, gross_revenue_inr, net_revenue_inr
FROM funnel._contact_state
WHERE current_stage IS NOT NULL;

COMMENT ON VIEW funnel.crm_contacts IS
    'Current state of every contact, one row per person. Holds no name, phone or e-mail; person_id is a pseudonym.';
COMMENT ON COLUMN funnel.crm_contacts.person_id IS 'Stable pseudonym of the person';
COMMENT ON COLUMN funnel.crm_contacts.company IS 'Company of the newest event that names one';
COMMENT ON COLUMN funnel.crm_contacts.industry IS 'Industry of the newest event that names one; Unknown when none does';
COMMENT ON COLUMN funnel.crm_contacts.city IS 'City of the first touch, as typed';
COMMENT ON COLUMN funnel.crm_contacts.icp_tier IS
    'Best tier that industry, company or city has in icp_tiers.csv: High, Mid or Low; Unknown when none is listed';
COMMENT ON COLUMN funnel.crm_contacts.lead_source IS
    'Source of the first touch ever, lower case; Unknown when the touch had none, or without a touch';
COMMENT ON COLUMN funnel.crm_contacts.lead_medium IS 'Medium of the first touch ever, lower case; as lead_source';
COMMENT ON COLUMN funnel.crm_contacts.lead_campaign IS 'Campaign of the first touch ever, lower case; as lead_source';
COMMENT ON COLUMN funnel.crm_contacts.lead_funnel IS 'Funnel of the first touch ever; empty without a touch';
COMMENT ON COLUMN funnel.crm_contacts.first_touch_date IS 'Local day of the first touch ever (form or Zoom event)';
COMMENT ON COLUMN funnel.crm_contacts.first_touch_at IS 'Time of the first touch ever (UTC)';
COMMENT ON COLUMN funnel.crm_contacts.first_touch_channel IS 'Channel of the first engagement';
COMMENT ON COLUMN funnel.crm_contacts.current_stage IS 'Lead, MQL, SQL, Opportunity or Customer';
COMMENT ON COLUMN funnel.crm_contacts.previous_stage IS 'Stage before the latest change of state; empty on the first';
COMMENT ON COLUMN funnel.crm_contacts.stage_reason IS 
    'Rule of stages.csv that decided the stage; where overrides.csv sets it, the reason given there';
COMMENT ON COLUMN funnel.crm_contacts.stage_author IS 'Who set the stage in overrides.csv; empty when a rule decided';
COMMENT ON COLUMN funnel.crm_contacts.stage_since_date IS 'Local day on which the contact came into this stage';
COMMENT ON COLUMN funnel.crm_contacts.nurture_track IS 'Nurture track: Low, Mid or High';
COMMENT ON COLUMN funnel.crm_contacts.track_frequency IS 'How often the track writes';
COMMENT ON COLUMN funnel.crm_contacts.track_channels IS 'Channels of the track';
COMMENT ON COLUMN funnel.crm_contacts.intent_score IS 'Points for activity so far (scoring.csv)';
COMMENT ON COLUMN funnel.crm_contacts.intent_index IS 'Intent on a scale of 0 to 100';
COMMENT ON COLUMN funnel.crm_contacts.engagement_health IS
    'Active up to 14 days since the last engagement, Stale up to 45, else Dormant';
COMMENT ON COLUMN funnel.crm_contacts.next_playbook IS 'What to do next: Reactivation, Conversion or Education';
COMMENT ON COLUMN funnel.crm_contacts.sales_priority IS 'high, medium or low';
COMMENT ON COLUMN funnel.crm_contacts.owner_department IS 'Department that owns the stage';
COMMENT ON COLUMN funnel.crm_contacts.override_applied IS 'Fields set by hand in overrides.csv; empty when none';
COMMENT ON COLUMN funnel.crm_contacts.state_date IS 'Local day since which all of this state holds';
COMMENT ON COLUMN funnel.crm_contacts.last_activity_at IS 'Last engagement (UTC); empty for a buyer who never engaged';
COMMENT ON COLUMN funnel.crm_contacts.clicks IS 'Clicks so far';
COMMENT ON COLUMN funnel.crm_contacts.views IS 'Views so far';
COMMENT ON COLUMN funnel.crm_contacts.downloads IS 'Downloads so far';
COMMENT ON COLUMN funnel.crm_contacts.demos_booked IS 'Demos booked so far';
COMMENT ON COLUMN funnel.crm_contacts.follow_ups IS 'Follow-up calls attended so far';
COMMENT ON COLUMN funnel.crm_contacts.registrations IS 'Event registrations so far';
COMMENT ON COLUMN funnel.crm_contacts.attendances IS 'Events attended so far';
COMMENT ON COLUMN funnel.crm_contacts.bootcamp_day IS
    'Days of bootcamps attended so far: Day 1, Day 2 or Both; empty when none';
COMMENT ON COLUMN funnel.crm_contacts.minutes IS 'Minutes in events so far';
COMMENT ON COLUMN funnel.crm_contacts.form_submissions IS 'Forms submitted so far';
COMMENT ON COLUMN funnel.crm_contacts.deals_closed IS 'Deals closed so far';
COMMENT ON COLUMN funnel.crm_contacts.first_attended_date IS 'Local day of the first event attended; empty when none';
COMMENT ON COLUMN funnel.crm_contacts.first_assigned_date IS 'Local day of the first handover to sales; empty when none';
COMMENT ON COLUMN funnel.crm_contacts.first_sale_date IS 'Local day of the first paid sale; empty when none';
COMMENT ON COLUMN funnel.crm_contacts.sales IS 'Paid sales so far';
COMMENT ON COLUMN funnel.crm_contacts.gross_revenue_inr IS 'Price of the paid sales, INR; empty when none';
COMMENT ON COLUMN funnel.crm_contacts.net_revenue_inr IS 'Net amount of the paid sales, INR; empty when none';
