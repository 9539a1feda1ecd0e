WITH candidates_1 AS MATERIALIZED
(SELECT document.id AS key_0, document.embedding <=> %(param_1)s::VECTOR(3) AS distance
FROM document
WHERE (SELECT concat(set_config('hnsw.ef_search', CAST(greatest(CAST(nullif(current_setting('hnsw.ef_search', true), '') AS INTEGER), %(param_2)s::INTEGER) AS TEXT), true), CASE WHEN (current_setting('hnsw.iterative_scan', true) IS NOT NULL) THEN set_config('hnsw.iterative_scan', 'strict_order', true) END) AS concat_1) IS NOT NULL ORDER BY document.embedding <=> %(param_1)s::VECTOR(3)
LIMIT %(param_3)s::INTEGER)
SELECT count(*) AS count_1
FROM candidates_1
WHERE candidates_1.distance <= %(distance_1)s
