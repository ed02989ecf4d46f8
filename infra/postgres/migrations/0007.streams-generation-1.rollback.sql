-- squawk-ignore-file ban-drop-function, ban-drop-table
DROP TABLE streams_g1.parked_keys;
DROP TABLE streams_g1.stale_marks;
DROP TABLE streams_g1.checked_in_tickets;
DROP TABLE streams_g1.ticket_orders;
DROP TABLE streams_g1.ticket_events;
DROP TABLE streams_g1.email_messages;
DROP TABLE streams_g1.email_events;
DROP TABLE streams_g1.proposal_counters;
DROP TABLE streams_g1.campaign_counters;
DROP TABLE streams_g1.event_counters;
DROP TABLE streams_g1.lead_signals;
DROP TABLE streams_g1.processed_events;
DROP TABLE streams_g1.stream_offsets;
