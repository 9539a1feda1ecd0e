WITH anon_5 AS
(SELECT anon_6.vector AS vector
FROM (SELECT page_1.embedding AS vector
FROM page AS page_1
WHERE (page_1.book, page_1.number) IN (__[POSTCOMPILE_param_1]) UNION ALL SELECT anon_7.vector AS vector
FROM unnest(CAST(ARRAY[%(param_2)s::VECTOR(3), %(param_3)s::VECTOR(3), %(param_4)s::VECTOR(3), %(param_5)s::VECTOR(3)] AS VECTOR(3)[])) WITH ORDINALITY AS anon_7(vector, position)) AS anon_6
WHERE anon_6.vector IS NOT NULL),
anon_3 AS
(SELECT anon_4.vector AS vector
FROM (SELECT avg(anon_5.vector) AS vector
FROM anon_5) AS anon_4),
anon_2 AS MATERIALIZED
(SELECT page.book AS key_0, page.number AS key_1, page.embedding <-> (SELECT anon_3.vector
FROM anon_3) AS distance
FROM page
WHERE ((page.book, page.number) NOT IN (__[POSTCOMPILE_param_6])) AND (SELECT anon_3.vector
FROM anon_3) IS NOT NULL AND (SELECT concat(set_config('hnsw.ef_search', CAST(greatest(CAST(nullif(current_setting('hnsw.ef_search', true), '') AS INTEGER), %(param_7)s::INTEGER) AS TEXT), true), set_config('hnsw.max_scan_tuples', %(param_8)s::VARCHAR, true), set_config('hnsw.scan_mem_multiplier', %(param_9)s::VARCHAR, true), set_config('hnsw.iterative_scan', 'relaxed_order', true)) AS concat_1) IS NOT NULL ORDER BY page.embedding <-> (SELECT anon_3.vector
FROM anon_3)
LIMIT %(param_10)s::INTEGER),
anon_1 AS MATERIALIZED
(SELECT anon_2.key_0 AS key_0, anon_2.key_1 AS key_1, anon_2.distance AS distance
FROM anon_2 ORDER BY anon_2.distance + 0
LIMIT %(param_11)s::INTEGER)
SELECT page.book, page.number, page.chapter, page.embedding, anon_1.distance AS distance
FROM page, anon_1
WHERE page.book = anon_1.key_0 AND page.number = anon_1.key_1 ORDER BY anon_1.distance + 0
