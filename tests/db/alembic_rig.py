"""An Alembic environment in a folder, and psql: what all tests of revisions stand on."""

from __future__ import annotations

import io
import shutil
import subprocess

from alembic import command
from alembic.config import Config

from sqlalchemy_vecsearch.testing.installations import installations


class Environment:
    """A folder with an env.py and revisions, driven through Alembic's Python API."""

    def __init__(self, folder, env_py):
        self.folder = folder
        (folder / "versions").mkdir(parents=True)
        (folder / "env.py").write_text(env_py)

    def config(self, output=None):
        """Return Alembic's Config of the folder; `output` takes what ``--sql`` prints."""
        config = Config(output_buffer=output, stdout=io.StringIO())
        config.set_main_option("script_location", str(self.folder))
        config.set_main_option("path_separator", "os")
        return config

    def upgrade(self, revision="head"):
        command.upgrade(self.config(), revision)

    def downgrade(self, revision="-1"):
        command.downgrade(self.config(), revision)

    def sql_of_upgrade(self, revisions="head"):
        return self._sql(command.upgrade, revisions)

    def sql_of_downgrade(self, revisions):
        return self._sql(command.downgrade, revisions)

    def _sql(self, direction, revisions):
        output = io.StringIO()
        direction(self.config(output), revisions, sql=True)
        return output.getvalue()


def run_psql(url, script, *options):
    """Run a script as ``psql -v ON_ERROR_STOP=1`` does; its errors stand in a note of the exception."""
    program = shutil.which("psql") or str(installations()[0].folder / "bin" / "psql")
    address = url.set(drivername="postgresql").render_as_string(hide_password=False)
    words = [program, "--no-psqlrc", "-q", "-v", "ON_ERROR_STOP=1", *options, "-d", address]
    try:
        subprocess.run(words, input=script, text=True, check=True, capture_output=True)
    except subprocess.CalledProcessError as error:
        error.add_note(error.stderr)
        raise
