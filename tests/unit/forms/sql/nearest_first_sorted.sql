SELECT document.id, document.lang, document.title, document.embedding, document.bits, document.maybe, document.sparse, document.bits <=> %(param_1)s::VECTOR(3) AS distance
FROM document ORDER BY (document.bits <=> %(param_1)s::VECTOR(3)) OPERATOR(pg_catalog.+) 0
