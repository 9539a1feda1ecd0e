"""SQL that names the types, operators, functions and operator classes of pgvector with their schema."""

from __future__ import annotations

import copy
from functools import cache
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from pgvector import sqlalchemy as pgvector_types
from sqlalchemy.dialects.postgresql import BIT
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.sql import operators
from sqlalchemy.sql.operators import custom_op

from sqlalchemy_vecsearch.metrics import Metric, metric_of_operator_class
from sqlalchemy_vecsearch.types.decorators import undecorated

if TYPE_CHECKING:
    from sqlalchemy import Index
    from sqlalchemy.engine import Dialect
    from sqlalchemy.schema import CreateIndex
    from sqlalchemy.types import TypeEngine

__all__ = ["name_with_schema", "operator_with_schema", "schema_of", "write_names_with"]

_TYPES: Final = (pgvector_types.VECTOR, pgvector_types.HALFVEC, pgvector_types.SPARSEVEC)

_SYMBOLS: Final[dict[Any, str]] = {  # SQLAlchemy's operator functions -> operators that pgvector defines
    operators.add: "+",
    operators.sub: "-",
    operators.mul: "*",
    operators.concat_op: "||",
    operators.eq: "=",
    operators.ne: "<>",
    operators.lt: "<",
    operators.le: "<=",
    operators.gt: ">",
    operators.ge: ">=",
}

_DISTANCES: Final = frozenset(metric.operator for metric in Metric)

_FUNCTIONS: Final = frozenset(
    {
        *("l2_distance", "inner_product", "cosine_distance", "l1_distance", "hamming_distance", "jaccard_distance"),
        *("vector_dims", "vector_norm", "l2_norm", "l2_normalize", "binary_quantize", "subvector"),
    }
)

_AGGREGATES: Final = frozenset({"avg", "sum"})  # pgvector's own where the argument is a vector

_schemas: Final[WeakKeyDictionary[Dialect, str]] = WeakKeyDictionary()


def schema_of(dialect: Dialect) -> str | None:
    """Return the schema that a dialect names what pgvector brings with, None where the search path leads to it."""
    return _schemas.get(dialect)


def write_names_with(dialect: Dialect, schema: str) -> None:
    """Let a dialect write ``schema`` before every name of pgvector, from the next statement that it compiles.

    Only that dialect gets compilers of its own, so engines whose search path leads to the extension run as ever. Names
    that stand in text are left as they are.

    Args:
        dialect: of one engine, any driver of PostgreSQL.
        schema: its name as the catalog has it, without quotes.
    """
    _schemas[dialect] = schema
    own: Any = dialect  # its compilers are classes that only PostgreSQL's dialects have
    own.statement_compiler = _layered(_Statements, own.statement_compiler)
    own.ddl_compiler = _layered(_Definitions, own.ddl_compiler)
    own.type_compiler_instance = _layered(_TypeTexts, own.type_compiler_instance.__class__)(dialect)
    reflected = (
        (f"{_raw_prefix(dialect)}{name}".lower(), ischema_names[name]) for name in ("vector", "halfvec", "sparsevec")
    )
    own.ischema_names = {**own.ischema_names, **dict(reflected)}


def name_with_schema(dialect: Dialect, name: str) -> str:
    """Return a type, function or operator class as the statements of a dialect name it."""
    schema = _schemas.get(dialect)
    return name if schema is None else f"{dialect.identifier_preparer.quote(schema)}.{name}"


def operator_with_schema(dialect: Dialect, symbol: str) -> str:
    """Return an operator as the statements of a dialect name it; a percent sign is not doubled."""
    return symbol if dialect not in _schemas else f"OPERATOR({_raw_prefix(dialect)}{symbol})"


class _Statements:
    """Goes before the statement compiler of a dialect: names operators between vectors, and functions of vectors."""

    dialect: Dialect

    def visit_custom_op_binary(self, element: Any, operator: Any, **options: Any) -> str:
        own: Any = super()
        symbol = operator.opstring
        if symbol in _DISTANCES | _ARITHMETIC and _takes_vectors(element, bits=symbol in _DISTANCES):
            operator = self._named(symbol, eager_grouping=operator.eager_grouping)
        return str(own.visit_custom_op_binary(element, operator, **options))

    def visit_binary(self, binary: Any, override_operator: Any = None, **options: Any) -> str:
        own: Any = super()
        symbol = _SYMBOLS.get(override_operator or binary.operator)
        if symbol is None or not _takes_vectors(binary, bits=False):
            return str(own.visit_binary(binary, override_operator, **options))
        # the named form binds as loosely as <=> whatever its operator is
        return f"({own.visit_binary(binary, self._named(symbol), **options)})"

    def visit_function(self, func: Any, add_to_result_map: Any = None, **options: Any) -> str:
        own: Any = super()
        text = str(own.visit_function(func, add_to_result_map, **options))
        name = func.name.lower()
        ours = name in _FUNCTIONS or (name in _AGGREGATES and any(_is_vector(one.type) for one in func.clauses))
        return name_with_schema(self.dialect, text) if ours and not func.packagenames else text

    def _named(self, symbol: str, *, eager_grouping: bool = False) -> custom_op[Any]:
        return custom_op(operator_with_schema(self.dialect, symbol), eager_grouping=eager_grouping)


class _Definitions:
    """Goes before the compiler of definitions: names the operator classes of indexes."""

    dialect: Dialect

    def visit_create_index(self, create: CreateIndex, **options: Any) -> str:
        index = create.element
        classes: dict[str, str] = index.dialect_options["postgresql"]["ops"]
        named = {
            key: name_with_schema(self.dialect, name)
            for key, name in classes.items()
            if "." not in name and metric_of_operator_class(name) is not None
        }
        if named:
            create = copy.copy(create)
            create.element = _with_operator_classes(index, classes | named)
        own: Any = super()
        return str(own.visit_create_index(create, **options))


class _TypeTexts:
    """Goes before the compiler of types: names the types."""

    dialect: Dialect

    def visit_user_defined(self, type_: Any, **options: Any) -> str:
        own: Any = super()
        text = str(own.visit_user_defined(type_, **options))
        return name_with_schema(self.dialect, text) if isinstance(type_, _TYPES) else text


_ARITHMETIC: Final = frozenset(_SYMBOLS.values())


def _with_operator_classes(index: Index, classes: dict[str, str]) -> Index:
    twin = copy.copy(index)
    of_postgresql = {**index.dialect_options["postgresql"], "ops": classes}
    twin.__dict__["dialect_options"] = {**index.dialect_options, "postgresql": of_postgresql}
    return twin


def _takes_vectors(binary: Any, *, bits: bool) -> bool:
    families = (*_TYPES, BIT, pgvector_types.BIT) if bits else _TYPES
    return any(isinstance(undecorated(side.type), families) for side in (binary.left, binary.right))


def _is_vector(type_: TypeEngine[Any]) -> bool:
    return isinstance(undecorated(type_), _TYPES)


def _raw_prefix(dialect: Dialect) -> str:
    """Return the schema with a full stop, quoted for the server and not yet escaped for the driver."""
    schema = _schemas[dialect]
    if dialect.identifier_preparer.quote(schema) == schema:
        return f"{schema}."
    doubled = schema.replace('"', '""')
    return f'"{doubled}".'


@cache
def _layered(layer: Any, base: Any) -> Any:  # classes
    return base if issubclass(base, layer) else type(base.__name__, (layer, base), {})
