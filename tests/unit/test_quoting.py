"""Names and texts that nobody would choose, quoted."""

from sqlalchemy import quoted_name

from sqlalchemy_vecsearch.quoting import dollar_quoted, literal, qualified_name


def test_a_body_is_put_between_dollar_signs():
    assert dollar_quoted("BEGIN END", tag="gate") == "$gate$ BEGIN END $gate$"


def test_a_tag_that_a_name_holds_becomes_longer():
    assert dollar_quoted('"$gate$" "$gate_$"', tag="gate") == '$gate__$ "$gate$" "$gate_$" $gate__$'


def test_a_string_means_itself_whatever_the_server_makes_of_backslashes():
    assert literal("it's") == "'it''s'"
    assert literal(r"C:\it's") == r"E'C:\\it''s'"
    assert literal(None) == "NULL"


def test_a_percent_sign_of_a_name_stays_one():
    assert qualified_name("Sales", "50%") == '"Sales"."50%"'
    assert qualified_name(None, "document") == "document"


def test_a_name_is_a_plain_string_whoever_has_asked_for_it_first():
    assert type(qualified_name(None, quoted_name("asked_for_twice", None))) is str
    assert type(qualified_name(None, "asked_for_twice")) is str
