"""`bitgoeul cloud …` as it is typed: good use, and every bad flag, file and setting in one line."""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from cloud.ingest.area import open_store
from cloud.ingest.link import Link
from cloud.ingest.settings import AreaSettings, influx_settings, link_settings
from cloud.secrets import read_secret
from cloud.store.duck import DuckStore
from commands.__main__ import main
from contract.problems import Problem
from simulators.servers import Tls, mosquitto
from tests.cloud.ingest_area import (
    BATCH_ROWS,
    KNOWN,
    KW,
    PATIENCE_S,
    Gateway,
    Process,
    Row,
    batch,
    eventually,
    register,
    rows_of,
    settings,
    start_broker,
)

NOW_S = int(time.time()) // 60 * 60
INFLUX = ["--store", "influx", "--influx-url", "https://influx.example"]


def test_quarantine_is_listed_and_replayed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BITGOEUL_LANG", "en")
    with start_broker(tmp_path / "broker") as broker, Gateway("g9", broker) as g9:
        chosen = settings(tmp_path, broker)
        with Process(chosen) as area:
            g9.send(1, batch("g9", NOW_S))
            eventually(g9.refused)
            g9.send(2, b"\x1b[2J\xe2\x80\xae no JSON")
            eventually(lambda: len(g9.refused()) == 2)
            assert main(["cloud", "quarantine", "list", "main", "--data", str(tmp_path)]) == 0
            said = capsys.readouterr().out
            assert "g9 r-1 unknown-gateway [{" in said
            assert "unknown-gateway (2): the gateway is not registered" in said
            assert "\x1b" not in said
            assert "g9 r-2 unknown-gateway \\x1b[2J\\u202e no JSON" in said
            assert "g9: 2 in quarantine, 0 dropped beyond its share" in said
            assert main(["cloud", "quarantine", "list", "main", "--data", str(tmp_path), "--gateway", "g1"]) == 0
            assert capsys.readouterr().out == "no such row in quarantine\n"
            register(tmp_path, KNOWN + rows_of("g9"))
            eventually(lambda: "known read again" in area.said())
            assert main(["cloud", "quarantine", "replay", "main", "--data", str(tmp_path)]) == 0
            assert capsys.readouterr().out == (
                f"1 rows taken out of quarantine, {BATCH_ROWS} readings of them stored;"
                " 1 rows refused still or again are in it\n"
            )
    assert main(["cloud", "quarantine", "list", "main", "--data", str(tmp_path)]) == 1
    assert "the area's process does not answer; it must be running" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--broker", "mqtt://broker.example"], "only mqtts:// leaves this machine"),
        (["--broker", "1883"], "expected mqtts://HOST"),
        (["--registry", "absent"], "absent: no registry snapshot; run 'bitgoeul cloud registry publish' first"),
        (["--store", "influx"], "expected --influx-url"),
        (["--store", "influx", "--influx-url", "127.0.0.1"], "expected http:// or https://"),
        (["--store", "influx", "--influx-url", "http://me:hush@h"], "--influx-url h: expected no user or password"),
        (["--store", "influx", "--influx-url", "http://influx.example"], "only https:// leaves this machine"),
        (["--store", "influx", "--influx-url", "http://h:99999"], "'http://h:99999': expected http:// or https://"),
        (["--store", "influx", "--influx-url", "http://h:abc"], "'http://h:abc': expected http:// or https://"),
        (["--store", "influx", "--influx-url", "http://h:0"], "'http://h:0': expected http:// or https://"),
        (["--store", "influx", "--influx-url", "http://a host"], "'http://a host': expected http:// or https://"),
        ([*INFLUX, "--influx-ca-file", "absent.pem"], "--influx-ca-file absent.pem: cannot be used, expected a PEM"),
        ([*INFLUX, "--influx-ca-file", __file__], f"--influx-ca-file {__file__}: cannot be used, expected a PEM"),
        (["--metrics-port", "70000"], "metrics address 127.0.0.1:70000: cannot be used"),
        (["--metrics-host", "192.0.2.1"], "metrics address 192.0.2.1:0: cannot be used"),
        (["--socket", "absent/area.sock"], "absent/area.sock: "),
        (["--store", "postgres"], "invalid choice"),
        (["--flush-ms", "0"], "--flush-ms 0: expected 1 or more"),
        (["--flush-ms", "soon"], "invalid int value"),
        (["--password-file", "absent"], "password file absent: cannot be read"),
        (["--broker", "mqtts://h", "--ca-file", "absent.pem"], "certificate files absent.pem: cannot be used"),
        (["--unheard-of"], "unrecognized arguments: --unheard-of"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    said: str,
) -> None:
    monkeypatch.setenv("BITGOEUL_LANG", "en")
    registry = register(tmp_path, KNOWN)
    good = ["--data", str(tmp_path), "--broker", "mqtt://127.0.0.1", "--registry", str(registry)]
    assert main(["cloud", "area", "main", *good, *arguments]) in (1, 2)
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_an_area_name_that_is_no_topic_is_refused(tmp_path: Path) -> None:
    chosen = AreaSettings("Main", tmp_path, ("mqtt://127.0.0.1",), tmp_path / "registry")
    with pytest.raises(Problem, match="area 'Main': expected 1 to 64 of a-z"):
        link_settings(chosen)


def test_a_name_or_an_address_that_is_refused_leaves_no_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BITGOEUL_LANG", "en")
    (tmp_path / "Bad").mkdir()
    good = ["--data", str(tmp_path), "--registry", str(register(tmp_path, KNOWN)), "--broker"]
    assert main(["cloud", "area", "Bad/../x", *good, "mqtt://127.0.0.1"]) == 1
    assert "area 'Bad/../x': expected 1 to 64 of a-z" in capsys.readouterr().err
    assert main(["cloud", "area", "x", *good, "mqtt://broker.example"]) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Bad", "registry"]


def test_a_disk_that_is_full_at_the_start_is_said_in_one_line(tmp_path: Path) -> None:
    DuckStore(tmp_path / "main.duckdb").close()
    # their series do not fit into what is left
    registry = register(tmp_path, [Row("g1", hashlib.sha256(b"%d" % n).hexdigest(), KW) for n in range(20_000)])
    area = [sys.executable, "-m", "commands", "cloud", "area", "main", "--data", str(tmp_path)]
    area += ["--registry", str(registry)]
    limited = ["sh", "-c", 'ulimit -f 600 && exec "$@"', "sh", *area, "--broker", "mqtt://127.0.0.1"]
    environment = os.environ | {"BITGOEUL_LANG": "en"}
    ended = subprocess.run(limited, capture_output=True, text=True, check=False, timeout=PATIENCE_S, env=environment)
    assert ended.returncode == 1
    assert ended.stderr.startswith("bitgoeul: area main: cannot start, its store takes nothing (is its disk full?): ")
    assert str(tmp_path / "main.duckdb") in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_one_file_has_one_owner(tmp_path: Path) -> None:
    with start_broker(tmp_path / "broker") as broker:
        chosen = settings(tmp_path, broker)
        with Process(chosen) as area:
            arguments = ["--data", str(tmp_path), "--broker", chosen.brokers[0], "--registry", str(chosen.registry)]
            again = subprocess.run(area.command + arguments, capture_output=True, text=True, check=False)
            assert again.returncode == 1
            assert f"in use by process {area.pid}" in again.stderr


def test_another_machine_may_be_asked_in_the_clear_where_the_network_is_protected(tmp_path: Path) -> None:
    chosen = AreaSettings("main", tmp_path, (), tmp_path, influx_url="http://influx.example", allow_plain=True)
    assert influx_settings(chosen).url == "http://influx.example"


def test_what_an_area_writes_is_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    open_store(AreaSettings("main", folder, (), tmp_path / "registry")).close()
    assert folder.stat().st_mode & 0o777 == 0o700
    with start_broker(tmp_path / "broker") as broker, Process(settings(tmp_path, broker)):
        modes = {path.name: path.stat().st_mode & 0o077 for path in tmp_path.glob("main.*")}
        assert modes.keys() >= {"main.duckdb", "main.sock"}
        assert not any(modes.values())


def test_a_secret_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("pw\n", "utf-8")
    path.chmod(0o644)
    with pytest.raises(Problem, match="must be readable by its owner only"):
        read_secret(path)
    path.chmod(0o600)
    assert read_secret(path) == "pw"
    path.write_text("\n", "utf-8")
    with pytest.raises(Problem, match="empty, expected the password"):
        read_secret(path)


def test_no_secret_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.touch(mode=0o600)
    path.write_text("hush-hush", "utf-8")
    chosen = AreaSettings(
        "main",
        tmp_path,
        ("mqtt://127.0.0.1",),
        tmp_path / "registry",
        username="ingest",
        password_file=path,
        store="influx",
        influx_url="http://127.0.0.1:8086",
        influx_password_file=path,
    )
    assert link_settings(chosen).password == influx_settings(chosen).password == "hush-hush"
    assert "hush" not in repr((chosen, link_settings(chosen), influx_settings(chosen)))


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate that the CA in the folder signed, and its key; the CA itself is made at the first call."""
    ca, key = folder / "ca.pem", folder / "ca.key"
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    if not ca.exists():
        made = [*new, "-days", "2", "-subj", "/CN=test CA", "-keyout", str(key), "-out", str(ca)]
        subprocess.run(made, check=True, capture_output=True)
    own, own_key = folder / f"{name}.pem", folder / f"{name}.key"
    made = [*new, "-days", "2", "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1"]
    made += ["-CA", str(ca), "-CAkey", str(key), "-keyout", str(own_key), "-out", str(own)]
    subprocess.run(made, check=True, capture_output=True)
    return own, own_key


# paho leaves the socket of a handshake that failed to the garbage collector
@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")
def test_mutual_tls(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl: not installed (apt-get install openssl)")
    tls = Tls(*certificate(tmp_path, "broker"), ca=tmp_path / "ca.pem", clients=True)
    own, own_key = certificate(tmp_path, "ingest")
    with mosquitto(tmp_path / "broker", users={"ingest": ""}, tls=tls) as broker:
        chosen = AreaSettings(
            "main",
            tmp_path,
            (f"mqtts://{broker.host}:{broker.port}",),
            tmp_path / "registry",
            ca_file=tmp_path / "ca.pem",
            certificate_file=own,
            key_file=own_key,
        )
        link = Link(link_settings(chosen), chosen.filters)
        eventually(lambda: link.step(0.05) == [] and link.connected)
        link.close(1.0)
        # nobody gets in without a certificate, and nobody trusts a broker of an unknown authority
        for stranger in (replace(chosen, certificate_file=None, key_file=None), replace(chosen, ca_file=None)):
            link = Link(link_settings(stranger), chosen.filters)
            for _ in range(10):
                link.step(0.05)
            assert not link.connected
            link.close(0.0)
