-- What is known about each person, one row each: contacts, leads and buyers.
WITH state AS (
    SELECT DISTINCT ON (person_id)
        person_id, date AS state_date, intent_score, intent_index, current_stage, previous_stage, stage_reason,
        stage_author, engagement_health, nurture_track, track_frequency, track_channels, next_playbook, sales_priority,
        owner_department, override_applied, first_touch_channel, last_engaged_at,
        max(date) FILTER (WHERE current_stage IS DISTINCT FROM previous_stage) OVER states AS stage_since_date
    FROM funnel.scored_contacts
    WHERE {among person_id}
    -- In the order of the rows wanted, so that they are sorted once.
    WINDOW states AS (PARTITION BY person_id ORDER BY date DESC ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
    ORDER BY person_id, date DESC
),
-- The first touch ever: the earliest of the first touches of all months.
seen AS (
    SELECT DISTINCT ON (person_id)
        person_id, date AS first_touch_date, first_touch_at, identified_by, city, first_source, first_medium,
        first_campaign, first_funnel
    FROM funnel.dedup_leads
    WHERE {among person_id}
    ORDER BY person_id, date
),
-- Running counts only grow, so the largest is the latest.
engagement AS (
    SELECT
        person_id,
        max(total_clicks) AS clicks, max(total_views) AS views, max(total_downloads) AS downloads,
        max(total_demos_booked) AS demos_booked, max(total_follow_ups) AS follow_ups,
        max(total_registrations) AS registrations, max(total_attendances) AS attendances,
        -- A day attended of whatever bootcamp; the people of the sheet are Day 1, Day 2 or Both.
        CASE
            WHEN max(total_bootcamp_day_1) > 0 AND max(total_bootcamp_day_2) > 0 THEN 'Both'
            WHEN max(total_bootcamp_day_1) > 0 THEN 'Day 1'
            WHEN max(total_bootcamp_day_2) > 0 THEN 'Day 2'
        END AS bootcamp_day,
        max(total_minutes) AS minutes, max(total_form_submissions) AS form_submissions,
        max(total_deals_closed) AS deals_closed,
        max(last_engaged_at) AS last_engaged_at,
        min(date) FILTER (WHERE registrations > 0) AS first_registered_date,
        min(date) FILTER (WHERE attendances > 0) AS first_attended_date
    FROM funnel.engagement_summary
    WHERE {among person_id}
    GROUP BY person_id
),
handover AS (
    SELECT person_id, min(date) AS first_assigned_date
    FROM funnel.assigned_leads
    WHERE {among person_id}
    GROUP BY person_id
),
bought AS (
    SELECT
        person_id, min(date) AS first_sale_date, count(*) AS sales,
        sum(total_amount_inr) AS gross_revenue_inr, sum(net_amount_inr) AS net_revenue_inr
    FROM funnel.sales_enriched
    WHERE is_paid AND {among person_id}
    GROUP BY person_id
),
tier AS (
    SELECT
        lower(btrim(field)) AS field, lower(btrim(value)) AS value,
        min(CASE tier WHEN 'High' THEN 1 WHEN 'Mid' THEN 2 WHEN 'Low' THEN 3 END) AS rank
    FROM funnel.icp_tiers
    GROUP BY 1, 2
)
SELECT
    person_id, coalesce(seen.identified_by, earlier.identified_by) AS identified_by,
    firm.company, firm.industry, coalesce(seen.city, earlier.city) AS city,
    CASE least(by_industry.rank, by_company.rank, by_city.rank)
        WHEN 1 THEN 'High' WHEN 2 THEN 'Mid' WHEN 3 THEN 'Low' ELSE 'Unknown'
    END AS icp_tier,
    {named CASE WHEN earlier.date IS NULL THEN seen.first_source ELSE earlier.first_source END} AS lead_source,
    {named CASE WHEN earlier.date IS NULL THEN seen.first_medium ELSE earlier.first_medium END} AS lead_medium,
    {named CASE WHEN earlier.date IS NULL THEN seen.first_campaign ELSE earlier.first_campaign END} AS lead_campaign,
    coalesce(earlier.first_funnel, seen.first_funnel) AS lead_funnel,
    coalesce(earlier.date, seen.first_touch_date) AS first_touch_date, coalesce(earlier.first_touch_at, seen.first_touch_at) AS first_touch_at,
    earlier.date IS NOT NULL AS is_known_before, state.first_touch_channel,
    state.current_stage, state.previous_stage, state.stage_reason, state.stage_author, state.stage_since_date, state.state_date,
    state.intent_score, state.intent_index, state.engagement_health, state.nurture_track, state.track_frequency,
    state.track_channels, state.next_playbook, state.sales_priority, state.owner_department, state.override_applied,
    greatest(state.last_engaged_at, engagement.last_engaged_at) AS last_activity_at,
    engagement.clicks, engagement.views, engagement.downloads, engagement.demos_booked, engagement.follow_ups,
    engagement.registrations, engagement.attendances, engagement.bootcamp_day, engagement.minutes, engagement.form_submissions,
    engagement.deals_closed, engagement.first_registered_date, engagement.first_attended_date, handover.first_assigned_date,
    bought.first_sale_date, coalesce(bought.sales, 0) AS sales, bought.gross_revenue_inr, bought.net_revenue_inr
FROM state
FULL JOIN seen USING (person_id)
FULL JOIN bought USING (person_id)
-- Who was touched before the first day and never came back is nobody of the days that are published.
LEFT JOIN funnel._touch_before AS earlier USING (person_id)
LEFT JOIN engagement USING (person_id)
LEFT JOIN handover USING (person_id)
LEFT JOIN funnel._person_firm AS firm USING (person_id)
LEFT JOIN tier AS by_industry ON by_industry.field = 'industry' AND by_industry.value = lower(firm.industry)
LEFT JOIN tier AS by_company ON by_company.field = 'company' AND by_company.value = lower(firm.company)
LEFT JOIN tier AS by_city ON by_city.field = 'city' AND by_city.value = lower(btrim(coalesce(seen.city, earlier.city)))
