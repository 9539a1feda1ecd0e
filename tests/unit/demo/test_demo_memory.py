"""The memory of the demo is its own, whoever starts it."""

from __future__ import annotations

import subprocess
import sys

from sqlalchemy_vecsearch.demo.memory import peak_memory_megabytes

HELD = 300
COUNTED_LATE = 2
"""Megabytes by which VmHWM may fall: the kernel adds up the pages of each processor and thread in batches, and reads the
sum without waiting for them."""
SAY = "from sqlalchemy_vecsearch.demo.memory import peak_memory_megabytes; print(peak_memory_megabytes())"
HOLD_AND_START = f"""
import subprocess, sys
held = b"x" * ({HELD} * 2**20)
subprocess.run([sys.executable, "-c", {SAY!r}], check=True)
{SAY}
"""


def test_a_process_does_not_count_what_the_process_that_started_it_held():
    ended = subprocess.run([sys.executable, "-c", HOLD_AND_START], capture_output=True, text=True, check=True)
    started, starter = map(int, ended.stdout.split())
    assert started < HELD < starter


def test_the_peak_stays_when_the_memory_is_given_back():
    before = peak_memory_megabytes()
    held = b"x" * (HELD * 2**20)
    during = peak_memory_megabytes()
    assert during >= HELD
    del held
    after = peak_memory_megabytes()
    assert after >= during - COUNTED_LATE
    assert after >= HELD
    assert during >= before - COUNTED_LATE
