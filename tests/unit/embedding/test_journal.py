"""What a job of re-embedding says of its columns, without a database."""

from __future__ import annotations

import pytest
from sqlalchemy import MetaData

from sqlalchemy_vecsearch import Reembedding
from sqlalchemy_vecsearch.embedding.journal import journal_table
from sqlalchemy_vecsearch.embedding.journal_moves import Move

JOB = {
    "job": "j",
    "table_name": "document",
    "live": "embedding",
    "replacement": "embedding_v2",
    "live_number": 3,
    "replacement_number": 7,
    "source": ("title", "body"),
    "model": "new",
}


def test_the_numbers_say_what_the_names_mean_now():
    job = Reembedding(**JOB)
    assert job.names_now({1: "id", 3: "embedding", 7: "embedding_v2"}) == ("embedding", "embedding_v2")
    assert job.names_now({1: "id", 3: "embedding_v2", 7: "embedding"}) == ("embedding_v2", "embedding")


@pytest.mark.parametrize(
    ("mode", "state", "names"),
    [
        (None, "ready", ("embedding", "embedding_v2")),
        ("pointer", "swapped", ("embedding", "embedding_v2")),
        ("rename", "swapped", ("embedding_v2", "embedding")),
        ("rename", "finished", ("embedding_v2", "embedding")),
    ],
)
@pytest.mark.parametrize("numbers", [{}, {3: "title", 7: "embedding"}, {3: "embedding"}])
def test_the_state_says_it_where_a_restored_dump_has_other_numbers(mode, state, names, numbers):
    assert Reembedding(**JOB, mode=mode, state=state).names_now(numbers) == names


def test_a_source_is_names_or_an_expression_with_its_casts():
    assert Reembedding(**JOB).declared_source == ("title", "body")
    written = Reembedding(**JOB | {"source": None, "source_sql": "lower(title)::text"}).declared_source
    assert str(written.compile()) == "lower(title)::text"


def test_every_state_but_the_first_is_reached_by_a_move():
    reached = {move.value.after for move in Move}
    assert reached == {"ready", "swapped", "finished"}
    assert [move for move in Move if "finished" in move.value.before] == [], "nothing leads back from the end"


def test_the_table_is_one_object_in_a_metadata():
    metadata = MetaData()
    assert journal_table(metadata, "app") is journal_table(metadata, "app")
    assert journal_table(metadata, "app").fullname == "app.vecsearch_reembedding"
