WITH candidates_1 AS MATERIALIZED
(SELECT chunk.id AS key_0, chunk.document_id AS of_group, chunk.embedding <=> %(param_1)s::VECTOR(3) AS distance
FROM chunk
WHERE (SELECT concat(set_config('hnsw.ef_search', CAST(greatest(CAST(nullif(current_setting('hnsw.ef_search', true), '') AS INTEGER), %(param_2)s::INTEGER) AS TEXT), true), CASE WHEN (current_setting('hnsw.iterative_scan', true) IS NOT NULL) THEN set_config('hnsw.iterative_scan', 'strict_order', true) END) AS concat_1) IS NOT NULL ORDER BY chunk.embedding <=> %(param_1)s::VECTOR(3)
LIMIT %(param_3)s::INTEGER),
groups_1 AS MATERIALIZED
(SELECT candidates_1.of_group AS of_group, min(candidates_1.distance) AS nearest, count(*) AS members
FROM candidates_1 GROUP BY candidates_1.of_group),
chosen_1 AS MATERIALIZED
(SELECT either_1.of_group AS of_group, either_1.nearest AS nearest, either_1.members AS members
FROM (SELECT near_1.of_group AS of_group, near_1.nearest AS nearest, near_1.members AS members
FROM (SELECT groups_1.of_group AS of_group, groups_1.nearest AS nearest, groups_1.members AS members
FROM groups_1
WHERE (SELECT count(*) AS count_1
FROM groups_1) >= %(param_4)s::INTEGER ORDER BY groups_1.nearest + 0
LIMIT %(param_5)s::INTEGER) AS near_1 UNION ALL SELECT rest_1.of_group AS of_group, rest_1.nearest AS nearest, rest_1.members AS members
FROM (SELECT every_row_1.of_group AS of_group, min(every_row_1.distance) AS nearest, 0 AS members
FROM (SELECT chunk.document_id AS of_group, chunk.embedding <=> %(param_1)s::VECTOR(3) AS distance
FROM chunk
WHERE (SELECT count(*) AS count_1
FROM groups_1) < %(param_4)s::INTEGER) AS every_row_1 GROUP BY every_row_1.of_group ORDER BY min(every_row_1.distance) + 0) AS rest_1) AS either_1
LIMIT %(param_6)s::INTEGER),
short_groups_1 AS MATERIALIZED
(SELECT chosen_1.of_group AS of_group, chosen_1.nearest AS nearest, chosen_1.members AS members
FROM chosen_1
WHERE chosen_1.members < %(members_3)s::INTEGER),
best_1 AS MATERIALIZED
(SELECT ranked_candidates_1.key_0 AS key_0, ranked_candidates_1.distance AS distance
FROM (SELECT candidates_1.key_0 AS key_0, candidates_1.of_group AS of_group, candidates_1.distance AS distance, row_number() OVER (PARTITION BY candidates_1.of_group ORDER BY candidates_1.distance + 0, candidates_1.key_0) AS place
FROM candidates_1) AS ranked_candidates_1, (SELECT chosen_1.of_group AS of_group, chosen_1.nearest AS nearest, chosen_1.members AS members
FROM chosen_1
WHERE chosen_1.members >= %(members_1)s::INTEGER) AS full_groups_1
WHERE ranked_candidates_1.place <= %(place_1)s::INTEGER AND ranked_candidates_1.of_group = full_groups_1.of_group UNION ALL SELECT ranked_members_1.key_0 AS key_0, ranked_members_1.distance AS distance
FROM (SELECT members_2.key_0 AS key_0, members_2.of_group AS of_group, members_2.distance AS distance, row_number() OVER (PARTITION BY members_2.of_group ORDER BY members_2.distance + 0, members_2.key_0) AS place
FROM (SELECT chunk.id AS key_0, chunk.document_id AS of_group, chunk.embedding <=> %(param_1)s::VECTOR(3) AS distance
FROM chunk, short_groups_1
WHERE chunk.document_id = short_groups_1.of_group) AS members_2) AS ranked_members_1
WHERE ranked_members_1.place <= %(place_2)s::INTEGER)
SELECT chunk.id, chunk.document_id, chunk.maybe_id, chunk.embedding, best_1.distance AS distance
FROM chunk, best_1
WHERE chunk.id = best_1.key_0 ORDER BY best_1.distance + 0
