"""What the site writes in another way than the source: roles of Sphinx in docstrings, the types of searches."""

from __future__ import annotations

import re
from typing import Any, Final

import griffe

_TYPED_BY_DECORATOR: Final = {"adds_distance", "adds_keys", "adds_scores", "gives_number", "gives_pairs", "gives_score"}
_TYPES: Final = {"source": "type[Entity] | Table | Select", "column": "InstrumentedAttribute | Column"}
_ROLE: Final = re.compile(r":(?:attr|class|data|exc|func|meth|mod|obj):`~?([^`]+)`")


class Roles(griffe.Extension):
    """Write every role of a docstring as code, before the docstring is parsed."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:  # noqa: ARG002  # griffe passes more
        """Change the docstring of one object."""
        if obj.docstring is not None:
            obj.docstring.value = _ROLE.sub(r"`\1`", obj.docstring.value)


class Searches(griffe.Extension):
    """Write what a search takes and gives, where the source has Any because a decorator says it to type checkers."""

    def on_function(self, *, func: griffe.Function, **kwargs: Any) -> None:  # noqa: ARG002  # griffe passes more
        """Change the annotations of one function."""
        if not _TYPED_BY_DECORATOR & {str(decorator.value).partition("(")[0] for decorator in func.decorators}:
            return
        func.returns = "Select"
        for parameter in func.parameters:
            if str(parameter.annotation) == "Any":
                parameter.annotation = _TYPES.get(parameter.name, parameter.annotation)
