WITH queries_1 AS
(SELECT given_1.vector AS vector, given_1.position AS position
FROM unnest(CAST(ARRAY[%(param_1)s::VECTOR(3), %(param_2)s::VECTOR(3), %(param_3)s::VECTOR(3), %(param_4)s::VECTOR(3)] AS VECTOR(3)[])) WITH ORDINALITY AS given_1(vector, position)
WHERE given_1.vector IS NOT NULL),
found_1 AS MATERIALIZED
(SELECT queries_1.position AS position, each_1.key_0 AS key_0, each_1.of_group AS of_group, each_1.distance AS distance
FROM queries_1 JOIN LATERAL (SELECT chunk.id AS key_0, chunk.document_id AS of_group, chunk.embedding <=> queries_1.vector AS distance
FROM chunk
WHERE (SELECT concat(set_config('hnsw.ef_search', CAST(greatest(CAST(nullif(current_setting('hnsw.ef_search', true), '') AS INTEGER), %(param_5)s::INTEGER) AS TEXT), true), CASE WHEN (current_setting('hnsw.iterative_scan', true) IS NOT NULL) THEN set_config('hnsw.iterative_scan', 'strict_order', true) END) AS concat_1) IS NOT NULL ORDER BY chunk.embedding <=> queries_1.vector
LIMIT %(param_6)s::INTEGER) AS each_1 ON true
WHERE vector_norm(queries_1.vector) > 0),
documents_1 AS MATERIALIZED
(SELECT DISTINCT found_1.of_group AS of_group
FROM found_1),
best_1 AS MATERIALIZED
(SELECT either_1.of_group AS of_group, either_1.score AS score
FROM (SELECT near_1.of_group AS of_group, near_1.score AS score
FROM (SELECT near_matches_1.of_group AS of_group, sum(near_matches_1.best) AS score
FROM (SELECT near_pairs_1.of_group AS of_group, max(near_pairs_1.alike) AS best
FROM (SELECT near_tokens_1.of_group AS of_group, queries_1.position AS position, 1 - (near_tokens_1.vector <=> queries_1.vector) AS alike
FROM (SELECT chunk.document_id AS of_group, chunk.embedding AS vector
FROM chunk, documents_1
WHERE (SELECT count(*) AS count_1
FROM documents_1) >= %(param_7)s::INTEGER AND chunk.document_id = documents_1.of_group) AS near_tokens_1 JOIN queries_1 ON true) AS near_pairs_1 GROUP BY near_pairs_1.of_group, near_pairs_1.position) AS near_matches_1 GROUP BY near_matches_1.of_group ORDER BY score DESC, near_matches_1.of_group
LIMIT %(param_8)s::INTEGER) AS near_1 UNION ALL SELECT rest_1.of_group AS of_group, rest_1.score AS score
FROM (SELECT other_matches_1.of_group AS of_group, sum(other_matches_1.best) AS score
FROM (SELECT other_pairs_1.of_group AS of_group, max(other_pairs_1.alike) AS best
FROM (SELECT other_tokens_1.of_group AS of_group, queries_1.position AS position, 1 - (other_tokens_1.vector <=> queries_1.vector) AS alike
FROM (SELECT chunk.document_id AS of_group, chunk.embedding AS vector
FROM chunk
WHERE (SELECT count(*) AS count_1
FROM documents_1) < %(param_7)s::INTEGER) AS other_tokens_1 JOIN queries_1 ON true) AS other_pairs_1 GROUP BY other_pairs_1.of_group, other_pairs_1.position) AS other_matches_1 GROUP BY other_matches_1.of_group ORDER BY score DESC, other_matches_1.of_group) AS rest_1) AS either_1
LIMIT %(param_9)s::INTEGER)
SELECT best_1.of_group AS document_id, best_1.score
FROM best_1 ORDER BY best_1.score DESC, best_1.of_group
