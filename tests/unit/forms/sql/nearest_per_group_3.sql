WITH anon_3 AS MATERIALIZED
(SELECT chunk.id AS key_0, chunk.document_id AS of_group, chunk.embedding <=> %(param_1)s::VECTOR(3) AS distance
FROM chunk
WHERE (SELECT concat(set_config('hnsw.ef_search', CAST(greatest(CAST(nullif(current_setting('hnsw.ef_search', true), '') AS INTEGER), %(param_2)s::INTEGER) AS TEXT), true), CASE WHEN (current_setting('hnsw.iterative_scan', true) IS NOT NULL) THEN set_config('hnsw.iterative_scan', 'strict_order', true) END) AS concat_1) IS NOT NULL ORDER BY chunk.embedding <=> %(param_1)s::VECTOR(3)
LIMIT %(param_3)s::INTEGER),
anon_8 AS MATERIALIZED
(SELECT anon_3.of_group AS of_group, min(anon_3.distance) AS nearest, count(*) AS members
FROM anon_3 GROUP BY anon_3.of_group),
anon_5 AS MATERIALIZED
(SELECT anon_6.of_group AS of_group, anon_6.nearest AS nearest, anon_6.members AS members
FROM (SELECT anon_7.of_group AS of_group, anon_7.nearest AS nearest, anon_7.members AS members
FROM (SELECT anon_8.of_group AS of_group, anon_8.nearest AS nearest, anon_8.members AS members
FROM anon_8
WHERE (SELECT count(*) AS count_1
FROM anon_8) >= %(param_4)s::INTEGER ORDER BY anon_8.nearest + 0
LIMIT %(param_5)s::INTEGER) AS anon_7 UNION ALL SELECT anon_9.of_group AS of_group, anon_9.nearest AS nearest, anon_9.members AS members
FROM (SELECT anon_10.of_group AS of_group, min(anon_10.distance) AS nearest, 0 AS members
FROM (SELECT chunk.document_id AS of_group, chunk.embedding <=> %(param_1)s::VECTOR(3) AS distance
FROM chunk
WHERE (SELECT count(*) AS count_1
FROM anon_8) < %(param_4)s::INTEGER) AS anon_10 GROUP BY anon_10.of_group ORDER BY min(anon_10.distance) + 0) AS anon_9) AS anon_6
LIMIT %(param_6)s::INTEGER),
anon_13 AS MATERIALIZED
(SELECT anon_5.of_group AS of_group, anon_5.nearest AS nearest, anon_5.members AS members
FROM anon_5
WHERE anon_5.members < %(members_2)s::INTEGER),
anon_1 AS MATERIALIZED
(SELECT anon_2.key_0 AS key_0, anon_2.distance AS distance
FROM (SELECT anon_3.key_0 AS key_0, anon_3.of_group AS of_group, anon_3.distance AS distance, row_number() OVER (PARTITION BY anon_3.of_group ORDER BY anon_3.distance + 0, anon_3.key_0) AS place
FROM anon_3) AS anon_2, (SELECT anon_5.of_group AS of_group, anon_5.nearest AS nearest, anon_5.members AS members
FROM anon_5
WHERE anon_5.members >= %(members_1)s::INTEGER) AS anon_4
WHERE anon_2.place <= %(place_1)s::INTEGER AND anon_2.of_group = anon_4.of_group UNION ALL SELECT anon_11.key_0 AS key_0, anon_11.distance AS distance
FROM (SELECT anon_12.key_0 AS key_0, anon_12.of_group AS of_group, anon_12.distance AS distance, row_number() OVER (PARTITION BY anon_12.of_group ORDER BY anon_12.distance + 0, anon_12.key_0) AS place
FROM (SELECT chunk.id AS key_0, chunk.document_id AS of_group, chunk.embedding <=> %(param_1)s::VECTOR(3) AS distance
FROM chunk, anon_13
WHERE chunk.document_id = anon_13.of_group) AS anon_12) AS anon_11
WHERE anon_11.place <= %(place_2)s::INTEGER)
SELECT chunk.id, chunk.document_id, chunk.maybe_id, chunk.embedding, anon_1.distance AS distance
FROM chunk, anon_1
WHERE chunk.id = anon_1.key_0 ORDER BY anon_1.distance + 0
