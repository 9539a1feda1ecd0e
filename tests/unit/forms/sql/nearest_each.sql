WITH anon_1 AS MATERIALIZED
(SELECT anon_2.key AS key, anon_2.position AS position, anon_3.key_0 AS key_0, anon_3.distance AS distance
FROM unnest(CAST(%(param_1)s::BIGINT[] AS BIGINT[]), CAST(ARRAY[%(param_2)s::VECTOR(3), %(param_3)s::VECTOR(3), %(param_4)s::VECTOR(3), %(param_5)s::VECTOR(3)] AS VECTOR(3)[])) WITH ORDINALITY AS anon_2(key, vector, position) JOIN LATERAL (SELECT document.id AS key_0, document.embedding <=> anon_2.vector AS distance
FROM document
WHERE (SELECT concat(set_config('hnsw.ef_search', CAST(greatest(CAST(nullif(current_setting('hnsw.ef_search', true), '') AS INTEGER), %(param_6)s::INTEGER) AS TEXT), true), CASE WHEN (current_setting('hnsw.iterative_scan', true) IS NOT NULL) THEN set_config('hnsw.iterative_scan', 'strict_order', true) END) AS concat_1) IS NOT NULL ORDER BY document.embedding <=> anon_2.vector
LIMIT %(param_7)s::INTEGER) AS anon_3 ON true
WHERE anon_2.vector IS NOT NULL)
SELECT anon_1.key, document.id, document.lang, document.title, document.embedding, document.bits, document.maybe, document.sparse, anon_1.distance AS distance
FROM document, anon_1
WHERE document.id = anon_1.key_0 ORDER BY anon_1.position, anon_1.distance + 0
