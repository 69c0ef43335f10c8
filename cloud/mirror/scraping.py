"""What services say of themselves on /metrics and /healthz, and what of it is worth a curve."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import urllib3
from prometheus_client.parser import text_string_to_metric_families

TIMEOUT = urllib3.Timeout(connect=2.0, read=5.0)


@dataclass(frozen=True)
class Samples:
    """What was said at a moment: sums over labels by name, and histograms as counts by upper bound."""

    at_s: float = 0.0
    totals: Mapping[str, float] = field(default_factory=dict)
    buckets: Mapping[str, Mapping[float, float]] = field(default_factory=dict)

    def whole(self, name: str) -> int | None:
        """A figure that counts."""
        value = self.totals.get(name)
        return None if value is None else int(value)


@dataclass(frozen=True)
class Change:
    """Two moments of one service, one after the other. Without a `before` nothing is known of the time between, and
    empty Samples are those of its beginning.
    """

    before: Samples | None
    now: Samples

    def per_s(self, name: str) -> float | None:
        """How fast a counter rises; None at first and where the service began anew."""
        if self.before is None:
            return None
        was, is_ = self.before.totals.get(name), self.now.totals.get(name)
        took_s = self.now.at_s - self.before.at_s
        return None if was is None or is_ is None or is_ < was or took_s <= 0 else (is_ - was) / took_s

    def p95(self, name: str) -> float | None:
        """What 95 of 100 observations in between do not exceed; None at first and where there were none, and the last
        bound where it is beyond.
        """
        if self.before is None:
            return None
        now, before = self.now.buckets.get(name, {}), self.before.buckets.get(name, {})
        counts = [(bound, count - before.get(bound, 0.0)) for bound, count in sorted(now.items())]
        if not counts or counts[-1][1] <= 0 or min(count for _, count in counts) < 0:
            return None
        rank = 0.95 * counts[-1][1]
        for (low, below), (high, up_to) in pairwise([(0.0, 0.0), *counts]):
            if up_to >= rank:
                return low if math.isinf(high) else low + (high - low) * (rank - below) / (up_to - below)
        return None


@dataclass(frozen=True)
class Answer:
    """Whether a service answers, is well, and what it complains of."""

    up: bool
    well: bool
    trouble: str
    samples: Samples


def parse(text: str, at_s: float) -> Samples:
    """Raises ValueError for what is no Prometheus text."""
    totals: dict[str, float] = {}
    buckets: dict[str, dict[float, float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name.endswith("_bucket"):
                of = buckets.setdefault(sample.name.removesuffix("_bucket"), {})
                bound = float(sample.labels["le"])
                of[bound] = of.get(bound, 0.0) + sample.value
            else:
                totals[sample.name] = totals.get(sample.name, 0.0) + sample.value
    return Samples(at_s, totals, buckets)


def ask(pool: urllib3.PoolManager, url: str, at_s: float) -> Answer:
    """One service; whatever keeps it from answering is its trouble."""
    try:
        health = pool.request("GET", f"{url.rstrip('/')}/healthz", timeout=TIMEOUT, retries=False)
        figures = pool.request("GET", f"{url.rstrip('/')}/metrics", timeout=TIMEOUT, retries=False)
    except urllib3.exceptions.HTTPError as error:
        return Answer(False, False, f"no answer: {type(error).__name__}", Samples())
    well, trouble = _health(health.status, health.data)
    try:
        samples = parse(figures.data.decode("utf-8"), at_s) if figures.status == 200 else Samples()
    except (ValueError, KeyError):
        samples, trouble = Samples(), trouble or "its /metrics cannot be read"
    return Answer(True, well, trouble, samples)


def _health(status: int, body: bytes) -> tuple[bool, str]:
    """Of {"ok": …, "problems": […]} or {"status": "ok"}."""
    try:
        said: Any = json.loads(body)
    except ValueError:
        said = {}
    if not isinstance(said, dict):
        said = {}
    problems: Sequence[object] = said.get("problems") or []
    well = status == 200 and (said.get("ok", True) is True) and said.get("status", "ok") == "ok"
    trouble = "; ".join(str(problem) for problem in problems)
    return well, trouble if well or trouble else str(said.get("status") or f"status {status}")
