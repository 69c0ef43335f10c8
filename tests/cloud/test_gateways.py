"""What is told of gateways: all that they said themselves, and nothing that they did not say."""

from cloud.ingest.gateways import Gateways
from contract.messages import Birth, BirthMeter, LineState, State

NOW_S = 1_795_400_000
METER = BirthMeter(name="g1-e01", model="acme-1", quantities=["electricity_import_kwh"], line="bus1", unit=1)
LINES = {
    "bus1": LineState(use_ratio=0.25, dead_meters=["g1-e01"], ticks_missed=2),
    "bus2": LineState(use_ratio=0.5, up=False, overloaded=True, ticks_missed=1),
}


def known() -> Gateways:
    """One that said everything."""
    gateways = Gateways()
    birth = Birth(gateway="g1", site="hanam", time_s=NOW_S, software="1.2", tick_s=1, meters=[METER])
    gateways.born("g1", birth, NOW_S)
    state = State(
        status="online",
        time_s=NOW_S,
        clock="ntp",
        outbox_batches=7,
        outbox_bytes=900,
        outbox_oldest_s=NOW_S - 60,
        readings_thinned=5,
        readings_dropped=2**70,
        lines=LINES,
        warnings=["outbox-thinned"],
    )
    gateways.stated("g1", state, NOW_S)
    gateways.heard("g1", NOW_S, 0.5)
    return gateways


def test_all_that_a_gateway_says_is_told() -> None:
    assert known().table(["g1"]).to_pylist() == [
        {
            "gateway": "g1",
            "site": "hanam",
            "online": True,
            "state_time_s": NOW_S,
            "outbox_batches": 7,
            "warnings": ["outbox-thinned"],
            "delay_s": 0.5,
            "software": "1.2",
            "tick_s": 1,
            "meters": 1,
            "clock": "ntp",
            "clock_good": True,
            "outbox_bytes": 900,
            "outbox_oldest_s": NOW_S - 60,
            "readings_thinned": 5,
            "readings_dropped": 2**63 - 1,
            "dead_meters": 1,
            "lines": 2,
            "lines_down": 1,
            "line_use_ratio_max": 0.5,
            "ticks_missed": 3,
        }
    ]


def test_lines_and_what_hangs_on_them() -> None:
    first, second = known().lines(["g1", "g2"]).to_pylist()
    assert (first["line"], first["up"], first["dead_meters"], first["overloaded"]) == ("bus1", True, ["g1-e01"], False)
    assert (second["line"], second["up"], second["use_ratio"], second["ticks_missed"]) == ("bus2", False, 0.5, 1)
    assert known().catalogue(["g1", "g2"]).to_pylist() == [
        {"gateway": "g1", "meter": "g1-e01", "model": "acme-1", "line": "bus1"}
    ]


def test_what_counts_while_online_is_not_told_of_one_that_is_gone() -> None:
    gateways = known()
    gateways.stated("g1", State(status="offline"), NOW_S + 9)
    (row,) = gateways.table(["g1"]).to_pylist()
    assert (row["online"], row["outbox_batches"], row["software"]) == (False, 7, "1.2")
    assert (row["clock"], row["lines"], row["dead_meters"], row["outbox_bytes"]) == (None, None, None, None)
    assert gateways.lines(["g1"]).num_rows == 0


def test_a_stranger_has_a_row_that_says_nothing() -> None:
    (row,) = known().table(["g2"]).to_pylist()
    assert (row["gateway"], row["online"], row["warnings"]) == ("g2", False, [])
    assert {value for name, value in row.items() if name not in ("gateway", "online", "warnings")} == {None}
