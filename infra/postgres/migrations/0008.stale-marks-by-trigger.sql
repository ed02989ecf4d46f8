-- A row of the CRM that changes makes the views that read it stale. One mark each, never fanned out here: a pair
-- that arrives meanwhile would be missed. Whoever writes to the CRM has no rights on marks, so the functions run
-- as their owner.
-- depends: 0007.streams-generation-1

-- The one place outside of services that names the generation; switching generations replaces this function.
CREATE FUNCTION streams.mark(projection text, kind text, key uuid, other uuid DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    INSERT INTO streams_g1.stale_marks (projection, shard, kind, key, other)
    VALUES (projection, streams.shard_of(key), kind, key, other);
END
$$;
REVOKE EXECUTE ON FUNCTION streams.mark(text, text, uuid, uuid) FROM public;

-- The trigger says which view and which kind of key: (projection, kind).
CREATE FUNCTION streams.mark_row() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    PERFORM streams.mark(TG_ARGV[0], TG_ARGV[1], NEW.id);
    RETURN NULL;
END
$$;
REVOKE EXECUTE ON FUNCTION streams.mark_row() FROM public;

CREATE FUNCTION streams.mark_embedded_sponsor() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        PERFORM streams.mark('lead_scores', 'sponsor', OLD.sponsor_id);
    END IF;
    IF TG_OP = 'INSERT' OR TG_OP = 'UPDATE' AND NEW.sponsor_id <> OLD.sponsor_id THEN
        PERFORM streams.mark('lead_scores', 'sponsor', NEW.sponsor_id);
    END IF;
    RETURN NULL;
END
$$;
REVOKE EXECUTE ON FUNCTION streams.mark_embedded_sponsor() FROM public;

-- A proposal that moves to another pair leaves the old one stale too.
CREATE FUNCTION streams.mark_proposal_pair() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        PERFORM streams.mark('lead_scores', 'pair', OLD.sponsor_id, OLD.event_id);
    END IF;
    IF TG_OP = 'INSERT' OR TG_OP = 'UPDATE' AND (NEW.sponsor_id, NEW.event_id) <> (OLD.sponsor_id, OLD.event_id) THEN
        PERFORM streams.mark('lead_scores', 'pair', NEW.sponsor_id, NEW.event_id);
    END IF;
    RETURN NULL;
END
$$;
REVOKE EXECUTE ON FUNCTION streams.mark_proposal_pair() FROM public;

-- sponsors: what fit reads of them. engagement_score is not among it: lead_scoring writes that itself.
CREATE TRIGGER mark_lead_scores_insert AFTER INSERT ON public.sponsors
    FOR EACH ROW EXECUTE FUNCTION streams.mark_row('lead_scores', 'sponsor');
CREATE TRIGGER mark_lead_scores_update AFTER UPDATE OF
    industry, industries_of_interest, event_types, geographic_preferences, values, min_budget, max_budget, currency,
    total_sponsorships, average_roi, renewal_rate
    ON public.sponsors
    FOR EACH ROW
    WHEN (
        (OLD.industry, OLD.industries_of_interest, OLD.event_types, OLD.geographic_preferences, OLD.values,
         OLD.min_budget, OLD.max_budget, OLD.currency, OLD.total_sponsorships, OLD.average_roi, OLD.renewal_rate)
        IS DISTINCT FROM
        (NEW.industry, NEW.industries_of_interest, NEW.event_types, NEW.geographic_preferences, NEW.values,
         NEW.min_budget, NEW.max_budget, NEW.currency, NEW.total_sponsorships, NEW.average_roi, NEW.renewal_rate)
    )
    EXECUTE FUNCTION streams.mark_row('lead_scores', 'sponsor');

CREATE TRIGGER mark_lead_scores_insert_delete AFTER INSERT OR DELETE ON public.sponsor_embeddings
    FOR EACH ROW EXECUTE FUNCTION streams.mark_embedded_sponsor();
CREATE TRIGGER mark_lead_scores_update AFTER UPDATE OF sponsor_id, embedding ON public.sponsor_embeddings
    FOR EACH ROW
    WHEN ((OLD.sponsor_id, OLD.embedding) IS DISTINCT FROM (NEW.sponsor_id, NEW.embedding))
    EXECUTE FUNCTION streams.mark_embedded_sponsor();

-- events: what fit reads, and what dashboards and milestones read.
CREATE TRIGGER mark_lead_scores_insert AFTER INSERT ON public.events
    FOR EACH ROW EXECUTE FUNCTION streams.mark_row('lead_scores', 'event');
CREATE TRIGGER mark_lead_scores_update AFTER UPDATE OF industry, event_type, values, location, embedding
    ON public.events
    FOR EACH ROW
    WHEN (
        (OLD.industry, OLD.event_type, OLD.values, OLD.location, OLD.embedding)
        IS DISTINCT FROM (NEW.industry, NEW.event_type, NEW.values, NEW.location, NEW.embedding)
    )
    EXECUTE FUNCTION streams.mark_row('lead_scores', 'event');
CREATE TRIGGER mark_dashboards_insert AFTER INSERT ON public.events
    FOR EACH ROW EXECUTE FUNCTION streams.mark_row('dashboards', 'event');
CREATE TRIGGER mark_dashboards_update AFTER UPDATE OF currency, capacity, organizer_id ON public.events
    FOR EACH ROW
    WHEN (
        (OLD.currency, OLD.capacity, OLD.organizer_id)
        IS DISTINCT FROM (NEW.currency, NEW.capacity, NEW.organizer_id)
    )
    EXECUTE FUNCTION streams.mark_row('dashboards', 'event');

-- sponsor_proposals: the newest one of a pair says whether the budget fits; views may have come before the proposal.
CREATE TRIGGER mark_lead_scores_insert_delete AFTER INSERT OR DELETE ON public.sponsor_proposals
    FOR EACH ROW EXECUTE FUNCTION streams.mark_proposal_pair();
CREATE TRIGGER mark_lead_scores_update AFTER UPDATE OF proposed_amount, currency, created_at, sponsor_id, event_id
    ON public.sponsor_proposals
    FOR EACH ROW
    WHEN (
        (OLD.proposed_amount, OLD.currency, OLD.created_at, OLD.sponsor_id, OLD.event_id)
        IS DISTINCT FROM (NEW.proposed_amount, NEW.currency, NEW.created_at, NEW.sponsor_id, NEW.event_id)
    )
    EXECUTE FUNCTION streams.mark_proposal_pair();
CREATE TRIGGER mark_proposal_views_insert AFTER INSERT ON public.sponsor_proposals
    FOR EACH ROW EXECUTE FUNCTION streams.mark_row('proposal_views', 'proposal');

-- Campaigns, templates and sequences: e-mails may have been counted for them before they had a row.
CREATE TRIGGER mark_email_subjects_insert AFTER INSERT ON public.marketing_campaigns
    FOR EACH ROW EXECUTE FUNCTION streams.mark_row('email_subjects', 'campaign');
CREATE TRIGGER mark_email_subjects_insert AFTER INSERT ON public.email_templates
    FOR EACH ROW EXECUTE FUNCTION streams.mark_row('email_subjects', 'template');
CREATE TRIGGER mark_email_subjects_insert AFTER INSERT ON public.follow_up_sequences
    FOR EACH ROW EXECUTE FUNCTION streams.mark_row('email_subjects', 'sequence');

-- A sequence's status is its owner's until e-mails say otherwise: what anyone but the service writes is kept apart,
-- and the service then says which of the two shows. Its own writing makes nothing stale.
-- An UPDATE that carries the present value along (whole rows written back) says nothing new.
CREATE FUNCTION streams.keep_owner_status() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    NEW.owner_status := NEW.status;
    RETURN NEW;
END
$$;
CREATE TRIGGER keep_owner_status_insert BEFORE INSERT ON public.follow_up_sequences
    FOR EACH ROW EXECUTE FUNCTION streams.keep_owner_status();
CREATE TRIGGER keep_owner_status_update BEFORE UPDATE OF status ON public.follow_up_sequences
    FOR EACH ROW
    WHEN (OLD.status IS DISTINCT FROM NEW.status AND current_user <> 'eventos_email_engagement')
    EXECUTE FUNCTION streams.keep_owner_status();
CREATE TRIGGER mark_email_subjects_update AFTER UPDATE OF status, owner_status ON public.follow_up_sequences
    FOR EACH ROW
    WHEN (
        (OLD.status, OLD.owner_status) IS DISTINCT FROM (NEW.status, NEW.owner_status)
        AND current_user <> 'eventos_email_engagement'
    )
    EXECUTE FUNCTION streams.mark_row('email_subjects', 'sequence');

-- A lead that goes with its sponsor or event goes without lead_scoring, but not unsaid: the topic of scores is
-- compacted, and a key without a tombstone would stay in it for good.
CREATE FUNCTION streams.tell_of_lead_gone() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    INSERT INTO streams.outbox (aggregatetype, aggregateid, source)
    VALUES ('lead-scores', OLD.sponsor_id || ':' || OLD.event_id, '/eventos/lead_scoring');
    RETURN NULL;
END
$$;
REVOKE EXECUTE ON FUNCTION streams.tell_of_lead_gone() FROM public;
CREATE TRIGGER tell_of_lead_gone AFTER DELETE ON public.sponsor_lead_scores
    FOR EACH ROW WHEN (current_user <> 'eventos_lead_scoring')
    EXECUTE FUNCTION streams.tell_of_lead_gone();
