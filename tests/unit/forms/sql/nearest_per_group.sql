WITH anon_6 AS MATERIALIZED
(SELECT chunk.id AS key_0, chunk.document_id AS of_group, chunk.embedding <=> %(param_1)s::VECTOR(3) AS distance
FROM chunk
WHERE (SELECT concat(set_config('hnsw.ef_search', CAST(greatest(CAST(nullif(current_setting('hnsw.ef_search', true), '') AS INTEGER), %(param_2)s::INTEGER) AS TEXT), true), CASE WHEN (current_setting('hnsw.iterative_scan', true) IS NOT NULL) THEN set_config('hnsw.iterative_scan', 'strict_order', true) END) AS concat_1) IS NOT NULL ORDER BY chunk.embedding <=> %(param_1)s::VECTOR(3)
LIMIT %(param_3)s::INTEGER),
anon_4 AS MATERIALIZED
(SELECT anon_5.key_0 AS key_0, anon_5.of_group AS of_group, anon_5.distance AS distance, anon_5.place AS place
FROM (SELECT anon_6.key_0 AS key_0, anon_6.of_group AS of_group, anon_6.distance AS distance, row_number() OVER (PARTITION BY anon_6.of_group ORDER BY anon_6.distance + 0, anon_6.key_0) AS place
FROM anon_6) AS anon_5
WHERE anon_5.place = %(place_1)s::INTEGER),
anon_1 AS MATERIALIZED
(SELECT anon_2.key_0 AS key_0, anon_2.distance AS distance
FROM (SELECT anon_3.key_0 AS key_0, anon_3.distance AS distance
FROM (SELECT anon_4.key_0 AS key_0, anon_4.distance AS distance
FROM anon_4
WHERE (SELECT count(*) AS count_1
FROM anon_4) >= %(param_4)s::INTEGER ORDER BY anon_4.distance + 0
LIMIT %(param_5)s::INTEGER) AS anon_3 UNION ALL SELECT anon_7.key_0 AS key_0, anon_7.distance AS distance
FROM (SELECT anon_8.key_0 AS key_0, anon_8.distance AS distance
FROM (SELECT anon_9.key_0 AS key_0, anon_9.of_group AS of_group, anon_9.distance AS distance, row_number() OVER (PARTITION BY anon_9.of_group ORDER BY anon_9.distance + 0, anon_9.key_0) AS place
FROM (SELECT chunk.id AS key_0, chunk.document_id AS of_group, chunk.embedding <=> %(param_1)s::VECTOR(3) AS distance
FROM chunk
WHERE (SELECT count(*) AS count_1
FROM anon_4) < %(param_4)s::INTEGER) AS anon_9) AS anon_8
WHERE anon_8.place = %(place_2)s::INTEGER ORDER BY anon_8.distance + 0) AS anon_7) AS anon_2
LIMIT %(param_6)s::INTEGER)
SELECT chunk.id, chunk.document_id, chunk.maybe_id, chunk.embedding, anon_1.distance AS distance
FROM chunk, anon_1
WHERE chunk.id = anon_1.key_0 ORDER BY anon_1.distance + 0
