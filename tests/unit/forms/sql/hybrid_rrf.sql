WITH before_1 AS MATERIALIZED
{what is known before},
first_1 AS MATERIALIZED
(SELECT document.id AS key_0, CAST(1 AS DOUBLE PRECISION) OPERATOR(pg_catalog.-) (document.embedding <=> %(param_3)s::VECTOR(3)) AS score, document.embedding <=> %(param_3)s::VECTOR(3) AS distance
FROM document
WHERE document.lang = %(lang_1)s::VARCHAR AND {settings LEFT OUTER JOIN before_1 ON true WHERE before_1.small IS NOT true} ORDER BY document.embedding <=> %(param_3)s::VECTOR(3)
LIMIT %(param_5)s::INTEGER),
way_1 AS MATERIALIZED
(SELECT CASE WHEN before_1.small THEN 'exact' WHEN (seen_2.passed >= 75) THEN 'first' WHEN ({scans of its vector indexes} = before_1.scans) THEN 'first' WHEN ((CAST(seen_2.passed AS FLOAT(53)) OPERATOR(pg_catalog.*) greatest(CAST(30 AS DOUBLE PRECISION), pg_catalog.sqrt(CAST(coalesce(before_1.rows, CAST(1000000 AS REAL)) AS FLOAT(53)) OPERATOR(pg_catalog./) CAST(2400 AS FLOAT(53))))) <= CAST(greatest(200, CAST(least(pg_catalog.sqrt(CAST(coalesce(before_1.rows, CAST(0 AS REAL)) AS FLOAT(53)) OPERATOR(pg_catalog.*) CAST(0.16 AS DOUBLE PRECISION)), CAST(400 AS DOUBLE PRECISION)) AS INTEGER)) AS FLOAT(53)) AND {columns that lead a plain index} = CAST(1 AS BIGINT)) THEN 'exact' WHEN (pg_catalog.current_setting('hnsw.iterative_scan', true) IS NOT NULL AND seen_2.passed >= 2 AND (CAST(seen_2.passed AS FLOAT(53)) OPERATOR(pg_catalog.*) coalesce(before_1.rows, CAST(1000000 AS REAL))) >= CAST(2400000 AS FLOAT(53))) THEN 'scan' ELSE 'exact' END AS taken
FROM (SELECT pg_catalog.count(*) AS passed
FROM first_1) AS seen_2 LEFT OUTER JOIN before_1 ON true),
scan_1 AS MATERIALIZED
(SELECT document.id AS key_0, CAST(1 AS DOUBLE PRECISION) OPERATOR(pg_catalog.-) (document.embedding <=> %(param_3)s::VECTOR(3)) AS score, document.embedding <=> %(param_3)s::VECTOR(3) AS distance
FROM document
WHERE document.lang = %(lang_1)s::VARCHAR AND {settings WHERE (SELECT way_1.taken FROM way_1) = 'scan'} ORDER BY document.embedding <=> %(param_3)s::VECTOR(3)
LIMIT 100),
arm_1 AS MATERIALIZED
(SELECT CASE WHEN (way_1.taken = 'scan' AND (SELECT pg_catalog.count(*) AS rows
FROM scan_1) < 100) THEN 'exact' ELSE way_1.taken END AS taken
FROM way_1),
dense_1 AS MATERIALIZED
(SELECT key_0, score, distance OPERATOR(pg_catalog.+) 0 AS distance
FROM (SELECT *
FROM first_1
WHERE (SELECT arm_1.taken
FROM arm_1) = 'first' UNION ALL SELECT *
FROM scan_1
WHERE (SELECT arm_1.taken
FROM arm_1) = 'scan' UNION ALL SELECT *
FROM (SELECT document.id AS key_0, CAST(1 AS DOUBLE PRECISION) OPERATOR(pg_catalog.-) (document.embedding <=> %(param_3)s::VECTOR(3)) AS score, (document.embedding <=> %(param_3)s::VECTOR(3)) OPERATOR(pg_catalog.+) 0 AS distance
FROM document
WHERE document.lang = %(lang_1)s::VARCHAR ORDER BY distance
LIMIT (SELECT CASE WHEN (arm_1.taken = 'exact') THEN 50 ELSE 0 END AS rows
FROM arm_1)) AS exact_1
LIMIT 100) AS looked_at_1 ORDER BY distance
LIMIT 50),
fulltext_1 AS MATERIALIZED
(SELECT document.id AS key_0, CAST(pg_catalog.ts_rank(document.fts, pg_catalog.websearch_to_tsquery(CAST(%(param_16)s::REGCONFIG AS REGCONFIG), CAST(%(param_17)s::VARCHAR AS TEXT))) AS FLOAT(53)) AS score
FROM document
WHERE document.lang = %(lang_1)s::VARCHAR AND (document.fts @@ pg_catalog.websearch_to_tsquery(CAST(%(param_16)s::REGCONFIG AS REGCONFIG), CAST(%(param_17)s::VARCHAR AS TEXT))) ORDER BY score DESC, key_0
LIMIT %(param_18)s::INTEGER),
fused_1 AS
(SELECT every_leg_1.key_0 AS key_0, pg_catalog.sum(every_leg_1.part) AS score, pg_catalog.max(every_leg_1.dense_rank) AS dense_rank, pg_catalog.max(every_leg_1.dense_score) AS dense_score, pg_catalog.max(every_leg_1.fulltext_rank) AS fulltext_rank, pg_catalog.max(every_leg_1.fulltext_score) AS fulltext_score
FROM (SELECT ranked_dense_1.key_0 AS key_0, CAST(%(param_1)s AS FLOAT(53)) OPERATOR(pg_catalog./) (CAST(%(param_2)s AS FLOAT(53)) OPERATOR(pg_catalog.+) CAST(ranked_dense_1.rank AS FLOAT(53))) AS part, ranked_dense_1.rank AS dense_rank, ranked_dense_1.score AS dense_score, CAST(NULL AS BIGINT) AS fulltext_rank, CAST(NULL AS FLOAT(53)) AS fulltext_score
FROM (SELECT dense_1.key_0 AS key_0, dense_1.score AS score, pg_catalog.row_number() OVER (ORDER BY dense_1.distance OPERATOR(pg_catalog.+) 0, dense_1.key_0) AS rank
FROM dense_1) AS ranked_dense_1 UNION ALL SELECT ranked_fulltext_1.key_0 AS key_0, CAST(%(param_14)s AS FLOAT(53)) OPERATOR(pg_catalog./) (CAST(%(param_15)s AS FLOAT(53)) OPERATOR(pg_catalog.+) CAST(ranked_fulltext_1.rank AS FLOAT(53))) AS part, CAST(NULL AS BIGINT) AS dense_rank, CAST(NULL AS FLOAT(53)) AS dense_score, ranked_fulltext_1.rank AS fulltext_rank, ranked_fulltext_1.score AS fulltext_score
FROM (SELECT fulltext_1.key_0 AS key_0, fulltext_1.score AS score, pg_catalog.row_number() OVER (ORDER BY fulltext_1.score DESC, fulltext_1.key_0) AS rank
FROM fulltext_1) AS ranked_fulltext_1) AS every_leg_1 GROUP BY every_leg_1.key_0 ORDER BY score DESC, every_leg_1.key_0
LIMIT %(param_19)s::INTEGER)
SELECT document.id, document.lang, document.title, document.embedding, document.bits, document.maybe, document.sparse, fused_1.score, fused_1.dense_rank, fused_1.dense_score, fused_1.fulltext_rank, fused_1.fulltext_score
FROM document, fused_1
WHERE document.id = fused_1.key_0 ORDER BY fused_1.score DESC, fused_1.key_0
