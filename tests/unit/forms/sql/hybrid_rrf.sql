WITH anon_4 AS MATERIALIZED
(SELECT anon_5.key_0 AS key_0, anon_5.score AS score, anon_5.distance AS distance
FROM (SELECT document.id AS key_0, 1 - (document.embedding <=> %(param_3)s::VECTOR(3)) AS score, document.embedding <=> %(param_3)s::VECTOR(3) AS distance
FROM document
WHERE document.lang = %(lang_1)s::VARCHAR AND (SELECT concat(set_config('hnsw.ef_search', CAST(greatest(CAST(nullif(current_setting('hnsw.ef_search', true), '') AS INTEGER), %(param_4)s::INTEGER) AS TEXT), true), set_config('hnsw.max_scan_tuples', %(param_5)s::VARCHAR, true), set_config('hnsw.scan_mem_multiplier', %(param_6)s::VARCHAR, true), set_config('hnsw.iterative_scan', 'relaxed_order', true)) AS concat_1) IS NOT NULL ORDER BY document.embedding <=> %(param_3)s::VECTOR(3)
LIMIT %(param_7)s::INTEGER) AS anon_5 ORDER BY anon_5.distance + 0
LIMIT %(param_8)s::INTEGER),
anon_7 AS MATERIALIZED
(SELECT document.id AS key_0, CAST(ts_rank_cd(document.fts, websearch_to_tsquery(%(param_11)s::REGCONFIG, %(param_12)s::VARCHAR)) AS FLOAT(53)) AS score
FROM document
WHERE document.lang = %(lang_1)s::VARCHAR AND (document.fts @@ websearch_to_tsquery(%(param_11)s::REGCONFIG, %(param_12)s::VARCHAR)) ORDER BY score DESC, key_0
LIMIT %(param_13)s::INTEGER),
anon_1 AS MATERIALIZED
(SELECT anon_2.key_0 AS key_0, sum(anon_2.part) AS score, max(anon_2.dense_rank) AS dense_rank, max(anon_2.dense_score) AS dense_score, max(anon_2.fulltext_rank) AS fulltext_rank, max(anon_2.fulltext_score) AS fulltext_score
FROM (SELECT anon_3.key_0 AS key_0, %(param_1)s / CAST((%(param_2)s + anon_3.rank) AS FLOAT(53)) AS part, anon_3.rank AS dense_rank, anon_3.score AS dense_score, CAST(NULL AS BIGINT) AS fulltext_rank, CAST(NULL AS FLOAT(53)) AS fulltext_score
FROM (SELECT anon_4.key_0 AS key_0, anon_4.score AS score, row_number() OVER (ORDER BY anon_4.distance + 0, anon_4.key_0) AS rank
FROM anon_4) AS anon_3 UNION ALL SELECT anon_6.key_0 AS key_0, %(param_9)s / CAST((%(param_10)s + anon_6.rank) AS FLOAT(53)) AS part, CAST(NULL AS BIGINT) AS dense_rank, CAST(NULL AS FLOAT(53)) AS dense_score, anon_6.rank AS fulltext_rank, anon_6.score AS fulltext_score
FROM (SELECT anon_7.key_0 AS key_0, anon_7.score AS score, row_number() OVER (ORDER BY anon_7.score DESC, anon_7.key_0) AS rank
FROM anon_7) AS anon_6) AS anon_2 GROUP BY anon_2.key_0 ORDER BY score DESC, anon_2.key_0
LIMIT %(param_14)s::INTEGER)
SELECT document.id, document.lang, document.title, document.embedding, document.bits, document.maybe, document.sparse, anon_1.score, anon_1.dense_rank, anon_1.dense_score, anon_1.fulltext_rank, anon_1.fulltext_score
FROM document, anon_1
WHERE document.id = anon_1.key_0 ORDER BY anon_1.score DESC, anon_1.key_0
