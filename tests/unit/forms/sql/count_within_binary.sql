WITH anon_2 AS MATERIALIZED
(SELECT document.id AS key_0, document.bits <=> %(param_1)s::VECTOR(3) AS distance
FROM document
WHERE (SELECT concat(set_config('hnsw.ef_search', CAST(greatest(CAST(nullif(current_setting('hnsw.ef_search', true), '') AS INTEGER), %(param_2)s::INTEGER) AS TEXT), true), CASE WHEN (current_setting('hnsw.iterative_scan', true) IS NOT NULL) THEN set_config('hnsw.iterative_scan', 'strict_order', true) END) AS concat_1) IS NOT NULL ORDER BY CAST(binary_quantize(document.bits) AS BIT(3)) <~> binary_quantize(CAST(%(param_1)s::VECTOR(3) AS VECTOR(3)))
LIMIT %(param_3)s::INTEGER),
anon_1 AS MATERIALIZED
(SELECT anon_2.key_0 AS key_0, anon_2.distance AS distance
FROM anon_2 ORDER BY anon_2.distance + 0
LIMIT %(param_4)s::INTEGER)
SELECT count(*) AS count_1
FROM anon_1
WHERE anon_1.distance <= %(distance_1)s
