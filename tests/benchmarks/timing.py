"""Forms of one task, timed in turn so that a busy moment of the machine meets all of them."""

from __future__ import annotations

import gc
import statistics
import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one form took.

    Attributes:
        task: the table it belongs to.
        form: what was run.
        seconds: the median.
        cpu_seconds: the median of what this process computed meanwhile, the client's share.
        rounds: every single run, in order.
        ratio: the median against that of the baseline.
        baseline: the form that the ratio is against.
    """

    task: str
    form: str
    seconds: float
    cpu_seconds: float
    rounds: list[float]
    ratio: float
    baseline: str


def interleaved(task, forms, *, rounds, baseline, before=None):
    """Run each form once a round, and return a measurement for each.

    Args:
        task: the name of the table.
        forms: a mapping of names to functions of the number of the round.
        rounds: how often each runs.
        baseline: the form that the ratios are against.
        before: called before each run, untimed.
    """
    taken = {name: [] for name in forms}
    computed = {name: [] for name in forms}
    for number in range(rounds):
        for name, run in forms.items():
            if before is not None:
                before()
            gc.collect()
            gc.disable()
            start, cpu = time.perf_counter(), time.process_time()
            run(number)
            computed[name].append(time.process_time() - cpu)
            taken[name].append(time.perf_counter() - start)
            gc.enable()
    floor = statistics.median(taken[baseline])
    return [
        Measurement(
            task,
            name,
            statistics.median(runs),
            statistics.median(computed[name]),
            runs,
            statistics.median(runs) / floor,
            baseline,
        )
        for name, runs in taken.items()
    ]
