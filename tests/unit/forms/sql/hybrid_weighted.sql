WITH first_1 AS MATERIALIZED
(SELECT document.id AS key_0, CAST(1 AS DOUBLE PRECISION) OPERATOR(pg_catalog.-) (document.embedding <=> %(param_4)s::VECTOR(3)) AS score, document.embedding <=> %(param_4)s::VECTOR(3) AS distance
FROM document
WHERE {settings} ORDER BY document.embedding <=> %(param_4)s::VECTOR(3)
LIMIT 95),
way_1 AS MATERIALIZED
(SELECT CASE WHEN (pg_catalog.count(*) >= 95) THEN 'first' WHEN (pg_catalog.current_setting('hnsw.iterative_scan', true) IS NOT NULL AND pg_catalog.count(*) >= 2 AND (CAST(pg_catalog.count(*) AS FLOAT(53)) OPERATOR(pg_catalog.*) {rows}) >= CAST(2184000 AS FLOAT(53))) THEN 'scan' ELSE 'exact' END AS taken
FROM first_1),
scan_1 AS MATERIALIZED
(SELECT document.id AS key_0, CAST(1 AS DOUBLE PRECISION) OPERATOR(pg_catalog.-) (document.embedding <=> %(param_4)s::VECTOR(3)) AS score, document.embedding <=> %(param_4)s::VECTOR(3) AS distance
FROM document
WHERE {settings WHERE (SELECT way_1.taken FROM way_1) = 'scan'} ORDER BY document.embedding <=> %(param_4)s::VECTOR(3)
LIMIT 130),
arm_1 AS MATERIALIZED
(SELECT CASE WHEN (way_1.taken = 'scan' AND (SELECT pg_catalog.count(*) AS rows
FROM scan_1) < 130) THEN 'exact' ELSE way_1.taken END AS taken
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
FROM (SELECT document.id AS key_0, CAST(1 AS DOUBLE PRECISION) OPERATOR(pg_catalog.-) (document.embedding <=> %(param_4)s::VECTOR(3)) AS score, (document.embedding <=> %(param_4)s::VECTOR(3)) OPERATOR(pg_catalog.+) 0 AS distance
FROM document ORDER BY distance
LIMIT (SELECT CASE WHEN (arm_1.taken = 'exact') THEN 50 ELSE 0 END AS rows
FROM arm_1)) AS exact_1
LIMIT 130) AS looked_at_1 ORDER BY distance
LIMIT 50),
before_1 AS MATERIALIZED
{what is known before},
first_2 AS MATERIALIZED
(SELECT document.id AS key_0, CAST(1 AS DOUBLE PRECISION) OPERATOR(pg_catalog.-) (document.bits <=> %(param_17)s::VECTOR(3)) AS score, document.bits <=> %(param_17)s::VECTOR(3) AS distance
FROM document
WHERE {settings LEFT OUTER JOIN before_1 ON true} ORDER BY CAST(binary_quantize(document.bits) AS BIT(3)) <~> binary_quantize(CAST(%(param_17)s::VECTOR(3) AS VECTOR(3)))
LIMIT 1000),
way_2 AS MATERIALIZED
(SELECT CASE WHEN (seen_2.passed >= 1000 AND {scans of its vector indexes} = before_1.scans) THEN 'exact' WHEN (seen_2.passed >= 900) THEN 'first' WHEN ({scans of its vector indexes} = before_1.scans) THEN 'first' WHEN (pg_catalog.current_setting('hnsw.iterative_scan', true) IS NOT NULL AND seen_2.passed >= 2 AND (CAST(seen_2.passed AS FLOAT(53)) OPERATOR(pg_catalog.*) coalesce(before_1.rows, CAST(1000000 AS REAL))) >= CAST(120000000 AS FLOAT(53))) THEN 'scan' ELSE 'exact' END AS taken
FROM (SELECT pg_catalog.count(*) AS passed
FROM first_2) AS seen_2 LEFT OUTER JOIN before_1 ON true),
scan_2 AS MATERIALIZED
(SELECT document.id AS key_0, CAST(1 AS DOUBLE PRECISION) OPERATOR(pg_catalog.-) (document.bits <=> %(param_17)s::VECTOR(3)) AS score, document.bits <=> %(param_17)s::VECTOR(3) AS distance
FROM document
WHERE {settings WHERE (SELECT way_2.taken FROM way_2) = 'scan'} ORDER BY CAST(binary_quantize(document.bits) AS BIT(3)) <~> binary_quantize(CAST(%(param_17)s::VECTOR(3) AS VECTOR(3)))
LIMIT 1000),
arm_2 AS MATERIALIZED
(SELECT CASE WHEN (way_2.taken = 'scan' AND (SELECT pg_catalog.count(*) AS rows
FROM scan_2) < 1000) THEN 'exact' ELSE way_2.taken END AS taken
FROM way_2),
bits_1 AS MATERIALIZED
(SELECT key_0, score, distance OPERATOR(pg_catalog.+) 0 AS distance
FROM (SELECT *
FROM first_2
WHERE (SELECT arm_2.taken
FROM arm_2) = 'first' UNION ALL SELECT *
FROM scan_2
WHERE (SELECT arm_2.taken
FROM arm_2) = 'scan' UNION ALL SELECT *
FROM (SELECT document.id AS key_0, CAST(1 AS DOUBLE PRECISION) OPERATOR(pg_catalog.-) (document.bits <=> %(param_17)s::VECTOR(3)) AS score, (document.bits <=> %(param_17)s::VECTOR(3)) OPERATOR(pg_catalog.+) 0 AS distance
FROM document ORDER BY distance
LIMIT (SELECT CASE WHEN (arm_2.taken = 'exact') THEN 50 ELSE 0 END AS rows
FROM arm_2)) AS exact_2
LIMIT 1000) AS looked_at_2 ORDER BY distance
LIMIT 50),
first_3 AS MATERIALIZED
(SELECT document.id AS key_0, CAST(0 AS DOUBLE PRECISION) OPERATOR(pg_catalog.-) (document.sparse <#> %(param_30)s::SPARSEVEC(9)) AS score, document.sparse <#> %(param_30)s::SPARSEVEC(9) AS distance
FROM document
WHERE {settings} ORDER BY document.sparse <#> %(param_30)s::SPARSEVEC(9)
LIMIT 95),
way_3 AS MATERIALIZED
(SELECT CASE WHEN (pg_catalog.count(*) >= 95) THEN 'first' WHEN (pg_catalog.current_setting('hnsw.iterative_scan', true) IS NOT NULL AND pg_catalog.count(*) >= 2 AND (CAST(pg_catalog.count(*) AS FLOAT(53)) OPERATOR(pg_catalog.*) {rows}) >= CAST(2184000 AS FLOAT(53))) THEN 'scan' ELSE 'exact' END AS taken
FROM first_3),
scan_3 AS MATERIALIZED
(SELECT document.id AS key_0, CAST(0 AS DOUBLE PRECISION) OPERATOR(pg_catalog.-) (document.sparse <#> %(param_30)s::SPARSEVEC(9)) AS score, document.sparse <#> %(param_30)s::SPARSEVEC(9) AS distance
FROM document
WHERE {settings WHERE (SELECT way_3.taken FROM way_3) = 'scan'} ORDER BY document.sparse <#> %(param_30)s::SPARSEVEC(9)
LIMIT 130),
arm_3 AS MATERIALIZED
(SELECT CASE WHEN (way_3.taken = 'scan' AND (SELECT pg_catalog.count(*) AS rows
FROM scan_3) < 130) THEN 'exact' ELSE way_3.taken END AS taken
FROM way_3),
sparse_1 AS MATERIALIZED
(SELECT key_0, score, distance OPERATOR(pg_catalog.+) 0 AS distance
FROM (SELECT *
FROM first_3
WHERE (SELECT arm_3.taken
FROM arm_3) = 'first' UNION ALL SELECT *
FROM scan_3
WHERE (SELECT arm_3.taken
FROM arm_3) = 'scan' UNION ALL SELECT *
FROM (SELECT document.id AS key_0, CAST(0 AS DOUBLE PRECISION) OPERATOR(pg_catalog.-) (document.sparse <#> %(param_30)s::SPARSEVEC(9)) AS score, (document.sparse <#> %(param_30)s::SPARSEVEC(9)) OPERATOR(pg_catalog.+) 0 AS distance
FROM document ORDER BY distance
LIMIT (SELECT CASE WHEN (arm_3.taken = 'exact') THEN 50 ELSE 0 END AS rows
FROM arm_3)) AS exact_3
LIMIT 130) AS looked_at_3 ORDER BY distance
LIMIT 50),
fulltext_1 AS MATERIALIZED
(SELECT document.id AS key_0, CAST(pg_catalog.ts_rank(document.fts, pg_catalog.websearch_to_tsquery(CAST(%(param_43)s::REGCONFIG AS REGCONFIG), CAST(%(param_44)s::VARCHAR AS TEXT))) AS FLOAT(53)) AS score
FROM document
WHERE document.fts @@ pg_catalog.websearch_to_tsquery(CAST(%(param_43)s::REGCONFIG AS REGCONFIG), CAST(%(param_44)s::VARCHAR AS TEXT)) ORDER BY score DESC, key_0
LIMIT %(param_45)s::INTEGER),
trigram_1 AS MATERIALIZED
(SELECT document.id AS key_0, CAST(word_similarity(CAST(%(param_49)s::VARCHAR AS TEXT), CAST(document.title AS TEXT)) AS FLOAT(53)) AS score
FROM document
WHERE CAST(%(param_49)s::VARCHAR AS TEXT) <%% CAST(document.title AS TEXT) ORDER BY score DESC, key_0
LIMIT %(param_50)s::INTEGER),
fused_1 AS
(SELECT every_leg_1.key_0 AS key_0, pg_catalog.sum(every_leg_1.part) AS score, pg_catalog.max(every_leg_1.dense_rank) AS dense_rank, pg_catalog.max(every_leg_1.dense_score) AS dense_score, pg_catalog.max(every_leg_1.bits_rank) AS bits_rank, pg_catalog.max(every_leg_1.bits_score) AS bits_score, pg_catalog.max(every_leg_1.sparse_rank) AS sparse_rank, pg_catalog.max(every_leg_1.sparse_score) AS sparse_score, pg_catalog.max(every_leg_1.fulltext_rank) AS fulltext_rank, pg_catalog.max(every_leg_1.fulltext_score) AS fulltext_score, pg_catalog.max(every_leg_1.trigram_rank) AS trigram_rank, pg_catalog.max(every_leg_1.trigram_score) AS trigram_score
FROM (SELECT ranked_dense_1.key_0 AS key_0, CAST(%(param_1)s AS FLOAT(53)) OPERATOR(pg_catalog.*) coalesce((ranked_dense_1.score OPERATOR(pg_catalog.-) pg_catalog.min(ranked_dense_1.score) OVER ()) OPERATOR(pg_catalog./) nullif(pg_catalog.max(ranked_dense_1.score) OVER () OPERATOR(pg_catalog.-) pg_catalog.min(ranked_dense_1.score) OVER (), CAST(%(param_2)s AS FLOAT(53))), CAST(%(param_3)s AS FLOAT(53))) AS part, ranked_dense_1.rank AS dense_rank, ranked_dense_1.score AS dense_score, CAST(NULL AS BIGINT) AS bits_rank, CAST(NULL AS FLOAT(53)) AS bits_score, CAST(NULL AS BIGINT) AS sparse_rank, CAST(NULL AS FLOAT(53)) AS sparse_score, CAST(NULL AS BIGINT) AS fulltext_rank, CAST(NULL AS FLOAT(53)) AS fulltext_score, CAST(NULL AS BIGINT) AS trigram_rank, CAST(NULL AS FLOAT(53)) AS trigram_score
FROM (SELECT dense_1.key_0 AS key_0, dense_1.score AS score, pg_catalog.row_number() OVER (ORDER BY dense_1.distance OPERATOR(pg_catalog.+) 0, dense_1.key_0) AS rank
FROM dense_1) AS ranked_dense_1 UNION ALL SELECT ranked_bits_1.key_0 AS key_0, CAST(%(param_14)s AS FLOAT(53)) OPERATOR(pg_catalog.*) coalesce((ranked_bits_1.score OPERATOR(pg_catalog.-) pg_catalog.min(ranked_bits_1.score) OVER ()) OPERATOR(pg_catalog./) nullif(pg_catalog.max(ranked_bits_1.score) OVER () OPERATOR(pg_catalog.-) pg_catalog.min(ranked_bits_1.score) OVER (), CAST(%(param_15)s AS FLOAT(53))), CAST(%(param_16)s AS FLOAT(53))) AS part, CAST(NULL AS BIGINT) AS dense_rank, CAST(NULL AS FLOAT(53)) AS dense_score, ranked_bits_1.rank AS bits_rank, ranked_bits_1.score AS bits_score, CAST(NULL AS BIGINT) AS sparse_rank, CAST(NULL AS FLOAT(53)) AS sparse_score, CAST(NULL AS BIGINT) AS fulltext_rank, CAST(NULL AS FLOAT(53)) AS fulltext_score, CAST(NULL AS BIGINT) AS trigram_rank, CAST(NULL AS FLOAT(53)) AS trigram_score
FROM (SELECT bits_1.key_0 AS key_0, bits_1.score AS score, pg_catalog.row_number() OVER (ORDER BY bits_1.distance OPERATOR(pg_catalog.+) 0, bits_1.key_0) AS rank
FROM bits_1) AS ranked_bits_1 UNION ALL SELECT ranked_sparse_1.key_0 AS key_0, CAST(%(param_27)s AS FLOAT(53)) OPERATOR(pg_catalog.*) coalesce((ranked_sparse_1.score OPERATOR(pg_catalog.-) pg_catalog.min(ranked_sparse_1.score) OVER ()) OPERATOR(pg_catalog./) nullif(pg_catalog.max(ranked_sparse_1.score) OVER () OPERATOR(pg_catalog.-) pg_catalog.min(ranked_sparse_1.score) OVER (), CAST(%(param_28)s AS FLOAT(53))), CAST(%(param_29)s AS FLOAT(53))) AS part, CAST(NULL AS BIGINT) AS dense_rank, CAST(NULL AS FLOAT(53)) AS dense_score, CAST(NULL AS BIGINT) AS bits_rank, CAST(NULL AS FLOAT(53)) AS bits_score, ranked_sparse_1.rank AS sparse_rank, ranked_sparse_1.score AS sparse_score, CAST(NULL AS BIGINT) AS fulltext_rank, CAST(NULL AS FLOAT(53)) AS fulltext_score, CAST(NULL AS BIGINT) AS trigram_rank, CAST(NULL AS FLOAT(53)) AS trigram_score
FROM (SELECT sparse_1.key_0 AS key_0, sparse_1.score AS score, pg_catalog.row_number() OVER (ORDER BY sparse_1.distance OPERATOR(pg_catalog.+) 0, sparse_1.key_0) AS rank
FROM sparse_1) AS ranked_sparse_1 UNION ALL SELECT ranked_fulltext_1.key_0 AS key_0, CAST(%(param_40)s AS FLOAT(53)) OPERATOR(pg_catalog.*) coalesce((ranked_fulltext_1.score OPERATOR(pg_catalog.-) pg_catalog.min(ranked_fulltext_1.score) OVER ()) OPERATOR(pg_catalog./) nullif(pg_catalog.max(ranked_fulltext_1.score) OVER () OPERATOR(pg_catalog.-) pg_catalog.min(ranked_fulltext_1.score) OVER (), CAST(%(param_41)s AS FLOAT(53))), CAST(%(param_42)s AS FLOAT(53))) AS part, CAST(NULL AS BIGINT) AS dense_rank, CAST(NULL AS FLOAT(53)) AS dense_score, CAST(NULL AS BIGINT) AS bits_rank, CAST(NULL AS FLOAT(53)) AS bits_score, CAST(NULL AS BIGINT) AS sparse_rank, CAST(NULL AS FLOAT(53)) AS sparse_score, ranked_fulltext_1.rank AS fulltext_rank, ranked_fulltext_1.score AS fulltext_score, CAST(NULL AS BIGINT) AS trigram_rank, CAST(NULL AS FLOAT(53)) AS trigram_score
FROM (SELECT fulltext_1.key_0 AS key_0, fulltext_1.score AS score, pg_catalog.row_number() OVER (ORDER BY fulltext_1.score DESC, fulltext_1.key_0) AS rank
FROM fulltext_1) AS ranked_fulltext_1 UNION ALL SELECT ranked_trigram_1.key_0 AS key_0, CAST(%(param_46)s AS FLOAT(53)) OPERATOR(pg_catalog.*) coalesce((ranked_trigram_1.score OPERATOR(pg_catalog.-) pg_catalog.min(ranked_trigram_1.score) OVER ()) OPERATOR(pg_catalog./) nullif(pg_catalog.max(ranked_trigram_1.score) OVER () OPERATOR(pg_catalog.-) pg_catalog.min(ranked_trigram_1.score) OVER (), CAST(%(param_47)s AS FLOAT(53))), CAST(%(param_48)s AS FLOAT(53))) AS part, CAST(NULL AS BIGINT) AS dense_rank, CAST(NULL AS FLOAT(53)) AS dense_score, CAST(NULL AS BIGINT) AS bits_rank, CAST(NULL AS FLOAT(53)) AS bits_score, CAST(NULL AS BIGINT) AS sparse_rank, CAST(NULL AS FLOAT(53)) AS sparse_score, CAST(NULL AS BIGINT) AS fulltext_rank, CAST(NULL AS FLOAT(53)) AS fulltext_score, ranked_trigram_1.rank AS trigram_rank, ranked_trigram_1.score AS trigram_score
FROM (SELECT trigram_1.key_0 AS key_0, trigram_1.score AS score, pg_catalog.row_number() OVER (ORDER BY trigram_1.score DESC, trigram_1.key_0) AS rank
FROM trigram_1) AS ranked_trigram_1) AS every_leg_1 GROUP BY every_leg_1.key_0 ORDER BY score DESC, every_leg_1.key_0
LIMIT %(param_51)s::INTEGER)
SELECT document.id, document.lang, document.title, document.embedding, document.bits, document.maybe, document.sparse, fused_1.score, fused_1.dense_rank, fused_1.dense_score, fused_1.bits_rank, fused_1.bits_score, fused_1.sparse_rank, fused_1.sparse_score, fused_1.fulltext_rank, fused_1.fulltext_score, fused_1.trigram_rank, fused_1.trigram_score
FROM document, fused_1
WHERE document.id = fused_1.key_0 ORDER BY fused_1.score DESC, fused_1.key_0
