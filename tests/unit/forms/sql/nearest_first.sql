SELECT document.id, document.lang, document.title, document.embedding, document.bits, document.maybe, document.sparse, document.embedding <=> %(param_1)s::VECTOR(3) AS distance
FROM document
WHERE {settings} ORDER BY document.embedding <=> %(param_1)s::VECTOR(3)
