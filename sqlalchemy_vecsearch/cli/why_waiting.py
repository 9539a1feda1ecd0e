"""`vecsearch why-waiting`: who waits for a lock, and for whom."""

from sqlalchemy_vecsearch.cli.database import DatabaseUrl, connected
from sqlalchemy_vecsearch.cli.output import AsJson, console_for, print_json

__all__ = ["why_waiting"]


def why_waiting(*, url: DatabaseUrl, as_json: AsJson = False) -> None:
    """Show who waits for a lock, and who holds it.

    Each session is shown with its process, application, state, age and query. It changes nothing and ends nothing.
    """
    from sqlalchemy_vecsearch.observing.waits import waiting_sessions

    with connected(url) as connection:
        waiting = waiting_sessions(connection)
    if as_json:
        print_json(waiting)
    console = console_for(as_json=as_json)
    for one in waiting:
        console.print(one.session.describe(), markup=False)
        for blocker in one.blockers:
            console.print(f"    waits for {blocker.describe()}", markup=False)
    if not waiting:
        console.print("No session waits for a lock.")
