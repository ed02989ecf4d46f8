-- name: add_proposal_views
-- Adds a batch's views of proposals to the counters of its shard, in key order.
INSERT INTO proposal_counters (proposal_id, shard, n)
SELECT proposal_id, $3, n
FROM unnest($1::uuid[], $2::bigint[]) AS viewed (proposal_id, n)
ORDER BY proposal_id
ON CONFLICT (proposal_id, shard) DO UPDATE SET n = proposal_counters.n + excluded.n;

-- name: write_total_views
-- Brings proposals to the sum of their counters, where it differs. A proposal without a row is passed over.
UPDATE sponsor_proposals AS p
SET total_views = counted.n
FROM (
    SELECT proposal_id, sum(n)::integer AS n
    FROM proposal_counters
    WHERE proposal_id = ANY ($1::uuid[])
    GROUP BY proposal_id
) AS counted
WHERE p.id = counted.proposal_id AND p.total_views IS DISTINCT FROM counted.n;
