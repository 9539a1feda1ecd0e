"""Every Python block of the README and the documentation runs.

The blocks of a page run in order in one module, on a fresh database whose URL is in `url`. A block with a title is a
file that the reader writes and is not run. A comment `<!--python ... -->` holds code that runs and is not shown.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import sys
import traceback
import types
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import Session

from tests.documented import PAGES, ROOT, Block, blocks_of


def run_block(block, path, namespace, runner):
    """Run a block; its traceback shows the lines of the page. `await` may stand at the top level."""
    code = block.compiled(path)
    try:
        if code.co_flags & inspect.CO_COROUTINE:
            runner.run(awaited(code, namespace))
        else:
            exec(code, namespace)
    except Exception as error:
        error.add_note(f"in the block at {path}:{block.line}")
        raise


async def awaited(code, namespace):
    """Run code with `await` at its top level."""
    await eval(code, namespace)


def dispose_engines(namespace, runner):
    """Close what the page leaves open, which readers leave to the end of their program."""
    for value in list(namespace.values()):
        if isinstance(value, Session | Connection):
            value.close()
    for value in list(namespace.values()):
        if isinstance(value, Engine):
            value.dispose()
        elif isinstance(value, AsyncEngine):
            runner.run(value.dispose())
    gc.collect()  # what a page gave up by a second assignment of a name must not warn in a later test


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_blocks_of_a_page_run(path, monkeypatch, tmp_path, request):
    blocks = blocks_of(path.read_text(encoding="utf-8"))
    if not blocks:
        return
    gc.freeze()  # so that the collection at the end looks at what the page makes: without it it took half a second
    module = types.ModuleType("page")
    module.url = request.getfixturevalue("vecsearch_url")
    monkeypatch.setitem(sys.modules, "page", module)  # annotations and dataclasses look their module up
    monkeypatch.chdir(tmp_path)
    with asyncio.Runner() as runner:
        try:
            for block in blocks:
                run_block(block, path, module.__dict__, runner)
        finally:
            dispose_engines(module.__dict__, runner)


PAGE = """\
# A page

```python
first = 1
```

```python title="env.py"
not_run = 1
```

```text
neither = 1
```

=== "Tab"

    ```python hl_lines="1"
    second = first + 1
    if second:
        third = 3
    ```

<!--python
hidden = 4
-->
"""


def test_plain_indented_and_hidden_blocks_are_found_with_their_lines_and_titled_ones_are_not():
    assert blocks_of(PAGE) == [
        Block(4, "first = 1\n"),
        Block(18, "second = first + 1\nif second:\n    third = 3\n"),
        Block(24, "hidden = 4\n"),
    ]


def test_a_misspelt_kind_of_block_is_refused():
    with pytest.raises(AssertionError, match="```py would not run: write ```python, or ```text"):
        blocks_of("```py\nx = 1\n```\n")


def test_a_failing_block_names_file_and_line():
    with asyncio.Runner() as runner, pytest.raises(ZeroDivisionError) as raised:
        run_block(Block(12, "x = 1\nx / 0\n"), Path("docs/page.md"), {}, runner)
    assert raised.value.__notes__ == ["in the block at docs/page.md:12"]
    last = traceback.extract_tb(raised.value.__traceback__)[-1]
    assert (last.filename, last.lineno) == ("docs/page.md", 13)


def test_await_may_stand_at_the_top_level_and_blocks_share_one_loop():
    namespace = {}
    with asyncio.Runner() as runner:
        first = Block(1, "import asyncio\nloop = asyncio.get_running_loop()\nawait asyncio.sleep(0)\n")
        run_block(first, Path("page.md"), namespace, runner)
        run_block(
            Block(5, "same = asyncio.get_running_loop() is loop\nawait asyncio.sleep(0)\n"),
            Path("page.md"),
            namespace,
            runner,
        )
    assert namespace["same"]
