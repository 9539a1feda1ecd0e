WITH liked_1 AS
(SELECT every_liked_1.vector AS vector
FROM (SELECT page_1.embedding AS vector
FROM page AS page_1
WHERE page_1.book OPERATOR(pg_catalog.=) %(book_1)s::VARCHAR AND page_1.number = %(number_1)s::INTEGER UNION ALL SELECT given_1.vector AS vector
FROM pg_catalog.unnest(CAST(ARRAY[%(param_1)s::VECTOR(3), %(param_2)s::VECTOR(3), %(param_3)s::VECTOR(3), %(param_4)s::VECTOR(3)] AS VECTOR(3)[])) WITH ORDINALITY AS given_1(vector, position)) AS every_liked_1
WHERE every_liked_1.vector IS NOT NULL),
centre_1 AS
(SELECT average_liked_1.vector AS vector
FROM (SELECT avg(liked_1.vector) AS vector
FROM liked_1) AS average_liked_1),
before_1 AS MATERIALIZED
{what is known before},
first_1 AS MATERIALIZED
(SELECT page.book AS key_0, page.number AS key_1, page.embedding <-> (SELECT centre_1.vector
FROM centre_1) AS distance
FROM page
WHERE NOT (page.book OPERATOR(pg_catalog.=) %(param_5)s::VARCHAR AND page.number = %(number_2)s::INTEGER) AND (SELECT centre_1.vector
FROM centre_1) IS NOT NULL AND {settings LEFT OUTER JOIN before_1 ON true WHERE before_1.small IS NOT true} ORDER BY page.embedding <-> (SELECT centre_1.vector
FROM centre_1)
LIMIT %(param_7)s::INTEGER),
way_1 AS MATERIALIZED
(SELECT CASE WHEN before_1.small THEN 'exact' WHEN (seen_2.passed >= 4) THEN 'first' WHEN ({scans of its vector indexes} = before_1.scans) THEN 'first' WHEN (pg_catalog.current_setting('hnsw.iterative_scan', true) IS NOT NULL AND seen_2.passed >= 2 AND (CAST(seen_2.passed AS FLOAT(53)) OPERATOR(pg_catalog.*) coalesce(before_1.rows, CAST(1000000 AS REAL))) >= CAST(144000 AS FLOAT(53))) THEN 'scan' ELSE 'exact' END AS taken
FROM (SELECT pg_catalog.count(*) AS passed
FROM first_1) AS seen_2 LEFT OUTER JOIN before_1 ON true),
scan_1 AS MATERIALIZED
(SELECT page.book AS key_0, page.number AS key_1, page.embedding <-> (SELECT centre_1.vector
FROM centre_1) AS distance
FROM page
WHERE NOT (page.book OPERATOR(pg_catalog.=) %(param_5)s::VARCHAR AND page.number = %(number_2)s::INTEGER) AND (SELECT centre_1.vector
FROM centre_1) IS NOT NULL AND {settings WHERE (SELECT way_1.taken FROM way_1) = 'scan'} ORDER BY page.embedding <-> (SELECT centre_1.vector
FROM centre_1)
LIMIT 6),
arm_1 AS MATERIALIZED
(SELECT CASE WHEN (way_1.taken = 'scan' AND (SELECT pg_catalog.count(*) AS rows
FROM scan_1) < 6) THEN 'exact' ELSE way_1.taken END AS taken
FROM way_1),
nearest_1 AS
(SELECT key_0, key_1, distance OPERATOR(pg_catalog.+) 0 AS distance
FROM (SELECT *
FROM first_1
WHERE (SELECT arm_1.taken
FROM arm_1) = 'first' UNION ALL SELECT *
FROM scan_1
WHERE (SELECT arm_1.taken
FROM arm_1) = 'scan' UNION ALL SELECT *
FROM (SELECT page.book AS key_0, page.number AS key_1, (page.embedding <-> (SELECT centre_1.vector
FROM centre_1)) OPERATOR(pg_catalog.+) 0 AS distance
FROM page
WHERE NOT (page.book OPERATOR(pg_catalog.=) %(param_5)s::VARCHAR AND page.number = %(number_2)s::INTEGER) AND (SELECT centre_1.vector
FROM centre_1) IS NOT NULL ORDER BY distance
LIMIT (SELECT CASE WHEN (arm_1.taken = 'exact') THEN 3 ELSE 0 END AS rows
FROM arm_1)) AS exact_1
LIMIT 6) AS looked_at_1 ORDER BY distance
LIMIT 3)
SELECT page.book, page.number, page.chapter, page.embedding, nearest_1.distance AS distance
FROM page, nearest_1
WHERE page.book OPERATOR(pg_catalog.=) nearest_1.key_0 AND page.number = nearest_1.key_1 ORDER BY nearest_1.distance
