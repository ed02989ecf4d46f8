-- squawk-ignore-file ban-drop-function, ban-drop-type
DROP FUNCTION streams.hold_day();
DROP TYPE streams.batch_lead, streams.batch_activity, streams.batch_signal, streams.batch_identity;
