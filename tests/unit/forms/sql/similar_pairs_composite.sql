WITH found_1 AS MATERIALIZED
(SELECT every_row_1.one_0 AS one_0, every_row_1.one_1 AS one_1, each_1.key_0 AS key_0, each_1.key_1 AS key_1, each_1.distance AS distance
FROM (SELECT page.book AS one_0, page.number AS one_1, page.embedding AS vector
FROM page) AS every_row_1 JOIN LATERAL (SELECT candidates_1.key_0 AS key_0, candidates_1.key_1 AS key_1, candidates_1.distance AS distance
FROM (SELECT page.book AS key_0, page.number AS key_1, page.embedding <-> every_row_1.vector AS distance
FROM page
WHERE NOT (page.book = every_row_1.one_0 AND page.number = every_row_1.one_1) AND (SELECT concat(set_config('hnsw.ef_search', CAST(greatest(CAST(nullif(current_setting('hnsw.ef_search', true), '') AS INTEGER), %(param_1)s::INTEGER) AS TEXT), true), set_config('hnsw.max_scan_tuples', %(param_2)s::VARCHAR, true), set_config('hnsw.scan_mem_multiplier', %(param_3)s::VARCHAR, true), set_config('hnsw.iterative_scan', 'relaxed_order', true)) AS concat_1) IS NOT NULL ORDER BY page.embedding <-> every_row_1.vector
LIMIT %(param_4)s::INTEGER) AS candidates_1 ORDER BY candidates_1.distance + 0
LIMIT %(param_5)s::INTEGER) AS each_1 ON true
WHERE every_row_1.vector IS NOT NULL),
pairs_1 AS MATERIALIZED
(SELECT ordered_1.one_0 AS one_0, ordered_1.one_1 AS one_1, ordered_1.key_0 AS key_0, ordered_1.key_1 AS key_1, min(ordered_1.distance) AS distance
FROM (SELECT CASE WHEN (found_1.one_0 > found_1.key_0 OR found_1.one_0 = found_1.key_0 AND found_1.one_1 > found_1.key_1) THEN found_1.key_0 ELSE found_1.one_0 END AS one_0, CASE WHEN (found_1.one_0 > found_1.key_0 OR found_1.one_0 = found_1.key_0 AND found_1.one_1 > found_1.key_1) THEN found_1.key_1 ELSE found_1.one_1 END AS one_1, CASE WHEN (found_1.one_0 > found_1.key_0 OR found_1.one_0 = found_1.key_0 AND found_1.one_1 > found_1.key_1) THEN found_1.one_0 ELSE found_1.key_0 END AS key_0, CASE WHEN (found_1.one_0 > found_1.key_0 OR found_1.one_0 = found_1.key_0 AND found_1.one_1 > found_1.key_1) THEN found_1.one_1 ELSE found_1.key_1 END AS key_1, found_1.distance AS distance
FROM found_1
WHERE found_1.distance <= %(distance_1)s) AS ordered_1 GROUP BY ordered_1.one_0, ordered_1.one_1, ordered_1.key_0, ordered_1.key_1)
SELECT page_1.book, page_1.number, page_1.chapter, page_1.embedding, page_2.book AS book_1, page_2.number AS number_1, page_2.chapter AS chapter_1, page_2.embedding AS embedding_1, pairs_1.distance AS distance
FROM page AS page_1, page AS page_2, pairs_1
WHERE page_1.book = pairs_1.one_0 AND page_1.number = pairs_1.one_1 AND page_2.book = pairs_1.key_0 AND page_2.number = pairs_1.key_1 ORDER BY pairs_1.distance + 0, pairs_1.one_0, pairs_1.one_1, pairs_1.key_0, pairs_1.key_1
