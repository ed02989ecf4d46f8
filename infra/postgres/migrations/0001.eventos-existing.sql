-- What EventOS has already, made only where it is missing: on Supabase this changes next to nothing, on an empty
-- Postgres it lays the ground that the other migrations stand on.
-- depends:

-- pgvector, where the platform keeps extensions if it has a schema for them (Supabase does).
DO $$
BEGIN
    IF to_regtype('vector') IS NULL THEN
        IF to_regnamespace('extensions') IS NOT NULL THEN
            CREATE EXTENSION vector WITH SCHEMA extensions;
        ELSE
            CREATE EXTENSION vector WITH SCHEMA public;
        END IF;
    END IF;
END
$$;

-- Roles belong to the cluster, and other databases in it may be migrating too. Looking first and catching what
-- another migrator did meanwhile makes this safe: both name the same roles.
DO $$
DECLARE
    missing text;
BEGIN
    FOREACH missing IN ARRAY ARRAY['anon', 'authenticated', 'service_role'] LOOP
        IF to_regrole(missing) IS NULL THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', missing);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;
            END;
        END IF;
    END LOOP;
END
$$;

-- Looked for before anything is made: IF NOT EXISTS asks for the right to make it all the same, and on Supabase nobody
-- but the platform has that in `auth`.
DO $$
BEGIN
    IF to_regnamespace('auth') IS NULL THEN
        CREATE SCHEMA auth;
    END IF;
    IF to_regclass('auth.users') IS NULL THEN
        CREATE TABLE auth.users (
            id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
            email text,
            created_at timestamptz NOT NULL DEFAULT now()
        );
    END IF;
END
$$;

-- Who asks: the subject of the request's token, as PostgREST passes it on; NULL outside of a request.
DO $$
BEGIN
    IF to_regprocedure('auth.uid()') IS NULL THEN
        CREATE FUNCTION auth.uid() RETURNS uuid
            LANGUAGE sql STABLE
            SET search_path = ''
            AS $function$
                SELECT (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid
            $function$;
        GRANT USAGE ON SCHEMA auth TO anon, authenticated, service_role;
    END IF;
END
$$;

CREATE TABLE IF NOT EXISTS public.events (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    organizer_id uuid REFERENCES auth.users (id) ON DELETE RESTRICT, -- who has events is not removed by accident
    title text NOT NULL,
    event_type text,
    industry text,
    location text,
    values text[] NOT NULL DEFAULT '{}',
    currency text NOT NULL DEFAULT 'USD',
    capacity integer CHECK (capacity >= 0),
    starts_at timestamptz,
    ends_at timestamptz,
    status text NOT NULL DEFAULT 'draft',
    embedding vector(1536)
);

-- An `events` that was there before must have what scores and dashboards read; better told now than by a trigger.
DO $$
DECLARE
    missing text;
BEGIN
    SELECT string_agg(wanted.name, ', ' ORDER BY wanted.place) INTO missing
    FROM unnest(ARRAY['id', 'organizer_id', 'event_type', 'industry', 'location', 'values', 'currency', 'capacity',
                      'embedding']) WITH ORDINALITY AS wanted (name, place)
    WHERE NOT EXISTS (
        SELECT FROM pg_attribute a
        WHERE a.attrelid = 'public.events'::regclass AND a.attname = wanted.name AND NOT a.attisdropped
    );
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION 'public.events exists but lacks: %', missing
            USING HINT = 'Add these columns (infra/postgres/migrations/0001 has their types), then migrate again.';
    END IF;
END
$$;
