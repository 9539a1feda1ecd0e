"""Words of SQL that may be columns."""

from alembic_ops.probe import names_in


def test_names_are_found_as_the_catalog_spells_them():
    sql = '(Embedding::halfvec(3)) halfvec_l2_ops WHERE "Kind ""of""" > 10 AND kind2$ > 1 AND é < 2'
    assert names_in(sql) == ['Kind "of"', "and", "embedding", "halfvec", "halfvec_l2_ops", "kind2$", "where", "é"]
