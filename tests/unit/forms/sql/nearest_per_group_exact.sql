WITH anon_4 AS MATERIALIZED
(SELECT anon_5.of_group AS of_group, min(anon_5.distance) AS nearest, 0 AS members
FROM (SELECT chunk.document_id AS of_group, chunk.embedding <=> %(param_1)s::VECTOR(3) AS distance
FROM chunk) AS anon_5 GROUP BY anon_5.of_group ORDER BY min(anon_5.distance) + 0
LIMIT %(param_2)s::INTEGER),
anon_1 AS
(SELECT anon_2.key_0 AS key_0, anon_2.distance AS distance
FROM (SELECT anon_3.key_0 AS key_0, anon_3.of_group AS of_group, anon_3.distance AS distance, row_number() OVER (PARTITION BY anon_3.of_group ORDER BY anon_3.distance + 0, anon_3.key_0) AS place
FROM (SELECT chunk.id AS key_0, chunk.document_id AS of_group, chunk.embedding <=> %(param_1)s::VECTOR(3) AS distance
FROM chunk, anon_4
WHERE chunk.document_id = anon_4.of_group) AS anon_3) AS anon_2
WHERE anon_2.place <= %(place_1)s::INTEGER)
SELECT chunk.id, chunk.document_id, chunk.maybe_id, chunk.embedding, anon_1.distance AS distance
FROM chunk, anon_1
WHERE chunk.id = anon_1.key_0 ORDER BY anon_1.distance + 0
