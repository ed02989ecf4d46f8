-- name: positions
-- Positions and cumulative outcomes of the live services; a replay's own positions are left out.
SELECT service, topic, partition, next_offset, applied, duplicate, dead_lettered, refused_in_row, stopped_reason,
       stopped_at, updated_at
FROM stream_offsets
WHERE service NOT LIKE 'replay:%'
ORDER BY service, topic, partition

-- name: pending
-- What waits anywhere between a position and Kafka's derived topics.
SELECT (SELECT count(*) FROM outbox) AS outbox_pending,
       (SELECT extract(epoch FROM now() - min(created_at))::float8 FROM outbox) AS outbox_age,
       (SELECT coalesce(jsonb_object_agg(projection, n), '{}')
        FROM (SELECT projection, count(*) AS n FROM stale_marks GROUP BY projection) AS marks) AS marks,
       (SELECT extract(epoch FROM now() - min(marked_at))::float8 FROM stale_marks) AS marks_age,
       (SELECT count(*) FROM parked_keys) AS parked_keys,
       (SELECT count(*) FROM dead_letters WHERE status = 'pending') AS dead_letters_pending,
       (SELECT (value #>> '{}')::date FROM control WHERE name = 'as_of') AS as_of

-- name: parked
-- The keys that a projection could not compute, the longest parked first.
SELECT projection, kind, key::text, other::text, attempts, error, retry_at, parked_at
FROM parked_keys
ORDER BY parked_at
LIMIT 100

-- name: dead_letters_by_reason
-- Dead letters that wait for someone, by service and reason.
SELECT service, reason, count(*) AS pending
FROM dead_letters
WHERE status = 'pending'
GROUP BY service, reason
ORDER BY service, reason

-- name: load_users
-- Users exist in EventOS's own schema; a file of core rows gives their ids.
INSERT INTO auth.users (id)
SELECT value::uuid FROM jsonb_array_elements_text($1)

-- name: load_events
-- Core rows of upstream, every column given.
INSERT INTO events (id, organizer_id, title, event_type, industry, location, "values", currency, capacity, starts_at,
                    ends_at, status, embedding)
SELECT id, organizer_id, title, event_type, industry, location, "values", currency, capacity, starts_at, ends_at,
       status, embedding
FROM jsonb_populate_recordset(NULL::events, $1)

-- name: load_sponsors
-- Core rows of upstream, every column given.
INSERT INTO sponsors (id, created_by, company_name, industry, website, industries_of_interest, event_types,
                      geographic_preferences, "values", min_budget, max_budget, currency, primary_contact_name,
                      primary_contact_email, primary_contact_phone, total_sponsorships, average_roi, renewal_rate)
SELECT id, created_by, company_name, industry, website, industries_of_interest, event_types, geographic_preferences,
       "values", min_budget, max_budget, currency, primary_contact_name, primary_contact_email, primary_contact_phone,
       total_sponsorships, average_roi, renewal_rate
FROM jsonb_populate_recordset(NULL::sponsors, $1)

-- name: load_sponsor_embeddings
-- Embeddings stand beside the sponsor's row in a file, and in a table of their own here.
INSERT INTO sponsor_embeddings (sponsor_id, embedding, model, model_version)
SELECT (row ->> 'id')::uuid, (row ->> 'embedding')::vector, 'given', '1'
FROM jsonb_array_elements($1) AS row
WHERE row ->> 'embedding' IS NOT NULL

-- name: load_proposals
-- Core rows of upstream, every column given.
INSERT INTO sponsor_proposals (id, event_id, sponsor_id, package_level, proposed_amount, currency, content, status,
                               sent_at, created_at)
SELECT id, event_id, sponsor_id, package_level, proposed_amount, currency, content, status, sent_at, created_at
FROM jsonb_populate_recordset(NULL::sponsor_proposals, $1)

-- name: load_campaigns
-- Core rows of upstream, every column given.
INSERT INTO marketing_campaigns (id, event_id, name, channels, content, status)
SELECT id, event_id, name, channels, content, status FROM jsonb_populate_recordset(NULL::marketing_campaigns, $1)

-- name: load_templates
-- Core rows of upstream, every column given.
INSERT INTO email_templates (id, campaign_id, event_id, subject, template_type, body, status)
SELECT id, campaign_id, event_id, subject, template_type, body, status
FROM jsonb_populate_recordset(NULL::email_templates, $1)

-- name: load_sequences
-- Core rows of upstream, every column given.
INSERT INTO follow_up_sequences (id, sponsor_id, proposal_id, sequence_type, status, emails)
SELECT id, sponsor_id, proposal_id, sequence_type, status, emails
FROM jsonb_populate_recordset(NULL::follow_up_sequences, $1)

-- name: state_as_of
-- The state as files tell it: the UTC day that scores stand for.
SELECT value #>> '{}' FROM control WHERE name = 'as_of'

-- name: state_lead_scores
-- The state as files tell it: scores that exist.
SELECT sponsor_id::text, event_id::text, score, priority,
       to_char(conversion_probability, 'FM0.0099') AS conversion_probability,
       insights -> 'fit' AS fit, insights -> 'engagement' AS engagement, insights ->> 'grade' AS grade,
       insights -> 'groups' AS groups, insights -> 'do_not_email' AS do_not_email
FROM sponsor_lead_scores

-- name: state_sponsors
-- The state as files tell it: every sponsor.
SELECT id::text, engagement_score FROM sponsors

-- name: state_dashboards
-- The state as files tell it: dashboards that exist.
SELECT event_id::text, total_views, total_tickets_sold, total_revenue::text, conversion_rate::text, first_view_at,
       first_sale_at, metrics, funnel_metrics, marketing_metrics, engagement_metrics
FROM event_dashboards

-- name: state_campaigns
-- The state as files tell it: every campaign.
SELECT id::text, emails_sent FROM marketing_campaigns

-- name: state_templates
-- The state as files tell it: every template.
SELECT id::text, sent_count, opened_count FROM email_templates

-- name: state_sequences
-- The state as files tell it: every sequence.
SELECT id::text, emails_sent, replies_received, status FROM follow_up_sequences

-- name: state_proposals
-- The state as files tell it: every proposal.
SELECT id::text, total_views FROM sponsor_proposals

-- name: state_sales_activities
-- The state as files tell it: the activities that stand for e-mails.
SELECT message_id, sponsor_id::text, event_id::text, activity_type, status, required_human_review
FROM agent_sales_activities
WHERE message_id IS NOT NULL

-- name: state_sponsorships
-- The state as files tell it: sponsorships that exist.
SELECT sponsor_id::text, event_id::text, package_level, to_char(amount, 'FM9999999999990.00') AS amount, currency, status
FROM sponsorships

-- name: state_dead_letters
-- The state as files tell it: how many records of which topic were refused, and why.
SELECT topic, reason, count(*) AS count FROM dead_letters GROUP BY topic, reason

-- name: state_duplicates
-- The state as files tell it: deliveries that were counted and not applied again.
SELECT coalesce(sum(duplicate), 0)::bigint FROM stream_offsets WHERE service NOT LIKE 'replay:%'

-- name: resume
-- Go on with a stopped partition, counting refusals anew; tells why it was stopped. A position beyond the end ($3)
-- is that of a topic which is no more: the one that bears its name now is read from its start ($4).
WITH stopped AS (
    SELECT service, topic, partition, stopped_reason
    FROM stream_offsets
    WHERE topic = $1 AND partition = $2 AND stopped_reason IS NOT NULL AND service NOT LIKE 'replay:%'
    FOR UPDATE
)
UPDATE stream_offsets AS stored
SET stopped_reason = NULL, stopped_at = NULL, refused_in_row = 0, updated_at = now(),
    next_offset = CASE WHEN stored.next_offset > $3::bigint THEN $4::bigint ELSE stored.next_offset END
FROM stopped
WHERE (stored.service, stored.topic, stored.partition) = (stopped.service, stopped.topic, stopped.partition)
RETURNING stopped.stopped_reason

-- name: list_letters
-- Dead letters by reason, topic, time and status, the newest first.
SELECT id, service, topic, partition, record_offset, reason, detail, source, event_identity, type, status, attempts,
       appended_at, created_at, updated_at
FROM dead_letters
WHERE ($1::text IS NULL OR reason = $1)
  AND ($2::text IS NULL OR topic = $2)
  AND ($3::timestamptz IS NULL OR created_at >= $3)
  AND ($4::text IS NULL OR status = $4)
ORDER BY id DESC
LIMIT $5

-- name: count_letters
-- How many the same filter finds without a limit.
SELECT count(*)
FROM dead_letters
WHERE ($1::text IS NULL OR reason = $1)
  AND ($2::text IS NULL OR topic = $2)
  AND ($3::timestamptz IS NULL OR created_at >= $3)
  AND ($4::text IS NULL OR status = $4)

-- name: show_letter
-- One dead letter, whole.
SELECT id, service, topic, partition, record_offset, appended_at, reason, detail, source, event_identity, type,
       missing_id::text, status, attempts, created_at, updated_at, key, value, headers
FROM dead_letters
WHERE id = $1

-- name: requeue_letters
-- Put pending letters' records, as they were, into the outbox, in the order in which they were refused. The header
-- says where each was read first.
WITH due AS MATERIALIZED (
    SELECT id
    FROM dead_letters
    WHERE status = 'pending'
      AND ($1::bigint[] IS NULL OR id = ANY ($1))
      AND ($2::text IS NULL OR reason = $2)
      AND ($3::text IS NULL OR topic = $3)
      AND ($4::timestamptz IS NULL OR created_at >= $4)
      AND ($5::text IS NULL OR status = $5)
    ORDER BY id
    FOR UPDATE
),
requeued AS (
    UPDATE dead_letters
    SET status = 'requeued', attempts = attempts + 1, updated_at = now()
    FROM due
    WHERE dead_letters.id = due.id
    RETURNING dead_letters.id, topic, partition, record_offset, key, value, headers
),
sent AS (
    INSERT INTO outbox (aggregatetype, aggregateid, record_key, payload, headers)
    SELECT topic, '', key, value,
           headers || jsonb_build_array(jsonb_build_array(
               'eventos-requeued-from',
               encode(convert_to(format('%s:%s:%s', topic, partition, record_offset), 'UTF8'), 'base64')))
    FROM requeued
    ORDER BY id
)
SELECT id FROM requeued

-- name: discard_letters
-- Close pending letters without sending them.
UPDATE dead_letters
SET status = 'discarded', updated_at = now()
WHERE status = 'pending'
  AND ($1::bigint[] IS NULL OR id = ANY ($1))
  AND ($2::text IS NULL OR reason = $2)
  AND ($3::text IS NULL OR topic = $3)
  AND ($4::timestamptz IS NULL OR created_at >= $4)
  AND ($5::text IS NULL OR status = $5)
RETURNING id

-- name: wake
-- Tell who waits on a channel that there is work.
SELECT pg_notify($1, '')

-- name: receipt_applied
-- Whether and where an identity was applied.
SELECT service, partition, record_offset, applied_at
FROM processed_events
WHERE identity = event_identity($1, $2)

-- name: receipt_letters
-- The dead letters that an identity left, the latest first.
SELECT id, service, topic, partition, record_offset, reason, detail, status, attempts, created_at, updated_at
FROM dead_letters
WHERE source = $1 AND event_identity = $2
ORDER BY id DESC

-- name: receipt_facts
-- The rows that one event made or had a part in: facts by identity, unit state by its key.
SELECT 'sponsor_activities' AS name, to_jsonb(t) AS row FROM sponsor_activities AS t WHERE id = $3::uuid
UNION ALL
SELECT 'sponsorships', to_jsonb(t) FROM sponsorships AS t WHERE id = $4::uuid
UNION ALL
SELECT 'email_events', to_jsonb(t) - 'recipient_hash'
FROM email_events AS t WHERE message_id = $5 AND source = $1 AND id = $2
UNION ALL
SELECT 'email_messages', to_jsonb(t) - '{sponsor_rank,event_rank,campaign_rank,template_rank,sequence_rank}'::text[]
FROM email_messages AS t WHERE message_id = $5
UNION ALL
SELECT 'ticket_events', to_jsonb(t) FROM ticket_events AS t
WHERE event_id = $6::uuid AND occurred_at = $8 AND source = $1 AND id = $2
UNION ALL
SELECT 'ticket_orders', to_jsonb(t) - '{completed_rank,dispute_rank}'::text[]
FROM ticket_orders AS t WHERE event_id = $6::uuid AND order_id = $7

-- name: receipt_views
-- The view rows that an event's sponsor and event have now.
SELECT 'sponsor_lead_scores' AS name,
       jsonb_build_object('sponsor_id', sponsor_id, 'event_id', event_id, 'score', score, 'priority', priority,
                          'scored_at', scored_at) AS row
FROM sponsor_lead_scores WHERE sponsor_id = $1::uuid AND event_id = $2::uuid
UNION ALL
SELECT 'event_dashboards',
       jsonb_build_object('event_id', event_id, 'total_views', total_views, 'total_tickets_sold', total_tickets_sold,
                          'total_revenue', total_revenue, 'last_updated_at', last_updated_at)
FROM event_dashboards WHERE event_id = $2::uuid

-- name: recent_scores
-- The leads that were scored last, with names.
SELECT s.company_name AS sponsor, e.title AS event, l.score, l.priority, l.scored_at
FROM sponsor_lead_scores AS l
JOIN sponsors AS s ON s.id = l.sponsor_id
JOIN events AS e ON e.id = l.event_id
ORDER BY l.scored_at DESC, l.id
LIMIT $1

-- name: recent_dashboards
-- The dashboards that changed last, with names.
SELECT e.title AS event, d.total_views, d.total_tickets_sold, e.capacity, d.total_revenue, e.currency, d.conversion_rate,
       d.last_updated_at
FROM event_dashboards AS d
JOIN events AS e ON e.id = d.event_id
ORDER BY d.last_updated_at DESC, e.id
LIMIT $1

-- name: recent_letters
-- The records that were refused last.
SELECT id, topic, reason, detail, status, created_at
FROM dead_letters
ORDER BY id DESC
LIMIT $1

-- name: event_exists
-- Whether core rows were loaded before.
SELECT EXISTS (SELECT FROM events WHERE id = $1::uuid)

-- name: find_embedding
-- What a sponsor or an event is compared by; of events' embeddings the model is not known.
SELECT 'sponsor' AS kind, sponsor.company_name AS name, sponsor.currency, known.embedding::text AS embedding,
       known.model, known.model_version
FROM sponsors AS sponsor
LEFT JOIN sponsor_embeddings AS known ON known.sponsor_id = sponsor.id
WHERE sponsor.id = $1
UNION ALL
SELECT 'event', title, currency, embedding::text, NULL, NULL
FROM events
WHERE id = $1

-- name: search_on
-- Let the vector's index go on until the limit is reached by what passes the filters, in exact order of distance.
SELECT set_config('hnsw.iterative_scan', 'strict_order', true), set_config('hnsw.max_scan_tuples', '100000', true)

-- name: similar_sponsors
-- The $8 sponsors nearest to the embedding $1, but for $2: by the same model ($3, $4), whose budget in currency $5
-- holds $7, of industry $6.
SELECT sponsor.id::text, sponsor.company_name, sponsor.industry, sponsor.min_budget, sponsor.max_budget,
       sponsor.currency, sponsor.engagement_score, 1 - (known.embedding <=> $1::text::vector) AS similarity
FROM sponsor_embeddings AS known
JOIN sponsors AS sponsor ON sponsor.id = known.sponsor_id
WHERE sponsor.id <> $2::uuid
  AND ($3::text IS NULL OR (known.model, known.model_version) = ($3, $4::text))
  AND ($6::text IS NULL OR sponsor.industry = $6)
  AND ($7::numeric IS NULL OR sponsor.currency = $5::text
       AND coalesce(sponsor.min_budget, 0) <= $7 AND coalesce(sponsor.max_budget, $7) >= $7)
ORDER BY known.embedding <=> $1::text::vector
LIMIT $8
