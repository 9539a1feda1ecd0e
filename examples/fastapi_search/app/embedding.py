"""The embedding model: wordllama, whose weights come in its wheel, so that nothing is downloaded.

Another model is put here, by `use_sentence_transformers(...)` or `use_openai(...)`, with its name and its length. What
happens then to the vectors that are there says "Change the embedding model" in the documentation.
"""

from pathlib import Path

import wordllama

from sqlalchemy_vecsearch.embedding.adapters import use_wordllama

__all__ = ["DIMENSIONS", "MODEL"]

MODEL = "wordllama-256"
DIMENSIONS = 256

_WHEEL = Path(wordllama.__file__).parent
use_wordllama(wordllama.WordLlama.load(cache_dir=_WHEEL, disable_download=True), name=MODEL, dimensions=DIMENSIONS)
