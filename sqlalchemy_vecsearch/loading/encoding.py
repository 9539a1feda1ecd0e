"""The values of a batch in the binary form of their columns, as far as they say exactly what is stored."""

from __future__ import annotations

from dataclasses import dataclass
from types import NoneType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
from sqlalchemy.types import JSON, Boolean, Enum, TypeDecorator

from sqlalchemy_vecsearch.loading.binary_format import BinaryForm, Encoded, blocks, variable, with_nulls
from sqlalchemy_vecsearch.loading.builtin_types import enum_form, scalar_form
from sqlalchemy_vecsearch.loading.container_forms import RANGES, ArrayForm, MultirangeForm, RangeForm
from sqlalchemy_vecsearch.loading.errors import refused_row
from sqlalchemy_vecsearch.loading.vector_forms import UnfitVectorError, vector_form
from sqlalchemy_vecsearch.types import BIT
from sqlalchemy_vecsearch.types.decorators import before_sending

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from decimal import Decimal

    from numpy.typing import NDArray
    from sqlalchemy import Column
    from sqlalchemy.engine import Dialect

    from sqlalchemy_vecsearch.loading.target import CopyTarget, ServerColumn

__all__ = [
    "ColumnEncoder",
    "DriverForms",
    "UnfitValueError",
    "binary_form",
    "count_of",
    "encoded",
    "encoder_of",
    "plain_values",
    "text_encoder",
]

Values: TypeAlias = Any  # a sequence of the values of one column, or an array of numpy or scipy with a row for each


_WRAPPED_TYPES: Final = frozenset({"json", "jsonb", "bytea"})
_PLAIN_JSON: Final = frozenset({dict, list})


class UnfitValueError(Exception):
    """A value has a class that the server has to convert, or to refuse.

    Attributes:
        column: the name of its column.
    """

    def __init__(self, column: str) -> None:
        super().__init__(column)
        self.column = column


@dataclass(frozen=True, slots=True)
class DriverForms:
    """What the drivers do differently, so that a COPY stores what their INSERT would.

    Attributes:
        encoding: Python's name of the client encoding.
        of_float: what becomes of a float for a numeric.
        arrays_of_one_class: whether elements of several classes are refused.
        unwrap: for each class that a type of SQLAlchemy wraps values in, what gives text or bytes.
    """

    encoding: str
    of_float: Callable[[float], Decimal]
    arrays_of_one_class: bool
    unwrap: dict[type, Callable[[Any], Any]]


@dataclass(frozen=True, slots=True)
class ColumnEncoder:
    """How the values of one column are encoded.

    Attributes:
        name: its name.
        process: what the declared type does to a value first, None where it does nothing.
        form: the binary form of its type.
        spared: the classes of values that the declared type leaves as they are.
        unwrap: as in `DriverForms`.
        takes_lists: whether an array is a value of it.
        is_enum: whether the declared type is SQLAlchemy's ``Enum``.
        write_json: what `process` and `unwrap` come to for dictionaries and lists, None where the type is not the
            ``JSON`` of SQLAlchemy, or wraps nothing.
    """

    name: str
    process: Callable[[Any], Any] | None
    form: BinaryForm
    spared: frozenset[type]
    unwrap: dict[type, Callable[[Any], Any]]
    takes_lists: bool = False
    is_enum: bool = False
    write_json: Callable[[Any], bytes] | None = None

    def encode(self, values: Values) -> Encoded:
        """Return the values.

        Raises:
            UnfitValueError: one has to be converted.
            UnfitVectorError: one is no vector that the column holds.
        """
        if hasattr(values, "shape"):
            encoded = self._whole(values)
            if encoded is not None:
                return encoded
        values = plain_values(values)
        if self.takes_lists and any(map(_holds_arrays, values)):
            values = list(map(_listed, values))
        classes = set(map(type, values))
        if self.process is not None and not classes <= self.spared:
            values = self._processed(values, classes)
            classes = set(map(type, values))
        return self._encoded(values, classes)

    def _encoded(self, values: Sequence[Any], classes: set[type]) -> Encoded:
        if NoneType not in classes:
            return self._fitting(self.form.encode(values, classes))
        present = [value for value in values if value is not None]
        if not present:
            return with_nulls(variable(()), values)
        try:
            return with_nulls(self._fitting(self.form.encode(present, classes - {NoneType})), values)
        except UnfitVectorError as error:
            positions = [number for number, value in enumerate(values) if value is not None]
            raise UnfitVectorError(positions[error.position], error.error) from error.error

    def _fitting(self, encoded: Encoded | None) -> Encoded:
        if encoded is None:
            raise UnfitValueError(self.name)
        return encoded

    def _whole(self, values: Any) -> Encoded | None:  # an array of numpy or scipy
        if self.process is not None and not self.spared:
            return None
        if isinstance(values, np.ndarray) and (np.ma.is_masked(values) or values.dtype.kind == "O"):
            return None
        if isinstance(values, np.ndarray) and values.dtype.kind in "mM":
            return self._times(values)
        return self.form.encode_array(values)

    def _times(self, values: NDArray[Any]) -> Encoded | None:
        missing = np.isnat(np.asarray(values))
        if not missing.any():
            return self.form.encode_array(values)
        present = None if missing.all() else self.form.encode_array(values[~missing])
        return None if present is None else with_nulls(present, [None if lacks else 0 for lacks in missing.tolist()])

    def _processed(self, values: Sequence[Any], classes: set[type]) -> Sequence[Any]:
        assert self.process is not None
        try:
            if self.is_enum:
                return _by_object(self.process, values, classes)
            if self.write_json is not None and classes <= _PLAIN_JSON:
                return list(map(self.write_json, values))
            if self.unwrap:  # at once, because the garbage collector would look at wrappers that stay
                return [self.unwrap.get(type(value), _itself)(value) for value in map(self.process, values)]
            return list(map(self.process, values))
        except Exception as error:  # whatever a type of the application raises; an INSERT names the row
            raise UnfitValueError(self.name) from error


def _by_object(process: Callable[[Any], Any], values: Sequence[Any], classes: set[type]) -> Sequence[Any]:
    """Return what becomes of the values of an enumeration, which are few objects, or few texts."""
    if classes == {str}:
        texts = {value: process(value) for value in set(values)}
        return [texts[value] for value in values]
    found = {identity: process(value) for identity, value in {id(value): value for value in values}.items()}
    return [found[id(value)] for value in values]


def encoder_of(column: Column[Any], server: ServerColumn, dialect: Dialect, forms: DriverForms) -> ColumnEncoder | None:
    """Return the encoder of a column, None where its type has no binary form of ours."""
    form = binary_form(server, forms)
    if form is None:
        return None
    if server.is_vector:
        process = _of_decorator(column, dialect)
    else:
        process = column.type.dialect_impl(dialect).bind_processor(dialect)
    checks_only = type(column.type).bind_processor is Boolean.bind_processor
    spared: frozenset[type] = (
        frozenset({bool, NoneType}) if checks_only and not isinstance(column.type, TypeDecorator) else frozenset()
    )
    unwrap = forms.unwrap if server.type_name in _WRAPPED_TYPES else {}
    is_enum = type(column.type).bind_processor is Enum.bind_processor
    write_json = None
    if unwrap and process is not None and type(column.type).bind_processor is JSON.bind_processor:
        write_json = unwrap.get(type(process({})))
    return ColumnEncoder(server.name, process, form, spared, unwrap, server.element is not None, is_enum, write_json)


def text_encoder(column: Column[Any], name: str, dialect: Dialect, forms: DriverForms) -> ColumnEncoder:
    """Return the encoder of a column whose texts the server casts."""
    process = column.type.dialect_impl(dialect).bind_processor(dialect)
    return ColumnEncoder(name, process, enum_form(forms.encoding), frozenset(), {})


def binary_form(server: ServerColumn, forms: DriverForms) -> BinaryForm | None:
    """Return the binary form of a column's type, None where we have none."""
    vector = vector_form(server)
    if vector is not None or server.is_enum:
        return vector or enum_form(forms.encoding)
    element = server.element
    if element is not None:
        form = None if element.is_domain else _scalar(element.name, forms, is_enum=element.is_enum)
        return None if form is None else ArrayForm(form, element.oid, forms.arrays_of_one_class)
    name = server.type_name
    bound = RANGES.get(name.replace("multirange", "range"))
    if bound is None:
        return _scalar(name, forms)
    range_form = RangeForm(_existing(_scalar(bound, forms)))
    return MultirangeForm(range_form) if name.endswith("multirange") else range_form


def encoded(
    target: CopyTarget, encoders: Sequence[ColumnEncoder], values: Sequence[Values], first: int
) -> Iterator[bytes]:
    """Return a batch in the binary COPY format: nothing can be wrong with it once the blocks are asked for.

    Args:
        target: where the rows go.
        encoders: one for each column.
        values: those of each column.
        first: the number of the first row, for errors.

    Raises:
        UnfitValueError: a value has to be converted.
        LoadingValueError: a vector is none that its column holds.
    """
    columns: list[Encoded] = []
    for encoder, given in zip(encoders, values, strict=True):
        try:
            columns.append(encoder.encode(given))
        except UnfitVectorError as error:
            raise refused_row(target.table.name, first + error.position, encoder.name, error.error) from error.error
    return blocks(columns, count_of(values[0]))


def count_of(values: Values) -> int:
    """Return how many values a column has; a sparse array of scipy has no len()."""
    return int(values.shape[0]) if hasattr(values, "shape") else len(values)


def plain_values(values: Values) -> Sequence[Any]:
    """Return the values one by one: Python's numbers for an array of one axis, rows for one of two."""
    if isinstance(values, (list, tuple)):
        return values
    if isinstance(values, np.ndarray):
        plain: list[Any] = values.tolist() if values.ndim == 1 else list(values)
        return plain
    return [values[row : row + 1] for row in range(values.shape[0])] if hasattr(values, "tocsr") else list(values)


def _scalar(name: str, forms: DriverForms, *, is_enum: bool = False) -> BinaryForm | None:
    return enum_form(forms.encoding) if is_enum else scalar_form(name, forms.encoding, forms.of_float)


def _existing(form: BinaryForm | None) -> BinaryForm:
    assert form is not None
    return form


def _of_decorator(column: Column[Any], dialect: Dialect) -> Callable[[Any], Any] | None:
    """Return what a TypeDecorator of the application does to make a vector of a value."""
    decorator = column.type
    if not isinstance(decorator, TypeDecorator) or isinstance(decorator, BIT):
        return None
    return before_sending(decorator, dialect)


def _holds_arrays(value: Any) -> bool:  # a value for an array
    return isinstance(value, np.ndarray) or (isinstance(value, list) and any(map(_holds_arrays, value[:1])))


def _listed(value: Any) -> Any:  # a value for an array: nested lists, or arrays of numpy instead
    if isinstance(value, np.ndarray):
        return value.tolist() if value.dtype.kind in "fiub" else list(value)
    return [_listed(element) for element in value] if isinstance(value, list) else value


def _itself(value: Any) -> Any:
    return value
