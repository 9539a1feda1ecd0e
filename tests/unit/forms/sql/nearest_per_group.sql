WITH candidates_1 AS MATERIALIZED
(SELECT chunk.id AS key_0, chunk.document_id AS of_group, chunk.embedding <=> %(param_1)s::VECTOR(3) AS distance
FROM chunk
WHERE (SELECT concat(set_config('hnsw.ef_search', CAST(greatest(CAST(nullif(current_setting('hnsw.ef_search', true), '') AS INTEGER), %(param_2)s::INTEGER) AS TEXT), true), CASE WHEN (current_setting('hnsw.iterative_scan', true) IS NOT NULL) THEN set_config('hnsw.iterative_scan', 'strict_order', true) END) AS concat_1) IS NOT NULL ORDER BY chunk.embedding <=> %(param_1)s::VECTOR(3)
LIMIT %(param_3)s::INTEGER),
heads_1 AS MATERIALIZED
(SELECT ranked_candidates_1.key_0 AS key_0, ranked_candidates_1.of_group AS of_group, ranked_candidates_1.distance AS distance, ranked_candidates_1.place AS place
FROM (SELECT candidates_1.key_0 AS key_0, candidates_1.of_group AS of_group, candidates_1.distance AS distance, row_number() OVER (PARTITION BY candidates_1.of_group ORDER BY candidates_1.distance + 0, candidates_1.key_0) AS place
FROM candidates_1) AS ranked_candidates_1
WHERE ranked_candidates_1.place = %(place_1)s::INTEGER),
best_1 AS MATERIALIZED
(SELECT either_1.key_0 AS key_0, either_1.distance AS distance
FROM (SELECT near_1.key_0 AS key_0, near_1.distance AS distance
FROM (SELECT heads_1.key_0 AS key_0, heads_1.distance AS distance
FROM heads_1
WHERE (SELECT count(*) AS count_1
FROM heads_1) >= %(param_4)s::INTEGER ORDER BY heads_1.distance + 0
LIMIT %(param_5)s::INTEGER) AS near_1 UNION ALL SELECT rest_1.key_0 AS key_0, rest_1.distance AS distance
FROM (SELECT ranked_rows_1.key_0 AS key_0, ranked_rows_1.distance AS distance
FROM (SELECT every_row_1.key_0 AS key_0, every_row_1.of_group AS of_group, every_row_1.distance AS distance, row_number() OVER (PARTITION BY every_row_1.of_group ORDER BY every_row_1.distance + 0, every_row_1.key_0) AS place
FROM (SELECT chunk.id AS key_0, chunk.document_id AS of_group, chunk.embedding <=> %(param_1)s::VECTOR(3) AS distance
FROM chunk
WHERE (SELECT count(*) AS count_1
FROM heads_1) < %(param_4)s::INTEGER) AS every_row_1) AS ranked_rows_1
WHERE ranked_rows_1.place = %(place_2)s::INTEGER ORDER BY ranked_rows_1.distance + 0) AS rest_1) AS either_1
LIMIT %(param_6)s::INTEGER)
SELECT chunk.id, chunk.document_id, chunk.maybe_id, chunk.embedding, best_1.distance AS distance
FROM chunk, best_1
WHERE chunk.id = best_1.key_0 ORDER BY best_1.distance + 0
