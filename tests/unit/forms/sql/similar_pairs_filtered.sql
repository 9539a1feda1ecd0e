WITH anon_3 AS MATERIALIZED
(SELECT anon_4.one_0 AS one_0, anon_5.key_0 AS key_0, anon_5.distance AS distance
FROM (SELECT document.id AS one_0, document.embedding AS vector
FROM document
WHERE document.lang = %(lang_2)s::VARCHAR) AS anon_4 JOIN LATERAL (SELECT anon_6.key_0 AS key_0, anon_6.distance AS distance
FROM (SELECT document.id AS key_0, document.embedding <=> anon_4.vector AS distance
FROM document
WHERE document.lang = %(lang_2)s::VARCHAR AND document.id != anon_4.one_0 AND (SELECT concat(set_config('hnsw.ef_search', CAST(greatest(CAST(nullif(current_setting('hnsw.ef_search', true), '') AS INTEGER), %(param_1)s::INTEGER) AS TEXT), true), set_config('hnsw.max_scan_tuples', %(param_2)s::VARCHAR, true), set_config('hnsw.scan_mem_multiplier', %(param_3)s::VARCHAR, true), set_config('hnsw.iterative_scan', 'relaxed_order', true)) AS concat_1) IS NOT NULL ORDER BY document.embedding <=> anon_4.vector
LIMIT %(param_4)s::INTEGER) AS anon_6 ORDER BY anon_6.distance + 0
LIMIT %(param_5)s::INTEGER) AS anon_5 ON true
WHERE anon_4.vector IS NOT NULL),
anon_1 AS MATERIALIZED
(SELECT anon_2.one_0 AS one_0, anon_2.key_0 AS key_0, min(anon_2.distance) AS distance
FROM (SELECT CASE WHEN (anon_3.one_0 > anon_3.key_0) THEN anon_3.key_0 ELSE anon_3.one_0 END AS one_0, CASE WHEN (anon_3.one_0 > anon_3.key_0) THEN anon_3.one_0 ELSE anon_3.key_0 END AS key_0, anon_3.distance AS distance
FROM anon_3
WHERE anon_3.distance <= %(distance_1)s) AS anon_2 GROUP BY anon_2.one_0, anon_2.key_0)
SELECT document_1.id, document_1.lang, document_1.title, document_1.embedding, document_1.bits, document_1.maybe, document_1.sparse, document_2.id AS id_1, document_2.lang AS lang_1, document_2.title AS title_1, document_2.embedding AS embedding_1, document_2.bits AS bits_1, document_2.maybe AS maybe_1, document_2.sparse AS sparse_1, anon_1.distance AS distance
FROM document AS document_1, document AS document_2, anon_1
WHERE document_1.id = anon_1.one_0 AND document_2.id = anon_1.key_0 ORDER BY anon_1.distance + 0, anon_1.one_0, anon_1.key_0
