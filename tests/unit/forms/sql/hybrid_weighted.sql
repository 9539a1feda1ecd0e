WITH anon_4 AS MATERIALIZED
(SELECT document.id AS key_0, 1 - (document.embedding <=> %(param_4)s::VECTOR(3)) AS score, document.embedding <=> %(param_4)s::VECTOR(3) AS distance
FROM document
WHERE (SELECT concat(set_config('hnsw.ef_search', CAST(greatest(CAST(nullif(current_setting('hnsw.ef_search', true), '') AS INTEGER), %(param_5)s::INTEGER) AS TEXT), true), CASE WHEN (current_setting('hnsw.iterative_scan', true) IS NOT NULL) THEN set_config('hnsw.iterative_scan', 'strict_order', true) END) AS concat_1) IS NOT NULL ORDER BY document.embedding <=> %(param_4)s::VECTOR(3)
LIMIT %(param_6)s::INTEGER),
anon_6 AS MATERIALIZED
(SELECT anon_7.key_0 AS key_0, anon_7.score AS score, anon_7.distance AS distance
FROM (SELECT document.id AS key_0, 1 - (document.bits <=> %(param_10)s::VECTOR(3)) AS score, document.bits <=> %(param_10)s::VECTOR(3) AS distance
FROM document
WHERE (SELECT concat(set_config('hnsw.ef_search', CAST(greatest(CAST(nullif(current_setting('hnsw.ef_search', true), '') AS INTEGER), %(param_11)s::INTEGER) AS TEXT), true), CASE WHEN (current_setting('hnsw.iterative_scan', true) IS NOT NULL) THEN set_config('hnsw.iterative_scan', 'strict_order', true) END) AS concat_2) IS NOT NULL ORDER BY CAST(binary_quantize(document.bits) AS BIT(3)) <~> binary_quantize(CAST(%(param_10)s::VECTOR(3) AS VECTOR(3)))
LIMIT %(param_12)s::INTEGER) AS anon_7 ORDER BY anon_7.distance + 0
LIMIT %(param_13)s::INTEGER),
anon_9 AS MATERIALIZED
(SELECT document.id AS key_0, 0 - (document.sparse <#> %(param_17)s::SPARSEVEC(9)) AS score, document.sparse <#> %(param_17)s::SPARSEVEC(9) AS distance
FROM document
WHERE (SELECT concat(set_config('hnsw.ef_search', CAST(greatest(CAST(nullif(current_setting('hnsw.ef_search', true), '') AS INTEGER), %(param_5)s::INTEGER) AS TEXT), true), CASE WHEN (current_setting('hnsw.iterative_scan', true) IS NOT NULL) THEN set_config('hnsw.iterative_scan', 'strict_order', true) END) AS concat_1) IS NOT NULL ORDER BY document.sparse <#> %(param_17)s::SPARSEVEC(9)
LIMIT %(param_18)s::INTEGER),
anon_11 AS MATERIALIZED
(SELECT document.id AS key_0, CAST(ts_rank_cd(document.fts, websearch_to_tsquery(%(param_22)s::REGCONFIG, %(param_23)s::VARCHAR)) AS FLOAT(53)) AS score
FROM document
WHERE document.fts @@ websearch_to_tsquery(%(param_22)s::REGCONFIG, %(param_23)s::VARCHAR) ORDER BY score DESC, key_0
LIMIT %(param_24)s::INTEGER),
anon_13 AS MATERIALIZED
(SELECT document.id AS key_0, CAST(word_similarity(%(param_28)s::VARCHAR, document.title) AS FLOAT(53)) AS score
FROM document
WHERE %(param_28)s::VARCHAR <%% document.title ORDER BY score DESC, key_0
LIMIT %(param_29)s::INTEGER),
anon_1 AS MATERIALIZED
(SELECT anon_2.key_0 AS key_0, sum(anon_2.part) AS score, max(anon_2.dense_rank) AS dense_rank, max(anon_2.dense_score) AS dense_score, max(anon_2.bits_rank) AS bits_rank, max(anon_2.bits_score) AS bits_score, max(anon_2.sparse_rank) AS sparse_rank, max(anon_2.sparse_score) AS sparse_score, max(anon_2.fulltext_rank) AS fulltext_rank, max(anon_2.fulltext_score) AS fulltext_score, max(anon_2.trigram_rank) AS trigram_rank, max(anon_2.trigram_score) AS trigram_score
FROM (SELECT anon_3.key_0 AS key_0, %(param_1)s * coalesce((anon_3.score - min(anon_3.score) OVER ()) / CAST(nullif(max(anon_3.score) OVER () - min(anon_3.score) OVER (), %(param_2)s) AS FLOAT(53)), %(param_3)s) AS part, anon_3.rank AS dense_rank, anon_3.score AS dense_score, CAST(NULL AS BIGINT) AS bits_rank, CAST(NULL AS FLOAT(53)) AS bits_score, CAST(NULL AS BIGINT) AS sparse_rank, CAST(NULL AS FLOAT(53)) AS sparse_score, CAST(NULL AS BIGINT) AS fulltext_rank, CAST(NULL AS FLOAT(53)) AS fulltext_score, CAST(NULL AS BIGINT) AS trigram_rank, CAST(NULL AS FLOAT(53)) AS trigram_score
FROM (SELECT anon_4.key_0 AS key_0, anon_4.score AS score, row_number() OVER (ORDER BY anon_4.distance + 0, anon_4.key_0) AS rank
FROM anon_4) AS anon_3 UNION ALL SELECT anon_5.key_0 AS key_0, %(param_7)s * coalesce((anon_5.score - min(anon_5.score) OVER ()) / CAST(nullif(max(anon_5.score) OVER () - min(anon_5.score) OVER (), %(param_8)s) AS FLOAT(53)), %(param_9)s) AS part, CAST(NULL AS BIGINT) AS dense_rank, CAST(NULL AS FLOAT(53)) AS dense_score, anon_5.rank AS bits_rank, anon_5.score AS bits_score, CAST(NULL AS BIGINT) AS sparse_rank, CAST(NULL AS FLOAT(53)) AS sparse_score, CAST(NULL AS BIGINT) AS fulltext_rank, CAST(NULL AS FLOAT(53)) AS fulltext_score, CAST(NULL AS BIGINT) AS trigram_rank, CAST(NULL AS FLOAT(53)) AS trigram_score
FROM (SELECT anon_6.key_0 AS key_0, anon_6.score AS score, row_number() OVER (ORDER BY anon_6.distance + 0, anon_6.key_0) AS rank
FROM anon_6) AS anon_5 UNION ALL SELECT anon_8.key_0 AS key_0, %(param_14)s * coalesce((anon_8.score - min(anon_8.score) OVER ()) / CAST(nullif(max(anon_8.score) OVER () - min(anon_8.score) OVER (), %(param_15)s) AS FLOAT(53)), %(param_16)s) AS part, CAST(NULL AS BIGINT) AS dense_rank, CAST(NULL AS FLOAT(53)) AS dense_score, CAST(NULL AS BIGINT) AS bits_rank, CAST(NULL AS FLOAT(53)) AS bits_score, anon_8.rank AS sparse_rank, anon_8.score AS sparse_score, CAST(NULL AS BIGINT) AS fulltext_rank, CAST(NULL AS FLOAT(53)) AS fulltext_score, CAST(NULL AS BIGINT) AS trigram_rank, CAST(NULL AS FLOAT(53)) AS trigram_score
FROM (SELECT anon_9.key_0 AS key_0, anon_9.score AS score, row_number() OVER (ORDER BY anon_9.distance + 0, anon_9.key_0) AS rank
FROM anon_9) AS anon_8 UNION ALL SELECT anon_10.key_0 AS key_0, %(param_19)s * coalesce((anon_10.score - min(anon_10.score) OVER ()) / CAST(nullif(max(anon_10.score) OVER () - min(anon_10.score) OVER (), %(param_20)s) AS FLOAT(53)), %(param_21)s) AS part, CAST(NULL AS BIGINT) AS dense_rank, CAST(NULL AS FLOAT(53)) AS dense_score, CAST(NULL AS BIGINT) AS bits_rank, CAST(NULL AS FLOAT(53)) AS bits_score, CAST(NULL AS BIGINT) AS sparse_rank, CAST(NULL AS FLOAT(53)) AS sparse_score, anon_10.rank AS fulltext_rank, anon_10.score AS fulltext_score, CAST(NULL AS BIGINT) AS trigram_rank, CAST(NULL AS FLOAT(53)) AS trigram_score
FROM (SELECT anon_11.key_0 AS key_0, anon_11.score AS score, row_number() OVER (ORDER BY anon_11.score DESC, anon_11.key_0) AS rank
FROM anon_11) AS anon_10 UNION ALL SELECT anon_12.key_0 AS key_0, %(param_25)s * coalesce((anon_12.score - min(anon_12.score) OVER ()) / CAST(nullif(max(anon_12.score) OVER () - min(anon_12.score) OVER (), %(param_26)s) AS FLOAT(53)), %(param_27)s) AS part, CAST(NULL AS BIGINT) AS dense_rank, CAST(NULL AS FLOAT(53)) AS dense_score, CAST(NULL AS BIGINT) AS bits_rank, CAST(NULL AS FLOAT(53)) AS bits_score, CAST(NULL AS BIGINT) AS sparse_rank, CAST(NULL AS FLOAT(53)) AS sparse_score, CAST(NULL AS BIGINT) AS fulltext_rank, CAST(NULL AS FLOAT(53)) AS fulltext_score, anon_12.rank AS trigram_rank, anon_12.score AS trigram_score
FROM (SELECT anon_13.key_0 AS key_0, anon_13.score AS score, row_number() OVER (ORDER BY anon_13.score DESC, anon_13.key_0) AS rank
FROM anon_13) AS anon_12) AS anon_2 GROUP BY anon_2.key_0 ORDER BY score DESC, anon_2.key_0
LIMIT %(param_30)s::INTEGER)
SELECT document.id, document.lang, document.title, document.embedding, document.bits, document.maybe, document.sparse, anon_1.score, anon_1.dense_rank, anon_1.dense_score, anon_1.bits_rank, anon_1.bits_score, anon_1.sparse_rank, anon_1.sparse_score, anon_1.fulltext_rank, anon_1.fulltext_score, anon_1.trigram_rank, anon_1.trigram_score
FROM document, anon_1
WHERE document.id = anon_1.key_0 ORDER BY anon_1.score DESC, anon_1.key_0
