"""SQL around names that nobody would choose."""

from alembic_ops.quoting import dollar_quoted


def test_a_body_is_put_between_dollar_signs():
    assert dollar_quoted("BEGIN END", tag="gate") == "$gate$ BEGIN END $gate$"


def test_a_tag_that_a_name_holds_becomes_longer():
    assert dollar_quoted('"$gate$" "$gate_$"', tag="gate") == '$gate__$ "$gate$" "$gate_$" $gate__$'
