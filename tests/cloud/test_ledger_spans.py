"""Spans against a plain set of integers."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from cloud.ingest.spans import Spans

spans = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 8)), max_size=20)


def as_set(pairs: list[tuple[int, int]]) -> set[int]:
    return {n for first, last in pairs for n in range(first, last + 1)}


@given(spans)
def test_holds_what_a_set_would_and_no_two_spans_touch(pairs: list[tuple[int, int]]) -> None:
    pairs = [(first, first + more) for first, more in pairs]
    made = Spans(pairs)
    assert as_set(list(made)) == as_set(pairs)
    assert all(n in made for n in as_set(pairs))
    assert not any(n in made for n in set(range(80)) - as_set(pairs))
    ordered = list(made)
    assert all(b[0] - a[1] > 1 for a, b in itertools.pairwise(ordered))
    assert made.highest == max(as_set(pairs), default=0)


@given(spans, st.integers(1, 70), st.integers(1, 70), st.integers(0, 30))
def test_missing_is_the_complement_lowest_first(
    pairs: list[tuple[int, int]], first: int, last: int, limit: int
) -> None:
    held = [(n, n + more) for n, more in pairs]
    absent = sorted(set(range(first, last + 1)) - as_set(held))
    assert sorted(as_set(Spans(held).missing(first, last, limit))) == absent[:limit]


def test_an_absurd_span_costs_nothing() -> None:
    made = Spans([(10**14, 10**15)])
    assert made.missing(1, 10**15, 3) == [(1, 3)]
    assert len(made) == 1


def test_thinning_keeps_the_mark_and_the_newest() -> None:
    made = Spans([(1, 5), (7, 7), (9, 9), (11, 11)])
    assert made.thin(2) == 2
    assert list(made) == [(1, 5), (11, 11)]
