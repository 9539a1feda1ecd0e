WITH found_1 AS MATERIALIZED
(SELECT given_1.key AS key, given_1.position AS position, each_1.key_0 AS key_0, each_1.distance AS distance
FROM unnest(CAST(%(param_1)s::BIGINT[] AS BIGINT[]), CAST(ARRAY[%(param_2)s::VECTOR(3), %(param_3)s::VECTOR(3), %(param_4)s::VECTOR(3), %(param_5)s::VECTOR(3)] AS VECTOR(3)[])) WITH ORDINALITY AS given_1(key, vector, position) JOIN LATERAL (SELECT candidates_1.key_0 AS key_0, candidates_1.distance AS distance
FROM (SELECT document.id AS key_0, document.bits <=> given_1.vector AS distance
FROM document
WHERE (SELECT concat(set_config('hnsw.ef_search', CAST(greatest(CAST(nullif(current_setting('hnsw.ef_search', true), '') AS INTEGER), %(param_6)s::INTEGER) AS TEXT), true), CASE WHEN (current_setting('hnsw.iterative_scan', true) IS NOT NULL) THEN set_config('hnsw.iterative_scan', 'strict_order', true) END) AS concat_1) IS NOT NULL ORDER BY CAST(binary_quantize(document.bits) AS BIT(3)) <~> binary_quantize(CAST(given_1.vector AS VECTOR(3)))
LIMIT %(param_7)s::INTEGER) AS candidates_1 ORDER BY candidates_1.distance + 0
LIMIT %(param_8)s::INTEGER) AS each_1 ON true
WHERE vector_norm(given_1.vector) > 0)
SELECT found_1.key, document.id, document.lang, document.title, document.embedding, document.bits, document.maybe, document.sparse, found_1.distance AS distance
FROM document, found_1
WHERE document.id = found_1.key_0 ORDER BY found_1.position, found_1.distance + 0
