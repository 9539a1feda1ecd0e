WITH liked_1 AS
(SELECT every_liked_1.vector AS vector
FROM (SELECT document_1.embedding AS vector
FROM document AS document_1
WHERE document_1.id = ANY (%(param_1)s::INTEGER[])) AS every_liked_1
WHERE vector_norm(every_liked_1.vector) > CAST(0 AS DOUBLE PRECISION)),
disliked_1 AS
(SELECT every_disliked_1.vector AS vector
FROM (SELECT document_2.embedding AS vector
FROM document AS document_2
WHERE document_2.id = ANY (%(param_2)s::INTEGER[])) AS every_disliked_1
WHERE vector_norm(every_disliked_1.vector) > CAST(0 AS DOUBLE PRECISION)),
found_1 AS MATERIALIZED
(SELECT each_1.key_0 AS key_0, each_1.distance AS distance
FROM liked_1 JOIN LATERAL (WITH first_1 AS MATERIALIZED
(SELECT document.id AS key_0, document.embedding <=> liked_1.vector AS distance
FROM document
WHERE NOT (document.id = ANY (%(param_3)s::INTEGER[])) AND {settings WHERE liked_1.vector IS NOT NULL} ORDER BY document.embedding <=> liked_1.vector
LIMIT 20),
way_1 AS MATERIALIZED
(SELECT CASE WHEN (pg_catalog.count(*) >= 15) THEN 'first' WHEN (pg_catalog.current_setting('hnsw.iterative_scan', true) IS NOT NULL AND pg_catalog.count(*) >= 2 AND (CAST(pg_catalog.count(*) AS FLOAT(53)) OPERATOR(pg_catalog.*) {rows}) >= CAST(480000 AS FLOAT(53))) THEN 'scan' ELSE 'exact' END AS taken
FROM first_1),
scan_1 AS MATERIALIZED
(SELECT document.id AS key_0, document.embedding <=> liked_1.vector AS distance
FROM document
WHERE NOT (document.id = ANY (%(param_3)s::INTEGER[])) AND {settings WHERE (SELECT way_1.taken FROM way_1) = 'scan'} ORDER BY document.embedding <=> liked_1.vector
LIMIT 20),
arm_1 AS MATERIALIZED
(SELECT CASE WHEN (way_1.taken = 'scan' AND (SELECT pg_catalog.count(*) AS rows
FROM scan_1) < 20) THEN 'exact' ELSE way_1.taken END AS taken
FROM way_1)
SELECT key_0, distance OPERATOR(pg_catalog.+) 0 AS distance
FROM (SELECT *
FROM first_1
WHERE (SELECT arm_1.taken
FROM arm_1) = 'first' UNION ALL SELECT *
FROM scan_1
WHERE (SELECT arm_1.taken
FROM arm_1) = 'scan' UNION ALL SELECT *
FROM (SELECT document.id AS key_0, (document.embedding <=> liked_1.vector) OPERATOR(pg_catalog.+) 0 AS distance
FROM document
WHERE NOT (document.id = ANY (%(param_3)s::INTEGER[])) ORDER BY distance
LIMIT (SELECT CASE WHEN (arm_1.taken = 'exact') THEN 10 ELSE 0 END AS rows
FROM arm_1)) AS exact_1
LIMIT 20) AS looked_at_1 ORDER BY distance
LIMIT 10) AS each_1 ON true
WHERE vector_norm(liked_1.vector) > CAST(0 AS DOUBLE PRECISION)),
compared_1 AS MATERIALIZED
(SELECT document.id AS key_0, (SELECT pg_catalog.min(document.embedding <=> liked_1.vector) AS min_1
FROM liked_1) AS distance, (SELECT pg_catalog.min(document.embedding <=> disliked_1.vector) AS min_2
FROM disliked_1) AS away
FROM document, (SELECT DISTINCT found_1.key_0 AS key_0
FROM found_1) AS every_candidate_1
WHERE document.id = every_candidate_1.key_0),
scored_1 AS
(SELECT compared_1.key_0 AS key_0, compared_1.distance AS distance, compared_1.away < compared_1.distance AS disliked_more, CASE WHEN (compared_1.away < compared_1.distance) THEN CAST(0 AS DOUBLE PRECISION) OPERATOR(pg_catalog.-) compared_1.away ELSE compared_1.distance END AS score
FROM compared_1),
sorted_1 AS
(SELECT scored_1.key_0 AS key_0, scored_1.distance AS distance, scored_1.disliked_more AS disliked_more, scored_1.score AS score
FROM scored_1 ORDER BY disliked_more, score
LIMIT 10)
SELECT document.id, document.lang, document.title, document.embedding, document.bits, document.maybe, document.sparse, sorted_1.distance AS distance
FROM document, sorted_1
WHERE document.id = sorted_1.key_0 ORDER BY sorted_1.disliked_more, sorted_1.score
LIMIT 10
