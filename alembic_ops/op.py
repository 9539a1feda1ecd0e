"""Alembic's own ``op``, under a name by which type checkers and editors know this package's operations, too."""

import sys

from alembic import op

sys.modules[__name__] = op
