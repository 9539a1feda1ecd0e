"""`vecsearch recall` and `vecsearch tune` on a table with an index."""

from __future__ import annotations

import json

import numpy as np
import pytest
from rich.console import Console
from sqlalchemy import select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from typer.testing import CliRunner

from sqlalchemy_vecsearch import HNSW, embedding_column, explain, nearest
from sqlalchemy_vecsearch.cli.application import app
from sqlalchemy_vecsearch.errors import ServerError
from sqlalchemy_vecsearch.loading import copy_rows
from sqlalchemy_vecsearch.measuring.tuning import TuningPoint, TuningResult


class Base(DeclarativeBase):
    pass


class Document(Base):
    __tablename__ = "document"

    id: Mapped[int] = mapped_column(primary_key=True)
    embedding: Mapped[list[float]] = embedding_column(16, metric="l2", index=HNSW(m=4, ef_construction=8))


def searched():
    return nearest(Document, Document.embedding, [1.0] * 16, k=5)


FEW = select(Document).where(Document.id == 7).order_by(Document.embedding.l2_distance([1.0] * 16)).limit(5)

REVERSED = select(Document).order_by(Document.embedding.l2_distance([1.0] * 16).desc()).limit(5)

COLUMN = f"{__name__}:Document.embedding"


@pytest.fixture
def url(engine, vecsearch_url):
    Base.metadata.create_all(engine)
    vectors = np.random.default_rng(1).normal(size=(2000, 16)).astype(np.float32)
    with engine.begin() as connection:
        copy_rows(connection, Document, {"id": range(2000), "embedding": vectors})
    return vecsearch_url


def run(*arguments, **environment):
    return CliRunner().invoke(app, list(map(str, arguments)), env=environment)


def test_recall_prints_a_share_and_json_has_the_same_form_for_scripts(url):
    shown = run("recall", COLUMN, "--url", url, "--sample", 20)
    assert (shown.exit_code, shown.stdout.startswith(f"recall@10 of {COLUMN}: 0.")) == (0, True)
    found = json.loads(run("recall", COLUMN, "--sample", 20, "--ef-search", 1000, "--json", DATABASE_URL=url).stdout)
    counted = {"questions", "wanted", "found", "missing"}
    assert set(found) == {"column", "k", "sample", "recall", "target", "reached"} | counted
    assert (found["questions"], found["wanted"], found["missing"]) == (20, 200, 0)
    assert 0.5 < found["recall"] <= 1


@pytest.mark.parametrize("kind", ["npy", "json", "jsonl"])
def test_questions_of_a_file_are_asked(url, tmp_path, kind):
    vectors = np.random.default_rng(1).normal(size=(3, 16)).astype(np.float32)
    path = tmp_path / f"questions.{kind}"
    if kind == "npy":
        np.save(path, vectors)
    else:
        lines = map(json.dumps, vectors.tolist())
        path.write_text(json.dumps(vectors.tolist()) if kind == "json" else "\n".join(lines), encoding="utf-8")
    found = json.loads(run("recall", COLUMN, "--url", url, "--questions", path, "--json").stdout)
    assert (found["questions"], found["wanted"]) == (3, 30)
    assert json.loads(run("tune", COLUMN, "--url", url, "--questions", path, "--target", 0.1, "--json").stdout)["value"]


@pytest.mark.parametrize("content", ["no vectors", "{}", "[]", "[[1, 2"])
def test_a_file_without_vectors_is_refused(url, tmp_path, content):
    path = tmp_path / "questions.json"
    path.write_text(content, encoding="utf-8")
    ended = run("recall", COLUMN, "--url", url, "--questions", path)
    assert ended.exit_code != 0
    assert "can not be read" in ended.stderr or "can not be read" in str(ended.exception)


def test_a_recall_below_the_target_ends_with_code_3(url):
    assert run("recall", COLUMN, "--url", url, "--sample", 20, "--target", 0).exit_code == 0
    ended = run("recall", COLUMN, "--url", url, "--sample", 20, "--ef-search", 1, "-k", 1, "--target", 1)
    assert ended.exit_code == 3


def test_tune_finds_the_smallest_value_and_prints_the_frontier(url):
    found = json.loads(run("tune", COLUMN, "--url", url, "--sample", 20, "--target", 0.5, "--json").stdout)
    assert found["parameter"] == "ef_search"
    assert found["value"] in {point["value"] for point in found["frontier"]}
    shown = run("tune", COLUMN, "--url", url, "--sample", 20, "--target", 0.5)
    assert shown.exit_code == 0
    assert shown.output.splitlines()[-1].endswith("is the smallest that reaches a recall of 0.5.")


def test_a_target_that_no_value_reaches_ends_with_code_3(url, monkeypatch):
    frontier = (TuningPoint(value=1000, recall=0.9, seconds=0.001),)
    result = TuningResult(parameter="ef_search", target=0.95, value=None, frontier=frontier)
    monkeypatch.setattr("sqlalchemy_vecsearch.measuring.tuning.tune", lambda *arguments, **options: result)
    ended = run("tune", COLUMN, "--url", url)
    assert ended.exit_code == 3
    assert ended.output == "ef_search  1000  recall 0.900  1.00 ms\nNo ef_search reaches a recall of 0.95.\n"


def test_a_column_that_is_not_there_ends_with_code_2(url):
    ended = run("recall", "nowhere.models:Document.embedding", "--url", url)
    assert ended.exit_code == 2
    assert "The module 'nowhere' of 'nowhere.models:Document.embedding' was not found." in ended.stderr


def test_explain_shows_the_plan_of_a_function_s_statement_and_counts_its_rows(url):
    shown = run("explain", f"{__name__}:searched", "--url", url)
    assert (shown.exit_code, shown.output.splitlines()[0]) == (0, "Served by 'ix_document_embedding'.")
    found = json.loads(run("explain", f"{__name__}:searched", "--url", url, "--analyze", "--json").stdout)
    assert (found["index_served"], found["indexes"], found["findings"]) == (True, ["ix_document_embedding"], [])
    assert (found["rows"]["asked"], found["rows"]["returned"]) == (5, 5)


def test_explain_breaks_its_verdict_between_words_on_a_terminal(url, engine, monkeypatch):
    monkeypatch.setattr("sqlalchemy_vecsearch.cli.explain.console_for", lambda **_: Console(width=60, highlight=False))
    shown = run("explain", f"{__name__}:FEW", "--url", url)
    verdict, _, tree = shown.output.partition("\n\n")
    assert shown.exit_code == 3
    with engine.connect() as connection:
        assert " ".join(line.strip() for line in verdict.splitlines()) == explain(connection, FEW).verdict
    assert max(map(len, tree.splitlines())) > 60


def test_explain_takes_sql_with_its_colons(url):
    vector = str([1] * 16)
    sql = f"SELECT id FROM document ORDER BY embedding <-> '{vector}'::vector LIMIT 5"
    assert run("explain", sql, "--url", url).exit_code == 0


def test_explain_ends_with_code_3_and_the_fix_when_no_index_serves(url):
    ended = run("explain", f"{__name__}:REVERSED", "--url", url, "--json")
    assert ended.exit_code == 3
    found = json.loads(ended.stdout)
    assert not found["index_served"]
    assert [finding["rule"] for finding in found["findings"]] == ["descending"]


def test_explain_refuses_what_is_no_statement(url):
    ended = run("explain", f"{__name__}:COLUMN", "--url", url)
    assert ended.exit_code == 2
    assert "is of type str, and no statement of SQLAlchemy." in ended.stderr


def searched_for(vector, *, k, strategy=None):
    return nearest(Document, Document.embedding, vector, k=k, strategy=strategy)


def test_explain_says_which_arguments_it_cannot_give(url):
    ended = run("explain", f"{__name__}:searched_for", "--url", url)
    assert ended.exit_code == 2
    words = " ".join(ended.stderr.replace("│", " ").split())
    assert "wants vector, k, and the command has nothing to pass." in words
    assert "Name a function without arguments that returns the statement." in words


def test_a_statement_that_the_server_refuses_is_answered_with_its_words(url):
    ended = run("explain", "SELECT * FROM nowhere", "--url", url)
    assert isinstance(ended.exception, ServerError)
    assert 'The driver said: relation "nowhere" does not exist.' in str(ended.exception)
