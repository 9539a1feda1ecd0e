"""How answers are counted, without a database."""

import copy
import pickle

import pytest
from sqlalchemy import literal

from sqlalchemy_vecsearch import RecallResult
from sqlalchemy_vecsearch.measuring.samples import Question


def question(*nearest, own=None, asked=3):
    return Question(literal("[1]"), asked, own, asked, nearest)


@pytest.mark.parametrize(
    ("nearest", "returned", "hits"),
    [
        ((0.1, 0.2, 0.3), [0.1, 0.2, 0.3], 3),
        ((0.1, 0.2, 0.3), [0.3, 0.2, 0.1], 3),  # a scan in relaxed order
        ((0.1, 0.2, 0.3), [0.1, 0.4, 0.5], 1),
        ((0.1, 0.2, 0.3), [0.1], 1),
        ((0.1, 0.2, 0.3), [], 0),
        ((0.1, 0.2, 0.2), [0.2, 0.2, 0.2], 3),  # ties are equal: other rows, no farther
        ((0.1,), [0.1, 0.1000000001], 1),
        ((-5e6, -4e6), [-5e6, -4e6 + 1], 2),  # inner products are as exact as float4
    ],
)
def test_a_row_counts_when_it_is_no_farther_than_the_last_true_one(nearest, returned, hits):
    assert question(*nearest).hits(returned) == hits


def test_copies_of_the_question_do_not_count():
    stored = question(0.2, 0.3, own=0.0, asked=5)
    assert stored.counted([0.3, 0.0, 1e-8, 0.2]) == [1e-8, 0.2, 0.3]  # what is very near is no copy
    assert stored.hits([0.0, 0.0, 0.0, 0.0, 0.0]) == 0
    assert stored.hits([0.0, 0.0, 0.0, 0.2, 0.3]) == 2


def test_a_recall_is_a_float_that_says_what_was_counted():
    share = RecallResult(questions=4, wanted=40, found=30, missing=6)
    assert share == 0.75
    assert (share.questions, share.wanted, share.found, share.missing) == (4, 40, 30, 6)
    for same in (copy.copy(share), pickle.loads(pickle.dumps(share))):  # what was dumped here
        assert (same, same.missing) == (0.75, 6)
