from sqlalchemy_vecsearch.names import fitted


def test_a_name_that_fits_is_kept():
    assert fitted("ix_document_embedding", suffix="_new") == "ix_document_embedding_new"


def test_a_long_name_keeps_its_start_and_its_suffix_and_stays_unique():
    first, second = fitted("x" * 63 + "a", suffix="_new"), fitted("x" * 63 + "b", suffix="_new")
    assert first != second
    assert {len(first.encode()), len(second.encode())} == {63}
    assert first.startswith("xxx")
    assert first.endswith("_new")


def test_bytes_are_counted_and_characters_are_never_cut_in_half():
    name = fitted("é" * 40)
    assert len(name.encode()) <= 63
    assert name.startswith("é" * 10)
