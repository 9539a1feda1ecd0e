"""SQL that the server prints otherwise when it reads its own print, and SQL that it cannot read yet."""

import warnings

import pytest
from alembic import command
from item_models import ix, models
from sqlalchemy import Enum, text

from alembic_ops.errors import VectorMigrationWarning

ROW = "INSERT INTO items (kind, embedding) VALUES ('a', '[1,2,3]')"


def of_kinds(*kinds, **options):
    return lambda table: ix(where=table.c.kind.in_(kinds), **options)(table)


def of_enum(*labels):
    metadata = models()
    metadata.tables["items"].c.kind.type = Enum(*labels, name="kinds", metadata=metadata)
    return metadata


def test_a_list_of_values_is_compared_by_what_it_means(project):
    models().create_all(project.engine)
    project.metadata = models(of_kinds("a%", "b"))
    project.cycle("create_vector_index", rows=ROW)


def test_another_list_of_values_is_another_definition(project):
    models().create_all(project.engine)
    project.metadata = models(of_kinds("a", "b"))
    project.autogenerate()
    project.upgrade()
    project.metadata = models(of_kinds("a", "c"))
    revision = project.cycle("rebuild_vector_index", rows=ROW)
    assert "'c'::character varying" in revision.upgrade


def test_a_dropped_list_of_values_comes_back_as_the_model_has_it(project):
    with_index = models(of_kinds("a", "b"))
    with_index.create_all(project.engine)
    project.metadata = models()
    assert project.autogenerate().upgrade.startswith("op.drop_vector_index(")
    project.upgrade()
    project.downgrade()
    (project.folder / "versions").rename(project.folder / "others")
    (project.folder / "versions").mkdir()
    project.execute("DELETE FROM alembic_version")
    project.metadata = with_index
    assert project.proposes_nothing()


def test_an_index_over_a_list_of_values_is_renamed(project):
    models(of_kinds("a", "b")).create_all(project.engine)
    project.execute("DROP INDEX ix_e; CREATE INDEX ix_e ON items USING hnsw (embedding vector_l2_ops)"
                    " WHERE kind::text = ANY (ARRAY['a'::varchar::text, 'b'::varchar::text])")  # fmt: skip
    project.metadata = models(of_kinds("a", "b", name="ix_f"))
    project.cycle("rename_vector_index", rows=ROW)


def test_a_value_that_the_revision_adds_to_an_enum_is_no_reason_to_stop(project):
    of_enum("a").create_all(project.engine)
    project.metadata = of_enum("a", "b")
    ix(where=text("kind = 'b'"))(project.metadata.tables["items"])
    with pytest.warns(VectorMigrationWarning) as caught:
        revision = project.autogenerate()
    assert [str(one.message) for one in caught] == [
        "The server cannot build the index 'ix_e' of the table 'items' yet. "
        'It says: invalid input value for enum kinds: "b". '
        "Let the revision create that before its operation on the index, or correct the SQL of the index."
    ]
    added = "with op.get_context().autocommit_block():\n        op.execute(\"ALTER TYPE kinds ADD VALUE IF NOT EXISTS 'b'\")\n    op.create_v"
    revision.path.write_text(revision.whole.replace("op.create_v", added, 1))
    project.upgrade()
    assert project.proposes_nothing()
    project.downgrade()
    project.upgrade()


@pytest.mark.parametrize(
    ("predicate", "message"),
    [
        ("no_such_function(kind)", "function no_such_function(character varying) does not exist"),
        ("kind::no_such_type IS NOT NULL", 'type "no_such_type" does not exist'),
    ],
)
def test_what_the_server_does_not_have_yet_is_named_in_a_warning(project, predicate, message):
    models().create_all(project.engine)
    project.metadata = models(ix(where=text(predicate)))
    with pytest.warns(VectorMigrationWarning) as caught:
        revision = project.autogenerate()
    assert f"It says: {message}. " in str(caught[0].message)
    assert f"where={predicate!r}" in revision.upgrade
    revision.path.unlink()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VectorMigrationWarning)
        assert project.check_fails()


def test_a_predicate_that_can_never_be_built_is_still_an_error(project):
    models().create_all(project.engine)
    project.metadata = models(ix(where=text("random() > 0.5")))
    with pytest.raises(ValueError, match="functions in index predicate must be marked IMMUTABLE"):
        command.check(project.config())
