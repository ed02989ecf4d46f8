-- Phase 1 of the seed: sponsors and what is known of them.
-- Names, columns, defaults, checks and named indexes are the seed's; a comment says where they were mended.
-- Each index names the query it serves.
-- depends: 0002.service-roles

CREATE TABLE public.sponsors (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    -- The organiser whose contact this is; the seed's policies read it. Without its user a sponsor is nobody's, not gone.
    created_by uuid REFERENCES auth.users (id) ON DELETE SET NULL,

    company_name text NOT NULL,
    industry text NOT NULL,
    website text,
    logo_url text,

    industries_of_interest text[] DEFAULT '{}',
    event_types text[] DEFAULT '{}',
    geographic_preferences text[] DEFAULT '{}',
    values text[] DEFAULT '{}',

    min_budget numeric(10, 2),
    max_budget numeric(10, 2),
    currency text DEFAULT 'USD',

    primary_contact_name text,
    primary_contact_email text,
    primary_contact_phone text,

    total_sponsorships integer DEFAULT 0,
    average_roi numeric(5, 2),
    renewal_rate numeric(5, 2),
    engagement_score integer NOT NULL DEFAULT 0, -- written by lead_scoring

    created_at timestamptz DEFAULT now()
);
COMMENT ON TABLE public.sponsors IS 'Companies that may sponsor events; owned by the CRM, scored by lead_scoring.';

CREATE INDEX idx_sponsors_industry ON public.sponsors (industry);
COMMENT ON INDEX public.idx_sponsors_industry IS 'Sponsors of an industry: the organiser''s search, and the filter of matching.';
CREATE INDEX idx_sponsors_budget ON public.sponsors (min_budget, max_budget);
COMMENT ON INDEX public.idx_sponsors_budget IS 'Sponsors whose budget holds an amount: the organiser''s search, and the filter of matching.';
CREATE INDEX idx_sponsors_engagement ON public.sponsors (engagement_score DESC);
COMMENT ON INDEX public.idx_sponsors_engagement IS 'The most engaged sponsors first.';
CREATE INDEX idx_sponsors_created_by ON public.sponsors (created_by);
COMMENT ON INDEX public.idx_sponsors_created_by IS 'An organiser''s own sponsors, which the seed''s policy asks for; the foreign key.';

-- Mended: the seed keeps the embedding in `sponsors`, where each score written rewrites its index entry (3 ms a row);
-- and its ivfflat, made on an empty table, has centroids of nothing. HNSW needs no rows to start from.
CREATE TABLE public.sponsor_embeddings (
    sponsor_id uuid PRIMARY KEY REFERENCES public.sponsors (id) ON DELETE CASCADE, -- says nothing without its sponsor
    embedding vector(1536) NOT NULL,
    model text NOT NULL,
    model_version text NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE public.sponsor_embeddings IS 'What a sponsor is about, as a vector, and the model that said so.';

CREATE INDEX idx_sponsors_vector ON public.sponsor_embeddings USING hnsw (embedding vector_cosine_ops);
COMMENT ON INDEX public.idx_sponsors_vector IS 'The sponsors nearest to an embedding, by cosine distance.';

CREATE TABLE public.sponsor_activities (
    id uuid PRIMARY KEY, -- UUIDv5 of the event's identity; no default, or a replay would double rows
    -- Both CASCADE: an event that names a sponsor or an event without a row has no effect at all, so this is also
    -- what a rebuild from the topic would leave.
    sponsor_id uuid NOT NULL REFERENCES public.sponsors (id) ON DELETE CASCADE,
    event_id uuid REFERENCES public.events (id) ON DELETE CASCADE,
    proposal_id uuid, -- no foreign key: an unknown proposal is not an error
    activity_type text NOT NULL CHECK (activity_type IN (
        'website_visited', 'package_viewed', 'proposal_viewed', 'deck_downloaded', 'enquiry_submitted',
        'meeting_booked', 'meeting_held', 'meeting_missed', 'intent_letter_received', 'proposal_declined',
        'note_added', 'sponsorship_signed'
    )),
    metadata jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL -- when it happened, never now()
);
COMMENT ON TABLE public.sponsor_activities IS 'What sponsors did, a row per event; written by sponsor_activity.';

CREATE INDEX idx_sponsor_activities_sponsor ON public.sponsor_activities (sponsor_id, created_at DESC);
COMMENT ON INDEX public.idx_sponsor_activities_sponsor IS 'A sponsor''s latest activities; the foreign key.';
CREATE INDEX idx_sponsor_activities_event ON public.sponsor_activities (event_id, created_at DESC)
    WHERE event_id IS NOT NULL;
COMMENT ON INDEX public.idx_sponsor_activities_event IS 'The latest activities around an event; the foreign key.';

CREATE TABLE public.sponsor_proposals (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    -- Both CASCADE: an offer for an event, or to a sponsor, that is gone offers nothing.
    event_id uuid NOT NULL REFERENCES public.events (id) ON DELETE CASCADE,
    sponsor_id uuid NOT NULL REFERENCES public.sponsors (id) ON DELETE CASCADE,
    package_level text,
    proposed_amount numeric(12, 2) CHECK (proposed_amount >= 0),
    currency text NOT NULL DEFAULT 'USD',
    content jsonb NOT NULL DEFAULT '{}',
    status text NOT NULL DEFAULT 'draft' CHECK (status IN (
        'draft', 'sent', 'viewed', 'negotiating', 'accepted', 'declined', 'expired', 'withdrawn'
    )),
    sent_at timestamptz,
    total_views integer NOT NULL DEFAULT 0, -- written by sponsor_activity
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE public.sponsor_proposals IS 'Offers to sponsors; owned by the CRM, their views counted by sponsor_activity.';

CREATE INDEX idx_proposals_event ON public.sponsor_proposals (event_id);
COMMENT ON INDEX public.idx_proposals_event IS 'The proposals of an event, which the seed''s policy asks for; the foreign key.';
CREATE INDEX idx_proposals_status ON public.sponsor_proposals (status);
COMMENT ON INDEX public.idx_proposals_status IS 'Proposals that wait for an answer.';
CREATE INDEX idx_proposals_sponsor ON public.sponsor_proposals (sponsor_id, event_id, created_at DESC, id DESC);
COMMENT ON INDEX public.idx_proposals_sponsor IS 'The newest proposal of a pair, which its fit reads; the foreign key.';

CREATE TABLE public.sponsor_lead_scores (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    -- Both CASCADE: a lead is a pair, and there is none with half of it gone.
    sponsor_id uuid NOT NULL REFERENCES public.sponsors (id) ON DELETE CASCADE,
    event_id uuid NOT NULL REFERENCES public.events (id) ON DELETE CASCADE,
    score integer NOT NULL CHECK (score BETWEEN 0 AND 100),
    -- No scale: a rule that says 0.125 is kept as it says, and 0.12 reads 0.12.
    conversion_probability numeric NOT NULL CHECK (conversion_probability BETWEEN 0 AND 1),
    priority text NOT NULL CHECK (priority IN ('hot', 'warm', 'nurture', 'cold')),
    insights jsonb NOT NULL DEFAULT '{}',
    recommended_actions jsonb NOT NULL DEFAULT '[]',
    scored_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT sponsor_lead_scores_pair_key UNIQUE (sponsor_id, event_id) -- mended: the seed has no key for the pair
);
COMMENT ON TABLE public.sponsor_lead_scores IS 'How promising a sponsor is for an event, and why; written by lead_scoring.';

CREATE INDEX idx_lead_scores_event ON public.sponsor_lead_scores (event_id, score DESC);
COMMENT ON INDEX public.idx_lead_scores_event IS 'The best leads of an event; the foreign key. Sponsors'' goes by the pair''s key.';

CREATE TABLE public.follow_up_sequences (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    sponsor_id uuid NOT NULL REFERENCES public.sponsors (id) ON DELETE CASCADE, -- nobody is left to follow up on
    proposal_id uuid REFERENCES public.sponsor_proposals (id) ON DELETE SET NULL, -- the conversation goes on without
    sequence_type text NOT NULL CHECK (sequence_type IN (
        'initial_outreach', 'post_proposal', 'post_meeting', 'post_event', 'renewal', 're_engagement', 'custom'
    )),
    status text NOT NULL DEFAULT 'active' CHECK (status IN (
        'draft', 'active', 'paused', 'completed', 'cancelled', 'replied', 'stopped'
    )),
    -- What its owner last said of `status`, kept by a trigger: the sequence returns to it when evidence is withdrawn.
    owner_status text NOT NULL DEFAULT 'active' CHECK (owner_status IN (
        'draft', 'active', 'paused', 'completed', 'cancelled', 'replied', 'stopped'
    )),
    emails jsonb NOT NULL DEFAULT '[]',
    emails_sent integer NOT NULL DEFAULT 0, -- with replies_received and status written by email_engagement
    replies_received integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE public.follow_up_sequences IS 'E-mails sent one after the other until a sponsor answers; owned by the CRM.';

CREATE INDEX idx_sequences_sponsor ON public.follow_up_sequences (sponsor_id);
COMMENT ON INDEX public.idx_sequences_sponsor IS 'The sequences a sponsor is in; the foreign key.';
CREATE INDEX idx_sequences_proposal ON public.follow_up_sequences (proposal_id) WHERE proposal_id IS NOT NULL;
COMMENT ON INDEX public.idx_sequences_proposal IS 'The sequences that follow up on a proposal; the foreign key.';
CREATE INDEX idx_sequences_status ON public.follow_up_sequences (status);
COMMENT ON INDEX public.idx_sequences_status IS 'The sequences that are to be sent on.';

CREATE TABLE public.sponsorships (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    -- Both RESTRICT: a signed contract is never lost along with a contact or an event; whoever means it removes it first.
    event_id uuid NOT NULL REFERENCES public.events (id) ON DELETE RESTRICT,
    sponsor_id uuid NOT NULL REFERENCES public.sponsors (id) ON DELETE RESTRICT,
    package_level text NOT NULL,
    amount numeric(12, 2) NOT NULL CHECK (amount >= 0), -- holds every amount that the contract of the topic allows
    currency text NOT NULL DEFAULT 'USD',
    status text NOT NULL DEFAULT 'pending' CHECK (status IN (
        'pending', 'signed', 'active', 'completed', 'cancelled'
    )),
    signed_at timestamptz
);
COMMENT ON TABLE public.sponsorships IS 'Contracts with sponsors; each sponsorship_signed makes one, by sponsor_activity.';

CREATE INDEX idx_sponsorships_event ON public.sponsorships (event_id);
COMMENT ON INDEX public.idx_sponsorships_event IS 'The sponsors of an event, which the seed''s policy asks for; the foreign key.';
CREATE INDEX idx_sponsorships_sponsor ON public.sponsorships (sponsor_id);
COMMENT ON INDEX public.idx_sponsorships_sponsor IS 'What a sponsor has signed; the foreign key.';
