"""The binary forms of PostgreSQL's own types, for whole columns at once.

A form takes values of the classes that say exactly what is stored, and None of any other: those go by INSERT, so that
the server converts them, or refuses them, as it does everywhere.
"""

from __future__ import annotations

import ipaddress
import re
import struct
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

from sqlalchemy_vecsearch.loading.binary_format import BinaryForm, Encoded, fixed, variable

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ScalarForm", "UtcTimes", "enum_form", "scalar_form"]

Values: TypeAlias = Sequence[Any]  # of one column, none of them None

_WHOLE_NUMBERS: Final = frozenset(
    {int, np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64}
)
_FLOATS: Final = frozenset({float, np.float16, np.float32, np.float64})
_TEXTS: Final = frozenset({str, np.str_})
_EXACT_IN_SINGLE: Final = 2**24
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)
_ADDRESS: Final = re.compile(r"[0-9a-fA-F.:]+(/(0|[1-9][0-9]{0,2}))?", re.ASCII)
_FAMILIES: Final = {4: 2, 6: 3}  # of PostgreSQL, by the version of the protocol
_SPECIAL_NUMERICS: Final = {"NaN": 0xC000, "Infinity": 0xD000, "-Infinity": 0xF000}
_GROUP: Final = 4  # decimal digits in a digit of a numeric
_NEGATIVE: Final = 0x4000
_MOST_BEFORE, _MOST_BEHIND = 18, 16  # digits that a number of 64 bits has room for, in whole groups behind the point
_LONGEST_SHORT: Final = 36  # characters: these digits, a sign and a point
_ZERO, _NINE, _POINT, _MINUS = ord("0"), 9, ord("."), ord("-")
_MOST_DIGITS: Final = 1_000  # numeric holds more; those are left to the server
_EPOCH: Final = datetime(2000, 1, 1)  # noqa: DTZ001  # timestamp has no zone
_EPOCH_UTC: Final = datetime(2000, 1, 1, tzinfo=UTC)
_EPOCH_DAY: Final = date(2000, 1, 1).toordinal()
_FIRST_DAY: Final = 1 - _EPOCH_DAY + 1
_LAST_DAY: Final = date.max.toordinal() - _EPOCH_DAY - 1
_DAY: Final = 86_400_000_000  # in microseconds


@dataclass(frozen=True, slots=True)
class ScalarForm(BinaryForm):
    """A type whose values have one of some classes.

    Attributes:
        classes: these.
        write: what encodes a column of them; None where a value has to be converted after all.
        kinds: the kinds of numpy's dtypes whose arrays it takes as well.
    """

    classes: frozenset[type]
    write: Callable[[Any], Encoded | None]
    kinds: str = ""

    def encode(self, values: Values, classes: set[type]) -> Encoded | None:
        """Return the values where all are of the classes."""
        return self.write(values) if classes <= self.classes else None

    def encode_array(self, values: NDArray[Any]) -> Encoded | None:
        """Return the values where the array is of a kind that it takes."""
        return self.write(values) if values.dtype.kind in self.kinds else None


class UtcTimes(np.ndarray[Any, np.dtype[np.datetime64]]):
    """An array of times that have a zone, in UTC; numpy's own array of datetime64 has none."""

    def tolist(self) -> Any:  # numpy's signature
        """Return datetimes with their zone, None for NaT."""
        plain: list[Any] = np.asarray(self).tolist()  # a time beyond the years of Python is a number
        return [value.replace(tzinfo=UTC) if isinstance(value, datetime) else value for value in plain]


def scalar_form(type_name: str, encoding: str, of_float: Callable[[float], Decimal]) -> BinaryForm | None:
    """Return the form of a type that is neither array nor range, None where we have none.

    Args:
        type_name: its name in the catalog.
        encoding: Python's name of the client encoding.
        of_float: what an INSERT with the driver makes of a float for a numeric.
    """
    if type_name in _TEXT_TYPES:
        return ScalarForm(_TEXTS, partial(_texts, encoding, b""))
    if type_name in _JSON_PREFIXES:
        return ScalarForm(_TEXTS | {bytes}, partial(_texts, encoding, _JSON_PREFIXES[type_name]))
    if type_name == "numeric":
        return ScalarForm(frozenset({Decimal, int, float}), partial(_numerics, of_float), "f")
    return _SCALARS.get(type_name)


def enum_form(encoding: str) -> BinaryForm:
    """Return the form of every enumeration."""
    return ScalarForm(frozenset({str}), partial(_texts, encoding, b""))


def _whole_numbers(limit: int, kind: str, lowest: int, values: Any) -> Encoded | None:
    found = np.asarray(values)
    if found.dtype.kind not in "iu" or found.min() < lowest or found.max() > limit:
        return None
    return fixed((kind, (), found))


def _doubles(values: Any) -> Encoded | None:
    try:
        return fixed((">f8", (), np.asarray(values, dtype=np.float64)))
    except OverflowError:
        return None


def _singles(values: Any) -> Encoded | None:
    """Return numbers in single precision, None where one is beyond it, below it, or a whole number that it rounds."""
    try:
        doubles = np.asarray(values, dtype=np.float64)
    except OverflowError:
        return None
    with np.errstate(over="ignore", under="ignore"):
        singles = doubles.astype(np.float32)
    whole = not isinstance(values, np.ndarray) or values.dtype.kind in "iu"
    lost = (np.isinf(singles) & ~np.isinf(doubles)) | ((singles == 0) & (doubles != 0))
    if bool(lost.any()) or (whole and _rounds_whole(values, doubles)):
        return None
    return fixed((">f4", (), singles))


def _rounds_whole(values: Any, doubles: NDArray[np.float64]) -> bool:
    classes = {int} if isinstance(values, np.ndarray) else set(map(type, values))
    return not classes <= _FLOATS and bool((np.abs(doubles) > _EXACT_IN_SINGLE).any())


def _booleans(values: Any) -> Encoded:
    return fixed(("?", (), np.asarray(values)))


def _texts(encoding: str, prefix: bytes, values: Values) -> Encoded | None:
    try:
        if encoding == "utf-8" and not prefix:
            with suppress(TypeError):  # texts of JSON that a driver has encoded
                return variable(list(map(str.encode, values)))
        return variable([prefix + (value if type(value) is bytes else value.encode(encoding)) for value in values])
    except UnicodeEncodeError:
        return None


def _bytes(values: Values) -> Encoded:
    return variable(list(map(bytes, values)))


def _uuids(values: Values) -> Encoded | None:
    numbers = [_uuid_number(value) if type(value) is str else value.int for value in values]
    if -1 in numbers:
        return None
    joined = b"".join([number.to_bytes(16, "big") for number in numbers])
    return fixed(("u1", (16,), np.frombuffer(joined, dtype=np.uint8).reshape(-1, 16)))


def _uuid_number(value: str) -> int:
    return int(value.replace("-", ""), 16) if _UUID.fullmatch(value) else -1


def _numerics(of_float: Callable[[float], Decimal], values: Any) -> Encoded | None:
    plain = values.tolist() if isinstance(values, np.ndarray) else values
    exact = [of_float(value) if type(value) is float else value for value in plain]
    texts = list(map(str, exact))
    short = _short_numerics(texts)
    if short is not None:
        return short
    found = list(map(_numeric, exact, texts))
    return variable(found) if all(found) else None


def _short_numerics(texts: list[str]) -> Encoded | None:
    """Return numbers with at most 18 digits before the point and 16 behind it, None where one is not written so.

    All get as many digits of base 10,000 as the longest needs: the server strips zeros from both ends.
    """
    if max(map(len, texts)) > _LONGEST_SHORT:
        return None
    characters = np.array(texts)
    codes = characters.view(np.uint32).reshape(len(texts), -1)
    digits = codes - _ZERO  # what is below a zero comes out large
    is_digit, is_point = digits <= _NINE, codes == _POINT
    is_negative = codes[:, 0] == _MINUS
    places = is_digit | is_point | (codes == 0)
    places[:, 0] |= is_negative
    behind_point = np.logical_or.accumulate(is_point, axis=1)
    scales = np.count_nonzero(is_digit & behind_point, axis=1)
    lengths = np.count_nonzero(is_digit & ~behind_point, axis=1)
    if not places.all() or scales.max() > _MOST_BEHIND or lengths.max() > _MOST_BEFORE:
        return None
    before, behind = -(-int(lengths.max()) // _GROUP), -(-int(scales.max()) // _GROUP)
    whole = np.zeros(len(texts), dtype=np.int64)
    fraction = whole.copy()
    for place in range(codes.shape[1]):
        digit = digits[:, place].astype(np.int64)
        in_fraction = behind_point[:, place]
        np.copyto(whole, 10 * whole + digit, where=is_digit[:, place] & ~in_fraction)
        np.copyto(fraction, 10 * fraction + digit, where=is_digit[:, place] & in_fraction)
    fraction *= 10 ** (_GROUP * behind - scales)
    groups = np.concatenate([_groups(whole, before), _groups(fraction, behind)], axis=1)
    signs = np.where(is_negative, _NEGATIVE, 0)
    count = before + behind
    head = ((">i2", (), count), (">i2", (), before - 1), (">u2", (), signs), (">i2", (), scales))
    return fixed(*head, (">i2", (count,), groups))


def _groups(numbers: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return so many digits of base 10,000 of each number."""
    return numbers[:, None] // 10_000 ** np.arange(count - 1, -1, -1) % 10_000


def _numeric(value: Decimal | int, text: str) -> bytes:
    """Return what ``numeric_recv`` reads: digits of base 10,000, the weight of the first, sign, digits to show.

    A number with more digits than we encode is empty.
    """
    if text in _SPECIAL_NUMERICS:
        return struct.pack(">hhHh", 0, 0, _SPECIAL_NUMERICS[text], 0)
    if "E" in text and isinstance(value, Decimal) and abs(value.adjusted()) < _MOST_DIGITS:
        text = format(value, "f")
    sign = 0
    if text[0] == "-":
        sign, text = _NEGATIVE, text[1:]
    whole, _, fraction = text.partition(".")
    if len(text) > _MOST_DIGITS or not (whole + fraction).isdigit():
        return b""
    digits = "0" * (-len(whole) % _GROUP) + whole + fraction + "0" * (-len(fraction) % _GROUP)
    groups = [int(digits[start : start + _GROUP]) for start in range(0, len(digits), _GROUP)]
    weight = (len(whole) + _GROUP - 1) // _GROUP - 1
    return struct.pack(f">hhHh{len(groups)}H", len(groups), weight, sign, len(fraction), *groups)


def _addresses(values: Values, *, is_network: bool) -> Encoded | None:
    try:
        found = [_address(value, is_network=is_network) for value in values]
    except ValueError:
        return None
    return variable(found) if all(found) else None


def _address(value: Any, *, is_network: bool) -> bytes:  # a text or an object of ipaddress
    """Return what ``inet_recv`` reads: family, bits, whether it is a network, the bytes of the address.

    What PostgreSQL might read in another way than Python is empty.

    Raises:
        ValueError: the text is no address that Python and PostgreSQL both know.
    """
    if isinstance(value, str):
        if not _ADDRESS.fullmatch(value):
            return b""
        value = ipaddress.ip_network(value) if is_network else ipaddress.ip_interface(value)
    if getattr(value, "scope_id", None) is not None:
        return b""
    packed: bytes = getattr(value, "network_address", value).packed
    network = getattr(value, "network", value)
    bits = getattr(network, "prefixlen", 8 * len(packed))
    return bytes([_FAMILIES[value.version], bits, is_network, len(packed)]) + packed


def _dates(values: Sequence[date]) -> Encoded | None:
    """Return dates, None where one is the first or the last of Python."""
    days = np.fromiter(map(date.toordinal, values), np.int64, len(values)) - _EPOCH_DAY
    return fixed((">i4", (), days)) if _is_finite(days, 1) else None


def _timestamps(values: Sequence[datetime] | NDArray[np.datetime64]) -> Encoded | None:
    """Return times without a zone, None where one has a zone."""
    if isinstance(values, np.ndarray):
        return None if isinstance(values, UtcTimes) else _of_array(values)
    if set(map(attrgetter("tzinfo"), values)) != {None}:
        return None
    return _of_spans([value - _EPOCH for value in values])


def _moments(values: Sequence[datetime] | NDArray[np.datetime64]) -> Encoded | None:
    """Return times with a zone, None where one has none."""
    if isinstance(values, np.ndarray):
        return _of_array(values) if isinstance(values, UtcTimes) else None
    try:
        return _of_spans([value - _EPOCH_UTC for value in values])
    except TypeError:  # one has no zone
        return None


def _intervals(values: Sequence[timedelta] | NDArray[np.timedelta64]) -> Encoded:
    """Return spans of time."""
    if isinstance(values, np.ndarray):
        days, rest = np.divmod(values.astype("m8[us]").astype(np.int64), _DAY)
    else:
        days, rest = _part(values, "days"), _microseconds_of_day(values)
    return fixed((">i8", (), rest), (">i4", (), days), (">i4", (), 0))


def _times(values: Sequence[time]) -> Encoded | None:
    """Return times of a day, None where one has a zone."""
    if set(map(attrgetter("tzinfo"), values)) != {None}:
        return None
    return fixed((">i8", (), _clock(values)))


def _zoned_times(values: Sequence[time]) -> Encoded | None:
    """Return times of a day with their zone, None where one has none."""
    offsets = [value.utcoffset() for value in values]
    if None in offsets or any(offset.microseconds for offset in offsets if offset is not None):
        return None
    west = np.array([-round(offset.total_seconds()) for offset in offsets if offset is not None])
    return fixed((">i8", (), _clock(values)), (">i4", (), west))


def _of_array(values: NDArray[np.datetime64]) -> Encoded | None:
    return _counted((np.asarray(values) - np.datetime64(_EPOCH)).astype("m8[us]").astype(np.int64))


def _of_spans(values: Sequence[timedelta]) -> Encoded | None:
    return _counted(_part(values, "days") * _DAY + _microseconds_of_day(values))


def _counted(microseconds: NDArray[np.int64]) -> Encoded | None:
    return fixed((">i8", (), microseconds)) if _is_finite(microseconds, _DAY) else None


def _is_finite(values: NDArray[np.int64], day: int) -> bool:
    """Tell whether no time is on the first or the last day of Python, which asyncpg takes for infinity."""
    return bool(values.min() > _FIRST_DAY * day and values.max() < _LAST_DAY * day)


def _clock(values: Sequence[time]) -> NDArray[np.int64]:
    seconds = (_part(values, "hour") * 60 + _part(values, "minute")) * 60 + _part(values, "second")
    return seconds * 1_000_000 + _part(values, "microsecond")


def _microseconds_of_day(values: Sequence[timedelta]) -> NDArray[np.int64]:
    return _part(values, "seconds") * 1_000_000 + _part(values, "microseconds")


def _part(values: Sequence[Any], name: str) -> NDArray[np.int64]:
    return np.fromiter(map(attrgetter(name), values), np.int64, len(values))


_TEXT_TYPES: Final = frozenset({"text", "varchar", "bpchar", "name", "citext"})
_JSON_PREFIXES: Final = {"json": b"", "jsonb": b"\1"}

_NETWORKS: Final = frozenset({ipaddress.IPv4Network, ipaddress.IPv6Network})
_HOSTS: Final = frozenset(
    {ipaddress.IPv4Address, ipaddress.IPv6Address, ipaddress.IPv4Interface, ipaddress.IPv6Interface}
)
_SCALARS: Final = {
    "int2": ScalarForm(_WHOLE_NUMBERS, partial(_whole_numbers, 2**15 - 1, ">i2", -(2**15)), "iu"),
    "int4": ScalarForm(_WHOLE_NUMBERS, partial(_whole_numbers, 2**31 - 1, ">i4", -(2**31)), "iu"),
    "int8": ScalarForm(_WHOLE_NUMBERS, partial(_whole_numbers, 2**63 - 1, ">i8", -(2**63)), "iu"),
    "oid": ScalarForm(_WHOLE_NUMBERS, partial(_whole_numbers, 2**32 - 1, ">u4", 0), "iu"),
    "float4": ScalarForm(_FLOATS | _WHOLE_NUMBERS, _singles, "fiu"),
    "float8": ScalarForm(_FLOATS | _WHOLE_NUMBERS, _doubles, "fiu"),
    "bool": ScalarForm(frozenset({bool, np.bool_}), _booleans, "b"),
    "bytea": ScalarForm(frozenset({bytes, bytearray, memoryview}), _bytes),
    "uuid": ScalarForm(frozenset({uuid.UUID, str}), _uuids),
    "date": ScalarForm(frozenset({date}), _dates),
    "time": ScalarForm(frozenset({time}), _times),
    "timetz": ScalarForm(frozenset({time}), _zoned_times),
    "timestamp": ScalarForm(frozenset({datetime}), _timestamps, "M"),
    "timestamptz": ScalarForm(frozenset({datetime}), _moments, "M"),
    "interval": ScalarForm(frozenset({timedelta}), _intervals, "m"),
    "inet": ScalarForm(_HOSTS | {str}, partial(_addresses, is_network=False)),
    "cidr": ScalarForm(_NETWORKS | {str}, partial(_addresses, is_network=True)),
}
