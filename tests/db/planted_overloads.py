"""Overloads of pg_catalog's functions and operators that a stranger has planted in `public`, and counts of their calls."""

from __future__ import annotations

import re
from itertools import product

from sqlalchemy import text

# What PostgreSQL converts by itself, so that a call with such an argument finds the overload that takes it as it is.
CONVERTED = {
    "text": ("text", "varchar", "name", "bpchar"),
    "name": ("name", "text", "varchar"),
    "char": ("char", "text", "varchar"),
    "int2": ("int2", "int4", "int8"),
    "int4": ("int4", "int2", "int8"),
    "int8": ("int8", "int4", "int2"),
    "float4": ("float4", "float8", "int4", "numeric"),
    "float8": ("float8", "float4", "int4", "int8", "numeric"),
    "numeric": ("numeric", "int4", "int8"),
    "oid": ("oid", "regclass", "int4", "int8"),
    "regclass": ("regclass", "oid", "text", "varchar"),
    "regconfig": ("regconfig", "text", "varchar"),
    "bool": ("bool",),
    "jsonb": ("jsonb", "json"),
    "json": ("json", "jsonb"),
    "anyarray": ("anyarray", "text[]", "varchar[]", "name[]", "oid[]", "int2[]", "int4[]", "float4[]", "int2vector"),
    "anyelement": ("anyelement", "text", "varchar", "name", "int4", "int8", "oid"),
    "anynonarray": ("anynonarray", "text", "varchar", "name"),
    "anycompatible": ("anycompatible", "text"),
    "anycompatiblearray": ("anycompatiblearray", "text[]"),
    "any": ("text", "varchar", "name", "int4", "int8", "oid", "bool"),
    '"any"': ("text", "varchar", "name", "int4", "oid"),
}
VARIADIC_ARGUMENTS = (1, 2, 3)

FUNCTIONS = text("""
SELECT p.proname AS name, p.prokind AS kind, p.proretset AS many, p.provariadic <> 0 AS variadic,
       ARRAY(SELECT format_type(one, NULL) FROM unnest(p.proargtypes) WITH ORDINALITY a(one, place)
              ORDER BY place) AS arguments,
       format_type(p.prorettype, NULL) AS result
  FROM pg_proc p
 WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.proname = ANY (:names) AND p.prokind IN ('f', 'a')
""")
OPERATORS = text("""
SELECT o.oprname AS name, o.oprresult::regtype::text AS result,
       CASE WHEN o.oprleft = 0 THEN NULL ELSE format_type(o.oprleft, NULL) END AS left, format_type(o.oprright, NULL) AS right
  FROM pg_operator o
 WHERE o.oprnamespace = 'pg_catalog'::regnamespace AND o.oprname = ANY (:names)
""")
SHORT = {
    "character varying": "varchar", "character": "bpchar", '"char"': "char", "smallint": "int2", "integer": "int4",
    "bigint": "int8", "real": "float4", "double precision": "float8", "boolean": "bool",
}  # fmt: skip
WRITTEN = {"char": '"char"'}
ANSWER = re.compile(r"RETURN( NULL)?; END \$\$")
ONLY_IN_C = {"record", "internal", "cstring", "trigger"}
"""Types of arguments and results that a role without more rights could not write an overload for."""


class PlantedOverloads:
    """What a role that may create in `public`, as everybody may by default up to PostgreSQL 14, has put in our way.

    For each name there is an overload for every mixture of argument types that PostgreSQL would convert, and one with
    the very types of pg_catalog's own: these win where the search path has `public` before `pg_catalog`, as
    `plant(first=True)` lets it have. What is called answers NULL, and is counted, also in what is rolled back.
    """

    def __init__(self, engine):
        self.engine = engine
        self.names = frozenset()

    def plant(self, names, *, first=False, fail=False):
        """Plant overloads of functions and operators; all connections of the engine are new afterwards.

        With `fail` a call is an error once it is counted: what waits for another answer than NULL ends at once.
        """
        self.names = frozenset(names)
        with self.engine.connect() as connection:
            given = {"names": list(self.names)}
            functions = connection.execute(FUNCTIONS, given).all()
            operators = connection.execute(OPERATORS, given).all()
            missing = self.names - {row.name for row in (*functions, *operators)}
            assert not missing, f"pg_catalog has none of {sorted(missing)}"
            database = self.engine.url.database
        statements = ["SET check_function_bodies = off", *map(_counter, sorted(self.names))]
        statements += {key: sql for row in functions for key, sql in _of_function(row)}.values()
        for number, (_, sql) in enumerate({key: sql for row in operators for key, sql in _of_operator(row)}.items()):
            statements.append(sql.replace("PLANTED", f'public."planted {number}"'))
        if fail:
            statements = [ANSWER.sub("RAISE 'planted'; END $$", sql) for sql in statements]
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT", no_parameters=True) as connection:
            connection.exec_driver_sql("BEGIN; " + ";\n".join(statements) + "; COMMIT; RESET check_function_bodies")
            if first:
                connection.exec_driver_sql(f'ALTER DATABASE "{database}" SET search_path = public, pg_catalog')
        self.engine.dispose()

    def calls(self):
        """Return name -> how often an overload of it was called until now, of those that were."""
        counters = ", ".join(
            f"('{name}', (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {_sequence(name)}))"
            for name in sorted(self.names)
        )
        with self.engine.connect() as connection:
            rows = connection.execution_options(no_parameters=True).exec_driver_sql(
                f"SELECT name, calls FROM (VALUES {counters}) AS counted(name, calls)"
            )
            return {name: calls for name, calls in rows if calls}


QUALIFIED = re.compile(
    r"pg_catalog\.(?P<function>\w+)\s*\(|OPERATOR\s*\(\s*pg_catalog\.(?P<operator>[^\s)]+)\s*\)", re.IGNORECASE
)


def qualified_names(sql):
    """Return the functions and operators that a statement names with their schema."""
    return {found["function"] or found["operator"] for found in QUALIFIED.finditer(sql)}


def without_qualification(sql, name):
    """Return a statement that names one function or operator as if nobody else could have one of its name."""
    bare = sql.replace(f"OPERATOR(pg_catalog.{name})", name)
    return re.sub(rf"pg_catalog\.{name}(\s*\()", rf"{name}\1", bare) if name.isidentifier() else bare


def _sequence(name):
    return f'public."calls of {name}"'


def _counter(name):
    return f"CREATE SEQUENCE {_sequence(name)}"


def _body(name):
    return (
        f"LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM pg_catalog.nextval('{_sequence(name)}'::pg_catalog.regclass); "
    )


def _of_function(row):
    """Yield (signature, CREATE) of each overload of a function of pg_catalog."""
    name = f'public."{row.name}"'
    returns = f"{'SETOF ' if row.many else ''}{row.result}"
    for types in _mixtures(row):
        written = ", ".join(types)
        if row.kind == "a":
            if any(one.startswith("any") for one in (row.result, *types)) or ONLY_IN_C & {row.result, *types}:
                continue
            state = f'public."state of {row.name}"'
            arguments = ", ".join([row.result, *types])
            answer = f"CREATE OR REPLACE FUNCTION {state}({arguments}) RETURNS {row.result} {_body(row.name)} RETURN NULL; END $$"
            yield (
                (row.name, types),
                f"{answer}; CREATE AGGREGATE {name}({written or '*'}) (sfunc = {state}, stype = {row.result})",
            )
        else:
            end = "RETURN" if row.many else "RETURN NULL"
            result = returns
            if row.result.startswith("any") and not any(one.startswith("any") for one in types):
                result = returns.replace(row.result, types[0].removesuffix("[]"))
            if ONLY_IN_C & {*types} or (row.result in ONLY_IN_C and not row.many):
                continue
            yield (
                (row.name, types),
                f"CREATE FUNCTION {name}({written}) RETURNS {result} {_body(row.name)} {end}; END $$",
            )


def _of_operator(row):
    """Yield (signature, CREATE) of each overload of an operator of pg_catalog, whose function is called PLANTED."""
    sides = [one for one in (row.left, row.right) if one is not None]
    if not all(SHORT.get(one, one) in CONVERTED for one in sides):
        return  # of types that nothing is converted to, such as ranges and points
    for types in product(*(_converted(one) for one in sides)):
        result = row.result
        if result.startswith("any") and not any(one.startswith("any") for one in types):
            result = next((one for one in types if one.endswith("[]")), types[0])
        create = f"CREATE FUNCTION PLANTED({', '.join(types)}) RETURNS {result} {_body(row.name)} RETURN NULL; END $$"
        arguments = f"rightarg = {types[-1]}" if row.left is None else f"leftarg = {types[0]}, rightarg = {types[1]}"
        yield (row.name, types), f"{create}; CREATE OPERATOR public.{row.name} ({arguments}, function = PLANTED)"


def _mixtures(row):
    if not row.variadic:
        return set(product(*(_converted(one) for one in row.arguments)))
    *before, last = row.arguments
    one = last.removesuffix("[]")
    counts = [[*before, *[one] * count] for count in VARIADIC_ARGUMENTS]
    return {types for arguments in counts for types in product(*(_converted(one) for one in arguments))}


def _converted(type_):
    short = SHORT.get(type_, type_)
    return tuple(WRITTEN.get(one, one) for one in CONVERTED.get(short, (short,)))
