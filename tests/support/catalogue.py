"""What a database's catalogues say of our schemas, to be compared."""

from typing import LiteralString

import psycopg

EVENTOS_OWN = {"events", "idx_events_organizer", "auth.users"}
"""Tables that EventOS may have had before: their columns, keys, indexes and rights are its own."""


def query(url: str, statement: LiteralString, *arguments: object) -> list[tuple[object, ...]]:
    """Run statements on a connection of their own; the rows of the last, if it has any."""
    with psycopg.connect(url) as connection:
        cursor = connection.execute(statement, arguments or None)
        while cursor.nextset():
            pass
        return cursor.fetchall() if cursor.description else []


def schema(url: str) -> list[tuple[object, ...]]:
    """All that migrations make: columns, constraints, indexes, policies, triggers, functions, rights, comments.

    Not who owns it, nor in which schema pgvector is. Columns in order, whatever was dropped between them.
    """
    return query(
        url,
        """
        SET search_path TO public, extensions;
        WITH ours AS (
            SELECT c.*, c.oid::regclass::text AS name, pg_get_userbyid(c.relowner) AS owner FROM pg_class c
            WHERE c.relnamespace::regnamespace::text IN ('public', 'auth', 'streams', 'streams_g1', 'eventos_archive')
        )
        SELECT 'table', name, relkind::text || relrowsecurity || relforcerowsecurity
               || replace(coalesce(relacl::text, ''), owner, 'OWNER')
               || coalesce(reloptions::text, '')
               -- A month has its parent's comments if it was made after them; its own say nothing.
               || CASE WHEN relispartition THEN '' ELSE coalesce(obj_description(oid, 'pg_class'), '') END FROM ours
        UNION ALL SELECT 'column', name, row_number() OVER (PARTITION BY ours.oid ORDER BY a.attnum)
               || a.attname || format_type(a.atttypid, a.atttypmod) || a.attnotnull
               || replace(coalesce(a.attacl::text, ''), owner, 'OWNER')
               || coalesce(pg_get_expr(d.adbin, d.adrelid), '')
            FROM ours JOIN pg_attribute a ON a.attrelid = ours.oid AND a.attnum > 0 AND NOT a.attisdropped
            LEFT JOIN pg_attrdef d ON d.adrelid = ours.oid AND d.adnum = a.attnum
            WHERE relkind NOT IN ('i', 'I')
        UNION ALL SELECT 'constraint', name, conname || pg_get_constraintdef(k.oid)
            FROM ours JOIN pg_constraint k ON k.conrelid = ours.oid
        UNION ALL SELECT 'index', i.indrelid::regclass::text, pg_get_indexdef(oid)
            FROM ours JOIN pg_index i ON i.indexrelid = ours.oid
        UNION ALL SELECT 'view', name, pg_get_viewdef(oid) FROM ours WHERE relkind IN ('v', 'm')
        UNION ALL SELECT 'trigger', name, pg_get_triggerdef(t.oid)
            FROM ours JOIN pg_trigger t ON t.tgrelid = ours.oid AND NOT t.tgisinternal
        UNION ALL SELECT 'policy', name, polname || polcmd::text || polpermissive || polroles::regrole[]::text
               || coalesce(pg_get_expr(polqual, polrelid), '') || coalesce(pg_get_expr(polwithcheck, polrelid), '')
               || coalesce(obj_description(p.oid, 'pg_policy'), '')
            FROM ours JOIN pg_policy p ON p.polrelid = ours.oid
        UNION ALL SELECT 'function', p.oid::regprocedure::text,
               pg_get_functiondef(p.oid) || coalesce(obj_description(p.oid, 'pg_proc'), '')
               || replace(coalesce(p.proacl::text, ''), pg_get_userbyid(p.proowner), 'OWNER')
            FROM pg_proc p WHERE p.pronamespace::regnamespace::text = 'streams'
        UNION ALL SELECT 'schema', nspname, replace(coalesce(nspacl::text, ''), pg_get_userbyid(nspowner), 'OWNER')
            FROM pg_namespace WHERE nspname IN ('streams', 'streams_g1', 'eventos_archive')
        ORDER BY 1, 2, 3
        """,
    )
