-- name: create_batch_messages
-- The batch's states, staged once and then read by plain SQL; lives as long as the session.
CREATE TEMPORARY TABLE IF NOT EXISTS batch_messages (LIKE email_messages) ON COMMIT DELETE ROWS

-- name: clear_batch_messages
-- Make room for the joined states.
DELETE FROM batch_messages
