WITH found_1 AS MATERIALIZED
(SELECT queries_1.key AS key, each_1.key_0 AS key_0, each_1.distance AS distance
FROM (SELECT given_1.id AS key, given_1.embedding AS vector
FROM (SELECT document.id AS id, document.embedding AS embedding
FROM document
WHERE document.lang = %(lang_1)s::VARCHAR) AS given_1) AS queries_1 JOIN LATERAL (WITH first_1 AS MATERIALIZED
(SELECT document.id AS key_0, document.embedding <=> queries_1.vector AS distance
FROM document
WHERE document.id != queries_1.key AND {settings WHERE queries_1.vector IS NOT NULL} ORDER BY document.embedding <=> queries_1.vector
LIMIT 10),
way_1 AS MATERIALIZED
(SELECT CASE WHEN (pg_catalog.count(*) >= 7) THEN 'first' WHEN (pg_catalog.current_setting('hnsw.iterative_scan', true) IS NOT NULL AND pg_catalog.count(*) >= 2 AND (CAST(pg_catalog.count(*) AS FLOAT(53)) OPERATOR(pg_catalog.*) {rows}) >= CAST(240000 AS FLOAT(53))) THEN 'scan' ELSE 'exact' END AS taken
FROM first_1),
scan_1 AS MATERIALIZED
(SELECT document.id AS key_0, document.embedding <=> queries_1.vector AS distance
FROM document
WHERE document.id != queries_1.key AND {settings WHERE (SELECT way_1.taken FROM way_1) = 'scan'} ORDER BY document.embedding <=> queries_1.vector
LIMIT 10),
arm_1 AS MATERIALIZED
(SELECT CASE WHEN (way_1.taken = 'scan' AND (SELECT pg_catalog.count(*) AS rows
FROM scan_1) < 10) THEN 'exact' ELSE way_1.taken END AS taken
FROM way_1)
SELECT key_0, distance OPERATOR(pg_catalog.+) 0 AS distance
FROM (SELECT *
FROM first_1
WHERE (SELECT arm_1.taken
FROM arm_1) = 'first' UNION ALL SELECT *
FROM scan_1
WHERE (SELECT arm_1.taken
FROM arm_1) = 'scan' UNION ALL SELECT *
FROM (SELECT document.id AS key_0, (document.embedding <=> queries_1.vector) OPERATOR(pg_catalog.+) 0 AS distance
FROM document
WHERE document.id != queries_1.key ORDER BY distance
LIMIT (SELECT CASE WHEN (arm_1.taken = 'exact') THEN 5 ELSE 0 END AS rows
FROM arm_1)) AS exact_1
LIMIT 10) AS looked_at_1 ORDER BY distance
LIMIT 5) AS each_1 ON true
WHERE vector_norm(queries_1.vector) > CAST(0 AS DOUBLE PRECISION)),
sorted_1 AS
(SELECT found_1.key_0 AS key_0, found_1.key AS key, found_1.distance AS distance
FROM found_1 ORDER BY key, distance)
SELECT sorted_1.key, document.id, document.lang, document.title, document.embedding, document.bits, document.maybe, document.sparse, sorted_1.distance AS distance
FROM document, sorted_1
WHERE document.id = sorted_1.key_0 ORDER BY sorted_1.key, sorted_1.distance
