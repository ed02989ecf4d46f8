-- squawk-ignore-file ban-drop-table
DROP TABLE public.sponsorships;
DROP TABLE public.follow_up_sequences;
DROP TABLE public.sponsor_lead_scores;
DROP TABLE public.sponsor_proposals;
DROP TABLE public.sponsor_activities;
DROP TABLE public.sponsor_embeddings;
DROP TABLE public.sponsors;
