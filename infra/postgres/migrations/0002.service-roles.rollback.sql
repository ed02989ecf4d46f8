-- squawk-ignore-file ban-drop-function, ban-drop-schema
-- The roles stay: they belong to the cluster, and another database in it may be using them. What they may do here
-- goes with the objects, and with the schemas below.
DROP FUNCTION streams.shard_of(uuid);
DROP SCHEMA streams_g1;
DROP SCHEMA streams;
