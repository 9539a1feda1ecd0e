WITH anon_1 AS MATERIALIZED
(SELECT anon_2.key AS key, anon_3.key_0 AS key_0, anon_3.distance AS distance
FROM (SELECT anon_4.id AS key, anon_4.embedding AS vector
FROM (SELECT offer.id AS id, offer.embedding AS embedding
FROM offer) AS anon_4) AS anon_2 JOIN LATERAL (SELECT anon_5.key_0 AS key_0, anon_5.distance AS distance
FROM (SELECT anon_6.key_0 AS key_0, anon_6.distance AS distance
FROM ((SELECT offer.id AS key_0, offer.embedding <=> anon_2.vector AS distance, offer.embedding <=> anon_2.vector AS scan_order
FROM offer
WHERE offer.shop = __[POSTCOMPILE_shop_1] AND offer.id != anon_2.key AND (SELECT concat(set_config('hnsw.ef_search', CAST(greatest(CAST(nullif(current_setting('hnsw.ef_search', true), '') AS INTEGER), %(param_1)s::INTEGER) AS TEXT), true), set_config('hnsw.max_scan_tuples', %(param_2)s::VARCHAR, true), set_config('hnsw.scan_mem_multiplier', %(param_3)s::VARCHAR, true), set_config('hnsw.iterative_scan', 'relaxed_order', true)) AS concat_1) IS NOT NULL ORDER BY offer.embedding <=> anon_2.vector
LIMIT %(param_4)s::INTEGER) UNION ALL (SELECT offer.id AS key_0, offer.embedding <=> anon_2.vector AS distance, offer.embedding <=> anon_2.vector AS scan_order
FROM offer
WHERE offer.shop = __[POSTCOMPILE_shop_2] AND offer.id != anon_2.key AND (SELECT concat(set_config('hnsw.ef_search', CAST(greatest(CAST(nullif(current_setting('hnsw.ef_search', true), '') AS INTEGER), %(param_1)s::INTEGER) AS TEXT), true), set_config('hnsw.max_scan_tuples', %(param_2)s::VARCHAR, true), set_config('hnsw.scan_mem_multiplier', %(param_3)s::VARCHAR, true), set_config('hnsw.iterative_scan', 'relaxed_order', true)) AS concat_1) IS NOT NULL ORDER BY offer.embedding <=> anon_2.vector
LIMIT %(param_5)s::INTEGER)) AS anon_6 ORDER BY anon_6.scan_order + 0
LIMIT %(param_6)s::INTEGER) AS anon_5 ORDER BY anon_5.distance + 0
LIMIT %(param_7)s::INTEGER) AS anon_3 ON true
WHERE anon_2.vector IS NOT NULL)
SELECT anon_1.key, offer.id, offer.shop, offer.embedding, anon_1.distance AS distance
FROM offer, anon_1
WHERE offer.id = anon_1.key_0 ORDER BY anon_1.key, anon_1.distance + 0
