"""Lines as InfluxDB reads them, made column by column."""

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from cloud.store import lines
from cloud.store.protocol import APPEND

TICK_S = 1_795_392_000


def readings(*rows: tuple[int, int, float | None, int, int]) -> pa.Table:
    return pa.Table.from_pylist([dict(zip(APPEND.names, row, strict=True)) for row in rows], APPEND)


def test_each_reading_is_one_line_and_a_missing_value_is_left_out() -> None:
    heads = pa.array(["", lines.head("e01", "electricity_import_kwh"), lines.head("w 1", "water_volume_m3")])
    table = readings((1, TICK_S, 1234.5, 0, 120), (2, TICK_S + 1, None, 16, -5), (2, TICK_S + 2, -0.0, 2, 0))
    text = lines.line_protocol(heads, table)
    assert bytes(lines.body(text)).decode() == (
        f"electricity_import_kwh,meter=e01 value=1234.5,quality=0i,at_ms=120i {TICK_S}\n"
        f"water_volume_m3,meter=w%201 quality=16i,at_ms=-5i {TICK_S + 1}\n"
        f"water_volume_m3,meter=w%201 value=-0,quality=2i,at_ms=0i {TICK_S + 2}\n"
    )
    assert bytes(lines.body(text[1:2])) == text[1].as_py().encode()
    assert bytes(lines.body(text[:0])) == b""


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_value_is_printed_so_that_it_reads_back_the_same(value: float) -> None:
    text = lines.line_protocol(pa.array(["", "m,meter=a "]), readings((1, TICK_S, value, 0, 0)))
    printed = text[0].as_py().split("value=")[1].split(",")[0]
    assert repr(float(printed)) == repr(value)


@given(st.text(min_size=1).filter(lambda name: name.isprintable()))
def test_any_name_is_safe_and_comes_back(name: str) -> None:
    safe = lines.safe_name(name)
    assert lines.real_name(safe) == name
    assert not set(safe) & set(" ,=\"'\\\n/|()*+?[]{}^$")


def test_the_names_of_the_contract_stay_as_they_are() -> None:
    assert lines.safe_name("hanam-e01") == "hanam-e01"


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 3))))
def test_only_the_last_of_one_identity_stays_in_its_place(identities: list[tuple[int, int]]) -> None:
    table = readings(*((series, TICK_S + tick, float(at), 0, 0) for at, (series, tick) in enumerate(identities)))
    last = {identity: float(at) for at, identity in enumerate(identities)}
    rows = lines.last_of_each(table)
    assert (list(range(len(identities))) if rows is None else rows.tolist()) == sorted(last.values())
