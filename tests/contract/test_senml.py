"""Readings to payload and back, and every malformed record by its name."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.quality import FIRST_MISSING, Quality
from contract.quantities import QUANTITIES
from contract.reading import Reading
from contract.refusals import IMPLAUSIBLE_CLOCK, NAN, NOT_JSON, NOT_SENML, REFUSALS, WRONG_TYPE
from contract.senml import Refused, Resolved, decode_plain, encode_batch, missing_quality, resolve

NOW_S = 1_795_392_000

present = st.tuples(
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([quality for quality in Quality if quality < FIRST_MISSING]),
)
missing = st.tuples(st.none(), st.sampled_from([quality for quality in Quality if quality >= FIRST_MISSING]))
readings = st.builds(
    lambda meter, quantity, time_s, value, at_ms: Reading(meter, quantity, time_s, value[0], value[1], at_ms),
    st.from_regex(r"[a-z0-9-]{1,20}", fullmatch=True),
    st.sampled_from(sorted(QUANTITIES)),
    st.integers(2**28, 2**33),
    present | missing,
    st.integers(-86_400_000, 86_400_000),
)


def as_resolved(reading: Reading) -> Resolved:
    return Resolved(f"{reading.meter}/{reading.quantity}", *reading[2:4], int(reading.quality), reading.at_ms)


@given(st.lists(readings, min_size=1, max_size=20))
def test_a_batch_returns_as_it_was_sent_both_ways(batch: list[Reading]) -> None:
    payload = encode_batch(batch, NOW_S + 0.5, "ntp")
    expected = [as_resolved(reading) for reading in batch]
    assert resolve(payload) == expected
    records = decode_plain(payload)
    assert records is not None
    base = records[0]
    assert (base.sent, base.clock) == (NOW_S + 0.5, "ntp")
    found = []
    for record in records:
        quality = missing_quality(record.vs) if record.v is None else record.q
        assert quality is not None
        found.append(
            Resolved(base.bn + record.n, int(base.bt + record.t), record.v, int(quality), round(record.at * 1000))
        )
    assert found == expected


@given(st.binary(max_size=300) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_survived(payload: bytes) -> None:
    decode_plain(payload)
    assert all(isinstance(found, Resolved | Refused) for found in resolve(payload))


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
)
senml_like = st.lists(
    st.dictionaries(st.sampled_from(["bn", "bt", "bv", "n", "v", "vs", "t", "q", "at", "s", "x_"]), json_values),
    max_size=6,
)


@given(senml_like)
def test_any_record_is_a_reading_or_a_named_refusal(records: list[dict[str, object]]) -> None:
    found = resolve(json.dumps(records).encode())
    assert len(found) == len(records)
    assert {item.reason for item in found if isinstance(item, Refused)} <= set(REFUSALS)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"n": "m/q", "v": float("nan")}, NAN),
        ({"n": "m/q", "v": float("inf")}, NAN),
        ({"n": "m/q", "v": 10**400}, NAN),
        ({"n": "m/q", "v": "12"}, WRONG_TYPE),
        ({"n": "m/q", "v": True}, WRONG_TYPE),
        ({"n": "m/q", "vb": True}, WRONG_TYPE),
        ({"n": "m/q", "vs": "some text"}, WRONG_TYPE),
        ({"n": "m/q", "v": 1, "q": 16}, WRONG_TYPE),
        ({"n": "m/q", "v": 1, "q": -1}, WRONG_TYPE),
        ({"n": "m/q", "v": 1, "at": 1e9}, WRONG_TYPE),
        ({"n": 7, "v": 1}, WRONG_TYPE),
        ({"n": "m/q", "v": 1, "t": "now"}, WRONG_TYPE),
        ({"n": "m/q"}, NOT_SENML),
        ({"n": "m/q", "v": 1, "must_": 1}, NOT_SENML),
        ({"n": "m/q", "v": 1, "bt": 0, "t": -5}, IMPLAUSIBLE_CLOCK),
        ({"n": "m/q", "v": 1, "t": 1e300}, IMPLAUSIBLE_CLOCK),
    ],
)
def test_a_bad_record_is_refused_by_name_and_its_neighbours_live(record: dict[str, object], reason: str) -> None:
    good = {"bn": "", "bt": NOW_S, "n": "m/before", "v": 1}
    after = {"bt": NOW_S, "n": "m/after", "v": 2}
    found = resolve(json.dumps([good, record, after]).encode())
    assert found[0] == Resolved("m/before", NOW_S, 1, 0, 0)
    assert isinstance(found[1], Refused)
    assert found[1].reason == reason
    assert found[2] == Resolved("m/after", NOW_S, 2, 0, 0)


def test_a_refused_record_can_be_tried_again_by_itself() -> None:
    records = [{"bn": "m/", "bt": NOW_S, "bv": 10, "n": "a", "v": 1}, {"n": "b", "v": 2, "t": 60, "q": 99}]
    (_, refused) = resolve(json.dumps(records).encode())
    assert isinstance(refused, Refused)
    mended = json.loads(refused.record) | {"q": 0}
    assert resolve(json.dumps([mended]).encode()) == [Resolved("m/b", NOW_S + 60, 12, 0, 0)]


@pytest.mark.parametrize("base", [{"bn": "x" * 60_000, "bt": NOW_S}, {"bn": "x", "bt": 10**4000, "bv": -(10**4000)}])
def test_a_long_base_is_not_multiplied_by_what_follows_it(base: dict[str, object]) -> None:
    records = [base | {"n": "m/a", "v": 1}] + [{"v": "no"}] * 5_000
    found = resolve(json.dumps(records).encode())
    assert all(isinstance(item, Refused) and item.reason == WRONG_TYPE for item in found)
    assert sum(len(item.record) for item in found if isinstance(item, Refused)) < 1_000_000


@pytest.mark.parametrize(("payload", "reason"), [(b"\xff\xfe", NOT_JSON), (b"[{", NOT_JSON), (b"{}", NOT_SENML)])
def test_a_bad_message_is_refused_whole(payload: bytes, reason: str) -> None:
    (found,) = resolve(payload)
    assert isinstance(found, Refused)
    assert found.reason == reason


def test_base_fields_of_other_makes_are_applied() -> None:
    records = [
        {"bn": "m1/", "bt": NOW_S + 0.25, "bv": 100, "n": "water_volume_m3", "v": 1.5},
        {"bn": "m2/", "n": "water_volume_m3", "v": 2, "t": 60},
    ]
    payload = json.dumps(records).encode()
    assert decode_plain(payload) is None
    assert resolve(payload) == [
        Resolved("m1/water_volume_m3", NOW_S, 101.5, 0, 250),
        Resolved("m2/water_volume_m3", NOW_S + 60, 102, 0, 250),
    ]


def test_a_base_name_in_a_later_record_is_not_plain() -> None:
    late = b'[{"bt":1795392000,"n":"a/q","v":1},{"bn":"x","n":"a/q","v":2}]'
    assert decode_plain(late) is None
    assert [item.name for item in resolve(late) if isinstance(item, Resolved)] == ["a/q", "xa/q"]


@pytest.mark.parametrize(("unit", "found"), [("kW", Resolved), ("W", Refused)])
def test_a_unit_must_be_the_one_that_the_name_carries(unit: str, found: type[object]) -> None:
    record = {"bt": NOW_S, "n": "m/electricity_power_kw", "v": 3.2, "u": unit}
    for payload in (json.dumps([record]), json.dumps([{"bu": unit} | record | {"u": unit}])):
        assert decode_plain(payload.encode()) is None
        assert [type(item) for item in resolve(payload.encode())] == [found]


plain_like = st.lists(
    st.fixed_dictionaries(
        {"n": st.sampled_from(["a/q", "b/q"]), "v": st.integers(0, 9)},
        optional={"bn": st.sampled_from(["", "x"]), "bt": st.sampled_from([NOW_S, 0]), "t": st.integers(0, 3)},
    ),
    max_size=4,
)


@given(plain_like)
def test_what_is_taken_as_plain_means_what_the_closer_look_finds(records: list[dict[str, object]]) -> None:
    payload = json.dumps(records).encode()
    plain = decode_plain(payload.replace(b" ", b""))
    if plain:
        base = plain[0]
        names = [(base.bn + record.n, int(base.bt + record.t)) for record in plain]
        assert names == [(item.name, item.time_s) for item in resolve(payload) if isinstance(item, Resolved)]


def test_a_relative_base_time_is_not_plain() -> None:
    assert decode_plain(b'[{"bt":-3,"n":"m/q","v":1}]') is None


def test_an_escaped_key_cannot_hide_a_second_base() -> None:
    sneaky = b'[{"bn":"a/","bt":1795392000,"n":"q","v":1},{"b\\u006e":"b/","n":"q","v":2}]'
    assert decode_plain(sneaky) is None
    assert [item.name for item in resolve(sneaky) if isinstance(item, Resolved)] == ["a/q", "b/q"]
