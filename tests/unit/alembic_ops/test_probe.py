"""Words of SQL that may be columns."""

import pytest

from alembic_ops.catalog.probe import names_in


def test_names_are_found_as_the_catalog_spells_them():
    sql = '(Embedding::halfvec(3)) halfvec_l2_ops WHERE "Kind ""of""" > 10 AND kind2$ > 1 AND é < 2'
    assert names_in(sql) == ['Kind "of"', "and", "embedding", "halfvec", "halfvec_l2_ops", "kind2$", "where", "é"]


def test_words_in_strings_are_no_names():
    assert names_in("kind = 'it''s \"embedding' AND \"Id\" > 1") == ["Id", "and", "kind"]


def test_letters_beyond_ascii_are_found_in_either_spelling():
    assert names_in("ÉTAT > 1") == ["\u00c9tat", "\u00e9tat"]


@pytest.mark.parametrize(
    "sql",
    [
        'U&"\\0065mbedding" > 1',
        "kind = E'\\'' AND id > 1",
        "kind = $a$it's$a$ AND id > 1",
        "id > 1 -- it's one",
        "id > 1 /* it's one */",
        "a" * 64 + " > 1",
    ],
)
def test_no_names_are_given_where_only_the_server_can_tell_them(sql):
    assert names_in(sql) == []
