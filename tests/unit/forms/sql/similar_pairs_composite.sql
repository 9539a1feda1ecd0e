WITH found_1 AS MATERIALIZED
(SELECT every_row_1.one_0 AS one_0, every_row_1.one_1 AS one_1, each_1.key_0 AS key_0, each_1.key_1 AS key_1, each_1.distance AS distance
FROM (SELECT page.book AS one_0, page.number AS one_1, page.embedding AS vector
FROM page) AS every_row_1 JOIN LATERAL (WITH first_1 AS MATERIALIZED
(SELECT page.book AS key_0, page.number AS key_1, page.embedding <-> every_row_1.vector AS distance
FROM page
WHERE NOT (page.book OPERATOR(pg_catalog.=) every_row_1.one_0 AND page.number = every_row_1.one_1) AND {settings WHERE every_row_1.vector IS NOT NULL} ORDER BY page.embedding <-> every_row_1.vector
LIMIT 20),
way_1 AS MATERIALIZED
(SELECT CASE WHEN (pg_catalog.count(*) >= 15) THEN 'first' WHEN (pg_catalog.current_setting('hnsw.iterative_scan', true) IS NOT NULL AND pg_catalog.count(*) >= 2 AND (CAST(pg_catalog.count(*) AS FLOAT(53)) OPERATOR(pg_catalog.*) {rows}) >= CAST(480000 AS FLOAT(53))) THEN 'scan' ELSE 'exact' END AS taken
FROM first_1),
scan_1 AS MATERIALIZED
(SELECT page.book AS key_0, page.number AS key_1, page.embedding <-> every_row_1.vector AS distance
FROM page
WHERE NOT (page.book OPERATOR(pg_catalog.=) every_row_1.one_0 AND page.number = every_row_1.one_1) AND {settings WHERE (SELECT way_1.taken FROM way_1) = 'scan'} ORDER BY page.embedding <-> every_row_1.vector
LIMIT 20),
arm_1 AS MATERIALIZED
(SELECT CASE WHEN (way_1.taken = 'scan' AND (SELECT pg_catalog.count(*) AS rows
FROM scan_1) < 20) THEN 'exact' ELSE way_1.taken END AS taken
FROM way_1)
SELECT key_0, key_1, distance OPERATOR(pg_catalog.+) 0 AS distance
FROM (SELECT *
FROM first_1
WHERE (SELECT arm_1.taken
FROM arm_1) = 'first' UNION ALL SELECT *
FROM scan_1
WHERE (SELECT arm_1.taken
FROM arm_1) = 'scan' UNION ALL SELECT *
FROM (SELECT page.book AS key_0, page.number AS key_1, (page.embedding <-> every_row_1.vector) OPERATOR(pg_catalog.+) 0 AS distance
FROM page
WHERE NOT (page.book OPERATOR(pg_catalog.=) every_row_1.one_0 AND page.number = every_row_1.one_1) ORDER BY distance
LIMIT (SELECT CASE WHEN (arm_1.taken = 'exact') THEN 10 ELSE 0 END AS rows
FROM arm_1)) AS exact_1
LIMIT 20) AS looked_at_1 ORDER BY distance
LIMIT 10) AS each_1 ON true
WHERE every_row_1.vector IS NOT NULL),
pairs_1 AS MATERIALIZED
(SELECT ordered_1.one_0 AS one_0, ordered_1.one_1 AS one_1, ordered_1.key_0 AS key_0, ordered_1.key_1 AS key_1, pg_catalog.min(ordered_1.distance) AS distance
FROM (SELECT CASE WHEN (found_1.one_0 OPERATOR(pg_catalog.>) found_1.key_0 OR found_1.one_0 OPERATOR(pg_catalog.=) found_1.key_0 AND found_1.one_1 > found_1.key_1) THEN found_1.key_0 ELSE found_1.one_0 END AS one_0, CASE WHEN (found_1.one_0 OPERATOR(pg_catalog.>) found_1.key_0 OR found_1.one_0 OPERATOR(pg_catalog.=) found_1.key_0 AND found_1.one_1 > found_1.key_1) THEN found_1.key_1 ELSE found_1.one_1 END AS one_1, CASE WHEN (found_1.one_0 OPERATOR(pg_catalog.>) found_1.key_0 OR found_1.one_0 OPERATOR(pg_catalog.=) found_1.key_0 AND found_1.one_1 > found_1.key_1) THEN found_1.one_0 ELSE found_1.key_0 END AS key_0, CASE WHEN (found_1.one_0 OPERATOR(pg_catalog.>) found_1.key_0 OR found_1.one_0 OPERATOR(pg_catalog.=) found_1.key_0 AND found_1.one_1 > found_1.key_1) THEN found_1.one_1 ELSE found_1.key_1 END AS key_1, found_1.distance AS distance
FROM found_1
WHERE found_1.distance OPERATOR(pg_catalog.<=) %(param_10)s) AS ordered_1 GROUP BY ordered_1.one_0, ordered_1.one_1, ordered_1.key_0, ordered_1.key_1),
sorted_pairs_1 AS
(SELECT pairs_1.one_0 AS one_0, pairs_1.one_1 AS one_1, pairs_1.key_0 AS key_0, pairs_1.key_1 AS key_1, pairs_1.distance AS distance
FROM pairs_1 ORDER BY pairs_1.distance, pairs_1.one_0, pairs_1.one_1, pairs_1.key_0, pairs_1.key_1)
SELECT page_1.book, page_1.number, page_1.chapter, page_1.embedding, page_2.book AS book_1, page_2.number AS number_1, page_2.chapter AS chapter_1, page_2.embedding AS embedding_1, sorted_pairs_1.distance AS distance
FROM page AS page_1, page AS page_2, sorted_pairs_1
WHERE page_1.book OPERATOR(pg_catalog.=) ANY (ARRAY[sorted_pairs_1.one_0]) AND page_1.number = ANY (ARRAY[sorted_pairs_1.one_1]) AND page_2.book OPERATOR(pg_catalog.=) ANY (ARRAY[sorted_pairs_1.key_0]) AND page_2.number = ANY (ARRAY[sorted_pairs_1.key_1]) ORDER BY sorted_pairs_1.distance, sorted_pairs_1.one_0, sorted_pairs_1.one_1, sorted_pairs_1.key_0, sorted_pairs_1.key_1
