-- squawk-ignore-file ban-drop-table
DROP TABLE streams.replay_runs;
DROP TABLE streams.dashboard_milestones;
DROP TABLE streams.dead_letters;
DROP TABLE streams.outbox;
DROP TABLE streams.control;
