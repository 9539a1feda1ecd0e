"""``returns="numpy"`` changes what Python gets, and nothing that SQL sees: order, groups, set operations, views."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sqlalchemy import (
    ForeignKey,
    column,
    distinct,
    except_,
    func,
    insert,
    intersect,
    literal,
    literal_column,
    select,
    table,
    text,
    tuple_,
    union,
    union_all,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    aliased,
    column_property,
    defer,
    joinedload,
    load_only,
    mapped_column,
    relationship,
    selectinload,
)

from sqlalchemy_vecsearch.types import HALFVEC, VECTOR, avg

# As bytes the negative number comes last, because its sign is the first bit; -0 and 0 are one vector and two texts.
FIRST = {1: -5, 2: 2, 3: 3, 4: 2}


class Base(DeclarativeBase):
    pass


class Page(Base):
    __tablename__ = "page"
    id: Mapped[int] = mapped_column(primary_key=True)
    parent: Mapped[int | None] = mapped_column(ForeignKey("page.id"))
    arrays: Mapped[Any] = mapped_column(VECTOR(2, returns="numpy"))
    half: Mapped[Any] = mapped_column(HALFVEC(2, returns="numpy"))
    lists: Mapped[list[float]] = mapped_column(VECTOR(2))
    children: Mapped[list[Page]] = relationship(order_by="Page.arrays", join_depth=1)
    twin: Mapped[Any] = column_property(arrays + arrays)


def distinct_on(statement, expression):
    """Return DISTINCT ON: an extension in SQLAlchemy 2.1, which warns of the argument that 2.0 has."""
    extension = getattr(postgresql, "distinct_on", None)
    return statement.distinct(expression) if extension is None else statement.ext(extension(expression))


arrays, half, lists = Page.arrays, Page.half, Page.lists
V = VECTOR(2, returns="numpy")
inner = select(arrays.label("v"), Page.id).distinct().subquery()
common = select(arrays.label("v")).union_all(select(lists)).cte()
bare = table("page", column("id"), column("arrays", V))
loose = column("arrays", V)

ORDERED = [-5, 2, 2, 3]
STATEMENTS: dict[str, tuple[Any, list[float]]] = {
    "order by the label": (select(arrays.label("v")).order_by("v"), ORDERED),
    "order by the label, descending": (select(arrays.label("v")).order_by(text("v DESC")), ORDERED[::-1]),
    "order by the name of the column": (select(arrays).order_by("arrays"), ORDERED),
    "order by the label object": (select(label := half.label("v")).order_by(label.asc().nulls_last()), ORDERED),
    "order by a position": (select(arrays).order_by(literal_column("1")), ORDERED),
    "order by the column": (select(arrays).order_by(arrays.desc()), ORDERED[::-1]),
    "order by a column without its table": (
        select(loose).select_from(text("page")).order_by(loose),
        ORDERED,
    ),
    "order by something else": (select(arrays, Page.id.label("v")).order_by(text("v")), [-5, 2, 3, 2]),
    "order by a distance": (select(arrays).order_by(arrays.l2_distance([3, 0])), [3, 2, 2, -5]),
    "distinct, ordered by the column": (select(arrays).distinct().order_by(arrays), [-5, 2, 3]),
    "distinct, ordered by the label": (select(arrays.label("v")).distinct().order_by("v"), [-5, 2, 3]),
    "distinct function": (select(distinct(arrays)).order_by(text("1")), [-5, 2, 3]),
    "distinct on": (distinct_on(select(half.label("v")), half).order_by(half), [-5, 2, 3]),
    "distinct on a name": (distinct_on(select(half.label("v")), text("v")).order_by(text("v")), [-5, 2, 3]),
    "prefixed with distinct": (select(arrays).prefix_with("DISTINCT").order_by(arrays), [-5, 2, 3]),
    "grouped by the label": (select(arrays.label("v"), func.count()).group_by("v").order_by("v"), [-5, 2, 3]),
    "grouped by the column": (select(arrays).group_by(arrays).order_by(func.count(), arrays), [-5, 3, 2]),
    "union with lists": (union_all(select(arrays.label("v")), select(lists)).order_by("v"), [-5, -5, 2, 2, 2, 2, 3, 3]),
    "union of lists with arrays": (union(select(lists.label("v")), select(arrays)).order_by("v"), [-5, 2, 3]),
    "union with a literal": (union(select(arrays.label("v")), select(literal([9, 0], V))).order_by("v"), [-5, 2, 3, 9]),
    "union of a literal with arrays": (
        union_all(select(literal([9, 0], VECTOR(2)).label("v")), select(arrays)).order_by("v"),
        [*ORDERED, 9],
    ),
    "intersect": (intersect(select(arrays.label("v")), select(lists)).order_by("v"), [-5, 2, 3]),
    "except": (except_(select(arrays.label("v")), select(lists).where(Page.id == 3)).order_by("v"), [-5, 2]),
    "union inside of a union": (
        union(select(arrays.label("v")), union_all(select(arrays), select(lists)).subquery().select()).order_by("v"),
        [-5, 2, 3],
    ),
    "sub-select": (select(inner.c.v).order_by(inner.c.v), ORDERED),
    "common table expression": (select(common.c.v).order_by(common.c.v.desc()).limit(3), [3, 3, 2]),
    "alias": (select(other := aliased(Page).arrays).order_by(other), ORDERED),
    "table without a model": (select(bare.c.arrays).order_by(bare.c.arrays), ORDERED),
    "window": (
        select(func.first_value(arrays, type_=V).over(order_by=arrays.desc()).label("v")).order_by("v"),
        [3, 3, 3, 3],
    ),
    "window over the vectors": (
        select(arrays, func.rank().over(partition_by=arrays, order_by=arrays).label("r")).order_by("r", arrays),
        ORDERED,
    ),
    "aggregate": (select(avg(arrays)), [0.5]),
    "scalar sub-select": (
        select(select(arrays).order_by(arrays).limit(1).scalar_subquery().label("v")).order_by("v"),
        [-5],
    ),
    "comparison with a sub-select": (select(arrays).where(arrays.in_(select(lists).where(Page.id == 2))), [2, 2]),
    "tuple": (
        select(arrays).where(tuple_(Page.id, arrays).in_(select(Page.id, lists))).order_by(Page.id),
        [-5, 2, 3, 2],
    ),
    "from a union": (
        select(u := union(select(arrays.label("v")), select(lists)).subquery()).order_by(u.c.v),
        [-5, 2, 3],
    ),
    "column property": (select(Page.twin.label("v")).order_by("v"), [-10, 4, 4, 6]),
}


@pytest.fixture
def filled(run):
    """Give `filled(check)`: it is called with a connection to each driver's database, which has four pages."""

    def call(check):
        def fill_and_check(connection):
            Base.metadata.create_all(connection)
            rows = [
                {"id": key, "parent": 1, "arrays": [x, 0], "half": [x, -0.0], "lists": [x, -0.0 if key % 2 else 0]}
                for key, x in FIRST.items()
            ]
            connection.execute(insert(Page), rows)
            check(connection)

        run(fill_and_check)

    return call


@pytest.mark.filterwarnings("ignore:Column-expression-level unary distinct")  # a form of SQLAlchemy 2.0
def test_every_statement_sees_vectors(filled):
    def check(connection):
        for name, (statement, wanted) in STATEMENTS.items():
            found = [row[0] for row in connection.execute(statement)]
            assert [float(vector[0]) for vector in found] == wanted, name
            if not (isinstance(found[0], list)):
                assert {vector.dtype for vector in found} == {np.dtype(np.float32)}, name

    filled(check)


def test_entities_are_loaded_by_every_way_of_the_orm(filled):
    def check(connection):
        with Session(connection) as session:
            page = session.scalars(select(Page).options(joinedload(Page.children)).where(Page.id == 1)).unique().one()
            assert [child.arrays[0] for child in page.children] == ORDERED
            session.expunge_all()
            page = session.scalars(select(Page).options(selectinload(Page.children)).where(Page.id == 1)).one()
            assert [child.twin[0] for child in page.children] == [-10, 4, 4, 6]
            session.expunge_all()
            page = session.scalars(select(Page).options(defer(Page.arrays)).order_by(Page.arrays).limit(1)).one()
            assert (page.id, page.arrays.tolist()) == (1, [-5.0, 0.0])
            session.expunge_all()
            chosen = select(Page).options(load_only(Page.half)).order_by(Page.arrays.desc())
            assert [page.half[0] for page in session.scalars(chosen)] == ORDERED[::-1]
            united = union_all(select(Page).where(Page.id == 1), select(Page).where(Page.id == 3))
            found = session.scalars(select(Page).from_statement(united.order_by(text("arrays DESC"))))
            assert [page.arrays[0] for page in found] == [3, -5]

    filled(check)


def test_rows_that_are_written_return_arrays_and_stay_vectors(filled):
    def check(connection):
        copied = insert(Page).from_select(["id", "arrays", "half", "lists"], select(Page.id + 10, arrays, half, arrays))
        assert [v[0] for v in connection.scalars(copied.returning(arrays))] == list(FIRST.values())
        moved = update(Page).where(Page.id == 1).values(arrays=[7, 7]).returning(arrays).cte()
        assert [v.tolist() for v in connection.scalars(select(moved.c.arrays).order_by(moved.c.arrays))] == [[7, 7]]
        swapped = update(Page).where(Page.id == 2).values(arrays=select(half).where(Page.id == 3).scalar_subquery())
        assert connection.scalars(swapped.returning(arrays)).one().tolist() == [3, 0]

    filled(check)


def test_a_view_and_a_table_made_of_a_select_have_the_column_s_type(filled):
    def check(connection):
        statement = select(Page.id, arrays, half).where(Page.id > 1)
        sql = statement.compile(connection, compile_kwargs={"literal_binds": True})
        connection.exec_driver_sql(f"CREATE TEMPORARY VIEW pages AS {sql}")
        types = text("SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'pages'::regclass")
        assert connection.scalars(types).all() == ["integer", "vector(2)", "halfvec(2)"]

    filled(check)
