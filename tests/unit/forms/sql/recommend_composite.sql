WITH liked_1 AS
(SELECT every_liked_1.vector AS vector
FROM (SELECT page_1.embedding AS vector
FROM page AS page_1
WHERE (page_1.book, page_1.number) IN (__[POSTCOMPILE_param_1]) UNION ALL SELECT given_1.vector AS vector
FROM unnest(CAST(ARRAY[%(param_2)s::VECTOR(3), %(param_3)s::VECTOR(3), %(param_4)s::VECTOR(3), %(param_5)s::VECTOR(3)] AS VECTOR(3)[])) WITH ORDINALITY AS given_1(vector, position)) AS every_liked_1
WHERE every_liked_1.vector IS NOT NULL),
centre_1 AS
(SELECT average_liked_1.vector AS vector
FROM (SELECT avg(liked_1.vector) AS vector
FROM liked_1) AS average_liked_1),
candidates_1 AS MATERIALIZED
(SELECT page.book AS key_0, page.number AS key_1, page.embedding <-> (SELECT centre_1.vector
FROM centre_1) AS distance
FROM page
WHERE ((page.book, page.number) NOT IN (__[POSTCOMPILE_param_6])) AND (SELECT centre_1.vector
FROM centre_1) IS NOT NULL AND (SELECT concat(set_config('hnsw.ef_search', CAST(greatest(CAST(nullif(current_setting('hnsw.ef_search', true), '') AS INTEGER), %(param_7)s::INTEGER) AS TEXT), true), set_config('hnsw.max_scan_tuples', %(param_8)s::VARCHAR, true), set_config('hnsw.scan_mem_multiplier', %(param_9)s::VARCHAR, true), set_config('hnsw.iterative_scan', 'relaxed_order', true)) AS concat_1) IS NOT NULL ORDER BY page.embedding <-> (SELECT centre_1.vector
FROM centre_1)
LIMIT %(param_10)s::INTEGER),
nearest_1 AS MATERIALIZED
(SELECT candidates_1.key_0 AS key_0, candidates_1.key_1 AS key_1, candidates_1.distance AS distance
FROM candidates_1 ORDER BY candidates_1.distance + 0
LIMIT %(param_11)s::INTEGER)
SELECT page.book, page.number, page.chapter, page.embedding, nearest_1.distance AS distance
FROM page, nearest_1
WHERE page.book = nearest_1.key_0 AND page.number = nearest_1.key_1 ORDER BY nearest_1.distance + 0
