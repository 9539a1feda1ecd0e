"""Copies in `public` of every function and operator of pg_catalog, with which no statement can even be prepared.

A planted overload that counts its calls finds what the rows of a test lead to. A mine is found without a row: PostgreSQL
looks a function up when it makes a plan ready to run, and there is none under the name that a mine gives. As all of
pg_catalog has its copy, there is no list of names that could be short of one.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from threading import Lock

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy import event

from sqlalchemy_vecsearch.types.adapters import teach
from tests.db.planted_overloads import QUALIFIED, qualified_names

# No function can be made of a name that the server has not; afterwards it can be given one.
LAY = r"""
DO $lay$
DECLARE
    one record;
    number int := 0;
    types text;
BEGIN
    FOR one IN
        SELECT p.proname AS name, p.prokind AS kind, a.aggkind, pg_get_function_arguments(p.oid) AS arguments,
               pg_get_function_result(p.oid) AS result, ARRAY(
                   SELECT format_type(t, NULL) FROM unnest(p.proargtypes) WITH ORDINALITY x (t, place)
                    WHERE place > coalesce(CASE WHEN a.aggkind <> 'n' THEN a.aggnumdirectargs END, 0) ORDER BY place
               ) AS types
          FROM pg_proc p LEFT JOIN pg_aggregate a ON a.aggfnoid = p.oid
         WHERE p.pronamespace = 'pg_catalog'::regnamespace AND a.aggkind IS DISTINCT FROM 'h'
           AND NOT p.proargtypes::oid[] && '{internal,cstring}'::regtype[]::oid[]
           AND p.prorettype <> ALL ('{internal,cstring,trigger,event_trigger,language_handler,index_am_handler,
                                      table_am_handler,tsm_handler,fdw_handler}'::regtype[])
    LOOP
        IF one.kind = 'a' THEN
            number := number + 1;
            types := array_to_string(one.types, ', ');
            EXECUTE format('CREATE FUNCTION public."state %s"(text%s) RETURNS text LANGUAGE internal AS ''int4pl''',
                           number, CASE WHEN types <> '' THEN ', ' || types END);
            EXECUTE format('CREATE AGGREGATE public.%I(%s) (sfunc = public."state %s", stype = text)', one.name,
                           CASE WHEN one.aggkind <> 'n' OR types <> '' THEN one.arguments ELSE '*' END, number);
        ELSE
            EXECUTE format('CREATE FUNCTION public.%I(%s) RETURNS %s LANGUAGE internal %s AS ''int4pl''', one.name,
                           one.arguments, one.result, CASE one.kind WHEN 'w' THEN 'WINDOW' END);
        END IF;
    END LOOP;
    FOR one IN
        SELECT o.oprname AS name, o.oprresult::regtype AS result, nullif(o.oprleft, 0)::regtype AS "left",
               o.oprright::regtype AS "right"
          FROM pg_operator o WHERE o.oprnamespace = 'pg_catalog'::regnamespace
    LOOP
        number := number + 1;
        EXECUTE format('CREATE FUNCTION public."operator %s"(%s) RETURNS %s LANGUAGE internal AS ''int4pl''',
                       number, concat_ws(', ', one."left", one."right"), one.result);
        EXECUTE format('CREATE OPERATOR public.%s (%s rightarg = %s, function = public."operator %s")', one.name,
                       'leftarg = ' || one."left" || ',', one."right", number);
    END LOOP;
    UPDATE pg_proc SET prosrc = 'a mine' WHERE pronamespace = 'public'::regnamespace AND prosrc = 'int4pl';
    EXECUTE format('ALTER DATABASE %I SET search_path = public, pg_catalog', current_database());
END $lay$
"""
EXPLAINED = re.compile(r"\s*(SELECT|WITH|INSERT|UPDATE|DELETE)\b", re.IGNORECASE)
PREPARES = re.compile(r"\s*PREPARE \w+ AS ")
ASKS_ITSELF = re.compile(r"pg_catalog\.pg_get_viewdef\s*\(")
"""PostgreSQL's own function that asks the catalog by a bare operator, under whatever path it is called."""

ANSWERS_ERRORS = re.compile(r"\s*DO\b.*\bEXCEPTION WHEN\b", re.DOTALL)
"""Blocks that take an error for an answer: plants are for these, which count their calls."""

HOLDS_DEFINITIONS = re.compile(r"DO \$exchange\$")
"""Blocks with the server's own definitions, which it writes for a path of pg_catalog alone and finds again under that one."""

SERVERS_CONDITION = re.compile(r"(SELECT FROM \S+) WHERE .*?(?=( LIMIT \d+)?\) AS counted)", re.DOTALL)
"""A condition of an index in the server's own words, for the same path."""

UNDER_THE_PATH = (
    "SELECT pg_catalog.set_config('search_path', pg_catalog.concat("
    "'public, pg_catalog, ', pg_catalog.current_setting('search_path')), true)"
)
MINES_IN_USE = """
WITH mines AS MATERIALIZED (
    SELECT p.oid FROM pg_catalog.pg_proc p WHERE p.prosrc OPERATOR(pg_catalog.=) 'a mine'
     UNION ALL
    SELECT o.oid FROM pg_catalog.pg_operator o JOIN pg_catalog.pg_proc p ON p.oid OPERATOR(pg_catalog.=) o.oprcode
     WHERE p.prosrc OPERATOR(pg_catalog.=) 'a mine'
)
SELECT pg_catalog.count(*) FROM pg_catalog.pg_depend d JOIN mines m ON m.oid OPERATOR(pg_catalog.=) d.refobjid
"""
"""How often something is made of a mine; the copies of operators and aggregates are, from the beginning."""


class MinedDatabase:
    """A database with mines, and what is sent to it that steps on one.

    Each statement that names something of pg_catalog is prepared once more, in a savepoint and under a path with
    `public` first, just before it is run: so a statement that is sent under a safer path is held to its qualifications,
    too. `stepped` are those that could not be, with the reason. Within `each_taken_away` they are also prepared without
    one of their qualifications, for each name in them; `safe_without` are those that could be, as (name, statement,
    what of it stands up to the name).
    """

    def __init__(self, engine):
        self.engine = engine
        self.stepped = {}
        self.names = set()
        self._seen = set()
        self._safe = {}
        self._one_at_a_time = Lock()

    @property
    def safe_without(self):
        return {(_name(place), sql, sql[: place.end()]) for sql, places in self._safe.items() for place in places}

    def lay(self):
        """Lay the mines; all connections of the engine are new afterwards."""
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT", no_parameters=True) as connection:
            connection.exec_driver_sql(LAY)
        self.engine.dispose()

    @contextmanager
    def watched(self, engine=None):
        """Look at each statement that an engine sends."""
        with self._looking(engine or self.engine, lambda sql: ()):
            yield self

    @contextmanager
    def each_taken_away(self, engine=None, *, every_place=False):
        """Look at each statement that an engine sends; `every_place` takes away a name at each place where it stands."""
        with self._looking(engine or self.engine, _places if every_place else _names):
            yield self

    @contextmanager
    def _looking(self, engine, places):
        def look(_connection, cursor, sql, values, context, many):
            if QUALIFIED.search(sql) and not HOLDS_DEFINITIONS.match(sql):
                given = None if context.no_parameters else values[0] if many else values
                with self._one_at_a_time:
                    self._look(cursor.connection, sql, given, places)

        event.listen(engine, "before_cursor_execute", look)
        try:
            yield
        finally:
            event.remove(engine, "before_cursor_execute", look)

    def _look(self, raw, sql, values, places):
        """Prepare a statement as it is, if it is new, and without what it could be prepared without until now."""
        sql = SERVERS_CONDITION.sub(r"\1", ASKS_ITSELF.sub("pg_catalog.pg_get_userbyid(", sql))
        begins = raw.autocommit and raw.info.transaction_status == TransactionStatus.IDLE
        teach(raw.adapters)  # as SQLAlchemy's event does it before it runs the statement itself
        with raw.cursor() as cursor:
            if begins:
                cursor.execute("BEGIN")
            if sql not in self._seen:
                self._seen.add(sql)
                self.names |= qualified_names(sql)
                if (error := prepared(cursor, sql, values)) is not None:
                    self.stepped[sql] = error
                self._safe[sql] = [] if ANSWERS_ERRORS.match(sql) else places(sql)
            self._safe[sql] = [
                place for place in self._safe[sql] if prepared(cursor, _without(sql, place), values) is None
            ]
            if begins:
                cursor.execute("ROLLBACK")


def _name(place):
    return place["function"] or place["operator"]


def _without(sql, place):
    bare = f" {place['operator']} " if place["operator"] else f"{place['function']}("
    return sql[: place.start()] + bare + sql[place.end() :]


def _places(sql):
    return list(QUALIFIED.finditer(sql))


def _names(sql):
    """Return one place of each name, the last: in a query of many parts the first is often a WITH that each begins with."""
    return list({_name(place): place for place in _places(sql)}.values())


def prepared(cursor, sql, values):
    """Make a statement ready to run under a path with `public` first, and return why that could not be, or None.

    What a session prepares for later stays with it after a rollback, so that the statement itself is looked at. The rows of VALUES are made ready when they are read; what is created may name a mine, and not call it yet.
    """
    sql = PREPARES.sub("", sql)
    if not EXPLAINED.match(sql):
        return _tried(cursor, sql.replace(" CONCURRENTLY", ""), values, creates=True)
    error = _tried(cursor, f"EXPLAIN {sql}", values)
    return _tried(cursor, sql, values) if error is None and "VALUES" in sql else error


def _tried(cursor, sql, values, *, creates=False):
    cursor.execute("SAVEPOINT prepared")
    try:
        cursor.execute(UNDER_THE_PATH)
        before = creates and cursor.execute(MINES_IN_USE).fetchone()
        cursor.execute(sql, values)
        return "names a mine" if creates and cursor.execute(MINES_IN_USE).fetchone() != before else None
    except psycopg.Error as error:
        return str(error)
    finally:
        cursor.execute("ROLLBACK TO SAVEPOINT prepared")
