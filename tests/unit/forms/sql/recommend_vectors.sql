WITH liked_1 AS
(SELECT every_liked_1.vector AS vector
FROM (SELECT given_1.vector AS vector
FROM pg_catalog.unnest(CAST(ARRAY[%(param_1)s::VECTOR(3), %(param_2)s::VECTOR(3), %(param_3)s::VECTOR(3), %(param_4)s::VECTOR(3)] AS VECTOR(3)[])) WITH ORDINALITY AS given_1(vector, position)) AS every_liked_1
WHERE vector_norm(every_liked_1.vector) > CAST(0 AS DOUBLE PRECISION)),
centre_1 AS
(SELECT average_liked_1.vector AS vector
FROM (SELECT avg(liked_1.vector) AS vector
FROM liked_1) AS average_liked_1),
before_1 AS MATERIALIZED
{what is known before},
first_1 AS MATERIALIZED
(SELECT document.id AS key_0, document.embedding <=> (SELECT centre_1.vector
FROM centre_1) AS distance
FROM document
WHERE vector_norm((SELECT centre_1.vector
FROM centre_1)) > CAST(0 AS DOUBLE PRECISION) AND {settings LEFT OUTER JOIN before_1 ON true WHERE before_1.small IS NOT true} ORDER BY document.embedding <=> (SELECT centre_1.vector
FROM centre_1)
LIMIT %(param_6)s::INTEGER),
way_1 AS MATERIALIZED
(SELECT CASE WHEN before_1.small THEN 'exact' WHEN (seen_2.passed >= 15) THEN 'first' WHEN ({scans of its vector indexes} = before_1.scans) THEN 'first' WHEN (pg_catalog.current_setting('hnsw.iterative_scan', true) IS NOT NULL AND seen_2.passed >= 2 AND (CAST(seen_2.passed AS FLOAT(53)) OPERATOR(pg_catalog.*) coalesce(before_1.rows, CAST(1000000 AS REAL))) >= CAST(480000 AS FLOAT(53))) THEN 'scan' ELSE 'exact' END AS taken
FROM (SELECT pg_catalog.count(*) AS passed
FROM first_1) AS seen_2 LEFT OUTER JOIN before_1 ON true),
scan_1 AS MATERIALIZED
(SELECT document.id AS key_0, document.embedding <=> (SELECT centre_1.vector
FROM centre_1) AS distance
FROM document
WHERE vector_norm((SELECT centre_1.vector
FROM centre_1)) > CAST(0 AS DOUBLE PRECISION) AND {settings WHERE (SELECT way_1.taken FROM way_1) = 'scan'} ORDER BY document.embedding <=> (SELECT centre_1.vector
FROM centre_1)
LIMIT 20),
arm_1 AS MATERIALIZED
(SELECT CASE WHEN (way_1.taken = 'scan' AND (SELECT pg_catalog.count(*) AS rows
FROM scan_1) < 20) THEN 'exact' ELSE way_1.taken END AS taken
FROM way_1),
nearest_1 AS
(SELECT key_0, distance OPERATOR(pg_catalog.+) 0 AS distance
FROM (SELECT *
FROM first_1
WHERE (SELECT arm_1.taken
FROM arm_1) = 'first' UNION ALL SELECT *
FROM scan_1
WHERE (SELECT arm_1.taken
FROM arm_1) = 'scan' UNION ALL SELECT *
FROM (SELECT document.id AS key_0, (document.embedding <=> (SELECT centre_1.vector
FROM centre_1)) OPERATOR(pg_catalog.+) 0 AS distance
FROM document
WHERE vector_norm((SELECT centre_1.vector
FROM centre_1)) > CAST(0 AS DOUBLE PRECISION) ORDER BY distance
LIMIT (SELECT CASE WHEN (arm_1.taken = 'exact') THEN 10 ELSE 0 END AS rows
FROM arm_1)) AS exact_1
LIMIT 20) AS looked_at_1 ORDER BY distance
LIMIT 10)
SELECT document.id, document.lang, document.title, document.embedding, document.bits, document.maybe, document.sparse, nearest_1.distance AS distance
FROM document, nearest_1
WHERE document.id = nearest_1.key_0 ORDER BY nearest_1.distance
