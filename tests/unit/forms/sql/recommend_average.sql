WITH liked_1 AS
(SELECT every_liked_1.vector AS vector
FROM (SELECT document_1.embedding AS vector
FROM document AS document_1
WHERE document_1.id IN (__[POSTCOMPILE_id_1])) AS every_liked_1
WHERE vector_norm(every_liked_1.vector) > 0),
disliked_1 AS
(SELECT every_disliked_1.vector AS vector
FROM (SELECT document_2.embedding AS vector
FROM document AS document_2
WHERE document_2.id IN (__[POSTCOMPILE_id_2]) UNION ALL SELECT given_1.vector AS vector
FROM unnest(CAST(ARRAY[%(param_1)s::VECTOR(3), %(param_2)s::VECTOR(3), %(param_3)s::VECTOR(3), %(param_4)s::VECTOR(3)] AS VECTOR(3)[])) WITH ORDINALITY AS given_1(vector, position)) AS every_disliked_1
WHERE vector_norm(every_disliked_1.vector) > 0),
centre_1 AS
(SELECT coalesce(average_liked_1.vector + (average_liked_1.vector - average_disliked_1.vector), average_liked_1.vector) AS vector
FROM (SELECT avg(liked_1.vector) AS vector
FROM liked_1) AS average_liked_1 JOIN (SELECT avg(disliked_1.vector) AS vector
FROM disliked_1) AS average_disliked_1 ON true),
candidates_1 AS MATERIALIZED
(SELECT document.id AS key_0, document.embedding <=> (SELECT centre_1.vector
FROM centre_1) AS distance
FROM document
WHERE (document.id NOT IN (__[POSTCOMPILE_id_3])) AND vector_norm((SELECT centre_1.vector
FROM centre_1)) > 0 AND (SELECT concat(set_config('hnsw.ef_search', CAST(greatest(CAST(nullif(current_setting('hnsw.ef_search', true), '') AS INTEGER), %(param_5)s::INTEGER) AS TEXT), true), set_config('hnsw.max_scan_tuples', %(param_6)s::VARCHAR, true), set_config('hnsw.scan_mem_multiplier', %(param_7)s::VARCHAR, true), set_config('hnsw.iterative_scan', 'relaxed_order', true)) AS concat_1) IS NOT NULL ORDER BY document.embedding <=> (SELECT centre_1.vector
FROM centre_1)
LIMIT %(param_8)s::INTEGER),
nearest_1 AS MATERIALIZED
(SELECT candidates_1.key_0 AS key_0, candidates_1.distance AS distance
FROM candidates_1 ORDER BY candidates_1.distance + 0
LIMIT %(param_9)s::INTEGER)
SELECT document.id, document.lang, document.title, document.embedding, document.bits, document.maybe, document.sparse, nearest_1.distance AS distance
FROM document, nearest_1
WHERE document.id = nearest_1.key_0 ORDER BY nearest_1.distance + 0
