WITH found_1 AS MATERIALIZED
(SELECT given_1.key AS key, given_1.position AS position, each_1.key_0 AS key_0, each_1.distance AS distance
FROM unnest(CAST(%(param_1)s::BIGINT[] AS BIGINT[]), CAST(ARRAY[%(param_2)s::VECTOR(3), %(param_3)s::VECTOR(3), %(param_4)s::VECTOR(3), %(param_5)s::VECTOR(3)] AS VECTOR(3)[])) WITH ORDINALITY AS given_1(key, vector, position) JOIN LATERAL (WITH before_1 AS MATERIALIZED
{what is known before},
first_1 AS MATERIALIZED
(SELECT document.id AS key_0, document.bits <=> given_1.vector AS distance
FROM document
WHERE {settings LEFT OUTER JOIN before_1 ON true WHERE given_1.vector IS NOT NULL} ORDER BY CAST(binary_quantize(document.bits) AS BIT(3)) <~> binary_quantize(CAST(given_1.vector AS VECTOR(3)))
LIMIT 800),
way_1 AS MATERIALIZED
(SELECT CASE WHEN (seen_1.passed >= 800 AND {scans of its vector indexes} = before_1.scans) THEN 'exact' WHEN (seen_1.passed >= 720) THEN 'first' WHEN ({scans of its vector indexes} = before_1.scans) THEN 'first' WHEN (pg_catalog.current_setting('hnsw.iterative_scan', true) IS NOT NULL AND seen_1.passed >= 2 AND (CAST(seen_1.passed AS FLOAT(53)) OPERATOR(pg_catalog.*) coalesce(before_1.rows, CAST(1000000 AS REAL))) >= CAST(76800000 AS FLOAT(53))) THEN 'scan' ELSE 'exact' END AS taken
FROM (SELECT pg_catalog.count(*) AS passed
FROM first_1) AS seen_1 LEFT OUTER JOIN before_1 ON true),
scan_1 AS MATERIALIZED
(SELECT document.id AS key_0, document.bits <=> given_1.vector AS distance
FROM document
WHERE {settings WHERE (SELECT way_1.taken FROM way_1) = 'scan'} ORDER BY CAST(binary_quantize(document.bits) AS BIT(3)) <~> binary_quantize(CAST(given_1.vector AS VECTOR(3)))
LIMIT 800),
arm_1 AS MATERIALIZED
(SELECT CASE WHEN (way_1.taken = 'scan' AND (SELECT pg_catalog.count(*) AS rows
FROM scan_1) < 800) THEN 'exact' ELSE way_1.taken END AS taken
FROM way_1)
SELECT key_0, distance OPERATOR(pg_catalog.+) 0 AS distance
FROM (SELECT *
FROM first_1
WHERE (SELECT arm_1.taken
FROM arm_1) = 'first' UNION ALL SELECT *
FROM scan_1
WHERE (SELECT arm_1.taken
FROM arm_1) = 'scan' UNION ALL SELECT *
FROM (SELECT document.id AS key_0, (document.bits <=> given_1.vector) OPERATOR(pg_catalog.+) 0 AS distance
FROM document ORDER BY distance
LIMIT (SELECT CASE WHEN (arm_1.taken = 'exact') THEN 5 ELSE 0 END AS rows
FROM arm_1)) AS exact_1
LIMIT 800) AS looked_at_1 ORDER BY distance
LIMIT 5) AS each_1 ON true
WHERE vector_norm(given_1.vector) > CAST(0 AS DOUBLE PRECISION)),
sorted_1 AS
(SELECT found_1.key_0 AS key_0, found_1.position AS position, found_1.key AS key, found_1.distance AS distance
FROM found_1 ORDER BY position, distance)
SELECT sorted_1.key, document.id, document.lang, document.title, document.embedding, document.bits, document.maybe, document.sparse, sorted_1.distance AS distance
FROM document, sorted_1
WHERE document.id = sorted_1.key_0 ORDER BY sorted_1.position, sorted_1.distance
