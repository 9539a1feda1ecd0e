"""The columns of a data frame of pandas or polars, with None for what each of them calls missing.

Neither package is imported: a frame and a series are known by the methods that they have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias
from uuid import UUID

import numpy as np
from sqlalchemy import Integer
from sqlalchemy.dialects.postgresql import OID
from sqlalchemy.types import TypeDecorator

from sqlalchemy_vecsearch.errors import LoadingValueError
from sqlalchemy_vecsearch.loading.builtin_types import UtcTimes

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sqlalchemy import Column

__all__ = ["Frame", "columns_of_frame", "part_of", "sliceable"]

Series: TypeAlias = Any  # a column of a data frame, which the type checker cannot know without its package
Values: TypeAlias = Any  # a sequence, or an array of numpy or scipy with a row for each value

_NEVER_MISSING: Final = frozenset({str, bytes, bool, int, dict, list, UUID, np.ndarray})  # to pandas, among objects


class Frame(Protocol):
    """What a data frame of pandas and one of polars have in common, for type checkers."""

    @property
    def columns(self) -> Any:  # an Index, or a list
        """The names of the columns."""

    @property
    def dtypes(self) -> Any:  # a Series, or a list
        """The types of the columns."""

    def __getitem__(self, name: Any, /) -> Series: ...  # both have overloads for more than names


def columns_of_frame(given: Any) -> Mapping[str, Series] | None:  # whatever the caller passed
    """Return the columns of a frame by their names, None for what is no frame.

    Raises:
        LoadingValueError: two columns have one name.
    """
    if isinstance(given, Mapping) or not (hasattr(given, "dtypes") and hasattr(given, "columns")):
        return None
    names = list(given.columns)
    twice = [name for number, name in enumerate(names) if name in names[:number]]
    if twice:
        raise LoadingValueError(
            f"The data frame has several columns {twice[0]!r}. "
            "The name of a column says where its values go. "
            "Rename or drop all but one of them.",
            column=str(twice[0]),
        )
    return {name: given[name] for name in names}


def sliceable(given: Any) -> Any:
    """Return what a mapping holds for one column as something that has a length and parts."""
    if hasattr(given, "tocsr"):
        return given.tocsr()
    if _is_series(given):
        return _ArrayOfPandas(given, given.to_numpy()) if _is_array(given) else given
    return given if isinstance(given, (list, tuple, range, np.ndarray)) else list(given)


def part_of(given: Any, start: int, end: int, column: Column[Any]) -> Values:
    """Return some values of a column: lists and arrays as they are, a series with None for missing values.

    Args:
        given: what `sliceable` has returned.
        start: the number of the first row.
        end: the number behind the last.
        column: the column that they are for.

    Raises:
        LoadingValueError: a time has nanoseconds.
    """
    if isinstance(given, _ArrayOfPandas):
        whole = given.part(start, end)
        if whole is not None:
            return whole
        given = given.series
    if hasattr(given, "isna"):
        return _of_pandas(given.iloc[start:end], column, start)
    part = given[start:end]
    if hasattr(given, "null_count"):
        return _of_polars(part, column, start)
    if isinstance(part, np.ndarray) and part.dtype.kind in "mM":
        return _times(part, column, start)
    return part


@dataclass(frozen=True, slots=True, eq=False)
class _ArrayOfPandas:
    """A series that is an array of numpy to pandas too, of which a part costs a tenth of what `iloc` takes for it."""

    series: Series
    array: NDArray[Any]

    def __len__(self) -> int:
        return len(self.array)

    def part(self, start: int, end: int) -> Values | None:
        """Return some values, None where one could be missing, so that pandas has to be asked."""
        part = self.array[start:end]
        if part.dtype.kind != "O":
            return part
        values: list[Any] = part.tolist()
        return values if set(map(type, values)) <= _NEVER_MISSING else None


def _is_array(series: Series) -> bool:
    """Tell whether a series holds numbers that are never missing, or objects of Python."""
    if not hasattr(series, "iloc"):
        return False
    if isinstance(series.dtype, np.dtype):
        return series.dtype.kind in "iubO"
    return getattr(series.dtype, "storage", "") == "python"


def _is_series(given: Any) -> bool:  # of pandas or polars
    return (hasattr(given, "isna") and hasattr(given, "iloc")) or (
        hasattr(given, "null_count") and hasattr(given, "to_list")
    )


def _of_pandas(series: Series, column: Column[Any], first: int) -> Values:
    """Return the values; NaN, NaT, NA and None are missing."""
    kind = series.dtype.kind if isinstance(series.dtype, np.dtype) else ""
    if kind and kind in "mM":
        return _times(series.to_numpy(), column, first)
    if getattr(series.dtype, "tz", None) is not None:
        return _times(series.to_numpy(dtype=f"datetime64[{series.dt.unit}]"), column, first).view(UtcTimes)
    missing = series.isna().to_numpy()
    if kind and kind in "iubf" and not missing.any():
        return series.to_numpy()
    if _is_whole(column) and getattr(series.dtype, "kind", "") == "f":
        return _whole_numbers(series.to_numpy(dtype=float, na_value=np.nan), missing)
    return _plain_times(_without(series.tolist(), missing), column, first)


def _without(values: list[Any], missing: NDArray[np.bool_]) -> list[Any]:
    """Return the values, None for the missing ones."""
    if not missing.any():
        return values
    return [None if is_missing else value for value, is_missing in zip(values, missing.tolist(), strict=True)]


def _is_whole(column: Column[Any]) -> bool:
    type_ = column.type
    return isinstance(type_.impl_instance if isinstance(type_, TypeDecorator) else type_, (Integer, OID))


def _whole_numbers(floats: NDArray[Any], missing: NDArray[np.bool_]) -> Sequence[Any]:
    """Return numbers that pandas has made floats of, because one of them is missing, as whole ones."""
    return [
        None if is_missing else int(value) if value.is_integer() else value
        for value, is_missing in zip(floats.tolist(), missing.tolist(), strict=True)
    ]


def _plain_times(values: list[Any], column: Column[Any], first: int) -> Sequence[Any]:
    """Return times of pandas in a column of objects as those of Python."""
    classes = {
        class_ for class_ in set(map(type, values)) if hasattr(class_, "to_numpy") and hasattr(class_, "as_unit")
    }
    if not classes:
        return values
    return [
        _plain_time(value, number, column) if type(value) in classes else value
        for number, value in enumerate(values, first)
    ]


def _plain_time(value: Any, number: int, column: Column[Any]) -> Any:  # a Timestamp or a Timedelta
    if getattr(value, "nanosecond", 0) or getattr(value, "nanoseconds", 0):
        raise _too_fine(number, column, value)
    return value.to_pydatetime() if hasattr(value, "to_pydatetime") else value.to_pytimedelta()


def _of_polars(series: Series, column: Column[Any], first: int) -> Values:
    """Return the values; only null is missing, and NaN is a number."""
    unit = getattr(series.dtype, "time_unit", None)
    if unit == "ns":
        fine = (series.to_physical() % 1000).fill_null(0).to_numpy().nonzero()[0]
        if len(fine):
            raise _too_fine(first + int(fine[0]), column, series[int(fine[0])])
    if unit is not None:
        times = series.to_numpy()
        return times if getattr(series.dtype, "time_zone", None) is None else times.view(UtcTimes)
    if series.null_count():
        return series.to_list()
    if series.dtype.is_numeric() and not series.dtype.is_decimal():
        return series.to_numpy()
    return _matrix_of_polars(series) if series.dtype.is_nested() else series.to_list()


def _matrix_of_polars(series: Series) -> Values:
    """Return lists of numbers of one length as an array of two axes, anything else as lists."""
    inner = getattr(series.dtype, "inner", None)
    if inner is None or not inner.is_float() or not len(series):
        return series.to_list()
    if hasattr(series.dtype, "shape"):
        found = series.to_numpy()
    elif series.list.len().n_unique() == 1 and len(series[0]):
        found = series.explode().to_numpy().reshape(len(series), -1)
    else:
        return series.to_list()
    return found if found.dtype.kind == "f" else series.to_list()


def _times(array: NDArray[Any], column: Column[Any], first: int) -> NDArray[Any]:
    """Return times of numpy, or spans of them, in microseconds."""
    single = array.astype(f"{array.dtype.kind}8[us]")
    lost = (single != array) & ~np.isnat(array)
    if lost.any():
        number = int(np.argmax(lost))
        raise _too_fine(first + number, column, array[number])
    return single


def _too_fine(number: int, column: Column[Any], value: Any) -> LoadingValueError:
    return LoadingValueError(
        f"The value of {column.name!r} in row {number} is {value}. "
        "PostgreSQL stores microseconds, and what is finer would be lost. "
        "Round the column first.",
        row=number,
        column=column.name,
    )
