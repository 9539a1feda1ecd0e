WITH first_1 AS MATERIALIZED
(SELECT chunk.id AS key_0, chunk.document_id AS of_group, chunk.embedding <=> %(param_1)s::VECTOR(3) AS distance
FROM chunk
WHERE {settings} ORDER BY chunk.embedding <=> %(param_1)s::VECTOR(3)
LIMIT 100),
way_1 AS MATERIALIZED
(SELECT CASE WHEN (pg_catalog.count(*) >= 100) THEN 'first' WHEN (pg_catalog.current_setting('hnsw.iterative_scan', true) IS NOT NULL AND pg_catalog.count(*) >= 2 AND (CAST(pg_catalog.count(*) AS FLOAT(53)) OPERATOR(pg_catalog.*) {rows}) >= CAST(2964000 AS FLOAT(53))) THEN 'scan' ELSE 'exact' END AS taken
FROM first_1),
scan_1 AS MATERIALIZED
(SELECT chunk.id AS key_0, chunk.document_id AS of_group, chunk.embedding <=> %(param_1)s::VECTOR(3) AS distance
FROM chunk
WHERE {settings WHERE (SELECT way_1.taken FROM way_1) = 'scan'} ORDER BY chunk.embedding <=> %(param_1)s::VECTOR(3)
LIMIT 130),
arm_1 AS MATERIALIZED
(SELECT CASE WHEN (way_1.taken = 'scan' AND (SELECT pg_catalog.count(*) AS rows
FROM scan_1) < 130) THEN 'exact' ELSE way_1.taken END AS taken
FROM way_1),
candidates_1 AS MATERIALIZED
(SELECT *
FROM first_1
WHERE (SELECT arm_1.taken
FROM arm_1) = 'first' UNION ALL SELECT *
FROM scan_1
WHERE (SELECT arm_1.taken
FROM arm_1) = 'scan' UNION ALL SELECT *
FROM (SELECT chunk.id AS key_0, chunk.document_id AS of_group, (chunk.embedding <=> %(param_1)s::VECTOR(3)) OPERATOR(pg_catalog.+) 0 AS distance
FROM chunk ORDER BY distance
LIMIT (SELECT CASE WHEN (arm_1.taken = 'exact') THEN 100 ELSE 0 END AS rows
FROM arm_1)) AS exact_1
LIMIT 130),
heads_1 AS MATERIALIZED
(SELECT ranked_candidates_1.key_0 AS key_0, ranked_candidates_1.of_group AS of_group, ranked_candidates_1.distance AS distance, ranked_candidates_1.place AS place
FROM (SELECT candidates_1.key_0 AS key_0, candidates_1.of_group AS of_group, candidates_1.distance AS distance, pg_catalog.row_number() OVER (PARTITION BY candidates_1.of_group ORDER BY candidates_1.distance OPERATOR(pg_catalog.+) 0, candidates_1.key_0) AS place
FROM candidates_1) AS ranked_candidates_1
WHERE ranked_candidates_1.place = %(place_1)s::INTEGER),
best_1 AS
(SELECT found_1.key_0 AS key_0, found_1.distance OPERATOR(pg_catalog.+) 0 AS distance
FROM (SELECT either_1.key_0 AS key_0, either_1.distance AS distance
FROM (SELECT near_1.key_0 AS key_0, near_1.distance AS distance
FROM (SELECT heads_1.key_0 AS key_0, heads_1.distance AS distance
FROM heads_1
WHERE (SELECT pg_catalog.count(*) AS count_1
FROM heads_1) >= %(param_11)s::INTEGER ORDER BY heads_1.distance OPERATOR(pg_catalog.+) 0
LIMIT %(param_11)s::INTEGER) AS near_1 UNION ALL SELECT rest_1.key_0 AS key_0, rest_1.distance AS distance
FROM (SELECT ranked_rows_1.key_0 AS key_0, ranked_rows_1.distance AS distance
FROM (SELECT every_row_1.key_0 AS key_0, every_row_1.of_group AS of_group, every_row_1.distance AS distance, pg_catalog.row_number() OVER (PARTITION BY every_row_1.of_group ORDER BY every_row_1.distance OPERATOR(pg_catalog.+) 0, every_row_1.key_0) AS place
FROM (SELECT chunk.id AS key_0, chunk.document_id AS of_group, chunk.embedding <=> %(param_1)s::VECTOR(3) AS distance
FROM chunk
WHERE (SELECT pg_catalog.count(*) AS count_1
FROM heads_1) < %(param_11)s::INTEGER
LIMIT ALL OFFSET 0) AS every_row_1) AS ranked_rows_1
WHERE ranked_rows_1.place = %(place_2)s::INTEGER ORDER BY ranked_rows_1.distance OPERATOR(pg_catalog.+) 0) AS rest_1) AS either_1
LIMIT %(param_11)s::INTEGER) AS found_1 ORDER BY distance
LIMIT 10)
SELECT chunk.id, chunk.document_id, chunk.maybe_id, chunk.embedding, best_1.distance AS distance
FROM chunk, best_1
WHERE chunk.id = best_1.key_0 ORDER BY best_1.distance
