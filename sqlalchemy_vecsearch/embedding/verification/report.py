"""The judgement of a re-embedded column: what was measured of it, against thresholds that each have a name."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy_vecsearch.embedding.errors import VerificationError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

__all__ = ["RULES", "Answered", "Check", "Measurement", "Report", "Rule", "judged", "median", "quantile"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What is asked of a column before searches change over to it.

    Args:
        name: by which it is waived and its threshold set.
        asks: what is measured, in words for people.
        threshold: the value at which it still passes.
        at_most: whether larger values fail; otherwise smaller ones do.
        decimals: how the value is shown.
    """

    name: str
    asks: str
    threshold: float
    at_most: bool
    decimals: int = 0


RULES: Final[tuple[Rule, ...]] = (
    Rule(name="pending", asks="share of the rows that need embedding", threshold=0.01, at_most=True, decimals=4),
    Rule(name="failed", asks="rows whose text the embedder refused", threshold=0, at_most=True),
    Rule(name="dimensions", asks="vectors of another length than the column's", threshold=0, at_most=True),
    Rule(name="finite", asks="vectors with a number that is not finite", threshold=0, at_most=True),
    Rule(name="zero", asks="vectors of zeros, which no search by cosine finds", threshold=0, at_most=True),
    Rule(
        name="norms",
        asks="share of vectors over three times as long as the median, or under a third",
        threshold=0.01,
        at_most=True,
        decimals=4,
    ),
    Rule(
        name="sample",
        asks="lowest likeness of a stored vector to its text embedded again",
        threshold=0.99,
        at_most=False,
        decimals=4,
    ),
    Rule(name="index", asks="searches that the new index can serve, of one", threshold=1, at_most=False),
    Rule(
        name="recall",
        asks="share of the true nearest rows that the index finds",
        threshold=0.95,
        at_most=False,
        decimals=3,
    ),
    Rule(
        name="overlap",
        asks="share of the old model's nearest rows among the new model's",
        threshold=0.1,
        at_most=False,
        decimals=3,
    ),
    Rule(
        name="latency",
        asks="median time of a new search, as a multiple of an old one's",
        threshold=3,
        at_most=True,
        decimals=2,
    ),
)
"""Every check in its order.

An application that goes on writing always leaves some rows pending: the swap has a bound of its own for those, counted
under its lock. Two good models of the same texts share a third and more of ten neighbours, vectors in the wrong rows
next to none: the threshold of ``overlap`` tells a mistake from a choice, and no good model from a better one.
"""

_BY_NAME: Final = {rule.name: rule for rule in RULES}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """The value of one rule; None where there was nothing to measure, which passes, with the reason as its note."""

    name: str
    value: float | None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One rule, what was measured, and whether it passes."""

    name: str
    asks: str
    value: float | None
    threshold: float
    at_most: bool
    passed: bool
    waived: bool
    note: str

    @property
    def holds(self) -> bool:
        """Whether nothing of it is in the way of the change."""
        return self.passed or self.waived

    @property
    def verdict(self) -> str:
        """The outcome in one word."""
        return "passed" if self.passed else "waived" if self.waived else "failed"

    @property
    def shown_value(self) -> str:
        """The value as people read it."""
        return "-" if self.value is None else f"{self.value:,.{_BY_NAME[self.name].decimals}f}"

    @property
    def shown_threshold(self) -> str:
        """The threshold as people read it."""
        return f"{'at most' if self.at_most else 'at least'} {self.threshold:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """One question, asked of both columns.

    Args:
        question: its words, or the key of the stored row that asks it.
        overlap: the share of the old nearest rows among the new ones, 0 to 1; None where neither column has any.
        old_milliseconds: the time of the old search.
        new_milliseconds: the time of the new search.
    """

    question: str
    overlap: float | None
    old_milliseconds: float
    new_milliseconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What is known of a column that was embedded anew, beside the one that it is to replace.

    Args:
        job: its name.
        table: with its schema where it has one.
        live: the column that searches use, and the model that made its vectors, None where nobody has noted it.
        replacement: the column that was embedded anew, and its model.
        where: the rows that were looked at, None for all.
        rows: how many of them have a vector of the new model.
        k: how many neighbours a question asks for.
        measured_at: the time of the server, ISO 8601.
        checks: every rule that was looked at, in its order.
        answered: the questions that were asked of both columns.
    """

    job: str
    table: str
    live: str
    previous_model: str | None
    replacement: str
    model: str
    where: str | None
    rows: int
    k: int
    measured_at: str
    checks: tuple[Check, ...]
    answered: tuple[Answered, ...]

    @property
    def passed(self) -> bool:
        """Whether every check passes or is waived."""
        return all(check.holds for check in self.checks)

    @property
    def failures(self) -> tuple[Check, ...]:
        """The checks that are in the way of the change."""
        return tuple(check for check in self.checks if not check.holds)

    def to_json(self) -> dict[str, Any]:
        """Return it as values that JSON has, as the journal keeps it."""
        return {**dataclasses.asdict(self), "passed": self.passed}


def judged(
    measured: Sequence[Measurement], thresholds: Mapping[str, float], waived: Collection[str]
) -> tuple[Check, ...]:
    """Return what was measured against its thresholds.

    Args:
        measured: in any order.
        thresholds: by the names of rules, in place of their defaults.
        waived: names of rules that need not pass.

    Raises:
        VerificationError: a threshold or a waiver names no rule.
    """
    require_names([*thresholds, *waived])
    found = {one.name: one for one in measured}
    return tuple(
        _check(rule, found[rule.name], thresholds.get(rule.name, rule.threshold), waived=rule.name in waived)
        for rule in RULES
        if rule.name in found
    )


def require_names(names: Collection[str]) -> None:
    """Refuse names that are those of no rule.

    Raises:
        VerificationError: there is one.
    """
    for name in names:
        if name not in _BY_NAME:
            raise VerificationError(
                f"There is no check {name!r}. "
                "A check is waived, or its threshold set, by its own name, so that nobody waives more than is known. "
                f"The checks are {', '.join(_BY_NAME)}."
            )


def _check(rule: Rule, measured: Measurement, threshold: float, *, waived: bool) -> Check:
    value = measured.value
    # a comparison with NaN is false, so that what is no number does not pass
    within = value is None or (value <= threshold if rule.at_most else value >= threshold)
    return Check(
        name=rule.name,
        asks=rule.asks,
        value=value,
        threshold=threshold,
        at_most=rule.at_most,
        passed=within,
        waived=waived and not within,
        note=measured.note,
    )


def median(values: Sequence[float]) -> float:
    """Return the middle one of some values, at least one."""
    return quantile(values, 0.5)


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value below which a share of some values lies, at least one."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
