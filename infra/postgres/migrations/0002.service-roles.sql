-- One role per service, and the schemas that only they can reach. The rights follow in 0009, once there is something
-- to have rights on.
-- depends: 0001.eventos-existing

-- BYPASSRLS: a role that row security hides sponsors from would dead-letter every event about them, and its UPDATEs
-- would do nothing, silently. Only superusers and roles with BYPASSRLS can give it; without it the role is made all
-- the same, with a warning, and the service's check at start says what is missing.
-- Roles belong to the cluster: other databases in it may be migrating too (see 0001).
DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY[
        'eventos_sponsor_activity', 'eventos_email_engagement', 'eventos_ticket_sales',
        'eventos_lead_scoring', 'eventos_event_dashboards', 'eventos_outbox_relay', 'eventos_operator'
    ] LOOP
        IF to_regrole(wanted) IS NULL THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN BYPASSRLS', wanted);
            EXCEPTION
                WHEN duplicate_object OR unique_violation THEN
                    NULL;
                WHEN insufficient_privilege THEN
                    EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
                    RAISE WARNING '% cannot have BYPASSRLS from %: let a superuser ALTER ROLE % BYPASSRLS',
                        wanted, current_user, wanted;
            END;
        END IF;
        -- Services connect as the migrating user, or one like it, and take their role. A superuser may anyway.
        IF NOT pg_has_role(current_user, wanted, 'USAGE') THEN
            BEGIN
                EXECUTE format('GRANT %I TO CURRENT_USER', wanted);
            EXCEPTION
                WHEN unique_violation THEN
                    NULL;
                WHEN insufficient_privilege THEN
                    RAISE EXCEPTION 'the role % exists, and % may not take it', wanted, current_user
                        USING HINT = format('Let whoever made it, or a superuser: GRANT %I TO %I', wanted, current_user);
            END;
        END IF;
    END LOOP;
END
$$;

-- What outlives a generation: control, outbox, dead letters, runs.
CREATE SCHEMA streams;

-- What belongs to the first generation: positions, ledger, facts, contributions, marks. A rebuild fills the next one
-- beside it and switches over, so no service names a schema in its SQL: its search_path does.
CREATE SCHEMA streams_g1;

-- The shard, 0 to 15, that a projection's key belongs to: the low bits of its last byte, random in ids of any version.
CREATE FUNCTION streams.shard_of(key uuid) RETURNS smallint
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN (get_byte(uuid_send(key), 15) & 15)::smallint;

GRANT USAGE ON SCHEMA streams, streams_g1 TO
    eventos_sponsor_activity, eventos_email_engagement, eventos_ticket_sales,
    eventos_lead_scoring, eventos_event_dashboards, eventos_outbox_relay, eventos_operator;
