-- Orders and tickets. The order of locks is the order of keys.

-- name: place_orders
-- An empty row for each order that has none, so that there is something to lock.
INSERT INTO ticket_orders (event_id, order_id)
SELECT event_id, order_id
  FROM unnest($1::uuid[], $2::text[]) AS wanted (event_id, order_id)
 ORDER BY event_id, order_id COLLATE "C"
    ON CONFLICT (event_id, order_id) DO NOTHING

-- name: lock_orders
-- Lock these orders and read their states: a statement of its own, whose snapshot is taken when all of them exist.
SELECT stored.event_id::text, stored.order_id, checkout_started,
       completed_rank, completed_at, quantity, amount_cents, currency, ticket_type, sponsor_id::text,
       refunds, dispute_rank, dispute_outcome
  FROM ticket_orders AS stored
  JOIN unnest($1::uuid[], $2::text[]) AS wanted (event_id, order_id) USING (event_id, order_id)
 ORDER BY stored.event_id, stored.order_id
   FOR UPDATE OF stored

-- name: update_orders
-- New states of orders that are locked. The net figures follow from the state; they are stored to be asked for.
UPDATE ticket_orders AS stored
   SET checkout_started = folded.checkout_started,
       completed_rank = folded.completed_rank,
       completed_at = folded.completed_at,
       quantity = folded.quantity,
       amount_cents = folded.amount_cents,
       currency = folded.currency,
       ticket_type = folded.ticket_type,
       sponsor_id = folded.sponsor_id,
       refunds = folded.refunds,
       dispute_rank = folded.dispute_rank,
       dispute_outcome = folded.dispute_outcome,
       net_quantity = folded.net_quantity,
       net_cents = folded.net_cents
  FROM unnest($1::uuid[], $2::text[], $3::boolean[],
              $4::bytea[], $5::timestamptz[], $6::integer[], $7::bigint[], $8::text[], $9::text[], $10::uuid[],
              $11::jsonb[], $12::bytea[], $13::text[], $14::integer[], $15::bigint[])
    AS folded (event_id, order_id, checkout_started,
               completed_rank, completed_at, quantity, amount_cents, currency, ticket_type, sponsor_id,
               refunds, dispute_rank, dispute_outcome, net_quantity, net_cents)
 WHERE stored.event_id = folded.event_id AND stored.order_id = folded.order_id

-- name: check_in
-- Keep each ticket once; return the event of each that was not there.
INSERT INTO checked_in_tickets (event_id, ticket_id)
SELECT event_id, ticket_id
  FROM unnest($1::uuid[], $2::text[]) AS shown (event_id, ticket_id)
 ORDER BY event_id, ticket_id COLLATE "C"
    ON CONFLICT (event_id, ticket_id) DO NOTHING
RETURNING event_id::text
