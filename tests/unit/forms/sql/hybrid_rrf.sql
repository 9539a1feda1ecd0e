WITH dense_1 AS MATERIALIZED
(SELECT dense_candidates_1.key_0 AS key_0, dense_candidates_1.score AS score, dense_candidates_1.distance AS distance
FROM (SELECT document.id AS key_0, 1 - (document.embedding <=> %(param_3)s::VECTOR(3)) AS score, document.embedding <=> %(param_3)s::VECTOR(3) AS distance
FROM document
WHERE document.lang = %(lang_1)s::VARCHAR AND (SELECT concat(set_config('hnsw.ef_search', CAST(greatest(CAST(nullif(current_setting('hnsw.ef_search', true), '') AS INTEGER), %(param_4)s::INTEGER) AS TEXT), true), set_config('hnsw.max_scan_tuples', %(param_5)s::VARCHAR, true), set_config('hnsw.scan_mem_multiplier', %(param_6)s::VARCHAR, true), set_config('hnsw.iterative_scan', 'relaxed_order', true)) AS concat_1) IS NOT NULL ORDER BY document.embedding <=> %(param_3)s::VECTOR(3)
LIMIT %(param_7)s::INTEGER) AS dense_candidates_1 ORDER BY dense_candidates_1.distance + 0
LIMIT %(param_8)s::INTEGER),
fulltext_1 AS MATERIALIZED
(SELECT document.id AS key_0, CAST(ts_rank_cd(document.fts, websearch_to_tsquery(%(param_11)s::REGCONFIG, %(param_12)s::VARCHAR)) AS FLOAT(53)) AS score
FROM document
WHERE document.lang = %(lang_1)s::VARCHAR AND (document.fts @@ websearch_to_tsquery(%(param_11)s::REGCONFIG, %(param_12)s::VARCHAR)) ORDER BY score DESC, key_0
LIMIT %(param_13)s::INTEGER),
fused_1 AS MATERIALIZED
(SELECT every_leg_1.key_0 AS key_0, sum(every_leg_1.part) AS score, max(every_leg_1.dense_rank) AS dense_rank, max(every_leg_1.dense_score) AS dense_score, max(every_leg_1.fulltext_rank) AS fulltext_rank, max(every_leg_1.fulltext_score) AS fulltext_score
FROM (SELECT ranked_dense_1.key_0 AS key_0, %(param_1)s / CAST((%(param_2)s + ranked_dense_1.rank) AS FLOAT(53)) AS part, ranked_dense_1.rank AS dense_rank, ranked_dense_1.score AS dense_score, CAST(NULL AS BIGINT) AS fulltext_rank, CAST(NULL AS FLOAT(53)) AS fulltext_score
FROM (SELECT dense_1.key_0 AS key_0, dense_1.score AS score, row_number() OVER (ORDER BY dense_1.distance + 0, dense_1.key_0) AS rank
FROM dense_1) AS ranked_dense_1 UNION ALL SELECT ranked_fulltext_1.key_0 AS key_0, %(param_9)s / CAST((%(param_10)s + ranked_fulltext_1.rank) AS FLOAT(53)) AS part, CAST(NULL AS BIGINT) AS dense_rank, CAST(NULL AS FLOAT(53)) AS dense_score, ranked_fulltext_1.rank AS fulltext_rank, ranked_fulltext_1.score AS fulltext_score
FROM (SELECT fulltext_1.key_0 AS key_0, fulltext_1.score AS score, row_number() OVER (ORDER BY fulltext_1.score DESC, fulltext_1.key_0) AS rank
FROM fulltext_1) AS ranked_fulltext_1) AS every_leg_1 GROUP BY every_leg_1.key_0 ORDER BY score DESC, every_leg_1.key_0
LIMIT %(param_14)s::INTEGER)
SELECT document.id, document.lang, document.title, document.embedding, document.bits, document.maybe, document.sparse, fused_1.score, fused_1.dense_rank, fused_1.dense_score, fused_1.fulltext_rank, fused_1.fulltext_score
FROM document, fused_1
WHERE document.id = fused_1.key_0 ORDER BY fused_1.score DESC, fused_1.key_0
