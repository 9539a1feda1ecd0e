WITH anon_3 AS MATERIALIZED
(SELECT anon_4.one_0 AS one_0, anon_4.one_1 AS one_1, anon_5.key_0 AS key_0, anon_5.key_1 AS key_1, anon_5.distance AS distance
FROM (SELECT page.book AS one_0, page.number AS one_1, page.embedding AS vector
FROM page) AS anon_4 JOIN LATERAL (SELECT anon_6.key_0 AS key_0, anon_6.key_1 AS key_1, anon_6.distance AS distance
FROM (SELECT page.book AS key_0, page.number AS key_1, page.embedding <-> anon_4.vector AS distance
FROM page
WHERE NOT (page.book = anon_4.one_0 AND page.number = anon_4.one_1) AND (SELECT concat(set_config('hnsw.ef_search', CAST(greatest(CAST(nullif(current_setting('hnsw.ef_search', true), '') AS INTEGER), %(param_1)s::INTEGER) AS TEXT), true), set_config('hnsw.max_scan_tuples', %(param_2)s::VARCHAR, true), set_config('hnsw.scan_mem_multiplier', %(param_3)s::VARCHAR, true), set_config('hnsw.iterative_scan', 'relaxed_order', true)) AS concat_1) IS NOT NULL ORDER BY page.embedding <-> anon_4.vector
LIMIT %(param_4)s::INTEGER) AS anon_6 ORDER BY anon_6.distance + 0
LIMIT %(param_5)s::INTEGER) AS anon_5 ON true
WHERE anon_4.vector IS NOT NULL),
anon_1 AS MATERIALIZED
(SELECT anon_2.one_0 AS one_0, anon_2.one_1 AS one_1, anon_2.key_0 AS key_0, anon_2.key_1 AS key_1, min(anon_2.distance) AS distance
FROM (SELECT CASE WHEN (anon_3.one_0 > anon_3.key_0 OR anon_3.one_0 = anon_3.key_0 AND anon_3.one_1 > anon_3.key_1) THEN anon_3.key_0 ELSE anon_3.one_0 END AS one_0, CASE WHEN (anon_3.one_0 > anon_3.key_0 OR anon_3.one_0 = anon_3.key_0 AND anon_3.one_1 > anon_3.key_1) THEN anon_3.key_1 ELSE anon_3.one_1 END AS one_1, CASE WHEN (anon_3.one_0 > anon_3.key_0 OR anon_3.one_0 = anon_3.key_0 AND anon_3.one_1 > anon_3.key_1) THEN anon_3.one_0 ELSE anon_3.key_0 END AS key_0, CASE WHEN (anon_3.one_0 > anon_3.key_0 OR anon_3.one_0 = anon_3.key_0 AND anon_3.one_1 > anon_3.key_1) THEN anon_3.one_1 ELSE anon_3.key_1 END AS key_1, anon_3.distance AS distance
FROM anon_3
WHERE anon_3.distance <= %(distance_1)s) AS anon_2 GROUP BY anon_2.one_0, anon_2.one_1, anon_2.key_0, anon_2.key_1)
SELECT page_1.book, page_1.number, page_1.chapter, page_1.embedding, page_2.book AS book_1, page_2.number AS number_1, page_2.chapter AS chapter_1, page_2.embedding AS embedding_1, anon_1.distance AS distance
FROM page AS page_1, page AS page_2, anon_1
WHERE page_1.book = anon_1.one_0 AND page_1.number = anon_1.one_1 AND page_2.book = anon_1.key_0 AND page_2.number = anon_1.key_1 ORDER BY anon_1.distance + 0, anon_1.one_0, anon_1.one_1, anon_1.key_0, anon_1.key_1
