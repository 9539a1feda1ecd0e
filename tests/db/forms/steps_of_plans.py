"""The steps of a statement's plan, as EXPLAIN (FORMAT JSON) has them."""

import json

from sqlalchemy import event


def plan_of(session, statement, *, analyze=True):
    """Return the steps of the plan of a statement that a search has made, the first of them the whole."""
    connection = session.connection()
    options = "ANALYZE, FORMAT JSON" if analyze else "FORMAT JSON"

    def explained(_connection, _cursor, sql, values, _context, _many):
        return f"EXPLAIN ({options}) {sql}", values

    event.listen(connection, "before_cursor_execute", explained, retval=True)
    try:
        found = connection.execute(statement).cursor.fetchone()[0]
    finally:
        event.remove(connection, "before_cursor_execute", explained)
    (plan,) = json.loads(found) if isinstance(found, str) else found
    return list(steps(plan["Plan"]))


def steps(node):
    yield node
    for child in node.get("Plans", ()):
        yield from steps(child)
