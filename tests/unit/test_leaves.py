"""What a statement reads: the clauses say the same as the ORM, which has to compile the joins to say it."""

import warnings
from typing import ClassVar

import pytest
from sqlalchemy import (
    Column,
    ForeignKey,
    Select,
    Table,
    and_,
    column,
    exists,
    func,
    inspect,
    join,
    lateral,
    or_,
    outerjoin,
    select,
    text,
    true,
    values,
)
from sqlalchemy.dialects.postgresql.psycopg import dialect
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    aliased,
    contains_eager,
    joinedload,
    mapped_column,
    relationship,
    selectinload,
    with_loader_criteria,
    with_polymorphic,
)
from sqlalchemy.orm import join as orm_join
from sqlalchemy.orm import outerjoin as orm_outerjoin
from sqlalchemy.sql.selectable import Join

from sqlalchemy_vecsearch import HNSW, SearchError, embedding_column, nearest, selects
from sqlalchemy_vecsearch.search.building.column import searched_column
from sqlalchemy_vecsearch.search.building.row_keys import entity_key, identity_of


class Base(DeclarativeBase):
    pass


LABELLED = Table(
    "labelled",
    Base.metadata,
    Column("item_id", ForeignKey("item.id"), primary_key=True),
    Column("label_id", ForeignKey("label.id"), primary_key=True),
)
LINE = Table("line", Base.metadata, Column("item_id", ForeignKey("item.id")), Column("text"))


class Owner(Base):
    __tablename__ = "owner"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    items: Mapped[list["Item"]] = relationship(back_populates="owner")


ALIKE = Table(
    "alike",
    Base.metadata,
    Column("item_id", ForeignKey("item.id"), primary_key=True),
    Column("other_id", ForeignKey("item.id"), primary_key=True),
)
STUCK = Table(
    "stuck",
    Base.metadata,
    Column("id", primary_key=True),
    Column("item_id", ForeignKey("item.id")),
    Column("label_id", ForeignKey("label.id")),
)


LINKED = Table(
    "linked",
    Base.metadata,
    Column("one_id", ForeignKey("item.id"), primary_key=True),
    Column("other_id", ForeignKey("item.id"), primary_key=True),
    Column("label_id", ForeignKey("label.id"), primary_key=True),
)


class Label(Base):
    __tablename__ = "label"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Note(Base):
    __tablename__ = "note"
    item_id: Mapped[int] = mapped_column(ForeignKey("item.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    body: Mapped[str]


class Item(Base):
    __tablename__ = "item"
    __mapper_args__: ClassVar = {"polymorphic_on": "kind", "polymorphic_identity": "item"}
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    draft: Mapped[bool]
    owner_id: Mapped[int] = mapped_column(ForeignKey(Owner.id))
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("item.id"))
    embedding: Mapped[list[float]] = embedding_column(3, metric="l2", index=HNSW())
    owner: Mapped[Owner] = relationship(back_populates="items", lazy="joined")
    notes: Mapped[list[Note]] = relationship()
    labels: Mapped[list[Label]] = relationship(secondary=LABELLED)
    stickers: Mapped[list[Label]] = relationship(secondary=STUCK, viewonly=True)
    linked: Mapped[list[Label]] = relationship(
        secondary=LINKED,
        primaryjoin=lambda: or_(Item.id == LINKED.c.one_id, Item.id == LINKED.c.other_id),
        viewonly=True,
    )
    alike: Mapped[list["Item"]] = relationship(
        secondary=ALIKE,
        primaryjoin=lambda: Item.id == ALIKE.c.item_id,
        secondaryjoin=lambda: Item.id == ALIKE.c.other_id,
    )
    parent: Mapped["Item | None"] = relationship(remote_side="Item.id")


class Photo(Item):
    __tablename__ = "photo"
    __mapper_args__: ClassVar = {"polymorphic_identity": "photo"}
    id: Mapped[int] = mapped_column(ForeignKey(Item.id), primary_key=True)
    owned_by: Mapped[int] = mapped_column(ForeignKey(Owner.id))
    thumb: Mapped[list[float]] = embedding_column(3, metric="l2", index=HNSW())


class Memo(Item):
    __mapper_args__: ClassVar = {"polymorphic_identity": "memo"}


class Shape(Base):
    __tablename__ = "shape"
    __mapper_args__: ClassVar = {"polymorphic_on": "kind", "polymorphic_identity": "shape", "with_polymorphic": "*"}
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    owner_id: Mapped[int] = mapped_column(ForeignKey(Owner.id))
    embedding: Mapped[list[float]] = embedding_column(3, metric="l2", index=HNSW())
    owner: Mapped[Owner] = relationship()


class Circle(Shape):
    __tablename__ = "circle"
    __mapper_args__: ClassVar = {"polymorphic_identity": "circle"}
    id: Mapped[int] = mapped_column(ForeignKey(Shape.id), primary_key=True)
    radius: Mapped[float]


ITEM, OWNER, NOTE, PHOTO = Item.__table__, Owner.__table__, Note.__table__, Photo.__table__
A, B, OTHER = aliased(Item), aliased(Item, name="b"), aliased(Owner)
EVERY, FLAT = with_polymorphic(Item, [Photo]), with_polymorphic(Item, [Photo], flat=True, aliased=True)
PHOTOS, FEW = aliased(Photo, flat=True), aliased(Item, select(Item).where(Item.draft).subquery())
SUBQUERY, BODIES = select(Note).subquery(), select(Note.body).subquery()
LATERAL, CTE = lateral(select(Note.body).where(Note.item_id == Item.id)), select(Owner).cte()
TABLE_ALIAS = ITEM.alias("t")
NAMES = values(column("name"), name="names").data([("a",)])

CHEAP = {
    "a condition": (select(Item).join(Owner, Owner.id == Item.owner_id), Item),
    "a foreign key": (select(Item).join(Owner), Item),
    "a relationship": (select(Item).join(Item.notes), Item),
    "a target with a relationship": (select(Item).join(Owner, Item.owner), Item),
    "an outer join": (select(Item).outerjoin(Item.notes), Item),
    "an inner join after an outer one": (select(Item).outerjoin(Item.notes).join(Item.owner), Item),
    "a full join": (select(Item).join(Item.owner, full=True), Item),
    "a full join after another": (select(Item).join(Item.notes).join(Owner, Item.owner, full=True), Item),
    "joins in a row": (select(Item).join(Item.owner).outerjoin(Note, Note.item_id == Item.id), Item),
    "back from the other side": (select(Owner, Item).join(Owner.items), Item),
    "another entity first": (select(Owner.name, Item).join(Item, Item.owner_id == Owner.id), Item),
    "an alias": (select(A).join(A.owner).where(A.draft), A),
    "to an alias": (select(Item).join(OTHER, OTHER.id == Item.owner_id), Item),
    "of_type": (select(Item).join(Item.owner.of_type(OTHER)), Item),
    "a condition beside a relationship": (select(Item).join(Item.notes.and_(Note.number > 1)), Item),
    "to itself by an alias": (select(Item).join(A, A.id == Item.parent_id), Item),
    "to itself by a relationship": (select(Item).outerjoin(Item.parent.of_type(A)), Item),
    "of one alias to another": (select(B).join(A, A.id == B.parent_id), B),
    "a comma": (select(Item).where(Note.item_id == Item.id), Item),
    "two entities": (select(Item, Owner).where(Owner.id == Item.owner_id), Item),
    "two entities in another order": (select(Owner, Item).where(Owner.id == Item.owner_id), Item),
    "a comma beside a join": (select(Item).join(Item.owner).where(Note.item_id == Item.id), Item),
    "a condition on what is joined": (select(Item).outerjoin(Item.notes).where(Note.body == "a"), Item),
    "a flag as the whole condition": (select(Item).join(Item.owner).where(Item.draft), Item),
    "an EXISTS": (select(Item).join(Item.owner).where(exists().where(Note.item_id == Item.id)), Item),
    "any and has": (select(Item).join(Item.owner).where(Item.notes.any(), Item.owner.has(name="a")), Item),
    "IN of a sub-select": (select(Item).join(Item.owner).where(Item.id.in_(select(Note.item_id))), Item),
    "text": (select(Item).join(Item.owner).where(text("draft")), Item),
    "select_from of an entity": (select(Item).select_from(Owner).join(Owner.items), Item),
    "select_from of itself": (select(Item).select_from(Item).join(Item.notes), Item),
    "select_from of another, and a comma": (select(Item).select_from(Owner).where(Owner.id == Item.owner_id), Item),
    "select_from of a join": (select(Item).select_from(join(Item, Owner)), Item),
    "select_from of an outer join": (select(Item).select_from(outerjoin(Item, Note)), Item),
    "select_from of the ORM's join": (select(Item).select_from(orm_join(Item, Owner, Item.owner)), Item),
    "a join after a join": (select(Item).select_from(orm_outerjoin(Item, Note, Item.notes)).join(Item.owner), Item),
    "join_from": (select(Item).join_from(Item, Owner), Item),
    "outerjoin_from": (select(Item).outerjoin_from(Item, Note, Item.notes).join_from(Item, Owner), Item),
    "an eager loader": (select(Item).join(Item.owner).options(joinedload(Item.notes)), Item),
    "other loaders": (
        select(Item).join(Item.notes).options(contains_eager(Item.notes), selectinload(Item.labels)),
        Item,
    ),
    "an order, an offset and a lock": (
        select(Item).join(Item.owner).order_by(Owner.name).offset(2).with_for_update(),
        Item,
    ),
    "a distinct": (select(Item).join(Item.owner).distinct(), Item),
    "columns": (select(Item.id, Owner.name).join(Owner), Item),
    "tables": (select(ITEM).join(OWNER, OWNER.c.id == ITEM.c.owner_id), ITEM),
    "tables by their foreign key": (select(ITEM).outerjoin(NOTE), ITEM),
    "tables in one join": (select(ITEM).select_from(ITEM.outerjoin(NOTE).join(OWNER)), ITEM),
    "an alias of a table": (select(TABLE_ALIAS).join(OWNER, TABLE_ALIAS.c.owner_id == OWNER.c.id), TABLE_ALIAS),
    "a table to a class": (select(ITEM).join(Owner), ITEM),
    "a class to a table": (select(Item).join(OWNER), Item),
    "single table inheritance": (select(Memo).join(Memo.owner), Memo),
    "to a subclass in one table": (select(Owner, Memo).join(Memo, Memo.owner_id == Owner.id), Memo),
    "joined inheritance": (select(Photo).join(Photo.owner), Photo),
    "joined inheritance with a condition": (select(Photo).outerjoin(Owner, Owner.id == Photo.owned_by), Photo),
    "joined inheritance and a comma": (select(Photo).where(Note.item_id == Photo.id), Photo),
    "an alias of joined inheritance": (select(PHOTOS).join(PHOTOS.owner), PHOTOS),
    "with_polymorphic": (select(EVERY).join(EVERY.owner), EVERY),
    "with_polymorphic and a comma": (select(EVERY).where(Note.item_id == EVERY.id), EVERY),
    "with_polymorphic, aliased": (select(FLAT).outerjoin(FLAT.notes), FLAT),
    "a mapper's own with_polymorphic": (select(Shape).join(Shape.owner), Shape),
}
"""Read from the clauses."""

COMPILED = {
    "to a joined subclass": (select(Owner, Photo).join(Photo, Photo.owned_by == Owner.id), Photo),
    "to a polymorphic class": (select(Owner, Shape).join(Shape, Shape.owner_id == Owner.id), Shape),
    "to with_polymorphic": (select(Owner, EVERY).join(EVERY, EVERY.owner_id == Owner.id), EVERY),
    "of_type with_polymorphic": (select(Owner, FLAT).join(Owner.items.of_type(FLAT)), FLAT),
    "an alias of a sub-select": (select(FEW).join(Owner, Owner.id == FEW.owner_id), FEW),
    "to an alias of a sub-select": (select(Item).join(FEW, FEW.parent_id == Item.id), Item),
    "to a sub-select": (select(Item).join(SUBQUERY, SUBQUERY.c.item_id == Item.id), Item),
    "a CTE beside": (select(Item).where(CTE.c.id == Item.owner_id), Item),
    "to a join": (select(ITEM).join(NOTE.join(OWNER, true()), true()), ITEM),
    "several of select_from": (select(Item).select_from(Owner, Note).join(Item, Item.owner_id == Owner.id), Item),
    "criteria of a loader": (
        select(Item).join(Item.owner).options(with_loader_criteria(Owner, Owner.name > "a")),
        Item,
    ),
    "criteria that read more": (
        select(Item).join(Item.notes).options(with_loader_criteria(Item, Item.owner_id == Owner.id)),
        Item,
    ),
    "other columns after a join": (select(Item.id).join(Item.owner).with_only_columns(Item), Item),
    "a relationship twice": (select(Item).join(Item.owner).join(Item.owner), Item),
    "a join beside another": (select(Item).join_from(Item, Owner).join_from(A, Note, Note.item_id == A.id), Item),
    "join_from another": (select(Item).join_from(Owner, Item, Owner.items), Item),
    "an expression": (select(func.lower(Owner.name), Item.id).join(Item.owner), Item),
    "a join on the right": (select(ITEM).select_from(ITEM.outerjoin(NOTE.join(ITEM.alias(), true()), true())), ITEM),
}
"""Left to the ORM."""

LABEL, GOOD = Label.__table__, aliased(Label)
SECONDARY = {
    "a secondary table": (select(Item).join(Item.labels), [(ITEM, False), (LABEL, False)]),
    "an outer join": (select(Item).outerjoin(Label, Item.labels), [(ITEM, False), (LABEL, True)]),
    "after a join": (select(Item).join(Item.owner).join(Item.labels), [(ITEM, False), (OWNER, False), (LABEL, False)]),
    "of_type": (select(Item).join(Item.labels.of_type(GOOD)), [(ITEM, False), (inspect(GOOD).selectable, False)]),
    "to itself": (select(Item).join(Item.alike.of_type(A)), [(ITEM, False), (inspect(A).selectable, False)]),
}
"""Joined by rows that the rows of both sides identify; the ORM names them anew each time it is asked."""

KEYLESS_SECONDARY = {
    "by one of two foreign keys": select(Item).join(Item.linked),
    "a key of its own": select(Item).join(Item.stickers),
    "a full join": select(Item).join(Item.labels, full=True),
    "beside what the ORM adds": select(Item).join(Item.labels).options(with_loader_criteria(Label, Label.name > "a")),
    "before other columns": select(Item.id).join(Item.labels).with_only_columns(Item),
}

KEYLESS = {
    "a keyless table": (select(Item).join(LINE, LINE.c.item_id == Item.id), Item),
    "a keyless table beside": (select(Item).where(LINE.c.item_id == Item.id), Item),
    "a sub-select": (select(Item).join(BODIES, BODIES.c.body == "a"), Item),
    "a LATERAL sub-select": (select(Item).join(LATERAL, true()), Item),
    "a function": (select(Item).join(func.generate_series(1, 3).table_valued("value"), true()), Item),
    "a VALUES": (select(Item).join(NAMES, true()), Item),
}


def old_leaves(statement, *columns):
    """What the ORM says."""
    for source in selects.only_columns(statement, *columns).get_final_froms():
        yield from taken_apart(source)


def taken_apart(source, *, nullable=False):
    if isinstance(source, Join):
        yield from taken_apart(source.left, nullable=nullable or source.full)
        yield from taken_apart(source.right, nullable=nullable or source.isouter or source.full)
    else:
        yield source, nullable


def compared(found):
    """Return what tells leaves apart, beyond their being equal."""
    return [(leaf, nullable, dict(leaf._annotations), leaf_keys(leaf)) for leaf, nullable in found]


def leaf_keys(leaf):
    return [str(key) for key in leaf.primary_key]


def own_key(entity):
    return entity_key(entity.c.embedding if hasattr(entity, "c") else entity.embedding)


@pytest.mark.parametrize(("statement", "entity"), (CHEAP | KEYLESS).values(), ids=CHEAP | KEYLESS)
def test_the_leaves_are_those_of_the_orm(statement, entity):
    own = own_key(entity)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a cartesian product
        assert compared(selects.leaves(statement, *own)) == compared(old_leaves(statement, *own))


@pytest.fixture
def compilations(monkeypatch):
    """How often the ORM is asked."""
    asked, ask = [], Select.get_final_froms
    monkeypatch.setattr(Select, "get_final_froms", lambda statement: asked.append(statement) or ask(statement))
    return asked


@pytest.mark.parametrize(("statement", "entity"), CHEAP.values(), ids=CHEAP)
def test_the_clauses_say_it_where_they_can(statement, entity, compilations):
    assert list(selects.leaves(statement, *own_key(entity)))
    assert not compilations


@pytest.mark.parametrize(("statement", "entity"), COMPILED.values(), ids=COMPILED)
def test_the_orm_says_it_where_it_adds_something(statement, entity, compilations):
    found = list(selects.leaves(statement, *own_key(entity)))
    assert len(compilations) == 1
    said = [(nullable, leaf_keys(leaf)) for leaf, nullable in old_leaves(statement, *own_key(entity))]
    assert [(nullable, leaf_keys(leaf)) for leaf, nullable in found] == said


@pytest.mark.parametrize(("statement", "entity"), KEYLESS.values(), ids=KEYLESS)
def test_what_has_no_key_is_refused(statement, entity):
    assert identity_of(statement, searched_column(entity.embedding)) is None
    with pytest.raises(SearchError, match="reads something without a primary key"):
        nearest(statement, entity.embedding, [1, 2, 3], k=5)


@pytest.mark.parametrize(("statement", "wanted"), SECONDARY.values(), ids=SECONDARY)
def test_a_secondary_table_is_left_out_where_both_sides_say_its_row(statement, wanted, compilations):
    assert list(selects.leaves(statement, Item.id)) == wanted
    assert not compilations


@pytest.mark.parametrize("statement", KEYLESS_SECONDARY.values(), ids=KEYLESS_SECONDARY)
def test_a_secondary_table_has_no_key_elsewhere(statement):
    assert identity_of(statement, searched_column(Item.embedding)) is None
    assert selects.is_filtered(statement)


JOINED_FROM_THE_SECOND = {
    "by its foreign key": select(Owner.name, Item).join(Note, Note.item_id == Item.id).where(Owner.id == Item.owner_id),
    "by an expression": select(func.length(Owner.name), Item).join(
        Note, and_(Note.item_id == Item.id, Note.number > 1)
    ),
    "by what SQLAlchemy finds": select(Label.name, Item).join(Note).where(Label.id == Item.id),
    "by a relationship": select(Owner.name, Item).join(Item.notes).where(Owner.id == Item.owner_id),
}


def test_a_join_does_not_start_at_what_is_joined():
    other = aliased(Owner)
    statement = select(Item.id, other.id.label("other")).join(other, other.id < 3)
    text = " ".join(str(nearest(statement, Item.embedding, [1, 2, 3], k=5).compile(dialect=dialect())).split())
    assert text.count("item JOIN owner AS owner_1 ON owner_1.id < ") == 4


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("statement", JOINED_FROM_THE_SECOND.values(), ids=JOINED_FROM_THE_SECOND)
def test_a_join_starts_where_sqlalchemy_starts_it(statement, exact):
    """Not at what is selected first, which the join's condition does not name."""
    text = " ".join(
        str(nearest(statement, Item.embedding, [1, 2, 3], k=5, exact=exact).compile(dialect=dialect())).split()
    )
    assert "item JOIN note ON " in text
    assert "owner JOIN note" not in text
    assert "label JOIN note" not in text
