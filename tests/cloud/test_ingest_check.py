"""The check stage: nothing valid is lost because of a neighbour, and any bytes give an answer."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.ingest.check import Bounds, Checked, Message, check
from cloud.store.protocol import APPEND
from contract.quality import Quality
from contract.reading import Reading
from contract.refusals import (
    IMPLAUSIBLE_CLOCK,
    METER_OF_ANOTHER_GATEWAY,
    NAN,
    NOT_JSON,
    NOT_SENML,
    REFUSALS,
    TOO_LARGE,
    TOO_OLD,
    UNKNOWN_GATEWAY,
    UNKNOWN_METER,
    WRONG_TYPE,
)
from contract.senml import MAX_BATCH_BYTES, encode_batch
from tests.cloud.ingest_area import Row, known

NOW_S = 1_795_392_000
KWH, KW = "electricity_import_kwh", "electricity_power_kw"
ROWS = [
    Row("g1", "e1", KWH),
    Row("g1", "e1", KW),
    Row("g1", "e2", KWH, NOW_S - 1000, NOW_S),
    Row("g1", "e3", KWH, to_s=NOW_S - 1000),
    Row("g1", "e3", KWH, NOW_S - 900),
    Row("g2", "e2", KWH, NOW_S),
]
KNOWN = known(ROWS, [10, 11, 12, 13, 13, 12])
BOUNDS = Bounds.at(NOW_S, 400)


def run(*payloads: bytes, gateway: str = "g1") -> Checked:
    return check([Message(gateway, payload) for payload in payloads], KNOWN, BOUNDS)


def reasons(checked: Checked) -> list[str]:
    return [refusal.reason for refusal in checked.refusals]


def batch(*readings: Reading) -> bytes:
    return encode_batch(readings, NOW_S + 0.5, "ntp")


def senml(*records: object) -> bytes:
    return json.dumps(records).encode()


GOOD = Reading("e1", KWH, NOW_S, 10.5, Quality.GOOD, 125)


def test_plain_readings_of_several_messages_in_order_of_arrival() -> None:
    missing = Reading("e1", KW, NOW_S - 60, None, Quality.NO_ANSWER, 7)
    suspect = Reading("e2", KWH, NOW_S - 1, 3.0, Quality.SUSPECT)
    checked = run(batch(GOOD, missing), b"[]", batch(suspect))
    assert checked.readings.schema == APPEND
    assert checked.readings.to_pydict() == {
        "series": [10, 11, 12],
        "time_s": [NOW_S, NOW_S - 60, NOW_S - 1],
        "value": [10.5, None, 3.0],
        "quality": [0, 16, 2],
        "at_ms": [125, 7, 0],
    }
    assert checked.refusals == []
    assert checked.sent_s[0] == NOW_S + 0.5
    assert math.isnan(checked.sent_s[1])


def test_no_messages_are_no_readings() -> None:
    assert run().readings.num_rows == 0


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ({"n": f"e9/{KWH}", "v": 1}, UNKNOWN_METER),
        ({"n": "e1/water_volume_m3", "v": 1}, UNKNOWN_METER),
        ({"n": f"e2/{KWH}", "v": 1}, METER_OF_ANOTHER_GATEWAY),
        ({"n": f"e3/{KWH}", "v": 1, "t": -950}, UNKNOWN_METER),
        ({"n": f"e1/{KWH}", "v": 1, "t": 601}, IMPLAUSIBLE_CLOCK),
        ({"n": f"e1/{KWH}", "v": 1, "t": 1_577_836_799 - NOW_S}, IMPLAUSIBLE_CLOCK),
        ({"n": f"e1/{KWH}", "v": 1, "t": -NOW_S}, IMPLAUSIBLE_CLOCK),
        ({"n": f"e1/{KWH}", "v": 1, "t": -400 * 86_400 - 1}, TOO_OLD),
        ({"n": f"e1/{KWH}", "v": float("nan")}, NAN),
        ({"n": f"e1/{KWH}", "v": float("inf")}, NAN),
        ({"n": f"e1/{KWH}", "v": "1"}, WRONG_TYPE),
        ({"n": f"e1/{KWH}", "v": True}, WRONG_TYPE),
        ({"n": f"e1/{KWH}", "v": 1, "q": 16}, WRONG_TYPE),
        ({"n": f"e1/{KWH}", "v": 1, "q": -1}, WRONG_TYPE),
        ({"n": f"e1/{KWH}", "vs": "no-idea"}, WRONG_TYPE),
        ({"n": f"e1/{KWH}", "v": 1, "at": 90_000}, WRONG_TYPE),
        ({"n": f"e1/{KWH}"}, NOT_SENML),
        ("e1", NOT_SENML),
    ],
)
def test_one_bad_record_is_refused_and_its_neighbours_are_stored(bad: object, reason: str) -> None:
    first = {"bt": NOW_S, "n": f"e1/{KWH}", "v": 1.5}
    last = {"n": f"e1/{KW}", "vs": "no-answer"}
    checked = run(senml(first, bad, last), batch(GOOD._replace(time_s=NOW_S + 1)))
    assert reasons(checked) == [reason]
    assert checked.refusals[0].message == 0
    assert checked.readings["time_s"].to_pylist() == [NOW_S, NOW_S, NOW_S + 1]
    assert checked.readings["value"].to_pylist() == [1.5, None, 10.5]


def test_a_number_too_large_for_a_double_is_no_value() -> None:
    payload = b'[{"bt":%d,"n":"e1/%s","v":1e999},{"n":"e1/%s","v":2}]' % (NOW_S, KWH.encode(), KW.encode())
    checked = run(payload)
    assert reasons(checked) == [NAN]
    assert checked.readings["value"].to_pylist() == [2.0]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", NOT_JSON),
        (b"\xff\xfe", NOT_JSON),
        (b'{"n":1}', NOT_SENML),
        (b"[" * 100_000, NOT_JSON),
        (b"[" + b" " * MAX_BATCH_BYTES + b"]", TOO_LARGE),
        (b"[" + b"1" * 5000 + b"]", NOT_SENML),
        (b"[" + b",".join([b"{}"] * 10_001) + b"]", TOO_LARGE),
    ],
)
def test_what_is_no_batch_is_refused_whole(payload: bytes, reason: str) -> None:
    checked = run(payload, batch(GOOD))
    assert reasons(checked) == [reason]
    assert checked.readings.num_rows == 1


def test_what_cannot_be_read_in_one_record_costs_no_neighbour() -> None:
    good = b'{"bt":%d,"n":"e1/%s","v":2}' % (NOW_S, KWH.encode())
    for bad in (b'{"n":"\xb0\xa1/%s","v":1}' % KWH.encode(), b'{"n":"e1/%s","v":%s}' % (KW.encode(), b"1" * 5000)):
        checked = run(b"[%s,%s]" % (good, bad))
        assert checked.readings["value"].to_pylist() == [2.0]
        assert len(checked.refusals) == 1


def test_a_message_of_refused_records_takes_no_more_room_than_some_messages() -> None:
    payload = b'[{"bt":%d,"bn":"%s","bu":"%s"}' % (NOW_S, b"x" * 200, b"y" * 200) + b",{}" * 9_999 + b"]"
    refusals = run(payload).refusals
    assert sum(refusal.readings for refusal in refusals) == 10_000
    assert sum(len(refusal.record) for refusal in refusals) < 8 * MAX_BATCH_BYTES


def test_an_unknown_gateway_is_refused_whole_and_can_be_replayed() -> None:
    payload = batch(GOOD, GOOD._replace(time_s=NOW_S - 60))
    refusal = run(payload, gateway="g9").refusals[0]
    assert (refusal.reason, refusal.readings) == (UNKNOWN_GATEWAY, 2)
    assert run(refusal.record.encode()).readings.num_rows == 2


def test_a_refused_reading_can_be_replayed_as_it_stands_in_quarantine() -> None:
    stranger = Reading("e7", KWH, NOW_S - 60, 4.25, Quality.SUSPECT, 250)
    silent = Reading("e7", KW, NOW_S - 60, None, Quality.GARBLED)
    checked = run(batch(GOOD, stranger, silent))
    later = known([Row("g1", "e7", q) for q in (KWH, KW)])
    again = check([Message("g1", f"[{refusal.record}]".encode()) for refusal in checked.refusals], later, BOUNDS)
    assert again.refusals == []
    assert [list(row.values()) for row in again.readings.to_pylist()] == [
        [0, NOW_S - 60, 4.25, 2, 250],
        [1, NOW_S - 60, None, 17, 0],
    ]


def test_a_meter_of_several_periods_is_found_in_each() -> None:
    old = Reading("e3", KWH, NOW_S - 2000, 1.0)
    new = Reading("e3", KWH, NOW_S - 10, 2.0)
    checked = run(batch(old, new))
    assert checked.refusals == []
    assert checked.readings["series"].to_pylist() == [13, 13]


def test_other_forms_of_senml_are_understood() -> None:
    spread = senml({"bn": "e1/", "bt": NOW_S, "n": KWH, "v": 1}, {"bt": NOW_S - 60, "n": KW, "v": 2, "u": "kW"})
    fraction = senml({"n": f"e1/{KWH}", "t": NOW_S + 0.25, "v": 3, "at": 0.5})
    checked = run(spread, fraction)
    assert checked.refusals == []
    assert checked.readings["time_s"].to_pylist() == [NOW_S, NOW_S - 60, NOW_S]
    assert checked.readings["at_ms"].to_pylist() == [0, 0, 750]


numbers = st.one_of(
    st.integers(-5, 20), st.floats(), st.integers(), st.just(float(NOW_S)), st.floats(-2000, 2000), st.booleans()
)
fields: dict[str, st.SearchStrategy[Any]] = {
    "bn": st.sampled_from(["", "e", "e1/", "e2/", 5]),
    "bt": st.sampled_from([NOW_S, NOW_S - 60.5, 0, "x"]),
    "sent": numbers,
    "n": st.sampled_from([f"e1/{KWH}", KWH, f"1/{KW}", f"e2/{KWH}", f"e3/{KWH}", "é", 3, ""]),
    "v": numbers,
    "vs": st.sampled_from(["no-answer", "good", 3, None]),
    "t": numbers,
    "q": st.integers(-1, 17),
    "at": numbers,
    "u": st.just("kWh"),
}
records = st.lists(st.fixed_dictionaries({}, optional=fields), min_size=1, max_size=6)


@given(records)
def test_each_record_is_stored_or_refused_and_fast_and_slow_agree(found: list[dict[str, Any]]) -> None:
    payload = json.dumps(found).encode()
    # a field that a plain batch has not sends it the other way, and changes nothing else
    slow = json.dumps([found[0] | {"bver": 10}, *found[1:]]).encode()
    one, other = run(payload), run(slow)
    assert one.readings.num_rows + len(one.refusals) == len(found)
    assert one.readings.equals(other.readings)
    assert reasons(one) == reasons(other)


anything = st.one_of(
    st.binary(max_size=300),
    st.recursive(
        st.none() | numbers | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(sorted(fields)), inner, max_size=4),
        max_leaves=12,
    ).map(lambda found: json.dumps(found).encode()),
    st.tuples(st.integers(0, 200), st.integers(0, 255)).map(
        lambda at: batch(GOOD)[: at[0]] + bytes([at[1]]) + batch(GOOD)[at[0] + 1 :]
    ),
)


@given(st.lists(anything, max_size=4))
def test_any_bytes_give_an_answer_and_take_nothing_from_a_neighbour(payloads: list[bytes]) -> None:
    alone = [run(payload) for payload in payloads]
    together = run(*payloads, batch(GOOD))
    assert together.readings.num_rows == sum(one.readings.num_rows for one in alone) + 1
    assert reasons(together) == [reason for one in alone for reason in reasons(one)]
    assert all(refusal.reason in REFUSALS for refusal in together.refusals)
    assert together.readings["value"].to_pylist()[-1] == GOOD.value
    values = together.readings["value"].drop_null().to_pylist()
    assert all(math.isfinite(value) for value in values)


@pytest.mark.parametrize(
    "payload", [b"no JSON " * 1000, b'{"no":"array"}' + b" " * 900, senml({"bn": "g1-", "bt": 5, "n": "x" * 900})]
)
def test_what_is_refused_whole_is_kept_whole(payload: bytes) -> None:
    (refusal,) = run(payload).refusals
    assert refusal.record.encode() == payload
