WITH before_1 AS MATERIALIZED
{what is known before},
first_1 AS MATERIALIZED
(SELECT document.id AS key_0, document.bits <=> %(param_1)s::VECTOR(3) AS distance
FROM document
WHERE {settings LEFT OUTER JOIN before_1 ON true} ORDER BY CAST(binary_quantize(document.bits) AS BIT(3)) <~> binary_quantize(CAST(%(param_1)s::VECTOR(3) AS VECTOR(3)))
LIMIT 800),
way_1 AS MATERIALIZED
(SELECT CASE WHEN (seen_2.passed >= 800 AND {scans of its vector indexes} = before_1.scans) THEN 'exact' WHEN (seen_2.passed >= 720) THEN 'first' WHEN ({scans of its vector indexes} = before_1.scans) THEN 'first' WHEN (pg_catalog.current_setting('hnsw.iterative_scan', true) IS NOT NULL AND seen_2.passed >= 2 AND (CAST(seen_2.passed AS FLOAT(53)) OPERATOR(pg_catalog.*) coalesce(before_1.rows, CAST(1000000 AS REAL))) >= CAST(76800000 AS FLOAT(53))) THEN 'scan' ELSE 'exact' END AS taken
FROM (SELECT pg_catalog.count(*) AS passed
FROM first_1) AS seen_2 LEFT OUTER JOIN before_1 ON true),
scan_1 AS MATERIALIZED
(SELECT document.id AS key_0, document.bits <=> %(param_1)s::VECTOR(3) AS distance
FROM document
WHERE {settings WHERE (SELECT way_1.taken FROM way_1) = 'scan'} ORDER BY CAST(binary_quantize(document.bits) AS BIT(3)) <~> binary_quantize(CAST(%(param_1)s::VECTOR(3) AS VECTOR(3)))
LIMIT 800),
arm_1 AS MATERIALIZED
(SELECT CASE WHEN (way_1.taken = 'scan' AND (SELECT pg_catalog.count(*) AS rows
FROM scan_1) < 800) THEN 'exact' ELSE way_1.taken END AS taken
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
FROM (SELECT document.id AS key_0, (document.bits <=> %(param_1)s::VECTOR(3)) OPERATOR(pg_catalog.+) 0 AS distance
FROM document ORDER BY distance
LIMIT (SELECT CASE WHEN (arm_1.taken = 'exact') THEN 10 ELSE 0 END AS rows
FROM arm_1)) AS exact_1
LIMIT 800) AS looked_at_1 ORDER BY distance
LIMIT 10)
SELECT pg_catalog.count(*) AS count_1
FROM nearest_1
WHERE nearest_1.distance OPERATOR(pg_catalog.<=) %(distance_1)s
