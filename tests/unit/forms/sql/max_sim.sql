WITH queries_1 AS
(SELECT given_1.vector AS vector, given_1.position AS position
FROM pg_catalog.unnest(CAST(ARRAY[%(param_1)s::VECTOR(3), %(param_2)s::VECTOR(3), %(param_3)s::VECTOR(3), %(param_4)s::VECTOR(3)] AS VECTOR(3)[])) WITH ORDINALITY AS given_1(vector, position)
WHERE given_1.vector IS NOT NULL),
found_1 AS MATERIALIZED
(SELECT queries_1.position AS position, each_1.key_0 AS key_0, each_1.of_group AS of_group, each_1.distance AS distance
FROM queries_1 JOIN LATERAL (WITH first_1 AS MATERIALIZED
(SELECT chunk.id AS key_0, chunk.document_id AS of_group, chunk.embedding <=> queries_1.vector AS distance
FROM chunk
WHERE {settings WHERE queries_1.vector IS NOT NULL} ORDER BY chunk.embedding <=> queries_1.vector
LIMIT 125),
way_1 AS MATERIALIZED
(SELECT CASE WHEN (pg_catalog.count(*) >= 125) THEN 'first' WHEN (pg_catalog.current_setting('hnsw.iterative_scan', true) IS NOT NULL AND pg_catalog.count(*) >= 2 AND (CAST(pg_catalog.count(*) AS FLOAT(53)) OPERATOR(pg_catalog.*) {rows}) >= CAST(3264000 AS FLOAT(53))) THEN 'scan' ELSE 'exact' END AS taken
FROM first_1),
scan_1 AS MATERIALIZED
(SELECT chunk.id AS key_0, chunk.document_id AS of_group, chunk.embedding <=> queries_1.vector AS distance
FROM chunk
WHERE {settings WHERE (SELECT way_1.taken FROM way_1) = 'scan'} ORDER BY chunk.embedding <=> queries_1.vector
LIMIT 160),
arm_1 AS MATERIALIZED
(SELECT CASE WHEN (way_1.taken = 'scan' AND (SELECT pg_catalog.count(*) AS rows
FROM scan_1) < 160) THEN 'exact' ELSE way_1.taken END AS taken
FROM way_1)
SELECT key_0, of_group, distance OPERATOR(pg_catalog.+) 0 AS distance
FROM (SELECT *
FROM first_1
WHERE (SELECT arm_1.taken
FROM arm_1) = 'first' UNION ALL SELECT *
FROM scan_1
WHERE (SELECT arm_1.taken
FROM arm_1) = 'scan' UNION ALL SELECT *
FROM (SELECT chunk.id AS key_0, chunk.document_id AS of_group, (chunk.embedding <=> queries_1.vector) OPERATOR(pg_catalog.+) 0 AS distance
FROM chunk ORDER BY distance
LIMIT (SELECT CASE WHEN (arm_1.taken = 'exact') THEN 80 ELSE 0 END AS rows
FROM arm_1)) AS exact_1
LIMIT 160) AS looked_at_1 ORDER BY distance
LIMIT 80) AS each_1 ON true
WHERE vector_norm(queries_1.vector) > CAST(0 AS DOUBLE PRECISION)),
documents_1 AS MATERIALIZED
(SELECT DISTINCT found_1.of_group AS of_group
FROM found_1),
best_1 AS MATERIALIZED
(SELECT either_1.of_group AS of_group, either_1.score AS score
FROM (SELECT near_1.of_group AS of_group, near_1.score AS score
FROM (SELECT near_matches_1.of_group AS of_group, pg_catalog.sum(near_matches_1.best) AS score
FROM (SELECT near_pairs_1.of_group AS of_group, pg_catalog.max(near_pairs_1.alike) AS best
FROM (SELECT near_tokens_1.of_group AS of_group, near_comparisons_1.position AS position, near_comparisons_1.alike AS alike
FROM (SELECT chunk.document_id AS of_group, chunk.embedding AS vector
FROM chunk, documents_1
WHERE (SELECT pg_catalog.count(*) AS count_1
FROM documents_1) >= %(param_14)s::INTEGER AND chunk.document_id = documents_1.of_group) AS near_tokens_1 JOIN LATERAL (SELECT queries_1.position AS position, CAST(1 AS DOUBLE PRECISION) OPERATOR(pg_catalog.-) (near_tokens_1.vector <=> queries_1.vector) AS alike
FROM queries_1
LIMIT ALL OFFSET 0) AS near_comparisons_1 ON true) AS near_pairs_1 GROUP BY near_pairs_1.of_group, near_pairs_1.position) AS near_matches_1 GROUP BY near_matches_1.of_group ORDER BY score DESC, near_matches_1.of_group
LIMIT %(param_15)s::INTEGER) AS near_1 UNION ALL SELECT rest_1.of_group AS of_group, rest_1.score AS score
FROM (SELECT other_matches_1.of_group AS of_group, pg_catalog.sum(other_matches_1.best) AS score
FROM (SELECT other_pairs_1.of_group AS of_group, pg_catalog.max(other_pairs_1.alike) AS best
FROM (SELECT other_tokens_1.of_group AS of_group, other_comparisons_1.position AS position, other_comparisons_1.alike AS alike
FROM (SELECT chunk.document_id AS of_group, chunk.embedding AS vector
FROM chunk
WHERE (SELECT pg_catalog.count(*) AS count_1
FROM documents_1) < %(param_14)s::INTEGER) AS other_tokens_1 JOIN LATERAL (SELECT queries_1.position AS position, CAST(1 AS DOUBLE PRECISION) OPERATOR(pg_catalog.-) (other_tokens_1.vector <=> queries_1.vector) AS alike
FROM queries_1
LIMIT ALL OFFSET 0) AS other_comparisons_1 ON true) AS other_pairs_1 GROUP BY other_pairs_1.of_group, other_pairs_1.position) AS other_matches_1 GROUP BY other_matches_1.of_group ORDER BY score DESC, other_matches_1.of_group) AS rest_1) AS either_1
LIMIT %(param_16)s::INTEGER)
SELECT best_1.of_group AS document_id, best_1.score
FROM best_1 ORDER BY best_1.score DESC, best_1.of_group
