WITH first_1 AS MATERIALIZED
(SELECT document.id AS key_0, document.embedding <=> %(param_1)s::VECTOR(3) AS distance
FROM document
WHERE {settings} ORDER BY document.embedding <=> %(param_1)s::VECTOR(3)
LIMIT 1000),
way_1 AS MATERIALIZED
(SELECT CASE WHEN (pg_catalog.count(*) >= 1000) THEN 'first' WHEN (pg_catalog.current_setting('hnsw.iterative_scan', true) IS NOT NULL AND pg_catalog.count(*) >= 2 AND (CAST(pg_catalog.count(*) AS FLOAT(53)) OPERATOR(pg_catalog.*) {rows}) >= CAST(129600000 AS FLOAT(53))) THEN 'scan' ELSE 'exact' END AS taken
FROM first_1),
scan_1 AS MATERIALIZED
(SELECT document.id AS key_0, document.embedding <=> %(param_1)s::VECTOR(3) AS distance
FROM document
WHERE {settings WHERE (SELECT way_1.taken FROM way_1) = 'scan'} ORDER BY document.embedding <=> %(param_1)s::VECTOR(3)
LIMIT 1080),
arm_1 AS MATERIALIZED
(SELECT CASE WHEN (way_1.taken = 'scan' AND (SELECT pg_catalog.count(*) AS rows
FROM scan_1) < 1080) THEN 'exact' ELSE way_1.taken END AS taken
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
FROM (SELECT document.id AS key_0, (document.embedding <=> %(param_1)s::VECTOR(3)) OPERATOR(pg_catalog.+) 0 AS distance
FROM document ORDER BY distance
LIMIT (SELECT CASE WHEN (arm_1.taken = 'exact') THEN 1000 ELSE 0 END AS rows
FROM arm_1)) AS exact_1
LIMIT 1080) AS looked_at_1 ORDER BY distance
LIMIT 1000)
SELECT pg_catalog.count(*) AS count_1
FROM nearest_1
WHERE nearest_1.distance OPERATOR(pg_catalog.<=) %(distance_1)s
