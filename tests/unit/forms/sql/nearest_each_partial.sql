WITH found_1 AS MATERIALIZED
(SELECT queries_1.key AS key, each_1.key_0 AS key_0, each_1.distance AS distance
FROM (SELECT given_1.id AS key, given_1.embedding AS vector
FROM (SELECT offer.id AS id, offer.embedding AS embedding
FROM offer) AS given_1) AS queries_1 JOIN LATERAL (WITH first_1 AS MATERIALIZED
(SELECT scans_1.key_0 AS key_0, scans_1.distance AS distance
FROM ((SELECT offer.id AS key_0, offer.embedding <=> queries_1.vector AS distance, offer.embedding <=> queries_1.vector AS scan_order
FROM offer
WHERE offer.shop = 7 AND offer.id != queries_1.key AND {settings WHERE queries_1.vector IS NOT NULL} ORDER BY offer.embedding <=> queries_1.vector
LIMIT 6) UNION ALL (SELECT offer.id AS key_0, offer.embedding <=> queries_1.vector AS distance, offer.embedding <=> queries_1.vector AS scan_order
FROM offer
WHERE offer.shop = 8 AND offer.id != queries_1.key AND {settings WHERE queries_1.vector IS NOT NULL} ORDER BY offer.embedding <=> queries_1.vector
LIMIT 6)) AS scans_1 ORDER BY scans_1.scan_order OPERATOR(pg_catalog.+) 0
LIMIT 6),
way_1 AS MATERIALIZED
(SELECT CASE WHEN (pg_catalog.count(*) >= 4) THEN 'first' WHEN (pg_catalog.current_setting('hnsw.iterative_scan', true) IS NOT NULL AND pg_catalog.count(*) >= 2 AND (CAST(pg_catalog.count(*) AS FLOAT(53)) OPERATOR(pg_catalog.*) {rows}) >= CAST(144000 AS FLOAT(53))) THEN 'scan' ELSE 'exact' END AS taken
FROM first_1),
scan_1 AS MATERIALIZED
(SELECT scans_2.key_0 AS key_0, scans_2.distance AS distance
FROM ((SELECT offer.id AS key_0, offer.embedding <=> queries_1.vector AS distance, offer.embedding <=> queries_1.vector AS scan_order
FROM offer
WHERE offer.shop = 7 AND offer.id != queries_1.key AND {settings WHERE (SELECT way_1.taken FROM way_1) = 'scan'} ORDER BY offer.embedding <=> queries_1.vector
LIMIT 6) UNION ALL (SELECT offer.id AS key_0, offer.embedding <=> queries_1.vector AS distance, offer.embedding <=> queries_1.vector AS scan_order
FROM offer
WHERE offer.shop = 8 AND offer.id != queries_1.key AND {settings WHERE (SELECT way_1.taken FROM way_1) = 'scan'} ORDER BY offer.embedding <=> queries_1.vector
LIMIT 6)) AS scans_2 ORDER BY scans_2.scan_order OPERATOR(pg_catalog.+) 0
LIMIT 6),
arm_1 AS MATERIALIZED
(SELECT CASE WHEN (way_1.taken = 'scan' AND (SELECT pg_catalog.count(*) AS rows
FROM scan_1) < 6) THEN 'exact' ELSE way_1.taken END AS taken
FROM way_1)
SELECT key_0, distance OPERATOR(pg_catalog.+) 0 AS distance
FROM (SELECT *
FROM first_1
WHERE (SELECT arm_1.taken
FROM arm_1) = 'first' UNION ALL SELECT *
FROM scan_1
WHERE (SELECT arm_1.taken
FROM arm_1) = 'scan' UNION ALL SELECT *
FROM (SELECT offer.id AS key_0, (offer.embedding <=> queries_1.vector) OPERATOR(pg_catalog.+) 0 AS distance
FROM offer
WHERE offer.shop IN (7, 8) AND offer.id != queries_1.key ORDER BY distance
LIMIT (SELECT CASE WHEN (arm_1.taken = 'exact') THEN 3 ELSE 0 END AS rows
FROM arm_1)) AS exact_1
LIMIT 6) AS looked_at_1 ORDER BY distance
LIMIT 3) AS each_1 ON true
WHERE vector_norm(queries_1.vector) > CAST(0 AS DOUBLE PRECISION)),
sorted_1 AS
(SELECT found_1.key_0 AS key_0, found_1.key AS key, found_1.distance AS distance
FROM found_1 ORDER BY key, distance)
SELECT sorted_1.key, offer.id, offer.shop, offer.embedding, sorted_1.distance AS distance
FROM offer, sorted_1
WHERE offer.id = sorted_1.key_0 ORDER BY sorted_1.key, sorted_1.distance
