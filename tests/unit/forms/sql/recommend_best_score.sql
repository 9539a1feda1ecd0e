WITH liked_1 AS
(SELECT every_liked_1.vector AS vector
FROM (SELECT document_1.embedding AS vector
FROM document AS document_1
WHERE document_1.id IN (__[POSTCOMPILE_id_1])) AS every_liked_1
WHERE vector_norm(every_liked_1.vector) > 0),
disliked_1 AS
(SELECT every_disliked_1.vector AS vector
FROM (SELECT document_2.embedding AS vector
FROM document AS document_2
WHERE document_2.id IN (__[POSTCOMPILE_id_2])) AS every_disliked_1
WHERE vector_norm(every_disliked_1.vector) > 0),
found_1 AS MATERIALIZED
(SELECT each_1.key_0 AS key_0, each_1.distance AS distance
FROM liked_1 JOIN LATERAL (SELECT candidates_1.key_0 AS key_0, candidates_1.distance AS distance
FROM (SELECT document.id AS key_0, document.embedding <=> liked_1.vector AS distance
FROM document
WHERE (document.id NOT IN (__[POSTCOMPILE_id_3])) AND (SELECT concat(set_config('hnsw.ef_search', CAST(greatest(CAST(nullif(current_setting('hnsw.ef_search', true), '') AS INTEGER), %(param_1)s::INTEGER) AS TEXT), true), set_config('hnsw.max_scan_tuples', %(param_2)s::VARCHAR, true), set_config('hnsw.scan_mem_multiplier', %(param_3)s::VARCHAR, true), set_config('hnsw.iterative_scan', 'relaxed_order', true)) AS concat_1) IS NOT NULL ORDER BY document.embedding <=> liked_1.vector
LIMIT %(param_4)s::INTEGER) AS candidates_1 ORDER BY candidates_1.distance + 0
LIMIT %(param_5)s::INTEGER) AS each_1 ON true
WHERE vector_norm(liked_1.vector) > 0),
compared_1 AS MATERIALIZED
(SELECT document.id AS key_0, (SELECT min(document.embedding <=> liked_1.vector) AS min_1
FROM liked_1) AS distance, (SELECT min(document.embedding <=> disliked_1.vector) AS min_2
FROM disliked_1) AS away
FROM document, (SELECT DISTINCT found_1.key_0 AS key_0
FROM found_1) AS every_candidate_1
WHERE document.id = every_candidate_1.key_0),
best_1 AS MATERIALIZED
(SELECT compared_1.key_0 AS key_0, compared_1.distance AS distance, compared_1.away AS away
FROM compared_1 ORDER BY compared_1.away < compared_1.distance, CASE WHEN (compared_1.away < compared_1.distance) THEN -compared_1.away ELSE compared_1.distance END
LIMIT %(param_6)s::INTEGER)
SELECT document.id, document.lang, document.title, document.embedding, document.bits, document.maybe, document.sparse, best_1.distance AS distance
FROM document, best_1
WHERE document.id = best_1.key_0 ORDER BY best_1.away < best_1.distance, CASE WHEN (best_1.away < best_1.distance) THEN -best_1.away ELSE best_1.distance END
