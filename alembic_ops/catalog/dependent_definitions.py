"""The server's own definitions of what can follow the names of columns, as statements that drop and create it."""

# ruff: noqa: S608  # the parts of the queries are constants of this module

from __future__ import annotations

from typing import Final

from sqlalchemy_vecsearch.names import CHECK_PROOF

__all__ = ["CARRIED", "catalog_class"]


def catalog_class(name: str) -> str:
    """Return the oid of a table of the catalog, as SQL."""
    return f"CAST('pg_catalog.{name}' AS pg_catalog.regclass)"


def _comment(catalog: str, oid: str, words: str, *names: str) -> str:
    """Return the statement that comments on an object as it is commented now, in an array that may be empty."""
    values = ", ".join((f"'COMMENT ON {words} IS %L'", *names, "d.description"))
    return f"""ARRAY(SELECT pg_catalog.format({values}) FROM pg_catalog.pg_description d
                     WHERE d.classoid OPERATOR(pg_catalog.=) {catalog_class(catalog)}
                         AND d.objoid OPERATOR(pg_catalog.=) {oid}
                       AND d.objsubid OPERATOR(pg_catalog.=) 0)"""


def _owner(kind: str, name: str, owner: str) -> str:
    return f"""CASE WHEN {owner} OPERATOR(pg_catalog.<>) me.oid
                   THEN ARRAY[pg_catalog.format('ALTER {kind} %s OWNER TO %I', {name},
                       pg_catalog.pg_get_userbyid({owner}))]
                   ELSE {_NOTHING} END"""


def _role(oid: str) -> str:
    return f"""CASE WHEN {oid} OPERATOR(pg_catalog.=) CAST(0 AS pg_catalog.oid) THEN 'PUBLIC'
                    ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid({oid})) END"""


_NOTHING: Final = "CAST('{}' AS pg_catalog.text[])"
_NAMED: Final = """
      JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) t.relnamespace
      CROSS JOIN LATERAL (VALUES (pg_catalog.format('%I.%I', n.nspname, t.relname))) AS r (name)"""
"""The name of the table ``t`` with its schema, quoted."""

_VIEWS: Final = f"""
me AS (
    SELECT r.oid, pg_catalog.quote_ident(CAST(r.rolname AS pg_catalog.text)) AS name
      FROM pg_catalog.pg_roles r WHERE r.rolname OPERATOR(pg_catalog.=) CURRENT_USER
), views AS (
    SELECT t.oid, o.objid AS rule, t.relowner, t.relacl, t.relnamespace, t.reloptions, r.name, ARRAY(
               SELECT DISTINCT x.grantee
                 FROM pg_catalog.pg_default_acl a JOIN me ON me.oid OPERATOR(pg_catalog.=) a.defaclrole,
                      pg_catalog.aclexplode(a.defaclacl) x
                WHERE a.defaclobjtype OPERATOR(pg_catalog.=) 'r'
                  AND a.defaclnamespace OPERATOR(pg_catalog.=) ANY (
                          ARRAY[CAST(0 AS pg_catalog.oid), t.relnamespace])) AS presumed
      FROM objects o JOIN pg_catalog.pg_rewrite w ON o.classid OPERATOR(pg_catalog.=) {catalog_class("pg_rewrite")}
       AND w.oid OPERATOR(pg_catalog.=) o.objid AND w.rulename OPERATOR(pg_catalog.=) '_RETURN'
      JOIN pg_catalog.pg_class t ON t.oid OPERATOR(pg_catalog.=) w.ev_class AND t.relkind OPERATOR(pg_catalog.=) 'v'
       AND t.relpersistence OPERATOR(pg_catalog.<>) 't'{_NAMED}
     WHERE NOT EXISTS (
               SELECT FROM pg_catalog.pg_seclabel l
                WHERE l.classoid OPERATOR(pg_catalog.=) {catalog_class("pg_class")}
                    AND l.objoid OPERATOR(pg_catalog.=) t.oid)
       AND NOT EXISTS (
               SELECT FROM pg_catalog.pg_depend e
                WHERE e.classid OPERATOR(pg_catalog.=) {catalog_class("pg_class")}
                    AND e.objid OPERATOR(pg_catalog.=) t.oid
                  AND e.deptype OPERATOR(pg_catalog.=) ANY (CAST('{{e,x}}' AS pg_catalog."char"[])))
)"""
"""The views to create again; ``presumed`` are those to whom whoever creates one grants something by default."""

# Who grants what another has granted him can do so only after him: by the length of that chain.
_GRANTS: Final = f"""
granted AS (
    SELECT v.oid AS view, CAST(0 AS pg_catalog.int2) AS number, v.relowner, x.*
      FROM views v, pg_catalog.aclexplode(COALESCE(v.relacl, pg_catalog.acldefault('r', v.relowner))) x
     WHERE v.relacl IS NOT NULL OR v.presumed OPERATOR(pg_catalog.<>) CAST('{{}}' AS pg_catalog.oid[])
     UNION ALL
    SELECT v.oid, a.attnum, v.relowner, x.*
      FROM views v JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) v.oid,
           pg_catalog.aclexplode(a.attacl) x
), chain AS (
    SELECT g.view, g.number, g.privilege_type, g.relowner AS role, 0 AS length FROM granted g
     UNION
    SELECT g.view, g.number, g.privilege_type, g.grantee, chain.length OPERATOR(pg_catalog.+) 1
      FROM chain JOIN granted g ON g.view OPERATOR(pg_catalog.=) chain.view
          AND g.number OPERATOR(pg_catalog.=) chain.number
       AND g.privilege_type OPERATOR(pg_catalog.=) chain.privilege_type AND g.grantor OPERATOR(pg_catalog.=) chain.role
       AND g.is_grantable AND g.grantee OPERATOR(pg_catalog.<>) chain.role
), grants AS (
    SELECT g.view, s.statement, pg_catalog.row_number() OVER (
               ORDER BY g.number OPERATOR(pg_catalog.<>) CAST(0 AS pg_catalog.int2), (
                   SELECT pg_catalog.min(c.length) FROM chain c
                    WHERE c.view OPERATOR(pg_catalog.=) g.view AND c.number OPERATOR(pg_catalog.=) g.number
                      AND c.privilege_type OPERATOR(pg_catalog.=) g.privilege_type
                          AND c.role OPERATOR(pg_catalog.=) g.grantor) NULLS FIRST,
               g.number, g.privilege_type, g.grantee, g.grantor, s.place) AS place
      FROM granted g JOIN views v ON v.oid OPERATOR(pg_catalog.=) g.view CROSS JOIN me
      LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) g.view
          AND a.attnum OPERATOR(pg_catalog.=) g.number
      CROSS JOIN LATERAL (VALUES
           (1, CASE WHEN g.grantor OPERATOR(pg_catalog.<>) g.relowner
                    THEN pg_catalog.format('SET LOCAL ROLE %I', pg_catalog.pg_get_userbyid(g.grantor)) END),
           (2, pg_catalog.format(
                   'GRANT %s%s ON %s TO %s%s', g.privilege_type,
                   CASE WHEN g.number OPERATOR(pg_catalog.<>) CAST(0 AS pg_catalog.int2)
                       THEN pg_catalog.format(' (%I)', a.attname) END,
                   v.name, {_role("g.grantee")}, CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' END)),
           (3, CASE WHEN g.grantor OPERATOR(pg_catalog.<>) g.relowner
               THEN pg_catalog.concat('SET LOCAL ROLE ', me.name) END)
           ) AS s (place, statement)
     WHERE s.statement IS NOT NULL
)"""

# A trigger of a partitioned table has a copy on each partition, which may be switched off by itself.
_TRIGGERS: Final = f"""
triggers AS (
    SELECT g.oid, g.tgrelid, g.tgname, pg_catalog.format('DROP TRIGGER %I ON %s', g.tgname, r.name) AS drop_,
           ARRAY[pg_catalog.pg_get_triggerdef(g.oid)] OPERATOR(pg_catalog.||) ARRAY(
               SELECT pg_catalog.format('ALTER TABLE ONLY %I.%I %s TRIGGER %I', en.nspname, et.relname, CASE
                          WHEN e.tgenabled OPERATOR(pg_catalog.=) 'D'
                              THEN 'DISABLE' WHEN e.tgenabled OPERATOR(pg_catalog.=) 'R' THEN 'ENABLE REPLICA'
                          WHEN e.tgenabled OPERATOR(pg_catalog.=) 'A' THEN 'ENABLE ALWAYS' ELSE 'ENABLE' END, e.tgname)
                 FROM pg_catalog.pg_trigger e JOIN pg_catalog.pg_class et ON et.oid OPERATOR(pg_catalog.=) e.tgrelid
                 JOIN pg_catalog.pg_namespace en ON en.oid OPERATOR(pg_catalog.=) et.relnamespace
                WHERE e.oid OPERATOR(pg_catalog.=) g.oid AND e.tgenabled OPERATOR(pg_catalog.<>) 'O'
                   OR e.tgname OPERATOR(pg_catalog.=) g.tgname
                       AND e.tgparentid OPERATOR(pg_catalog.<>) CAST(0 AS pg_catalog.oid)
                      AND e.tgenabled OPERATOR(pg_catalog.<>) g.tgenabled
                      AND e.tgrelid OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT tree.oid FROM tree))
                ORDER BY e.oid OPERATOR(pg_catalog.<>) g.oid, e.oid)
           OPERATOR(pg_catalog.||) {_comment("pg_trigger", "g.oid", "TRIGGER %I ON %s", "g.tgname", "r.name")}
               AS creates
      FROM pg_catalog.pg_trigger g
      JOIN pg_catalog.pg_class t ON t.oid OPERATOR(pg_catalog.=) g.tgrelid{_NAMED}
     WHERE NOT g.tgisinternal
       AND (g.tgrelid OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT v.oid FROM views v))
            OR g.oid OPERATOR(pg_catalog.=) ANY (ARRAY(
               SELECT o.objid FROM objects o WHERE o.classid OPERATOR(pg_catalog.=) {catalog_class("pg_trigger")})))
)"""

_VIEW: Final = f"""
    SELECT {catalog_class("pg_rewrite")} AS classid, v.rule AS objid, 2 AS place,
           pg_catalog.pg_describe_object({catalog_class("pg_class")}, v.oid, 0) AS description,
           false AS unproven,
           pg_catalog.format('ALTER VIEW %s OWNER TO %I', v.name, pg_catalog.pg_get_userbyid(v.relowner)) AS locks,
           ARRAY[pg_catalog.concat('DROP VIEW ', v.name)] AS drops,
           ARRAY[pg_catalog.format('CREATE VIEW %s%s AS %s', v.name,
               CASE WHEN v.reloptions IS NOT NULL
                    THEN pg_catalog.format(' WITH (%s)', pg_catalog.array_to_string(v.reloptions, ', ')) END,
               pg_catalog.rtrim(pg_catalog.pg_get_viewdef(v.oid), ';'))]
           OPERATOR(pg_catalog.||) ARRAY(
                    SELECT pg_catalog.format('ALTER VIEW %s ALTER COLUMN %I SET DEFAULT %s', v.name, a.attname,
                           pg_catalog.pg_get_expr(f.adbin, f.adrelid))
                      FROM pg_catalog.pg_attrdef f JOIN pg_catalog.pg_attribute a
                        ON a.attrelid OPERATOR(pg_catalog.=) f.adrelid AND a.attnum OPERATOR(pg_catalog.=) f.adnum
                     WHERE f.adrelid OPERATOR(pg_catalog.=) v.oid ORDER BY f.adnum)
           OPERATOR(pg_catalog.||) {_comment("pg_class", "v.oid", "VIEW %s", "v.name")}
           OPERATOR(pg_catalog.||) ARRAY(
                    SELECT pg_catalog.format('COMMENT ON COLUMN %s.%I IS %L', v.name, a.attname, d.description)
                      FROM pg_catalog.pg_description d JOIN pg_catalog.pg_attribute a
                        ON a.attrelid OPERATOR(pg_catalog.=) d.objoid AND a.attnum OPERATOR(pg_catalog.=) d.objsubid
                     WHERE d.classoid OPERATOR(pg_catalog.=) {catalog_class("pg_class")}
                         AND d.objoid OPERATOR(pg_catalog.=) v.oid AND d.objsubid OPERATOR(pg_catalog.<>) 0
                     ORDER BY a.attnum)
           OPERATOR(pg_catalog.||) ARRAY(SELECT s.statement
                      FROM triggers g, pg_catalog.unnest(g.creates) WITH ORDINALITY s (statement, number)
                     WHERE g.tgrelid OPERATOR(pg_catalog.=) v.oid ORDER BY g.tgname, s.number)
           OPERATOR(pg_catalog.||) {_owner("VIEW", "v.name", "v.relowner")}
           OPERATOR(pg_catalog.||) ARRAY(SELECT pg_catalog.format('REVOKE ALL ON %s FROM %s', v.name, {_role("w.role")})
                      FROM pg_catalog.unnest(pg_catalog.array_append(v.presumed, v.relowner)) w (role)
                     WHERE v.relacl IS NOT NULL OR v.presumed OPERATOR(pg_catalog.<>) CAST('{{}}' AS pg_catalog.oid[]))
           OPERATOR(pg_catalog.||) ARRAY(
                    SELECT g.statement FROM grants g WHERE g.view OPERATOR(pg_catalog.=) v.oid ORDER BY g.place
               ) AS creates
      FROM views v CROSS JOIN me"""

_TRIGGER: Final = f"""
    SELECT {catalog_class("pg_trigger")}, g.oid, 3,
           pg_catalog.pg_describe_object({catalog_class("pg_trigger")}, g.oid, 0), false, NULL,
           ARRAY[g.drop_], g.creates
      FROM triggers g WHERE g.tgrelid OPERATOR(pg_catalog.<>) ALL (ARRAY(SELECT v.oid FROM views v))"""

# The constraint that was proven before takes the place of the one that holds for the name; no row is read.
_CHECK: Final = f"""
    SELECT {catalog_class("pg_constraint")}, k.oid, 1,
           pg_catalog.pg_describe_object({catalog_class("pg_constraint")}, k.oid, 0),
           k.convalidated AND NOT COALESCE(p.convalidated, false), NULL,
           ARRAY[pg_catalog.format('ALTER TABLE %s DROP CONSTRAINT %I', r.name, k.conname)]
           OPERATOR(pg_catalog.||) ARRAY(
               SELECT pg_catalog.format('ALTER TABLE %I.%I DROP CONSTRAINT %I', cn.nspname, ct.relname, c.conname)
                 FROM pg_catalog.pg_constraint c JOIN tree ON tree.oid OPERATOR(pg_catalog.=) c.conrelid
                 JOIN pg_catalog.pg_class ct ON ct.oid OPERATOR(pg_catalog.=) c.conrelid
                 JOIN pg_catalog.pg_namespace cn ON cn.oid OPERATOR(pg_catalog.=) ct.relnamespace
                WHERE c.conname OPERATOR(pg_catalog.=) k.conname AND c.contype OPERATOR(pg_catalog.=) 'c'
                    AND c.conislocal
                  AND c.coninhcount OPERATOR(pg_catalog.>) 0),
           CASE WHEN p.convalidated AND k.convalidated
                THEN ARRAY[pg_catalog.format('ALTER TABLE %s RENAME CONSTRAINT %I TO %I', r.name,
                    p.conname, k.conname)]
                ELSE ARRAY[pg_catalog.format('ALTER TABLE %s ADD CONSTRAINT %I %s', r.name, k.conname,
                                             pg_catalog.pg_get_constraintdef(k.oid))] END
           OPERATOR(pg_catalog.||) {_comment("pg_constraint", "k.oid", "CONSTRAINT %I ON %s", "k.conname", "r.name")}
      FROM objects o JOIN pg_catalog.pg_constraint k
        ON o.classid OPERATOR(pg_catalog.=) {catalog_class("pg_constraint")}
       AND k.oid OPERATOR(pg_catalog.=) o.objid AND k.contype OPERATOR(pg_catalog.=) 'c'
      JOIN pg_catalog.pg_class t ON t.oid OPERATOR(pg_catalog.=) k.conrelid{_NAMED}
      LEFT JOIN pg_catalog.pg_constraint p ON p.conrelid OPERATOR(pg_catalog.=) k.conrelid
       AND CAST(p.conname AS pg_catalog.text) OPERATOR(pg_catalog.=) pg_catalog.concat('{CHECK_PROOF}', k.oid)"""

_POLICY: Final = f"""
    SELECT {catalog_class("pg_policy")}, p.oid, 3,
           pg_catalog.pg_describe_object({catalog_class("pg_policy")}, p.oid, 0), false,
           CASE WHEN p.polrelid OPERATOR(pg_catalog.<>) ALL (ARRAY(SELECT tree.oid FROM tree))
                THEN pg_catalog.format('LOCK TABLE ONLY %s IN ACCESS EXCLUSIVE MODE', r.name) END,
           ARRAY[pg_catalog.format('DROP POLICY %I ON %s', p.polname, r.name)],
           ARRAY[pg_catalog.concat(
               pg_catalog.format('CREATE POLICY %I ON %s AS %s FOR %s TO %s', p.polname, r.name,
                   CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
                   CASE WHEN p.polcmd OPERATOR(pg_catalog.=) 'r'
                       THEN 'SELECT' WHEN p.polcmd OPERATOR(pg_catalog.=) 'a' THEN 'INSERT'
                        WHEN p.polcmd OPERATOR(pg_catalog.=) 'w'
                            THEN 'UPDATE' WHEN p.polcmd OPERATOR(pg_catalog.=) 'd' THEN 'DELETE' ELSE 'ALL' END,
                   (SELECT pg_catalog.string_agg({_role("w.role")}, ', ')
                      FROM pg_catalog.unnest(p.polroles) w (role))),
               CASE WHEN p.polqual IS NOT NULL
                    THEN pg_catalog.format(' USING (%s)', pg_catalog.pg_get_expr(p.polqual, p.polrelid)) END,
               CASE WHEN p.polwithcheck IS NOT NULL
                    THEN pg_catalog.format(' WITH CHECK (%s)', pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid)) END)]
           OPERATOR(pg_catalog.||) {_comment("pg_policy", "p.oid", "POLICY %I ON %s", "p.polname", "r.name")}
      FROM objects o JOIN pg_catalog.pg_policy p ON o.classid OPERATOR(pg_catalog.=) {catalog_class("pg_policy")}
       AND p.oid OPERATOR(pg_catalog.=) o.objid
      JOIN pg_catalog.pg_class t ON t.oid OPERATOR(pg_catalog.=) p.polrelid{_NAMED}"""

_STATISTICS: Final = f"""
    SELECT {catalog_class("pg_statistic_ext")}, s.oid, 3,
           pg_catalog.pg_describe_object({catalog_class("pg_statistic_ext")}, s.oid, 0), false, NULL,
           ARRAY[pg_catalog.concat('DROP STATISTICS ', r.name)],
           ARRAY[pg_catalog.pg_get_statisticsobjdef(s.oid)]
           OPERATOR(pg_catalog.||) {_comment("pg_statistic_ext", "s.oid", "STATISTICS %s", "r.name")}
           OPERATOR(pg_catalog.||)
               CASE WHEN COALESCE(CAST(s.stxstattarget AS pg_catalog.int4), -1) OPERATOR(pg_catalog.<>) -1
                   THEN ARRAY[pg_catalog.format('ALTER STATISTICS %s SET STATISTICS %s', r.name, s.stxstattarget)]
                   ELSE {_NOTHING} END
           OPERATOR(pg_catalog.||) {_owner("STATISTICS", "r.name", "s.stxowner")}
      FROM objects o CROSS JOIN me
      JOIN pg_catalog.pg_statistic_ext s ON o.classid OPERATOR(pg_catalog.=) {catalog_class("pg_statistic_ext")}
       AND s.oid OPERATOR(pg_catalog.=) o.objid
      JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) s.stxnamespace
      CROSS JOIN LATERAL (VALUES (pg_catalog.format('%I.%I', n.nspname, s.stxname))) AS r (name)"""

# Lists and filters came with PostgreSQL 15: read as jsonb, a column that the catalog of 14 has not says nothing. The
# text of a filter has only the view, which leaves out a partition that is published through its root.
_PUBLICATION: Final = f"""
    SELECT {catalog_class("pg_publication_rel")}, p.oid, 3,
           pg_catalog.pg_describe_object({catalog_class("pg_publication_rel")}, p.oid, 0), false, NULL,
           ARRAY[pg_catalog.format('ALTER PUBLICATION %I DROP TABLE ONLY %s', b.pubname, r.name)],
           ARRAY[pg_catalog.concat(
               pg_catalog.format('ALTER PUBLICATION %I ADD TABLE ONLY %s', b.pubname, r.name), (
                   SELECT pg_catalog.format(' (%s)', pg_catalog.string_agg(
                              pg_catalog.quote_ident(CAST(a.attname AS pg_catalog.text)), ', ' ORDER BY a.attnum))
                     FROM pg_catalog.jsonb_array_elements_text(j.attributes) l
                     JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) p.prrelid
                      AND a.attnum OPERATOR(pg_catalog.=) CAST(l AS pg_catalog.int2)
                   HAVING pg_catalog.count(*) OPERATOR(pg_catalog.>) 0),
               CASE WHEN f.filter IS NOT NULL THEN pg_catalog.concat(' WHERE ', f.filter) END)]
      FROM objects o JOIN pg_catalog.pg_publication_rel p
        ON o.classid OPERATOR(pg_catalog.=) {catalog_class("pg_publication_rel")}
            AND p.oid OPERATOR(pg_catalog.=) o.objid
      JOIN pg_catalog.pg_publication b ON b.oid OPERATOR(pg_catalog.=) p.prpubid
      JOIN pg_catalog.pg_class t ON t.oid OPERATOR(pg_catalog.=) p.prrelid{_NAMED}
      CROSS JOIN LATERAL (
           SELECT CASE WHEN pg_catalog.jsonb_typeof(q.attributes) OPERATOR(pg_catalog.=) 'array'
               THEN q.attributes END AS attributes,
                  COALESCE(pg_catalog.jsonb_typeof(q.filter), 'null') OPERATOR(pg_catalog.<>) 'null' AS has_filter
             FROM (VALUES (pg_catalog.to_jsonb(p) OPERATOR(pg_catalog.->) CAST('prattrs' AS pg_catalog.text),
                           pg_catalog.to_jsonb(p) OPERATOR(pg_catalog.->) CAST('prqual' AS pg_catalog.text))
                  ) AS q (attributes, filter)) j
      LEFT JOIN LATERAL (
           SELECT pg_catalog.to_jsonb(u) OPERATOR(pg_catalog.->>) CAST('rowfilter' AS pg_catalog.text) AS filter
             FROM pg_catalog.pg_publication_tables u
            WHERE u.pubname OPERATOR(pg_catalog.=) b.pubname AND u.schemaname OPERATOR(pg_catalog.=) n.nspname
              AND u.tablename OPERATOR(pg_catalog.=) t.relname) f ON true
     WHERE f.filter IS NOT NULL OR NOT j.has_filter"""

CARRIED: Final = f"""{_VIEWS},{_GRANTS},{_TRIGGERS}, carried AS ({_VIEW}
     UNION ALL{_TRIGGER}
     UNION ALL{_CHECK}
     UNION ALL{_POLICY}
     UNION ALL{_STATISTICS}
     UNION ALL{_PUBLICATION}
)"""
"""Common table expressions that end with ``carried``, made of ``tree`` and ``objects``.

``place`` is the order of creation; ``locks`` locks a view, to which LOCK TABLE would add all tables that it reads, by a
change that changes nothing, or another table than the given one; ``unproven`` says that
nothing proves yet
that the rows of the other column keep a constraint.
"""
