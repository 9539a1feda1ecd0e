"""The template multidb of Alembic: what it refuses, and its env.py as the how-to changes it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config

from alembic_ops.errors import ExternalTransactionError

HOW_TO = Path(__file__).parents[3] / "docs" / "how_to" / "migrate_several_databases.md"
MODELS = """
from pgvector.sqlalchemy import VECTOR
from sqlalchemy import Column, Index, Integer, MetaData, Table
import alembic_ops

target_metadata = {"engine1": MetaData(), "engine2": MetaData()}
for name, metadata in target_metadata.items():
    Table("items", metadata, Column("id", Integer, primary_key=True), Column("embedding", VECTOR(3)))
    if context.config.attributes["indexed"]:
        Index(f"ix_{name}", metadata.tables["items"].c.embedding, postgresql_using="hnsw",
              postgresql_ops={"embedding": "vector_l2_ops"})
"""


class SeveralDatabases:
    def __init__(self, folder, urls):
        self.ini = folder / "alembic.ini"
        self.env = folder / "migrations" / "env.py"
        config = Config(self.ini)
        command.init(config, str(folder / "migrations"), template="multidb")
        sections = iter(urls)
        source = re.sub(
            r"sqlalchemy\.url = driver://.*", lambda _: f"sqlalchemy.url = {next(sections)}", self.ini.read_text()
        )
        self.ini.write_text(source)
        self.env.write_text(self.env.read_text().replace("target_metadata = {}\n", MODELS))

    def config(self, *, indexed):
        config = Config(self.ini)
        config.attributes["indexed"] = indexed
        return config

    def autogenerate_and_upgrade(self, *, indexed):
        script = command.revision(self.config(indexed=indexed), autogenerate=True)
        command.upgrade(self.config(indexed=indexed), "head")
        command.check(self.config(indexed=indexed))
        return Path(script.path).read_text()

    def change_as_the_how_to_says(self):
        (block,) = re.findall(r'```python title="env.py"\n(.*?)```', HOW_TO.read_text(), re.DOTALL)
        source = self.env.read_text()
        before, online, after = source.partition("def run_migrations_online() -> None:")
        online_part, call, rest = after.partition("\n\nif context.is_offline_mode():")
        kept = online_part.partition("    for name, rec in engines.items():")[0]
        self.env.write_text(before + online + kept + block + call + rest)


@pytest.fixture
def several(tmp_path, vecsearch_databases):
    urls = [vecsearch_databases.create(with_extension=True), vecsearch_databases.create(with_extension=False)]
    yield SeveralDatabases(tmp_path, urls)
    for url in urls:
        vecsearch_databases.drop(url)


def test_a_concurrent_operation_names_the_template_that_holds_its_transaction(several):
    several.autogenerate_and_upgrade(indexed=False)
    with pytest.raises(ExternalTransactionError, match="as that of the template multidb does"):
        several.autogenerate_and_upgrade(indexed=True)


def test_each_database_gets_its_own_operations_with_the_env_py_of_the_how_to(several):
    several.change_as_the_how_to_says()
    tables = several.autogenerate_and_upgrade(indexed=False)
    assert tables.count("op.create_vector_extension()") == 1
    indexes = several.autogenerate_and_upgrade(indexed=True)
    assert [indexes.count(f"op.create_vector_index(\n        'ix_engine{number}'") for number in (1, 2)] == [1, 1]
    command.downgrade(several.config(indexed=True), "base")
    command.upgrade(several.config(indexed=True), "head")
    command.check(several.config(indexed=True))
