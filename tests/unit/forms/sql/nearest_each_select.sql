WITH anon_1 AS MATERIALIZED
(SELECT anon_2.key AS key, anon_3.key_0 AS key_0, anon_3.distance AS distance
FROM (SELECT anon_4.id AS key, anon_4.embedding AS vector
FROM (SELECT question.id AS id, question.embedding AS embedding
FROM question) AS anon_4) AS anon_2 JOIN LATERAL (SELECT document.id AS key_0, document.embedding <=> anon_2.vector AS distance
FROM document
WHERE (SELECT concat(set_config('hnsw.ef_search', CAST(greatest(CAST(nullif(current_setting('hnsw.ef_search', true), '') AS INTEGER), %(param_1)s::INTEGER) AS TEXT), true), CASE WHEN (current_setting('hnsw.iterative_scan', true) IS NOT NULL) THEN set_config('hnsw.iterative_scan', 'strict_order', true) END) AS concat_1) IS NOT NULL ORDER BY document.embedding <=> anon_2.vector
LIMIT %(param_2)s::INTEGER) AS anon_3 ON true
WHERE anon_2.vector IS NOT NULL)
SELECT anon_1.key, document.id, document.lang, document.title, document.embedding, document.bits, document.maybe, document.sparse, anon_1.distance AS distance
FROM document, anon_1
WHERE document.id = anon_1.key_0 AND anon_1.distance <= %(distance_1)s ORDER BY anon_1.key, anon_1.distance + 0
