"""Each metric of each storage, selected, ordered by and searched by, on every driver."""

from __future__ import annotations

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, insert, select

from sqlalchemy_vecsearch import Metric, Storage, distance, nearest
from sqlalchemy_vecsearch.storages import storage_type

ROWS = {False: [[1, 1, 1], [2, 2, 0], [1, 1, 2]], True: ["101", "111", "010"]}
EXPECTED = {
    Metric.L2: [0, 3**0.5, 1],
    Metric.INNER_PRODUCT: [-3, -4, -4],
    Metric.COSINE: [0, 1 - 4 / (8 * 3) ** 0.5, 1 - 4 / (6 * 3) ** 0.5],
    Metric.L1: [0, 3, 1],
    Metric.HAMMING: [0, 1, 3],
    Metric.JACCARD: [0, 1 / 3, 1],
}
PAIRS = [(storage, metric) for storage in Storage for metric in storage.metrics]


@pytest.mark.parametrize(("storage", "metric"), PAIRS)
def test_a_metric_gives_the_same_distances_on_every_driver(run, storage, metric):
    type_ = storage_type(storage, 3)
    items = Table("item", MetaData(), Column("id", Integer, primary_key=True), Column("embedding", type_))
    rows = ROWS[storage is Storage.BIT]

    def check(connection):
        items.create(connection)
        connection.execute(insert(items), [{"embedding": row} for row in rows])
        measured = distance(items.c.embedding, rows[0], metric=metric)
        found = connection.scalars(select(measured).order_by(items.c.id)).all()
        assert found == pytest.approx(EXPECTED[metric], abs=1e-6)
        ordered = connection.scalars(select(measured).where(measured < 100).order_by(measured).limit(2)).all()
        assert ordered == pytest.approx(sorted(EXPECTED[metric])[:2], abs=1e-6)
        searched = connection.execute(nearest(items, items.c.embedding, rows[0], k=3, metric=metric)).all()
        assert [row.distance for row in searched] == pytest.approx(sorted(EXPECTED[metric]), abs=1e-6)

    run(check)


def test_every_metric_is_asked():
    assert {metric for _, metric in PAIRS} == set(Metric)
