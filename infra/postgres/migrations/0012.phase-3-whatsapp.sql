-- Phase 3 of the seed, continued: WhatsApp; and what the tables of before were still lacking.
-- depends: 0011.phase-2-3-agents

CREATE TABLE public.whatsapp_campaigns (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    campaign_id uuid REFERENCES public.marketing_campaigns (id) ON DELETE SET NULL, -- what was sent outlives the plan
    event_id uuid NOT NULL REFERENCES public.events (id) ON DELETE CASCADE, -- but not the event that it speaks of
    message_type text NOT NULL CHECK (message_type IN ('text', 'template', 'image', 'document', 'interactive')),
    message text NOT NULL,
    language text NOT NULL DEFAULT 'en',
    target_audience text NOT NULL DEFAULT 'all', -- a segment, by the name that marketing gives it
    status text NOT NULL DEFAULT 'draft' CHECK (status IN (
        'draft', 'scheduled', 'sending', 'sent', 'paused', 'failed', 'cancelled'
    )),
    scheduled_at timestamptz,
    sent_at timestamptz,
    messages_sent integer NOT NULL DEFAULT 0 CHECK (messages_sent >= 0),
    messages_delivered integer NOT NULL DEFAULT 0 CHECK (messages_delivered >= 0),
    messages_read integer NOT NULL DEFAULT 0 CHECK (messages_read >= 0),
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE public.whatsapp_campaigns IS 'Messages to an audience by WhatsApp; owned by marketing.';

CREATE INDEX idx_whatsapp_campaign ON public.whatsapp_campaigns (campaign_id) WHERE campaign_id IS NOT NULL;
COMMENT ON INDEX public.idx_whatsapp_campaign IS 'The messages of a campaign; the foreign key.';
CREATE INDEX idx_whatsapp_event ON public.whatsapp_campaigns (event_id);
COMMENT ON INDEX public.idx_whatsapp_event IS 'The messages about an event, which the policies ask for; the foreign key.';
CREATE INDEX idx_whatsapp_status ON public.whatsapp_campaigns (status);
COMMENT ON INDEX public.idx_whatsapp_status IS 'The messages that are being sent, or that failed.';
CREATE INDEX idx_whatsapp_scheduled ON public.whatsapp_campaigns (scheduled_at) WHERE status = 'scheduled';
COMMENT ON INDEX public.idx_whatsapp_scheduled IS 'The messages that are due, in order: what the sender polls.';

-- The seed lets organisers "view and update" scores. The score is computed; theirs is the word on what they did of it.
ALTER TABLE public.sponsor_lead_scores
    ADD COLUMN reviewed_at timestamptz, -- when the organiser took the lead in hand; lead_scoring writes neither
    ADD COLUMN review_note text;

-- Contracts are few, and written once: their status may have the index that the seed wants of every status.
-- squawk-ignore require-concurrent-index-creation -- a migration is one transaction; contracts are few
CREATE INDEX idx_sponsorships_status ON public.sponsorships (status);
COMMENT ON INDEX public.idx_sponsorships_status IS 'The contracts that wait for a signature, or that are running.';
