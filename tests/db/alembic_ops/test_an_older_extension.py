"""A database whose extension is older than the server's files, and a server whose files are older than the models."""

import os
import re
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from subprocess import CalledProcessError

import pytest
from pgvector.sqlalchemy import HALFVEC, VECTOR
from sqlalchemy import Column, Integer, MetaData, Table, text

from alembic_ops.errors import ExtensionError
from sqlalchemy_vecsearch import vector_index
from sqlalchemy_vecsearch.testing import start_embedded_server
from sqlalchemy_vecsearch.testing.databases import Databases
from sqlalchemy_vecsearch.testing.installations import choose_installation, installations

OLD = "0.6.2"


def statements(script):
    """Return the statements of an extension's script, without comments and white space."""
    script = re.sub(r"^(--|\\).*$", "", script, flags=re.MULTILINE)
    return [" ".join(statement.split()) for statement in script.split(";") if statement.strip()]


def versions(script):
    return tuple(tuple(int(part) for part in version.split(".")) for version in script.stem.split("--")[1:])


def script_of_the_old_version(extensions):
    """Return what 0.6.2 consisted of: the newest script without what the scripts that lead to it have added."""
    (newest,) = (script for script in extensions.glob("vector--*.sql") if len(versions(script)) == 1)
    later = [script for script in extensions.glob("vector--*--*.sql") if versions(script)[0] >= (0, 6, 2)]
    added = {statement for script in later for statement in statements(script.read_text())}
    assert any("CREATE TYPE halfvec" in statement for statement in added)
    kept = [statement for statement in statements(newest.read_text()) if statement not in added]
    return ";\n".join(kept) + ";\n"


def linked(source, target):
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


class OlderServer:
    """A server of its own, whose folder also holds the script of an old version of pgvector."""

    def __init__(self, home):
        installed = choose_installation(os.environ, installations())
        package = installed.folder.parent
        folder = home / package.name / installed.folder.name
        for libraries in package.parent.glob(f"{package.name}*.libs"):
            shutil.copytree(libraries, home / libraries.name, copy_function=linked)
        shutil.copytree(installed.folder, folder, copy_function=linked, symlinks=True)
        self.control = next(folder.glob("share/**/extension/vector.control"))
        self.newest = installed.pgvector_version
        (self.control.parent / f"vector--{OLD}.sql").write_text(script_of_the_old_version(self.control.parent))
        self.server = start_embedded_server(replace(installed, folder=folder))

    @contextmanager
    def offering(self, version):
        """Let the server's files be of another version for a while."""
        before = self.control.read_text()
        self.control.unlink()  # a link to the file of the wheel
        self.control.write_text(before.replace(self.newest, version))
        yield
        self.control.write_text(before)


@pytest.fixture(scope="module")
def older_server():
    home = Path(tempfile.mkdtemp(prefix="older-pgvector-"))
    home.chmod(0o755)
    older = OlderServer(home)
    yield older
    older.server.stop()
    shutil.rmtree(home)


@pytest.fixture
def bare_url(older_server):
    """Let the fixtures of this module work on a database with the old version."""
    with Databases(older_server.server.url()) as databases:
        url = databases.create(with_extension=False)
        yield url


@pytest.fixture
def project(bare_project):
    bare_project.execute(f"CREATE EXTENSION vector VERSION '{OLD}'")
    return bare_project


def models(*columns):
    metadata = MetaData()
    items = Table("items", metadata, Column("id", Integer, primary_key=True), Column("embedding", VECTOR(3)), *columns)
    return metadata, items


def version(project):
    with project.engine.connect() as connection:
        return connection.scalar(text("SELECT extversion FROM pg_extension WHERE extname = 'vector'"))


def test_models_that_need_more_get_the_update_first(project, older_server):
    project.metadata, _ = models()
    project.metadata.create_all(project.engine)
    assert version(project) == OLD
    assert project.proposes_nothing()
    project.metadata, items = models(Column("half", HALFVEC(3)))
    vector_index("ix_half", items.c.half, metric="l2")
    revision = project.autogenerate()
    assert re.findall(r"^op\.(\w+)\(", revision.upgrade, re.MULTILINE) == [
        "update_vector_extension",
        "add_embedding_column",
        "create_vector_index",
    ]
    assert re.findall(r"^op\.(\w+)\(", revision.downgrade, re.MULTILINE) == ["drop_vector_index", "drop_column"]
    before = project.catalog()
    project.upgrade()
    assert version(project) == older_server.newest
    assert project.proposes_nothing()
    after = project.catalog()
    project.downgrade()
    assert project.catalog() == before
    assert version(project) == older_server.newest
    project.upgrade()
    assert project.catalog() == after


def test_the_sql_of_an_update_is_the_update(project, older_server):
    project.metadata, _ = models(Column("half", HALFVEC(3)))
    models()[0].create_all(project.engine)
    project.autogenerate()
    project.execute("DROP TABLE alembic_version")
    project.psql(project.sql_of_upgrade())
    assert version(project) == older_server.newest
    assert project.proposes_nothing()


def test_a_metric_that_came_later_needs_the_update_too(project):
    project.metadata, items = models()
    project.metadata.create_all(project.engine)
    vector_index("ix_l1", items.c.embedding, metric="l1")
    assert project.autogenerate().upgrade.startswith("op.update_vector_extension()\nop.create_vector_index(")
    project.upgrade()
    assert project.proposes_nothing()


def written(project, operation):
    """Write a revision of one operation."""
    project.metadata = MetaData()
    revision = project.autogenerate()
    head, mark, _ = revision.whole.partition("def upgrade() -> None:")
    revision.path.write_text(
        f"{head}import alembic_ops\n\n{mark}\n    {operation}\n\ndef downgrade() -> None:\n    pass\n"
    )


def test_a_minimum_version_refuses_the_old_one_and_names_the_way(project, older_server):
    written(project, "op.create_vector_extension(minimum_version='0.7.0')")
    with pytest.raises(ExtensionError) as caught:
        project.upgrade()
    assert str(caught.value) == (
        f"The database has pgvector {OLD}; the revision asks for 0.7.0 or newer. "
        "Creating an extension never updates one that is there. "
        f"Use op.update_vector_extension() before this operation: the server has {older_server.newest}."
    )
    assert (caught.value.installed, caught.value.available) == (OLD, older_server.newest)
    project.execute("DROP TABLE alembic_version")
    with pytest.raises(CalledProcessError) as stopped:
        project.psql(project.sql_of_upgrade())
    assert "The vector extension is older than 0.7.0." in stopped.value.stderr
    assert version(project) == OLD


def test_a_minimum_version_that_is_there_is_enough(project):
    written(project, f"op.create_vector_extension(minimum_version='{OLD}')")
    project.upgrade()
    assert version(project) == OLD


def test_the_update_before_it_makes_the_minimum_version_true(project, older_server):
    written(project, "op.update_vector_extension(); op.create_vector_extension(minimum_version='0.7.0')")
    project.upgrade()
    assert version(project) == older_server.newest


def test_a_server_with_older_files_is_an_error_before_there_is_a_revision(project, older_server):
    project.metadata, _ = models(Column("half", HALFVEC(3)))
    with older_server.offering(OLD):
        with pytest.raises(ExtensionError) as caught:
            project.autogenerate()
        written(project, "op.create_vector_extension(minimum_version='0.7.0')")
        with pytest.raises(ExtensionError, match=r"Install a newer pgvector on the server and then use op\.update_"):
            project.upgrade()
    assert str(caught.value) == (
        f"The models need pgvector 0.7.0 or newer, and the server has pgvector {OLD}. "
        "The types and operator classes that they use came with that version. "
        "Install a newer pgvector on the server, or use what the older one has."
    )
