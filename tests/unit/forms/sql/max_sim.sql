WITH anon_7 AS
(SELECT anon_11.vector AS vector, anon_11.position AS position
FROM unnest(CAST(ARRAY[%(param_1)s::VECTOR(3), %(param_2)s::VECTOR(3), %(param_3)s::VECTOR(3), %(param_4)s::VECTOR(3)] AS VECTOR(3)[])) WITH ORDINALITY AS anon_11(vector, position)
WHERE anon_11.vector IS NOT NULL),
anon_9 AS MATERIALIZED
(SELECT anon_7.position AS position, anon_10.key_0 AS key_0, anon_10.of_group AS of_group, anon_10.distance AS distance
FROM anon_7 JOIN LATERAL (SELECT chunk.id AS key_0, chunk.document_id AS of_group, chunk.embedding <=> anon_7.vector AS distance
FROM chunk
WHERE (SELECT concat(set_config('hnsw.ef_search', CAST(greatest(CAST(nullif(current_setting('hnsw.ef_search', true), '') AS INTEGER), %(param_5)s::INTEGER) AS TEXT), true), CASE WHEN (current_setting('hnsw.iterative_scan', true) IS NOT NULL) THEN set_config('hnsw.iterative_scan', 'strict_order', true) END) AS concat_1) IS NOT NULL ORDER BY chunk.embedding <=> anon_7.vector
LIMIT %(param_6)s::INTEGER) AS anon_10 ON true
WHERE anon_7.vector IS NOT NULL),
anon_8 AS MATERIALIZED
(SELECT DISTINCT anon_9.of_group AS of_group
FROM anon_9),
anon_1 AS MATERIALIZED
(SELECT anon_2.of_group AS of_group, anon_2.score AS score
FROM (SELECT anon_3.of_group AS of_group, anon_3.score AS score
FROM (SELECT anon_4.of_group AS of_group, sum(anon_4.best) AS score
FROM (SELECT anon_5.of_group AS of_group, max(anon_5.alike) AS best
FROM (SELECT anon_6.of_group AS of_group, anon_7.position AS position, 1 - (anon_6.vector <=> anon_7.vector) AS alike
FROM (SELECT chunk.document_id AS of_group, chunk.embedding AS vector
FROM chunk, anon_8
WHERE (SELECT count(*) AS count_1
FROM anon_8) >= %(param_7)s::INTEGER AND chunk.document_id = anon_8.of_group) AS anon_6 JOIN anon_7 ON true) AS anon_5 GROUP BY anon_5.of_group, anon_5.position) AS anon_4 GROUP BY anon_4.of_group ORDER BY score DESC, anon_4.of_group
LIMIT %(param_8)s::INTEGER) AS anon_3 UNION ALL SELECT anon_12.of_group AS of_group, anon_12.score AS score
FROM (SELECT anon_13.of_group AS of_group, sum(anon_13.best) AS score
FROM (SELECT anon_14.of_group AS of_group, max(anon_14.alike) AS best
FROM (SELECT anon_15.of_group AS of_group, anon_7.position AS position, 1 - (anon_15.vector <=> anon_7.vector) AS alike
FROM (SELECT chunk.document_id AS of_group, chunk.embedding AS vector
FROM chunk
WHERE (SELECT count(*) AS count_1
FROM anon_8) < %(param_7)s::INTEGER) AS anon_15 JOIN anon_7 ON true) AS anon_14 GROUP BY anon_14.of_group, anon_14.position) AS anon_13 GROUP BY anon_13.of_group ORDER BY score DESC, anon_13.of_group) AS anon_12) AS anon_2
LIMIT %(param_9)s::INTEGER)
SELECT anon_1.of_group AS document_id, anon_1.score
FROM anon_1 ORDER BY anon_1.score DESC, anon_1.of_group
