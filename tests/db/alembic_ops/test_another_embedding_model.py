"""A table in use gets vectors of another embedding model, by the steps of the how-to."""

from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import update
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from sqlalchemy_vecsearch import HNSW, embedding_column, nearest

SWAP = 'op.swap_embedding_columns("document", live="embedding", replacement="embedding_v2")'
NUMBERS = range(1, 31)


def documents(**columns):
    """Return an entity with these columns of vectors."""

    class Base(DeclarativeBase):
        pass

    annotations = {"id": Mapped[int], "body": Mapped[str]} | dict.fromkeys(columns, Mapped[list[float] | None])
    members = {"__tablename__": "document", "__annotations__": annotations, "id": mapped_column(primary_key=True)}
    return type("Document", (Base,), members | columns)


def old_vectors(**more):
    return embedding_column(3, metric="cosine", **more)


def new_vectors(**more):
    return embedding_column(4, metric="cosine", **more)


def write_by_hand(project, line):
    path = Path(command.revision(project.config()).path)
    path.write_text(path.read_text().replace("    pass", f"    {line}"))


def types(project):
    return {name: type_ for _, name, type_, *_ in project.catalog()[1] if name.startswith("embedding")}


@pytest.fixture
def entity(project):
    """Have documents with vectors of the old model and its index."""
    entity = documents(embedding=old_vectors(index=HNSW()))
    project.metadata = entity.metadata
    project.autogenerate()
    project.upgrade()
    with Session(project.engine) as session:
        session.add_all([entity(id=number, body=f"text {number}", embedding=[number, 1, 0]) for number in NUMBERS])
        session.commit()
    return entity


def test_a_second_column_is_added_filled_indexed_exchanged_and_dropped(project, entity):
    indexed = {"index": HNSW()}
    both = documents(embedding=old_vectors(**indexed), embedding_v2=new_vectors(load="deferred"))
    project.metadata = both.metadata
    project.cycle("add_embedding_column")

    with Session(project.engine) as session:
        session.execute(update(both), [{"id": number, "embedding_v2": [1, 0, 0, number]} for number in NUMBERS])
        session.commit()
    project.metadata = documents(embedding=old_vectors(**indexed), embedding_v2=new_vectors(**indexed)).metadata
    project.cycle("create_vector_index")

    write_by_hand(project, SWAP)
    exchanged = documents(embedding=new_vectors(**indexed), embedding_v2=old_vectors(**indexed))
    project.metadata = exchanged.metadata
    project.upgrade()
    assert types(project) == {"embedding": "vector(4)", "embedding_v2": "vector(3)"}
    assert project.proposes_nothing()
    with Session(project.engine) as session:
        found = session.execute(nearest(exchanged, exchanged.embedding, [1, 0, 0, 30], k=1)).one()[0]
        assert (found.id, found.embedding, found.embedding_v2) == (30, [1, 0, 0, 30], [30, 1, 0])
    project.downgrade()
    assert types(project) == {"embedding": "vector(3)", "embedding_v2": "vector(4)"}
    project.upgrade()

    project.metadata = documents(embedding=new_vectors(**indexed)).metadata
    project.cycle("drop_vector_index", "drop_column")
    assert types(project) == {"embedding": "vector(4)"}
