-- name: add_messages
-- Insert the messages not known yet, in key order, and say which they were. One that another transaction is
-- inserting is waited for, and is known then.
INSERT INTO email_messages
SELECT * FROM :email_messages ORDER BY message_id
ON CONFLICT (message_id) DO NOTHING
RETURNING message_id

-- name: lock_messages
-- Lock and read known messages, in key order. A statement of its own, so that its snapshot is younger than the
-- waits of add_messages; a row whose lock was waited for is read anew.
SELECT
    message_id,
    sponsor_id::text, sponsor_rank, event_id::text, event_rank, campaign_id::text, campaign_rank,
    template_id::text, template_rank, sequence_id::text, sequence_rank,
    sent_at, delivered_at, opened_at, machine_opened_at, clicked_at, replied_at,
    bounced_at, hard_bounced_at, complained_at, unsubscribed_at
FROM email_messages
WHERE message_id = ANY($1::text[])
ORDER BY message_id
FOR UPDATE

-- name: update_messages
-- Write back the joined states of messages that are locked.
UPDATE email_messages AS known
SET
    sponsor_id = told.sponsor_id, sponsor_rank = told.sponsor_rank,
    event_id = told.event_id, event_rank = told.event_rank,
    campaign_id = told.campaign_id, campaign_rank = told.campaign_rank,
    template_id = told.template_id, template_rank = told.template_rank,
    sequence_id = told.sequence_id, sequence_rank = told.sequence_rank,
    sent_at = told.sent_at, delivered_at = told.delivered_at,
    opened_at = told.opened_at, machine_opened_at = told.machine_opened_at,
    clicked_at = told.clicked_at, replied_at = told.replied_at,
    bounced_at = told.bounced_at, hard_bounced_at = told.hard_bounced_at,
    complained_at = told.complained_at, unsubscribed_at = told.unsubscribed_at
FROM :email_messages AS told
WHERE known.message_id = told.message_id

-- name: add_subject_counts
-- Add what moved to the batch's shard, in key order. A shard may fall below 0; only the sum of all means anything.
INSERT INTO campaign_counters AS counter (subject, subject_id, metric, shard, n)
SELECT moved.subject, moved.subject_id, moved.metric, $5::int, moved.n
FROM unnest($1::text[], $2::uuid[], $3::text[], $4::bigint[]) AS moved (subject, subject_id, metric, n)
ORDER BY moved.subject_id, moved.subject, moved.metric
ON CONFLICT (subject_id, subject, metric, shard) DO UPDATE SET n = counter.n + excluded.n

-- name: delete_activities
-- Delete activities whose created_at moved: it is part of the key, and says in which partition a row lies.
DELETE FROM agent_sales_activities AS activity
USING unnest($1::uuid[], $2::timestamptz[]) AS obsolete (id, created_at)
WHERE activity.id = obsolete.id AND activity.created_at = obsolete.created_at

-- name: write_activities
-- Insert activities or update them in place. Their sponsors and events are locked: no foreign key looks for them.
INSERT INTO agent_sales_activities (
    id, created_at, message_id, agent_id, agent_version, activity_type, event_id, sponsor_id,
    input_data, output_data, status, required_human_review, escalation_reason
)
SELECT
    id, created_at, message_id, agent_id, agent_version, activity_type, event_id, sponsor_id,
    input_data, output_data, status, required_human_review, escalation_reason
FROM :batch_activity
ORDER BY id
ON CONFLICT (id, created_at) DO UPDATE SET
    activity_type = excluded.activity_type,
    event_id = excluded.event_id,
    sponsor_id = excluded.sponsor_id,
    input_data = excluded.input_data,
    output_data = excluded.output_data,
    status = excluded.status,
    required_human_review = excluded.required_human_review,
    escalation_reason = excluded.escalation_reason

-- name: ensure_month
-- Make the partition of agent_sales_activities for one month, unless it is there.
SELECT ensure_sales_activity_months($1::date, $1::date)

-- name: keep_months
-- Make what is missing of the months that every row must find: from two years before $1 to the end of its next year.
SELECT ensure_sales_activity_months(
    ($1::date - interval '24 months')::date, make_date(extract(year FROM $1::date)::int + 1, 12, 1)
)

-- name: project_campaigns
-- Bring campaigns to what their counters add up to.
UPDATE marketing_campaigns AS campaign
SET emails_sent = counted.sent
FROM (
    SELECT key.id, coalesce(sum(counter.n) FILTER (WHERE counter.metric = 'sent'), 0) AS sent
    FROM unnest($1::uuid[]) AS key (id)
    LEFT JOIN campaign_counters AS counter ON counter.subject_id = key.id AND counter.subject = 'campaign'
    GROUP BY key.id
) AS counted
WHERE campaign.id = counted.id AND campaign.emails_sent IS DISTINCT FROM counted.sent

-- name: project_templates
-- Bring templates to what their counters add up to.
UPDATE email_templates AS template
SET sent_count = counted.sent, opened_count = counted.opened
FROM (
    SELECT
        key.id,
        coalesce(sum(counter.n) FILTER (WHERE counter.metric = 'sent'), 0) AS sent,
        coalesce(sum(counter.n) FILTER (WHERE counter.metric = 'opened'), 0) AS opened
    FROM unnest($1::uuid[]) AS key (id)
    LEFT JOIN campaign_counters AS counter ON counter.subject_id = key.id AND counter.subject = 'template'
    GROUP BY key.id
) AS counted
WHERE
    template.id = counted.id
    AND (template.sent_count, template.opened_count) IS DISTINCT FROM (counted.sent, counted.opened)

-- name: project_sequences
-- Bring sequences to what their counters add up to, and to the status that follows: stopped, else replied, else
-- their owner's. Where the owner is changing the row, Postgres waits, then evaluates SET and WHERE on the new row.
UPDATE follow_up_sequences AS sequence
SET
    emails_sent = counted.sent,
    replies_received = counted.replied,
    status = CASE
        WHEN counted.stopped > 0 THEN 'stopped'
        WHEN counted.replied > 0 THEN 'replied'
        ELSE sequence.owner_status
    END
FROM (
    SELECT
        key.id,
        coalesce(sum(counter.n) FILTER (WHERE counter.metric = 'sent'), 0) AS sent,
        coalesce(sum(counter.n) FILTER (WHERE counter.metric = 'replied'), 0) AS replied,
        coalesce(sum(counter.n) FILTER (WHERE counter.metric = 'stopped'), 0) AS stopped
    FROM unnest($1::uuid[]) AS key (id)
    LEFT JOIN campaign_counters AS counter ON counter.subject_id = key.id AND counter.subject = 'sequence'
    GROUP BY key.id
) AS counted
WHERE
    sequence.id = counted.id
    AND (sequence.emails_sent, sequence.replies_received, sequence.status) IS DISTINCT FROM (
        counted.sent, counted.replied,
        CASE
            WHEN counted.stopped > 0 THEN 'stopped'
            WHEN counted.replied > 0 THEN 'replied'
            ELSE sequence.owner_status
        END
    )
