"""The page that sets Alembic up is followed by the letter, with the templates that Alembic brings."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import make_url

PAGE = (Path(__file__).parents[2] / "docs" / "how_to" / "set_up_alembic.md").read_text(encoding="utf-8")


def shown(title):
    """Return the block of a file by its title, a pattern."""
    (code,) = re.findall(rf'^```python title="{title}"\n(.*?)^```', PAGE, re.MULTILINE | re.DOTALL)
    return code


@pytest.mark.parametrize(
    ("driver", "template"), [("postgresql+psycopg", "generic"), ("postgresql+asyncpg", "async")], ids=["sync", "async"]
)
def test_the_page_leads_to_its_revision_and_nothing_is_left_to_do(bare_url, tmp_path, driver, template):
    def alembic(*arguments):
        command = [sys.executable, "-m", "alembic", *arguments]
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True, timeout=60)

    def edit(path, before, after):
        text = (tmp_path / path).read_text(encoding="utf-8")
        assert len(re.findall(before, text, re.MULTILINE)) == 1
        (tmp_path / path).write_text(re.sub(before, lambda _: after, text, flags=re.MULTILINE), encoding="utf-8")

    alembic("init", "-t", template, "migrations")
    (tmp_path / "models.py").write_text(shown(r"models\.py"), encoding="utf-8")
    url = make_url(bare_url).set(drivername=driver).render_as_string(hide_password=False)
    edit("alembic.ini", r"^sqlalchemy\.url = .*$", f"sqlalchemy.url = {url.replace('%', '%%')}")
    edit("migrations/env.py", r"^target_metadata = None$", shown(r"migrations/env\.py"))
    (before, after) = re.findall(r"^sed -i\.bak 's/(\S.*?)/(.*)/' migrations/script.py.mako$", PAGE, re.MULTILINE)[0]
    edit("migrations/script.py.mako", before, after)
    alembic("revision", "--autogenerate", "-m", "documents")
    (revision,) = (tmp_path / "migrations" / "versions").glob("*_documents.py")
    written = revision.read_text(encoding="utf-8")
    (upgrade,) = ast.parse(shown(r"migrations/versions/1f0c_documents\.py")).body
    assert ast.dump(upgrade) in map(ast.dump, ast.parse(written).body)
    assert "\nfrom alembic_ops import op\n" in written
    alembic("upgrade", "head")
    assert "No new upgrade operations detected." in alembic("check").stdout
    alembic("downgrade", "base")
