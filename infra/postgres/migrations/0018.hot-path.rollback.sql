-- squawk-ignore-file ban-drop-function, ban-drop-column, ban-drop-constraint, require-concurrent-index-deletion, adding-foreign-key-constraint, constraint-missing-not-valid, adding-serial-primary-key-field
ALTER TABLE public.sponsor_activities
    DROP CONSTRAINT IF EXISTS sponsor_activities_sponsor_id_fkey,
    DROP CONSTRAINT IF EXISTS sponsor_activities_event_id_fkey;
ALTER TABLE public.sponsor_activities
    ADD CONSTRAINT sponsor_activities_sponsor_id_fkey
        FOREIGN KEY (sponsor_id) REFERENCES public.sponsors (id) ON DELETE CASCADE,
    ADD CONSTRAINT sponsor_activities_event_id_fkey
        FOREIGN KEY (event_id) REFERENCES public.events (id) ON DELETE CASCADE;
DROP TRIGGER keep_event_id ON public.events;
DROP TRIGGER keep_sponsor_id ON public.sponsors;
DROP FUNCTION streams.keep_id();
DROP TRIGGER delete_activities_of_events ON public.events;
DROP TRIGGER delete_activities_of_sponsors ON public.sponsors;
DROP FUNCTION streams.delete_activities();

DROP INDEX streams_g1.ticket_events_event;
ALTER TABLE streams_g1.ticket_events ADD PRIMARY KEY (event_id, source, id);

ALTER TABLE streams_g1.processed_events DROP CONSTRAINT processed_events_pkey;
ALTER TABLE streams_g1.processed_events DROP COLUMN identity;
ALTER TABLE streams_g1.processed_events ADD PRIMARY KEY (source, id);
DROP FUNCTION streams.event_identity(text, text);
