"""What the stores take by themselves: the same readings, made beforehand, and nothing else running."""

import json
import queue
import threading
import time
import urllib.parse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import urllib3

from cloud.store import lines
from cloud.store.duck import DuckStore
from cloud.store.influx import POST_LINES
from cloud.store.influx_http import InfluxSettings
from cloud.store.protocol import APPEND, Commit
from commands.bench_publisher import BATCH_READINGS, QUANTITIES, Load, batch, meter_names

COMMIT_GATEWAYS = 100  # of one tick in one commit: 20,000 readings
MAX_READINGS = 3_000_000


def duckdb_per_s(path: Path, load: Load) -> float:
    """Readings a second in durable commits of 20,000, made beforehand."""
    store = DuckStore(path)
    try:
        names = _names(load)
        series = store.series(*names)
        commits = [Commit(readings=table) for table in _tables(load, series)]
        warm, commits = commits[: _commits_a_tick(load)], commits[_commits_a_tick(load) :]
        for commit in warm:
            store.commit(commit)
        began_s = time.perf_counter()
        for commit in commits:
            store.commit(commit)
        seconds = time.perf_counter() - began_s
        return sum(int(commit.readings.num_rows) for commit in commits) / seconds
    finally:
        store.close()


def influx_per_s(url: str, database: str, load: Load) -> float:
    """Readings a second in posts to /write like those of our store, over as many connections, made beforehand."""
    meters, quantities = _names(load)
    heads = pa.array([lines.head(meter, quantity) for meter, quantity in zip(meters, quantities, strict=True)])
    warm, timed, readings = [], [], 0
    for at, table in enumerate(_tables(load, np.arange(len(meters), dtype=np.int32))):
        text = lines.line_protocol(heads, table)
        posts = [bytes(lines.body(text[first : first + POST_LINES])) for first in range(0, len(text), POST_LINES)]
        if at < _commits_a_tick(load):
            warm += posts
        else:
            timed += posts
            readings += table.num_rows
    _post_all(url, database, warm)
    return readings / _post_all(url, database, timed)


def influx_count(url: str, database: str, measurements: Sequence[str], load: Load) -> int:
    """How many points are stored."""
    total = 0
    for name in measurements:
        where = f"time >= {load.start_s}s AND time <= {load.start_s + load.batches}s"
        query = {"db": database, "q": f'SELECT count("quality") FROM "{name}" WHERE {where}'}  # noqa: S608  # our own names
        answer = urllib3.request("GET", f"{url}/query?{urllib.parse.urlencode(query)}", timeout=300.0)
        (result,) = json.loads(answer.data)["results"]
        total += result["series"][0]["values"][0][1] if "series" in result else 0
    return total


def _post_all(url: str, database: str, bodies: Sequence[bytes]) -> float:
    """Seconds that posting took."""
    connections = InfluxSettings(url, database).connections
    waiting: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    for body in [*bodies, *[None] * connections]:
        waiting.put(body)
    answers: list[int] = []
    path = "/write?" + urllib.parse.urlencode({"db": database, "precision": "s"})

    def post() -> None:
        with urllib3.connection_from_url(url) as pool:
            while (body := waiting.get()) is not None:
                answers.append(pool.urlopen("POST", path, body=body, retries=False).status)

    threads = [threading.Thread(target=post) for _ in range(connections)]
    began_s = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - began_s
    assert answers == [204] * len(bodies)
    return seconds


def _names(load: Load) -> tuple[list[str], list[str]]:
    """Meter and quantity of every series, in the order of the batches."""
    meters = [meter for number in range(load.gateways) for meter in meter_names(number) for _ in QUANTITIES]
    return meters, list(QUANTITIES) * (len(meters) // len(QUANTITIES))


def _commits_a_tick(load: Load) -> int:
    return -(-load.gateways // COMMIT_GATEWAYS)


def _tables(load: Load, series: "np.ndarray[tuple[int], np.dtype[np.int32]]") -> Iterator[pa.Table]:
    """APPEND tables with the very readings that are published, as ingest would commit them."""
    batches = min(load.batches, 1 + MAX_READINGS // (load.gateways * BATCH_READINGS))
    for n in range(1, batches + 1):
        for first in range(0, load.gateways, COMMIT_GATEWAYS):
            numbers = range(first, min(first + COMMIT_GATEWAYS, load.gateways))
            readings = [reading for number in numbers for reading in batch(load, number, n)]
            start = first * BATCH_READINGS
            yield pa.table(
                [
                    series[start : start + len(readings)],
                    [reading.time_s for reading in readings],
                    [reading.value for reading in readings],
                    [int(reading.quality) for reading in readings],
                    [reading.at_ms for reading in readings],
                ],
                schema=APPEND,
            )
