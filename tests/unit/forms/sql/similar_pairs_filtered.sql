WITH found_1 AS MATERIALIZED
(SELECT every_row_1.one_0 AS one_0, each_1.key_0 AS key_0, each_1.distance AS distance
FROM (SELECT document.id AS one_0, document.embedding AS vector
FROM document
WHERE document.lang = %(lang_2)s::VARCHAR) AS every_row_1 JOIN LATERAL (SELECT candidates_1.key_0 AS key_0, candidates_1.distance AS distance
FROM (SELECT document.id AS key_0, document.embedding <=> every_row_1.vector AS distance
FROM document
WHERE document.lang = %(lang_2)s::VARCHAR AND document.id != every_row_1.one_0 AND (SELECT concat(set_config('hnsw.ef_search', CAST(greatest(CAST(nullif(current_setting('hnsw.ef_search', true), '') AS INTEGER), %(param_1)s::INTEGER) AS TEXT), true), set_config('hnsw.max_scan_tuples', %(param_2)s::VARCHAR, true), set_config('hnsw.scan_mem_multiplier', %(param_3)s::VARCHAR, true), set_config('hnsw.iterative_scan', 'relaxed_order', true)) AS concat_1) IS NOT NULL ORDER BY document.embedding <=> every_row_1.vector
LIMIT %(param_4)s::INTEGER) AS candidates_1 ORDER BY candidates_1.distance + 0
LIMIT %(param_5)s::INTEGER) AS each_1 ON true
WHERE vector_norm(every_row_1.vector) > 0),
pairs_1 AS MATERIALIZED
(SELECT ordered_1.one_0 AS one_0, ordered_1.key_0 AS key_0, min(ordered_1.distance) AS distance
FROM (SELECT CASE WHEN (found_1.one_0 > found_1.key_0) THEN found_1.key_0 ELSE found_1.one_0 END AS one_0, CASE WHEN (found_1.one_0 > found_1.key_0) THEN found_1.one_0 ELSE found_1.key_0 END AS key_0, found_1.distance AS distance
FROM found_1
WHERE found_1.distance <= %(distance_1)s) AS ordered_1 GROUP BY ordered_1.one_0, ordered_1.key_0)
SELECT document_1.id, document_1.lang, document_1.title, document_1.embedding, document_1.bits, document_1.maybe, document_1.sparse, document_2.id AS id_1, document_2.lang AS lang_1, document_2.title AS title_1, document_2.embedding AS embedding_1, document_2.bits AS bits_1, document_2.maybe AS maybe_1, document_2.sparse AS sparse_1, pairs_1.distance AS distance
FROM document AS document_1, document AS document_2, pairs_1
WHERE document_1.id = pairs_1.one_0 AND document_2.id = pairs_1.key_0 ORDER BY pairs_1.distance + 0, pairs_1.one_0, pairs_1.key_0
