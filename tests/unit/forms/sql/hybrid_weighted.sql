WITH dense_1 AS MATERIALIZED
(SELECT document.id AS key_0, 1 - (document.embedding <=> %(param_4)s::VECTOR(3)) AS score, document.embedding <=> %(param_4)s::VECTOR(3) AS distance
FROM document
WHERE (SELECT concat(set_config('hnsw.ef_search', CAST(greatest(CAST(nullif(current_setting('hnsw.ef_search', true), '') AS INTEGER), %(param_5)s::INTEGER) AS TEXT), true), CASE WHEN (current_setting('hnsw.iterative_scan', true) IS NOT NULL) THEN set_config('hnsw.iterative_scan', 'strict_order', true) END) AS concat_1) IS NOT NULL ORDER BY document.embedding <=> %(param_4)s::VECTOR(3)
LIMIT %(param_6)s::INTEGER),
bits_1 AS MATERIALIZED
(SELECT bits_candidates_1.key_0 AS key_0, bits_candidates_1.score AS score, bits_candidates_1.distance AS distance
FROM (SELECT document.id AS key_0, 1 - (document.bits <=> %(param_10)s::VECTOR(3)) AS score, document.bits <=> %(param_10)s::VECTOR(3) AS distance
FROM document
WHERE (SELECT concat(set_config('hnsw.ef_search', CAST(greatest(CAST(nullif(current_setting('hnsw.ef_search', true), '') AS INTEGER), %(param_11)s::INTEGER) AS TEXT), true), CASE WHEN (current_setting('hnsw.iterative_scan', true) IS NOT NULL) THEN set_config('hnsw.iterative_scan', 'strict_order', true) END) AS concat_2) IS NOT NULL ORDER BY CAST(binary_quantize(document.bits) AS BIT(3)) <~> binary_quantize(CAST(%(param_10)s::VECTOR(3) AS VECTOR(3)))
LIMIT %(param_12)s::INTEGER) AS bits_candidates_1 ORDER BY bits_candidates_1.distance + 0
LIMIT %(param_13)s::INTEGER),
sparse_1 AS MATERIALIZED
(SELECT document.id AS key_0, 0 - (document.sparse <#> %(param_17)s::SPARSEVEC(9)) AS score, document.sparse <#> %(param_17)s::SPARSEVEC(9) AS distance
FROM document
WHERE (SELECT concat(set_config('hnsw.ef_search', CAST(greatest(CAST(nullif(current_setting('hnsw.ef_search', true), '') AS INTEGER), %(param_5)s::INTEGER) AS TEXT), true), CASE WHEN (current_setting('hnsw.iterative_scan', true) IS NOT NULL) THEN set_config('hnsw.iterative_scan', 'strict_order', true) END) AS concat_1) IS NOT NULL ORDER BY document.sparse <#> %(param_17)s::SPARSEVEC(9)
LIMIT %(param_18)s::INTEGER),
fulltext_1 AS MATERIALIZED
(SELECT document.id AS key_0, CAST(ts_rank_cd(document.fts, websearch_to_tsquery(%(param_22)s::REGCONFIG, %(param_23)s::VARCHAR)) AS FLOAT(53)) AS score
FROM document
WHERE document.fts @@ websearch_to_tsquery(%(param_22)s::REGCONFIG, %(param_23)s::VARCHAR) ORDER BY score DESC, key_0
LIMIT %(param_24)s::INTEGER),
trigram_1 AS MATERIALIZED
(SELECT document.id AS key_0, CAST(word_similarity(%(param_28)s::VARCHAR, document.title) AS FLOAT(53)) AS score
FROM document
WHERE %(param_28)s::VARCHAR <%% document.title ORDER BY score DESC, key_0
LIMIT %(param_29)s::INTEGER),
fused_1 AS MATERIALIZED
(SELECT every_leg_1.key_0 AS key_0, sum(every_leg_1.part) AS score, max(every_leg_1.dense_rank) AS dense_rank, max(every_leg_1.dense_score) AS dense_score, max(every_leg_1.bits_rank) AS bits_rank, max(every_leg_1.bits_score) AS bits_score, max(every_leg_1.sparse_rank) AS sparse_rank, max(every_leg_1.sparse_score) AS sparse_score, max(every_leg_1.fulltext_rank) AS fulltext_rank, max(every_leg_1.fulltext_score) AS fulltext_score, max(every_leg_1.trigram_rank) AS trigram_rank, max(every_leg_1.trigram_score) AS trigram_score
FROM (SELECT ranked_dense_1.key_0 AS key_0, %(param_1)s * coalesce((ranked_dense_1.score - min(ranked_dense_1.score) OVER ()) / CAST(nullif(max(ranked_dense_1.score) OVER () - min(ranked_dense_1.score) OVER (), %(param_2)s) AS FLOAT(53)), %(param_3)s) AS part, ranked_dense_1.rank AS dense_rank, ranked_dense_1.score AS dense_score, CAST(NULL AS BIGINT) AS bits_rank, CAST(NULL AS FLOAT(53)) AS bits_score, CAST(NULL AS BIGINT) AS sparse_rank, CAST(NULL AS FLOAT(53)) AS sparse_score, CAST(NULL AS BIGINT) AS fulltext_rank, CAST(NULL AS FLOAT(53)) AS fulltext_score, CAST(NULL AS BIGINT) AS trigram_rank, CAST(NULL AS FLOAT(53)) AS trigram_score
FROM (SELECT dense_1.key_0 AS key_0, dense_1.score AS score, row_number() OVER (ORDER BY dense_1.distance + 0, dense_1.key_0) AS rank
FROM dense_1) AS ranked_dense_1 UNION ALL SELECT ranked_bits_1.key_0 AS key_0, %(param_7)s * coalesce((ranked_bits_1.score - min(ranked_bits_1.score) OVER ()) / CAST(nullif(max(ranked_bits_1.score) OVER () - min(ranked_bits_1.score) OVER (), %(param_8)s) AS FLOAT(53)), %(param_9)s) AS part, CAST(NULL AS BIGINT) AS dense_rank, CAST(NULL AS FLOAT(53)) AS dense_score, ranked_bits_1.rank AS bits_rank, ranked_bits_1.score AS bits_score, CAST(NULL AS BIGINT) AS sparse_rank, CAST(NULL AS FLOAT(53)) AS sparse_score, CAST(NULL AS BIGINT) AS fulltext_rank, CAST(NULL AS FLOAT(53)) AS fulltext_score, CAST(NULL AS BIGINT) AS trigram_rank, CAST(NULL AS FLOAT(53)) AS trigram_score
FROM (SELECT bits_1.key_0 AS key_0, bits_1.score AS score, row_number() OVER (ORDER BY bits_1.distance + 0, bits_1.key_0) AS rank
FROM bits_1) AS ranked_bits_1 UNION ALL SELECT ranked_sparse_1.key_0 AS key_0, %(param_14)s * coalesce((ranked_sparse_1.score - min(ranked_sparse_1.score) OVER ()) / CAST(nullif(max(ranked_sparse_1.score) OVER () - min(ranked_sparse_1.score) OVER (), %(param_15)s) AS FLOAT(53)), %(param_16)s) AS part, CAST(NULL AS BIGINT) AS dense_rank, CAST(NULL AS FLOAT(53)) AS dense_score, CAST(NULL AS BIGINT) AS bits_rank, CAST(NULL AS FLOAT(53)) AS bits_score, ranked_sparse_1.rank AS sparse_rank, ranked_sparse_1.score AS sparse_score, CAST(NULL AS BIGINT) AS fulltext_rank, CAST(NULL AS FLOAT(53)) AS fulltext_score, CAST(NULL AS BIGINT) AS trigram_rank, CAST(NULL AS FLOAT(53)) AS trigram_score
FROM (SELECT sparse_1.key_0 AS key_0, sparse_1.score AS score, row_number() OVER (ORDER BY sparse_1.distance + 0, sparse_1.key_0) AS rank
FROM sparse_1) AS ranked_sparse_1 UNION ALL SELECT ranked_fulltext_1.key_0 AS key_0, %(param_19)s * coalesce((ranked_fulltext_1.score - min(ranked_fulltext_1.score) OVER ()) / CAST(nullif(max(ranked_fulltext_1.score) OVER () - min(ranked_fulltext_1.score) OVER (), %(param_20)s) AS FLOAT(53)), %(param_21)s) AS part, CAST(NULL AS BIGINT) AS dense_rank, CAST(NULL AS FLOAT(53)) AS dense_score, CAST(NULL AS BIGINT) AS bits_rank, CAST(NULL AS FLOAT(53)) AS bits_score, CAST(NULL AS BIGINT) AS sparse_rank, CAST(NULL AS FLOAT(53)) AS sparse_score, ranked_fulltext_1.rank AS fulltext_rank, ranked_fulltext_1.score AS fulltext_score, CAST(NULL AS BIGINT) AS trigram_rank, CAST(NULL AS FLOAT(53)) AS trigram_score
FROM (SELECT fulltext_1.key_0 AS key_0, fulltext_1.score AS score, row_number() OVER (ORDER BY fulltext_1.score DESC, fulltext_1.key_0) AS rank
FROM fulltext_1) AS ranked_fulltext_1 UNION ALL SELECT ranked_trigram_1.key_0 AS key_0, %(param_25)s * coalesce((ranked_trigram_1.score - min(ranked_trigram_1.score) OVER ()) / CAST(nullif(max(ranked_trigram_1.score) OVER () - min(ranked_trigram_1.score) OVER (), %(param_26)s) AS FLOAT(53)), %(param_27)s) AS part, CAST(NULL AS BIGINT) AS dense_rank, CAST(NULL AS FLOAT(53)) AS dense_score, CAST(NULL AS BIGINT) AS bits_rank, CAST(NULL AS FLOAT(53)) AS bits_score, CAST(NULL AS BIGINT) AS sparse_rank, CAST(NULL AS FLOAT(53)) AS sparse_score, CAST(NULL AS BIGINT) AS fulltext_rank, CAST(NULL AS FLOAT(53)) AS fulltext_score, ranked_trigram_1.rank AS trigram_rank, ranked_trigram_1.score AS trigram_score
FROM (SELECT trigram_1.key_0 AS key_0, trigram_1.score AS score, row_number() OVER (ORDER BY trigram_1.score DESC, trigram_1.key_0) AS rank
FROM trigram_1) AS ranked_trigram_1) AS every_leg_1 GROUP BY every_leg_1.key_0 ORDER BY score DESC, every_leg_1.key_0
LIMIT %(param_30)s::INTEGER)
SELECT document.id, document.lang, document.title, document.embedding, document.bits, document.maybe, document.sparse, fused_1.score, fused_1.dense_rank, fused_1.dense_score, fused_1.bits_rank, fused_1.bits_score, fused_1.sparse_rank, fused_1.sparse_score, fused_1.fulltext_rank, fused_1.fulltext_score, fused_1.trigram_rank, fused_1.trigram_score
FROM document, fused_1
WHERE document.id = fused_1.key_0 ORDER BY fused_1.score DESC, fused_1.key_0
