WITH anon_3 AS
(SELECT anon_4.vector AS vector
FROM (SELECT document_1.embedding AS vector
FROM document AS document_1
WHERE document_1.id IN (__[POSTCOMPILE_id_1])) AS anon_4
WHERE anon_4.vector IS NOT NULL),
anon_5 AS
(SELECT anon_6.vector AS vector
FROM (SELECT document_2.embedding AS vector
FROM document AS document_2
WHERE document_2.id IN (__[POSTCOMPILE_id_2])) AS anon_6
WHERE anon_6.vector IS NOT NULL),
anon_8 AS MATERIALIZED
(SELECT anon_9.key_0 AS key_0, anon_9.distance AS distance
FROM anon_3 JOIN LATERAL (SELECT anon_10.key_0 AS key_0, anon_10.distance AS distance
FROM (SELECT document.id AS key_0, document.embedding <=> anon_3.vector AS distance
FROM document
WHERE (document.id NOT IN (__[POSTCOMPILE_id_3])) AND (SELECT concat(set_config('hnsw.ef_search', CAST(greatest(CAST(nullif(current_setting('hnsw.ef_search', true), '') AS INTEGER), %(param_1)s::INTEGER) AS TEXT), true), set_config('hnsw.max_scan_tuples', %(param_2)s::VARCHAR, true), set_config('hnsw.scan_mem_multiplier', %(param_3)s::VARCHAR, true), set_config('hnsw.iterative_scan', 'relaxed_order', true)) AS concat_1) IS NOT NULL ORDER BY document.embedding <=> anon_3.vector
LIMIT %(param_4)s::INTEGER) AS anon_10 ORDER BY anon_10.distance + 0
LIMIT %(param_5)s::INTEGER) AS anon_9 ON true
WHERE anon_3.vector IS NOT NULL),
anon_2 AS MATERIALIZED
(SELECT document.id AS key_0, (SELECT min(document.embedding <=> anon_3.vector) AS min_1
FROM anon_3) AS distance, (SELECT min(document.embedding <=> anon_5.vector) AS min_2
FROM anon_5) AS away
FROM document, (SELECT DISTINCT anon_8.key_0 AS key_0
FROM anon_8) AS anon_7
WHERE document.id = anon_7.key_0),
anon_1 AS MATERIALIZED
(SELECT anon_2.key_0 AS key_0, anon_2.distance AS distance, anon_2.away AS away
FROM anon_2 ORDER BY anon_2.away < anon_2.distance, CASE WHEN (anon_2.away < anon_2.distance) THEN -anon_2.away ELSE anon_2.distance END
LIMIT %(param_6)s::INTEGER)
SELECT document.id, document.lang, document.title, document.embedding, document.bits, document.maybe, document.sparse, anon_1.distance AS distance
FROM document, anon_1
WHERE document.id = anon_1.key_0 ORDER BY anon_1.away < anon_1.distance, CASE WHEN (anon_1.away < anon_1.distance) THEN -anon_1.away ELSE anon_1.distance END
