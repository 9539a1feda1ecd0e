"""Rows that go in batches where they can: the same rows arrive, and an error names the same row."""

from __future__ import annotations

import numpy as np
import pytest
from loaded_tables import items, metadata, plain, signatures
from pgvector import Bit
from sqlalchemy import Boolean, Column, Float, Integer, MetaData, Table, select

from sqlalchemy_vecsearch import BIT, HALFVEC, SPARSEVEC, VECTOR, LoadingError, copy_rows

numbers = Table(
    "number",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("share", Float),
    Column("fine", Boolean),
    Column("embedding", VECTOR(3, returns="list")),
    Column("half", HALFVEC(3, returns="list")),
    Column("sparse", SPARSEVEC(3)),
    Column("bits", BIT(4)),
)


def row_of(number):
    return {
        "id": number,
        "share": number / 2,
        "fine": number % 2 == 0,
        "embedding": np.array([number, 1, 2]),
        "half": [0.5, 1, 2],
        "sparse": np.array([0, 0, number % 7], dtype=np.float32),
        "bits": f"{number % 16:04b}",
    }


def test_batches_of_every_type_arrive_as_the_rows_would(run):
    def check(connection):
        numbers.create(connection)
        assert copy_rows(connection, numbers, map(row_of, range(1_345))) == 1_345
        for number in (0, 999, 1_000, 1_344):
            found = connection.execute(select(numbers).where(numbers.c.id == number)).one()
            expected = row_of(number)
            assert found.sparse.to_list() == expected.pop("sparse").tolist()
            assert found.embedding == expected.pop("embedding").tolist()
            assert {name: getattr(found, name) for name in expected} == expected

    run(check)


def test_a_null_in_a_later_batch_arrives(run):
    def check(connection):
        metadata.create_all(connection)
        rows = [{"id": n, "bits": None if n in {1_500, 1_999} else f"{n % 16:04b}"} for n in range(2_300)]
        assert copy_rows(connection, signatures, iter(rows)) == 2_300
        found = connection.execute(select(signatures.c.bits).order_by(signatures.c.id)).scalars().all()
        assert found == [row["bits"] for row in rows]

    run(check)


def test_every_form_of_bits_may_come_in_one_load(run):
    forms = [
        lambda bits: bits,
        lambda bits: [character == "1" for character in bits],
        lambda bits: np.array([character == "1" for character in bits]),
        lambda bits: Bit(np.array([character == "1" for character in bits])),
    ]

    def check(connection):
        metadata.create_all(connection)
        texts = [f"{number % 16:04b}" for number in range(5_000)]
        rows = [{"id": number, "bits": forms[number // 1_000 % 4](bits)} for number, bits in enumerate(texts)]
        assert copy_rows(connection, signatures, rows) == 5_000
        found = connection.execute(select(signatures.c.bits).order_by(signatures.c.id)).scalars().all()
        assert found == texts

    run(check)


@pytest.mark.parametrize("position", [0, 999, 1_000, 2_500])
@pytest.mark.parametrize(
    ("value", "told"),
    [
        (
            "0120",
            "The bit vector for 'bits' is the str '0120', which is not a row of bits. "
            "A bit column holds one 0 or 1 for each dimension. "
            "Pass a string such as '0101', a list of booleans, or a numpy array of booleans with one axis.",
        ),
        (
            "010",
            "The vector for 'bits' does not fit: expected 4 dimensions, not 3. "
            "The declaration says 4, and pgvector refuses every other length. "
            "Pass the output of the model that the column was declared for, or declare the new length and migrate.",
        ),
    ],
)
def test_the_error_in_a_batch_is_that_of_the_row(engine, position, value, told):
    rows = [{"id": number, "bits": value if number == position else "0101"} for number in range(3_000)]
    with engine.begin() as connection:
        metadata.create_all(connection)
        with pytest.raises(LoadingError) as caught:
            copy_rows(connection, signatures, rows)
        assert str(caught.value) == (
            f"Row {position} stopped the load into 'signature', and none of its rows is in the table. {told}"
        )
        assert (caught.value.row, caught.value.column) == (position, "bits")
        assert copy_rows(connection, signatures, [{"id": 1, "bits": "0101"}]) == 1


def test_what_the_server_refuses_in_a_batch_names_its_row(engine):
    with engine.begin() as connection:
        metadata.create_all(connection)
        copy_rows(connection, items, [plain(2_222)])
        with pytest.raises(LoadingError) as caught:
            copy_rows(connection, items, map(plain, range(3_000)))
        assert (caught.value.row, caught.value.column) == (2_222, "id")
        assert connection.execute(select(items.c.id)).scalars().all() == [2_222]
