"""`bitgoeul cloud quarantine list`: of whom and why, also where one gateway would hide all others."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from cloud.store.duck import DuckStore
from cloud.store.flight import AreaServer
from cloud.store.protocol import QUARANTINE, Commit
from commands.__main__ import main
from contract.refusals import NAN, NOT_JSON, UNKNOWN_METER

List = Callable[..., tuple[int, list[str]]]


def refused(gateway: str, reason: str, count: int) -> Commit:
    row = {"arrived_s": 1.0, "gateway": gateway, "batch": "r-1", "reason": reason}
    return Commit(quarantine=pa.Table.from_pylist([row | {"record": str(n)} for n in range(count)], QUARANTINE))


@pytest.fixture
def listed(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[List]:
    """What is printed of an area where a noisy gateway was first."""
    monkeypatch.setenv("BITGOEUL_LANG", "en")
    store = DuckStore(tmp_path / "main.duckdb")
    store.commit(refused("noisy", UNKNOWN_METER, 1500))
    store.commit(refused("quiet", NAN, 2))
    store.commit(refused("quiet", NOT_JSON, 1))

    def run(*arguments: str) -> tuple[int, list[str]]:
        status = main(["cloud", "quarantine", "list", "main", "--data", str(tmp_path), *arguments])
        said = capsys.readouterr()
        return status, (said.out + said.err).splitlines()

    tables = {"quarantine": store.quarantined, "quarantine-counts": store.quarantine_counts}
    with AreaServer(tmp_path / "main.sock", store, tables):
        yield run
    store.close()


def test_what_is_not_shown_is_said(listed: List) -> None:
    status, lines = listed()
    assert status == 0
    assert all("noisy r-1 unknown-meter" in line for line in lines[:1000])
    assert lines[1000].startswith("only the oldest 1,000 rows are shown and counted; there are more")
    assert lines[1001:] == [
        "unknown-meter (1,000): the meter or quantity is not registered at that time",
        "noisy: 1,500 in quarantine, 0 dropped beyond its share",
        "quiet: 3 in quarantine, 0 dropped beyond its share",
    ]


def test_one_gateway_is_listed_alone(listed: List) -> None:
    status, lines = listed("--gateway", "quiet")
    assert (status, len(lines)) == (0, 6)
    assert all("quiet r-1 " in line for line in lines[:3])
    assert lines[3:] == [
        "nan (2): the value is not a finite number",
        "not-json (1): the payload is not JSON",
        "quiet: 3 in quarantine, 0 dropped beyond its share",
    ]


def test_one_reason_is_listed_alone(listed: List) -> None:
    _, lines = listed("--reason", "nan")
    assert [" quiet r-1 nan " in line for line in lines[:3]] == [True, True, False]
    assert len(listed("--gateway", "quiet", "--reason", "not-json")[1]) == 3
    assert listed("--gateway", "quiet", "--reason", "too-old")[1][0] == "no such row in quarantine"


def test_a_reason_that_there_is_not_is_refused(listed: List) -> None:
    status, (line,) = listed("--reason", "bad-luck")
    assert status == 2
    assert "argument --reason: invalid choice: 'bad-luck' (choose from " in line
    assert "unknown-meter" in line


def test_replay_tries_everything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cloud", "quarantine", "replay", "main", "--data", str(tmp_path), "--gateway", "g1"]) == 2
    assert "--gateway" in capsys.readouterr().err
