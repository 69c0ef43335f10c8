"""Topics, batch numbers and ranges, there and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.messages import Receipt, decode_receipt, encode, to_ranges
from contract.problems import Problem
from contract.topics import LEAVES, Address, BatchId, Leaf, check_name, parse_topic, topic

names = st.from_regex(r"[a-z0-9-]{1,64}", fullmatch=True)
batches = st.builds(BatchId, st.from_regex(r"[a-z0-9]{1,32}", fullmatch=True), st.integers(1, 10**14))


@given(names, names, st.sampled_from(LEAVES))
def test_a_topic_parses_to_what_it_was_made_of(area: str, gateway: str, leaf: Leaf) -> None:
    assert parse_topic(topic(area, gateway, leaf)) == Address(area, gateway, leaf)


@given(names, names, batches)
def test_a_batch_topic_too(area: str, gateway: str, batch: BatchId) -> None:
    assert parse_topic(topic(area, gateway, "readings", batch)) == Address(area, gateway, "readings", batch)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "bitgoeul/v1/main/g1",
        "bitgoeul/v1/main/G1/readings",
        "bitgoeul/v2/main/g1/readings",
        "bitgoeul/v1/main/g1/readings/x",
        "bitgoeul/v1/main/g1/readings/run-0",
        "bitgoeul/v1/main/g1/state/run-1",
        "bitgoeul/v1/main/g1/readings/run-1/more",
    ],
)
def test_other_topics_are_not_ours(text: str) -> None:
    assert parse_topic(text) is None


@given(st.text(max_size=200))
def test_any_topic_is_survived(text: str) -> None:
    parse_topic(text)


def test_a_bad_name_is_named() -> None:
    with pytest.raises(Problem, match="gateway 'A b': expected"):
        check_name("gateway", "A b")


@given(st.lists(batches, max_size=50))
def test_ranges_hold_exactly_their_batches(found: list[BatchId]) -> None:
    spans = to_ranges(found)
    expanded = [(run, n) for run, pairs in spans.items() for a, b in pairs for n in (range(a, b + 1))]
    assert sorted(expanded) == sorted(set(found))
    assert decode_receipt(encode(Receipt(1, stored=spans))).stored == spans


@pytest.mark.parametrize("payload", [b"", b"[]", b'{"stored":{}}', b'{"time_s":1,"stored":{"r":[[1]]}}', b"\xff"])
def test_a_malformed_receipt_is_one_line(payload: bytes) -> None:
    with pytest.raises(Problem, match=r"^receipt message: .+$"):
        decode_receipt(payload)
