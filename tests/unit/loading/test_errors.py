"""Which row and column of a COPY the server means, in whatever language it says so."""

from __future__ import annotations

import pytest

from sqlalchemy_vecsearch.loading.errors import RefusedCopyError, refusal_of

# "COPY %s, line %llu, column %s" of PostgreSQL's own translations
CONTEXTS = {
    "English": "COPY doc7, line 12, column e 5",
    "German": "COPY doc7, Zeile 12, Spalte e 5",
    "French": "COPY doc7, ligne 12, colonne e 5",
    "Japanese": "doc7のCOPY、行 12、列 e 5",
    "Chinese": "COPY doc7, 行 12, 列 e 5",
    "Korean": "doc7 복사, 12번째 줄, e 5 열",
    "Russian": "COPY doc7, строка 12, столбец e 5",
    "after that of a trigger": "PL/pgSQL function f() line 3 at RAISE\nCOPY doc7, line 12, column e 5",
}


class Diagnostics:
    """What a driver says of an error of the server."""

    def __init__(self, context, sqlstate):
        self.context, self.sqlstate = context, sqlstate

    def __getattr__(self, name):
        return "no good" if name == "message_primary" else None


class ServerSaysNoError(Exception):
    def __init__(self, context, sqlstate="22003"):
        super().__init__()
        self.diag = Diagnostics(context, sqlstate)


def refused_copy(context, sqlstate="22003"):
    error = RefusedCopyError("doc7", ["e", "e 5", "id"], 1_000)
    error.__cause__ = ServerSaysNoError(context, sqlstate)
    return refusal_of(error)


@pytest.mark.parametrize("language", CONTEXTS)
def test_the_row_and_the_column_are_found_in_every_language(language):
    refusal = refused_copy(CONTEXTS[language])
    assert (refusal.row, refusal.columns) == (1_011, ("e 5",))


def test_a_row_without_a_column_names_none():
    refusal = refused_copy("COPY doc7, line 12")
    assert (refusal.row, refusal.columns) == (1_011, ())


@pytest.mark.parametrize("sqlstate", ["57014", "25006", "42501", "40001", "0A000"])
def test_what_is_about_no_row_names_none(sqlstate):
    refusal = refused_copy("COPY doc7, line 12", sqlstate)
    assert (refusal.row, refusal.sqlstate, refusal.is_about_rows) == (None, sqlstate, False)


def test_another_context_names_none():
    assert refused_copy("SQL statement 12").row is None
