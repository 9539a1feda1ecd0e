"""Text to vectors by the static weights of the wordllama wheel: a table lookup, no network, no download."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sqlalchemy_vecsearch.demo.errors import DemoError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

__all__ = ["DIMENSIONS", "MODEL", "Embedder"]

DIMENSIONS: Final = 256
MODEL: Final = "wordllama-256"  # what the column of the models declares, and its rows keep

_BATCH: Final = 256


class Embedder:
    """Embeds texts: the mean of the vectors of their tokens, at length 1.

    Loading takes a tenth of a second and 50 MB; embedding takes about a second for 10,000 docstrings.

    Raises:
        DemoError: the packages that it needs are not installed.

    Example:
        >>> Embedder().embed(["walk a directory tree"]).shape
        (1, 256)
    """

    def __init__(self) -> None:
        try:
            from safetensors.numpy import load_file
            from tokenizers import Tokenizer
        except ImportError as error:
            raise _not_installed(str(error.name)) from error
        folder = _wordllama_folder()
        self._weights: NDArray[np.float32] = load_file(folder / "weights" / "l2_supercat_256.safetensors")[
            "embedding.weight"
        ].astype(np.float32)
        # Any: the package has no types
        self._tokenizer: Any = Tokenizer.from_file(str(folder / "tokenizers" / "l2_supercat_tokenizer_config.json"))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()

    def embed(self, texts: Sequence[str], *, progress: Callable[[int], None] | None = None) -> NDArray[np.float32]:
        """Return an array of shape (texts, 256), one row of length 1 for each text; an empty text gives zeros.

        Args:
            texts: of any length.
            progress: called with the number of texts done since the last call.
        """
        vectors = np.zeros((len(texts), DIMENSIONS), dtype=np.float32)
        for start in range(0, len(texts), _BATCH):
            batch = list(texts[start : start + _BATCH])
            encodings = self._tokenizer.encode_batch(batch, add_special_tokens=False)
            for row, encoding in enumerate(encodings, start):
                if encoding.ids:
                    vectors[row] = self._weights[encoding.ids].mean(axis=0)
            if progress is not None:
                progress(len(batch))
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        np.divide(vectors, lengths, out=vectors, where=lengths > 0)
        return vectors


def _wordllama_folder() -> Path:
    """Find the installed wheel without importing it: its own loader looks for weights on the network."""
    spec = find_spec("wordllama")
    if spec is None or spec.origin is None:
        raise _not_installed("wordllama")
    return Path(spec.origin).parent


def _not_installed(package: str) -> DemoError:
    return DemoError(
        f"The package '{package}' is not installed. "
        "The demo embeds its texts with the static weights of wordllama. "
        "Install what it needs with: pip install 'sqlalchemy-vecsearch[demo]'"
    )
