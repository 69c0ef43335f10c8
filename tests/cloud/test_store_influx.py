"""InfluxDB's errors, each as what it is: come again, refused for ever, or settings that are wrong."""

import http.server
import json
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from urllib.parse import urlencode

import pyarrow as pa
import pytest
import urllib3

from cloud.store.duck import DuckStore
from cloud.store.influx import InfluxStore
from cloud.store.influx_http import InfluxConnection, InfluxSettings, Refused
from cloud.store.protocol import APPEND, LEDGER, ORIGINS, Commit, Store, StoreUnavailable
from contract.problems import Problem
from contract.refusals import STORE_REFUSED
from contract.senml import Resolved, resolve
from simulators import servers

TICK_S = 1_795_392_000
LONG_AGO_S = 1_600_000_000
IMPORT, WATER = "electricity_import_kwh", "water_volume_m3"
HONEST = {"results": [{"statement_id": 0}]}
LINE = b"water_volume_m3,meter=a value=1,quality=0i,at_ms=0i 1795392000\n"

Answer = tuple[int, dict[str, str], bytes]


@contextmanager
def answering(
    answer: Callable[[str], Answer], authorizations: list[str] | None = None, bodies: list[bytes] | None = None
) -> Iterator[str]:
    """The address of a server that gives to each path what `answer` has for it, and notes who asked and what."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if bodies is not None:
                bodies.append(body)
            if authorizations is not None:
                authorizations.append(self.headers["Authorization"])
            status, headers, body = answer(self.path)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815  # the name that http.server calls

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def writes_answered(
    status: int, body: bytes = b"{}", headers: dict[str, str] | None = None
) -> AbstractContextManager[str]:
    """A server honest in all but its answer to writes."""

    def answer(path: str) -> Answer:
        if path.startswith("/write"):
            return status, headers or {}, body
        return 200, {}, json.dumps(HONEST).encode()

    return answering(answer)


@pytest.mark.parametrize(
    ("status", "headers", "wait_s"),
    [
        (503, {"Retry-After": "7"}, 7.0),
        (503, {"Retry-After": "86400"}, 60.0),
        (429, {}, 0.0),
        (500, {"Retry-After": "x"}, 0.0),
        (200, {}, 0.0),  # InfluxDB says 204: this is a proxy's own page
    ],
)
def test_an_overloaded_server_is_tried_again_when_it_says(status: int, headers: dict[str, str], wait_s: float) -> None:
    with writes_answered(status, b"busy", headers) as url, pytest.raises(StoreUnavailable, match="busy") as raised:
        InfluxConnection(InfluxSettings(url, "energy")).write(LINE)
    assert raised.value.retry_after_s == wait_s


@pytest.mark.parametrize("status", [400, 413, 422])
def test_refused_lines_are_told_from_everything_else(status: int) -> None:
    with writes_answered(status, b"field type conflict") as url, pytest.raises(Refused, match="field type conflict"):
        InfluxConnection(InfluxSettings(url, "energy")).write(LINE)


def test_how_many_were_refused_is_found_at_the_end_of_a_long_answer() -> None:
    point = "water_volume_m3,meter=a-meter-with-a-long-name at 2020-09-13T12:26:40Z dropped because it violates a bound"
    said = f"partial write: dropped 2 points outside retention policy - oldest point {point}, newest point {point}"
    body = json.dumps({"message": f"{said} dropped=2 for database: 0a1b for retention policy: autogen"}).encode()
    with writes_answered(422, body) as url, pytest.raises(Refused, match="partial write") as raised:
        InfluxConnection(InfluxSettings(url, "energy")).write(LINE)
    assert raised.value.dropped == 2


@pytest.mark.parametrize(
    ("status", "said"), [(401, "check user, password and token"), (403, "check user"), (404, "create it first")]
)
def test_wrong_settings_stop_with_what_to_do(status: int, said: str) -> None:
    with writes_answered(status, b"no") as url, pytest.raises(Problem, match=said):
        InfluxConnection(InfluxSettings(url, "energy")).write(LINE)


def test_a_server_that_is_not_there_or_does_not_answer_is_unavailable() -> None:
    gone = InfluxSettings(f"http://127.0.0.1:{servers.free_port()}", "energy")
    with pytest.raises(StoreUnavailable):
        InfluxConnection(gone).check()
    released = threading.Event()

    def slow(_path: str) -> Answer:
        released.wait(10)
        return 200, {}, b""

    with answering(slow) as url:
        with pytest.raises(StoreUnavailable, match="timed out"):
            InfluxConnection(InfluxSettings(url, "energy", timeout_s=0.2)).check()
        released.set()


def test_a_handshake_that_fails_is_no_wrong_certificate() -> None:
    # a proxy that speaks no TLS yet, say
    with answering(lambda _: (200, {}, b"")) as url, pytest.raises(StoreUnavailable):
        InfluxConnection(InfluxSettings(url.replace("http:", "https:"), "energy", timeout_s=2.0)).check()


@pytest.mark.parametrize(
    "body",
    [
        # VictoriaMetrics answers every query so
        b'{"results":[{"statement_id":0,"series":[{"name":"databases","columns":["name"],"values":[["_internal"]]}]}]}',
        b"<html>a proxy's welcome</html>",
        b"[]",
    ],
)
def test_what_only_looks_like_influxdb_is_refused_before_the_first_write(body: bytes) -> None:
    with answering(lambda _: (200, {}, body)) as url, pytest.raises(Problem, match="not an InfluxDB that understands"):
        InfluxConnection(InfluxSettings(url, "energy")).write(LINE)


def test_an_address_without_its_scheme_is_said() -> None:
    with pytest.raises(Problem, match="expected http:// or https://"):
        InfluxConnection(InfluxSettings("localhost:8086", "energy"))


def test_an_error_that_hides_in_an_empty_csv_answer_is_no_empty_table(tmp_path: Path) -> None:
    healthy = threading.Event()

    def answer(path: str) -> Answer:
        if "bitgoeul_absent" in path or healthy.is_set():
            return 200, {}, json.dumps(HONEST).encode() if "first" in path else b""
        error = {"results": [{"statement_id": 0, "error": "engine is closed"}]}
        return 200, {}, json.dumps(error).encode() if "first" in path else b""

    with answering(answer) as url:
        store = InfluxStore(InfluxSettings(url, "energy"), DuckStore(tmp_path / "area.duckdb"))
        store.series(["a"], [IMPORT])
        with pytest.raises(StoreUnavailable, match="engine is closed"):
            store.rows(TICK_S, TICK_S + 10)
        healthy.set()
        assert store.rows(TICK_S, TICK_S + 10).num_rows == 0
        store.close()


def test_a_token_goes_before_user_and_password() -> None:
    asked: list[str] = []
    with answering(lambda _: (200, {}, json.dumps(HONEST).encode()), asked) as url:
        InfluxConnection(InfluxSettings(url, "energy", "user", "pw", token="a-token")).check()
        InfluxConnection(InfluxSettings(url, "energy", "user", "pw")).check()
    assert asked == ["Token a-token", "Basic dXNlcjpwdw=="]


def test_neither_password_nor_token_is_shown() -> None:
    assert "secret" not in repr(InfluxSettings("http://h", "energy", "user", password="secret", token="secret"))


@pytest.fixture(scope="module")
def influx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Server]:
    try:
        server = servers.influxdb(tmp_path_factory.mktemp("influx"), max_body_bytes=200_000)
    except Problem as missing:
        pytest.skip(missing.text.en)
    with server:
        yield server


@pytest.fixture
def store(influx: servers.Server, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[InfluxStore]:
    database = request.node.name
    servers.create_database(influx, database)
    opened = InfluxStore(InfluxSettings(_url(influx), database), DuckStore(tmp_path / "area.duckdb"))
    yield opened
    opened.close()


def _url(server: servers.Server) -> str:
    return f"http://{server.host}:{server.port}"


def readings(store: Store, meters: list[str], quantity: str, times_s: list[int]) -> pa.Table:
    """One reading of each meter at each of the times."""
    series = store.series(meters, [quantity] * len(meters)).tolist()
    columns = [[number for number in series for _ in times_s], times_s * len(series)]
    rows = len(series) * len(times_s)
    return pa.table([*columns, [0.5 + at for at in range(rows)], [2] * rows, [250] * rows], APPEND.names).cast(APPEND)


def test_an_unknown_database_is_said(influx: servers.Server) -> None:
    connection = InfluxConnection(InfluxSettings(_url(influx), "nowhere"))
    with pytest.raises(Problem, match="no database 'nowhere'; create it first"):
        connection.check()
    with pytest.raises(Problem, match="no database 'nowhere'"):
        connection.write(LINE)


def test_lines_that_are_refused_for_ever_go_to_quarantine_and_no_other(store: InfluxStore) -> None:
    store._influx.write(b"water_volume_m3,meter=x value=1i 1795392000")  # somebody's else: an integer
    power = readings(store, ["a", "b"], IMPORT, [TICK_S + at for at in range(40)])
    water = readings(store, ["c"], WATER, [TICK_S, TICK_S + 7])
    mixed = pa.concat_tables([power.slice(0, 33), water, power.slice(33)])
    mixed = pa.concat_tables([water.slice(0, 1), mixed])  # this one is overtaken by a later arrival
    ledger = pa.table([["g"], ["r"], [1], [1]], LEDGER.names).cast(LEDGER)
    origins = pa.table([[35, 0, 48], ["g1", "g2", "g3"], ["r-1", "r-2", ""]], schema=ORIGINS)
    assert store.commit(Commit(readings=mixed, origins=origins, ledger=ledger)) == [34, 35]
    assert store.rows(0, 2**35, ["a", "b"]).num_rows == 80
    assert store.ledger().num_rows == 1
    listed = store.quarantined(reason=STORE_REFUSED).to_pylist()
    assert [(row["gateway"], row["batch"]) for row in listed] == [("g1", "r-1"), ("g3", "")]
    resolved = [resolve(b"[" + row["record"].encode() + b"]")[0] for row in listed]
    assert resolved == [
        Resolved(f"c/{WATER}", TICK_S, 0.5, 2, 250),
        Resolved(f"c/{WATER}", TICK_S + 7, 1.5, 2, 250),
    ]


def test_what_is_refused_whole_or_by_measurement_costs_few_posts(influx: servers.Server, tmp_path: Path) -> None:
    posts: list[str] = []
    servers.create_database(influx, "conflict")
    a_day = {"q": 'CREATE DATABASE "kept-a-day" WITH DURATION 1d'}
    urllib3.request("POST", f"{_url(influx)}/query?{urlencode(a_day)}")
    InfluxConnection(InfluxSettings(_url(influx), "conflict")).write(
        b"water_volume_m3,meter=x value=1i %d" % LONG_AGO_S
    )

    def answer(path: str) -> Answer:
        posts.append(path)
        found = urllib3.request("POST" if sent[-1] else "GET", _url(influx) + path, body=sent[-1] or None)
        return found.status, {}, found.data

    sent: list[bytes] = []
    times_s = list(range(LONG_AGO_S, LONG_AGO_S + 300))
    for database, quantities in (("kept-a-day", [IMPORT]), ("conflict", [IMPORT, WATER])):
        posts.clear()
        with answering(answer, bodies=sent) as url:
            store = InfluxStore(InfluxSettings(url, database), DuckStore(tmp_path / f"{database}.duckdb"))
            tables = [readings(store, ["a"], quantity, times_s) for quantity in quantities]
            mixed = pa.concat_tables([table.slice(at, 1) for at in range(300) for table in tables]).combine_chunks()
            refused = store.commit(Commit(readings=mixed))
            assert len(refused) == 300
            assert store.quarantined().num_rows == 300
            assert len([path for path in posts if path.startswith("/write")]) <= 40
            store.close()


def test_a_commit_too_large_for_the_server_is_split(store: InfluxStore) -> None:
    store.commit(
        Commit(readings=readings(store, [f"m{at}" for at in range(50)], IMPORT, [TICK_S + at for at in range(100)]))
    )
    assert store.rows(0, 2**35).num_rows == 5000
    assert store.quarantined().num_rows == 0


def test_rows_far_apart_and_rows_close_together_are_all_found(store: InfluxStore) -> None:
    meters = [f"a-meter-with-a-long-name-{at:03}" for at in range(400)]
    times_s = [1_262_304_000, TICK_S - 86_400 * 365, *range(TICK_S, TICK_S + 24_000, 600)]
    table = readings(store, meters, IMPORT, times_s)
    store.commit(Commit(readings=table))
    for asked in (None, meters):  # all of a measurement; by name, in several questions
        found = store.rows(0, 2**35, asked)
        assert found.column("time_s").to_pylist() == times_s * 400
        assert found.column("value").to_pylist() == table.column("value").to_pylist()


def test_lines_may_travel_compressed(store: InfluxStore, influx: servers.Server, tmp_path: Path) -> None:
    settings = InfluxSettings(_url(influx), store._influx.settings.database, gzip=True)
    packed = InfluxStore(settings, DuckStore(tmp_path / "other.duckdb"))
    packed.commit(Commit(readings=readings(packed, ["a"], IMPORT, [TICK_S])))
    assert packed.rows(0, 2**35).column("value").to_pylist() == [0.5]
    packed.close()


def test_a_password_is_needed_and_enough(tmp_path: Path) -> None:
    admin = ("energy", "päss:word")
    try:
        server = servers.influxdb(tmp_path, admin=admin)
    except Problem as missing:
        pytest.skip(missing.text.en)
    with server:
        servers.create_database(server, "energy", admin)
        InfluxConnection(InfluxSettings(_url(server), "energy", *admin)).write(LINE)
        for wrong in (
            InfluxSettings(_url(server), "energy", "energy", "guess"),
            InfluxSettings(_url(server), "energy"),
        ):
            with pytest.raises(Problem, match="401"):
                InfluxConnection(wrong).check()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl: not installed (apt-get install openssl)")
def test_tls_with_a_certificate_of_ones_own(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subject = ["-subj", "/CN=influx", "-addext", "subjectAltName=IP:127.0.0.1"]
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    subprocess.run([*new, *subject, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    tls = servers.Tls(certificate, key, ca=certificate)
    try:
        server = servers.influxdb(tmp_path / "influx", tls=tls)
    except Problem as missing:
        pytest.skip(missing.text.en)
    with server:
        servers.create_database(server, "energy", tls=tls)
        url = f"https://127.0.0.1:{server.port}"
        InfluxConnection(InfluxSettings(url, "energy", ca_file=certificate)).write(LINE)
        with pytest.raises(Problem, match="TLS certificate not verified"):
            InfluxConnection(InfluxSettings(url, "energy")).check()
