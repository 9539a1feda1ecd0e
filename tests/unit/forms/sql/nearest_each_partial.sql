WITH found_1 AS MATERIALIZED
(SELECT queries_1.key AS key, each_1.key_0 AS key_0, each_1.distance AS distance
FROM (SELECT given_1.id AS key, given_1.embedding AS vector
FROM (SELECT offer.id AS id, offer.embedding AS embedding
FROM offer) AS given_1) AS queries_1 JOIN LATERAL (SELECT candidates_1.key_0 AS key_0, candidates_1.distance AS distance
FROM (SELECT scans_1.key_0 AS key_0, scans_1.distance AS distance
FROM ((SELECT offer.id AS key_0, offer.embedding <=> queries_1.vector AS distance, offer.embedding <=> queries_1.vector AS scan_order
FROM offer
WHERE offer.shop = __[POSTCOMPILE_shop_1] AND offer.id != queries_1.key AND (SELECT concat(set_config('hnsw.ef_search', CAST(greatest(CAST(nullif(current_setting('hnsw.ef_search', true), '') AS INTEGER), %(param_1)s::INTEGER) AS TEXT), true), set_config('hnsw.max_scan_tuples', %(param_2)s::VARCHAR, true), set_config('hnsw.scan_mem_multiplier', %(param_3)s::VARCHAR, true), set_config('hnsw.iterative_scan', 'relaxed_order', true)) AS concat_1) IS NOT NULL ORDER BY offer.embedding <=> queries_1.vector
LIMIT %(param_4)s::INTEGER) UNION ALL (SELECT offer.id AS key_0, offer.embedding <=> queries_1.vector AS distance, offer.embedding <=> queries_1.vector AS scan_order
FROM offer
WHERE offer.shop = __[POSTCOMPILE_shop_2] AND offer.id != queries_1.key AND (SELECT concat(set_config('hnsw.ef_search', CAST(greatest(CAST(nullif(current_setting('hnsw.ef_search', true), '') AS INTEGER), %(param_1)s::INTEGER) AS TEXT), true), set_config('hnsw.max_scan_tuples', %(param_2)s::VARCHAR, true), set_config('hnsw.scan_mem_multiplier', %(param_3)s::VARCHAR, true), set_config('hnsw.iterative_scan', 'relaxed_order', true)) AS concat_1) IS NOT NULL ORDER BY offer.embedding <=> queries_1.vector
LIMIT %(param_5)s::INTEGER)) AS scans_1 ORDER BY scans_1.scan_order + 0
LIMIT %(param_6)s::INTEGER) AS candidates_1 ORDER BY candidates_1.distance + 0
LIMIT %(param_7)s::INTEGER) AS each_1 ON true
WHERE vector_norm(queries_1.vector) > 0)
SELECT found_1.key, offer.id, offer.shop, offer.embedding, found_1.distance AS distance
FROM offer, found_1
WHERE offer.id = found_1.key_0 ORDER BY found_1.key, found_1.distance + 0
