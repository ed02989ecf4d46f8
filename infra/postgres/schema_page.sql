-- All that the schema page tells, as one document: tables of ours, parts of partitioned ones left out.
WITH ours AS (
    SELECT c.oid, n.nspname, c.relname, c.relkind, c.relrowsecurity
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname ~ '^(public|streams|streams_g1)$' AND c.relkind IN ('r', 'p', 'm', 'v') AND NOT c.relispartition
      -- not what an extension brought
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.classid = 'pg_class'::regclass AND d.deptype = 'e')
)
SELECT jsonb_agg(jsonb_build_object(
    'schema', o.nspname,
    'name', o.relname,
    'kind', o.relkind,
    'row_security', o.relrowsecurity,
    'comment', obj_description(o.oid, 'pg_class'),
    'partitioned_by', CASE WHEN o.relkind = 'p' THEN pg_get_partkeydef(o.oid) END,
    'columns', (
        SELECT jsonb_agg(jsonb_build_object(
            'name', a.attname, 'type', format_type(a.atttypid, a.atttypmod), 'required', a.attnotnull,
            'key', EXISTS (SELECT FROM pg_index i WHERE i.indrelid = o.oid AND i.indisprimary AND a.attnum = ANY (i.indkey)),
            'default', CASE WHEN a.attidentity <> '' THEN 'identity' ELSE pg_get_expr(d.adbin, d.adrelid) END
        ) ORDER BY a.attnum)
        FROM pg_attribute a
        LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE a.attrelid = o.oid AND a.attnum > 0 AND NOT a.attisdropped
    ),
    'indexes', (
        SELECT coalesce(jsonb_agg(jsonb_build_object(
            'name', c.relname, 'primary', i.indisprimary, 'unique', i.indisunique,
            'on', regexp_replace(pg_get_indexdef(c.oid), '^.* USING ', ''),
            'serves', obj_description(c.oid, 'pg_class')
        ) ORDER BY i.indisprimary DESC, i.indisunique DESC, c.relname), '[]')
        FROM pg_index i
        JOIN pg_class c ON c.oid = i.indexrelid
        WHERE i.indrelid = o.oid
    ),
    'references', (
        SELECT coalesce(jsonb_agg(jsonb_build_object(
            'column', a.attname, 'to', k.confrelid::regclass::text, 'required', a.attnotnull,
            'on_delete', CASE k.confdeltype WHEN 'c' THEN 'cascade' WHEN 'n' THEN 'set null' ELSE 'restrict' END,
            'one', EXISTS (
                SELECT FROM pg_index i
                WHERE i.indrelid = o.oid AND i.indisunique AND i.indnkeyatts = 1 AND i.indkey[0] = k.conkey[1]
            )
        ) ORDER BY a.attnum), '[]')
        FROM pg_constraint k
        JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
        WHERE k.conrelid = o.oid AND k.contype = 'f'
    ),
    'policies', (
        SELECT coalesce(jsonb_agg(jsonb_build_object(
            'name', p.polname,
            'verb', CASE p.polcmd WHEN 'r' THEN 'select' WHEN 'a' THEN 'insert' WHEN 'w' THEN 'update' WHEN 'd' THEN 'delete' ELSE 'all' END,
            'roles', (SELECT string_agg(r::regrole::text, ', ' ORDER BY r::regrole::text) FROM unnest(p.polroles) r),
            'using', pg_get_expr(p.polqual, p.polrelid),
            'check', pg_get_expr(p.polwithcheck, p.polrelid),
            'comment', obj_description(p.oid, 'pg_policy')
        ) ORDER BY p.polcmd = 'd', p.polcmd = 'w', p.polcmd = 'a', p.polname), '[]')
        FROM pg_policy p
        WHERE p.polrelid = o.oid
    )
) ORDER BY o.nspname, o.relname)
FROM ours o
