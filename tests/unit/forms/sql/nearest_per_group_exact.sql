WITH groups_1 AS MATERIALIZED
(SELECT every_row_1.of_group AS of_group, pg_catalog.min(every_row_1.distance) AS nearest, 0 AS members
FROM (SELECT chunk.document_id AS of_group, chunk.embedding <=> %(param_1)s::VECTOR(3) AS distance
FROM chunk
LIMIT ALL OFFSET 0) AS every_row_1 GROUP BY every_row_1.of_group ORDER BY pg_catalog.min(every_row_1.distance) OPERATOR(pg_catalog.+) 0
LIMIT %(param_2)s::INTEGER),
best_1 AS
(SELECT found_1.key_0 AS key_0, found_1.distance OPERATOR(pg_catalog.+) 0 AS distance
FROM (SELECT ranked_members_1.key_0 AS key_0, ranked_members_1.distance AS distance
FROM (SELECT members_1.key_0 AS key_0, members_1.of_group AS of_group, members_1.distance AS distance, pg_catalog.row_number() OVER (PARTITION BY members_1.of_group ORDER BY members_1.distance OPERATOR(pg_catalog.+) 0, members_1.key_0) AS place
FROM (SELECT chunk.id AS key_0, chunk.document_id AS of_group, chunk.embedding <=> %(param_1)s::VECTOR(3) AS distance
FROM chunk, groups_1
WHERE chunk.document_id = groups_1.of_group
LIMIT ALL OFFSET 0) AS members_1) AS ranked_members_1
WHERE ranked_members_1.place <= %(param_3)s::INTEGER) AS found_1 ORDER BY distance
LIMIT 10)
SELECT chunk.id, chunk.document_id, chunk.maybe_id, chunk.embedding, best_1.distance AS distance
FROM chunk, best_1
WHERE chunk.id = best_1.key_0 ORDER BY best_1.distance
