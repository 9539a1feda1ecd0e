WITH found_1 AS MATERIALIZED
(SELECT queries_1.key AS key, each_1.key_0 AS key_0, each_1.distance AS distance
FROM (SELECT given_1.id AS key, given_1.embedding AS vector
FROM (SELECT question.id AS id, question.embedding AS embedding
FROM question) AS given_1) AS queries_1 JOIN LATERAL (SELECT document.id AS key_0, document.embedding <=> queries_1.vector AS distance
FROM document
WHERE (SELECT concat(set_config('hnsw.ef_search', CAST(greatest(CAST(nullif(current_setting('hnsw.ef_search', true), '') AS INTEGER), %(param_1)s::INTEGER) AS TEXT), true), CASE WHEN (current_setting('hnsw.iterative_scan', true) IS NOT NULL) THEN set_config('hnsw.iterative_scan', 'strict_order', true) END) AS concat_1) IS NOT NULL ORDER BY document.embedding <=> queries_1.vector
LIMIT %(param_2)s::INTEGER) AS each_1 ON true
WHERE vector_norm(queries_1.vector) > 0)
SELECT found_1.key, document.id, document.lang, document.title, document.embedding, document.bits, document.maybe, document.sparse, found_1.distance AS distance
FROM document, found_1
WHERE document.id = found_1.key_0 AND found_1.distance <= %(distance_1)s ORDER BY found_1.key, found_1.distance + 0
