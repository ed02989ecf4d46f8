-- Views of proposals: counted by intake, shown by the view proposal_views.

-- name: add_proposal_views
-- Add a batch's views of proposals to the counters of its shard, in key order.
INSERT INTO proposal_counters AS stored (proposal_id, shard, n)
SELECT proposal_id, $3, n
  FROM unnest($1::uuid[], $2::bigint[]) AS viewed (proposal_id, n)
 ORDER BY proposal_id
    ON CONFLICT (proposal_id, shard) DO UPDATE SET n = stored.n + excluded.n

-- name: write_total_views
-- Bring proposals to the sum of their counters, where it differs. A proposal without a row is passed over.
UPDATE sponsor_proposals
   SET total_views = counted.n
  FROM (SELECT proposal_id, COALESCE(sum(n), 0)::integer AS n
          FROM unnest($1::uuid[]) AS marked (proposal_id)
          LEFT JOIN proposal_counters USING (proposal_id)
         GROUP BY proposal_id) AS counted
 WHERE sponsor_proposals.id = counted.proposal_id AND sponsor_proposals.total_views IS DISTINCT FROM counted.n
