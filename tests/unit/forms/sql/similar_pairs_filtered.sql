WITH found_1 AS MATERIALIZED
(SELECT every_row_1.one_0 AS one_0, each_1.key_0 AS key_0, each_1.distance AS distance
FROM (SELECT document.id AS one_0, document.embedding AS vector
FROM document
WHERE document.lang = %(lang_2)s::VARCHAR) AS every_row_1 JOIN LATERAL (WITH first_1 AS MATERIALIZED
(SELECT document.id AS key_0, document.embedding <=> every_row_1.vector AS distance
FROM document
WHERE document.lang = %(lang_2)s::VARCHAR AND document.id != every_row_1.one_0 AND {settings WHERE every_row_1.vector IS NOT NULL} ORDER BY document.embedding <=> every_row_1.vector
LIMIT 20),
way_1 AS MATERIALIZED
(SELECT CASE WHEN (pg_catalog.count(*) >= 15) THEN 'first' WHEN (pg_catalog.current_setting('hnsw.iterative_scan', true) IS NOT NULL AND pg_catalog.count(*) >= 2 AND (CAST(pg_catalog.count(*) AS FLOAT(53)) OPERATOR(pg_catalog.*) {rows}) >= CAST(480000 AS FLOAT(53))) THEN 'scan' ELSE 'exact' END AS taken
FROM first_1),
scan_1 AS MATERIALIZED
(SELECT document.id AS key_0, document.embedding <=> every_row_1.vector AS distance
FROM document
WHERE document.lang = %(lang_2)s::VARCHAR AND document.id != every_row_1.one_0 AND {settings WHERE (SELECT way_1.taken FROM way_1) = 'scan'} ORDER BY document.embedding <=> every_row_1.vector
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
FROM (SELECT document.id AS key_0, (document.embedding <=> every_row_1.vector) OPERATOR(pg_catalog.+) 0 AS distance
FROM document
WHERE document.lang = %(lang_2)s::VARCHAR AND document.id != every_row_1.one_0 ORDER BY distance
LIMIT (SELECT CASE WHEN (arm_1.taken = 'exact') THEN 10 ELSE 0 END AS rows
FROM arm_1)) AS exact_1
LIMIT 20) AS looked_at_1 ORDER BY distance
LIMIT 10) AS each_1 ON true
WHERE vector_norm(every_row_1.vector) > CAST(0 AS DOUBLE PRECISION)),
pairs_1 AS MATERIALIZED
(SELECT ordered_1.one_0 AS one_0, ordered_1.key_0 AS key_0, pg_catalog.min(ordered_1.distance) AS distance
FROM (SELECT CASE WHEN (found_1.one_0 > found_1.key_0) THEN found_1.key_0 ELSE found_1.one_0 END AS one_0, CASE WHEN (found_1.one_0 > found_1.key_0) THEN found_1.one_0 ELSE found_1.key_0 END AS key_0, found_1.distance AS distance
FROM found_1
WHERE found_1.distance OPERATOR(pg_catalog.<=) %(param_10)s) AS ordered_1 GROUP BY ordered_1.one_0, ordered_1.key_0),
sorted_pairs_1 AS
(SELECT pairs_1.one_0 AS one_0, pairs_1.key_0 AS key_0, pairs_1.distance AS distance
FROM pairs_1 ORDER BY pairs_1.distance, pairs_1.one_0, pairs_1.key_0)
SELECT document_1.id, document_1.lang, document_1.title, document_1.embedding, document_1.bits, document_1.maybe, document_1.sparse, document_2.id AS id_1, document_2.lang AS lang_1, document_2.title AS title_1, document_2.embedding AS embedding_1, document_2.bits AS bits_1, document_2.maybe AS maybe_1, document_2.sparse AS sparse_1, sorted_pairs_1.distance AS distance
FROM document AS document_1, document AS document_2, sorted_pairs_1
WHERE document_1.id = ANY (ARRAY[sorted_pairs_1.one_0]) AND document_2.id = ANY (ARRAY[sorted_pairs_1.key_0]) ORDER BY sorted_pairs_1.distance, sorted_pairs_1.one_0, sorted_pairs_1.key_0
