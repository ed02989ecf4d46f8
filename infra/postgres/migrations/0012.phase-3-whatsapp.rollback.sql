-- squawk-ignore-file ban-drop-column, ban-drop-table, require-concurrent-index-deletion
-- Of scores only the organisers' reviews go.
DROP INDEX public.idx_sponsorships_status;
ALTER TABLE public.sponsor_lead_scores
    DROP COLUMN review_note,
    DROP COLUMN reviewed_at;
DROP TABLE public.whatsapp_campaigns;
