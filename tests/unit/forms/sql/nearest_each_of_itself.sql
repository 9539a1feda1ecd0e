WITH anon_1 AS MATERIALIZED
(SELECT anon_2.key AS key, anon_3.key_0 AS key_0, anon_3.distance AS distance
FROM (SELECT anon_4.id AS key, anon_4.embedding AS vector
FROM (SELECT document.id AS id, document.embedding AS embedding
FROM document
WHERE document.lang = %(lang_1)s::VARCHAR) AS anon_4) AS anon_2 JOIN LATERAL (SELECT anon_5.key_0 AS key_0, anon_5.distance AS distance
FROM (SELECT document.id AS key_0, document.embedding <=> anon_2.vector AS distance
FROM document
WHERE document.id != anon_2.key AND (SELECT concat(set_config('hnsw.ef_search', CAST(greatest(CAST(nullif(current_setting('hnsw.ef_search', true), '') AS INTEGER), %(param_1)s::INTEGER) AS TEXT), true), set_config('hnsw.max_scan_tuples', %(param_2)s::VARCHAR, true), set_config('hnsw.scan_mem_multiplier', %(param_3)s::VARCHAR, true), set_config('hnsw.iterative_scan', 'relaxed_order', true)) AS concat_1) IS NOT NULL ORDER BY document.embedding <=> anon_2.vector
LIMIT %(param_4)s::INTEGER) AS anon_5 ORDER BY anon_5.distance + 0
LIMIT %(param_5)s::INTEGER) AS anon_3 ON true
WHERE anon_2.vector IS NOT NULL)
SELECT anon_1.key, document.id, document.lang, document.title, document.embedding, document.bits, document.maybe, document.sparse, anon_1.distance AS distance
FROM document, anon_1
WHERE document.id = anon_1.key_0 ORDER BY anon_1.key, anon_1.distance + 0
