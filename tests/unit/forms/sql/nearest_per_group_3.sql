WITH first_1 AS MATERIALIZED
(SELECT chunk.id AS key_0, chunk.document_id AS of_group, chunk.embedding <=> %(param_1)s::VECTOR(3) AS distance
FROM chunk
WHERE {settings} ORDER BY chunk.embedding <=> %(param_1)s::VECTOR(3)
LIMIT 300),
way_1 AS MATERIALIZED
(SELECT CASE WHEN (pg_catalog.count(*) >= 300) THEN 'first' WHEN (pg_catalog.current_setting('hnsw.iterative_scan', true) IS NOT NULL AND pg_catalog.count(*) >= 2 AND (CAST(pg_catalog.count(*) AS FLOAT(53)) OPERATOR(pg_catalog.*) {rows}) >= CAST(15444000 AS FLOAT(53))) THEN 'scan' ELSE 'exact' END AS taken
FROM first_1),
scan_1 AS MATERIALIZED
(SELECT chunk.id AS key_0, chunk.document_id AS of_group, chunk.embedding <=> %(param_1)s::VECTOR(3) AS distance
FROM chunk
WHERE {settings WHERE (SELECT way_1.taken FROM way_1) = 'scan'} ORDER BY chunk.embedding <=> %(param_1)s::VECTOR(3)
LIMIT 330),
arm_1 AS MATERIALIZED
(SELECT CASE WHEN (way_1.taken = 'scan' AND (SELECT pg_catalog.count(*) AS rows
FROM scan_1) < 330) THEN 'exact' ELSE way_1.taken END AS taken
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
LIMIT (SELECT CASE WHEN (arm_1.taken = 'exact') THEN 300 ELSE 0 END AS rows
FROM arm_1)) AS exact_1
LIMIT 330),
groups_1 AS MATERIALIZED
(SELECT candidates_1.of_group AS of_group, pg_catalog.min(candidates_1.distance) AS nearest, pg_catalog.count(*) AS members
FROM candidates_1 GROUP BY candidates_1.of_group),
chosen_1 AS MATERIALIZED
(SELECT either_1.of_group AS of_group, either_1.nearest AS nearest, either_1.members AS members
FROM (SELECT near_1.of_group AS of_group, near_1.nearest AS nearest, near_1.members AS members
FROM (SELECT groups_1.of_group AS of_group, groups_1.nearest AS nearest, groups_1.members AS members
FROM groups_1
WHERE (SELECT pg_catalog.count(*) AS count_1
FROM groups_1) >= %(param_11)s::INTEGER ORDER BY groups_1.nearest OPERATOR(pg_catalog.+) 0
LIMIT %(param_11)s::INTEGER) AS near_1 UNION ALL SELECT rest_1.of_group AS of_group, rest_1.nearest AS nearest, rest_1.members AS members
FROM (SELECT every_row_1.of_group AS of_group, pg_catalog.min(every_row_1.distance) AS nearest, 0 AS members
FROM (SELECT chunk.document_id AS of_group, chunk.embedding <=> %(param_1)s::VECTOR(3) AS distance
FROM chunk
WHERE (SELECT pg_catalog.count(*) AS count_1
FROM groups_1) < %(param_11)s::INTEGER
LIMIT ALL OFFSET 0) AS every_row_1 GROUP BY every_row_1.of_group ORDER BY pg_catalog.min(every_row_1.distance) OPERATOR(pg_catalog.+) 0) AS rest_1) AS either_1
LIMIT %(param_11)s::INTEGER),
short_groups_1 AS MATERIALIZED
(SELECT chosen_1.of_group AS of_group, chosen_1.nearest AS nearest, chosen_1.members AS members
FROM chosen_1
WHERE chosen_1.members < %(param_12)s::INTEGER),
best_1 AS
(SELECT found_1.key_0 AS key_0, found_1.distance OPERATOR(pg_catalog.+) 0 AS distance
FROM (SELECT ranked_candidates_1.key_0 AS key_0, ranked_candidates_1.distance AS distance
FROM (SELECT candidates_1.key_0 AS key_0, candidates_1.of_group AS of_group, candidates_1.distance AS distance, pg_catalog.row_number() OVER (PARTITION BY candidates_1.of_group ORDER BY candidates_1.distance OPERATOR(pg_catalog.+) 0, candidates_1.key_0) AS place
FROM candidates_1) AS ranked_candidates_1, (SELECT chosen_1.of_group AS of_group, chosen_1.nearest AS nearest, chosen_1.members AS members
FROM chosen_1
WHERE chosen_1.members >= %(param_12)s::INTEGER) AS full_groups_1
WHERE ranked_candidates_1.place <= %(param_12)s::INTEGER AND ranked_candidates_1.of_group = full_groups_1.of_group UNION ALL SELECT ranked_members_1.key_0 AS key_0, ranked_members_1.distance AS distance
FROM (SELECT members_1.key_0 AS key_0, members_1.of_group AS of_group, members_1.distance AS distance, pg_catalog.row_number() OVER (PARTITION BY members_1.of_group ORDER BY members_1.distance OPERATOR(pg_catalog.+) 0, members_1.key_0) AS place
FROM (SELECT chunk.id AS key_0, chunk.document_id AS of_group, chunk.embedding <=> %(param_1)s::VECTOR(3) AS distance
FROM chunk, short_groups_1
WHERE chunk.document_id = short_groups_1.of_group
LIMIT ALL OFFSET 0) AS members_1) AS ranked_members_1
WHERE ranked_members_1.place <= %(param_12)s::INTEGER) AS found_1 ORDER BY distance
LIMIT 30)
SELECT chunk.id, chunk.document_id, chunk.maybe_id, chunk.embedding, best_1.distance AS distance
FROM chunk, best_1
WHERE chunk.id = best_1.key_0 ORDER BY best_1.distance
