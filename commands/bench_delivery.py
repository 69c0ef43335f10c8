"""`bitgoeul bench delivery`: what is killed, cut, wiped and put back, while the judge counts what was lost."""

import argparse
import json
import random
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from commands import stretch
from commands.language import say
from commands.processes import ROOT, Child, check_alive, stop_all, wait_until
from contract.problems import Problem, UsageProblem
from simulators.network import Link, Mode
from simulators.servers import Server, create_database, influxdb, mosquitto

SITES = ("pyeongdong", "suwan")
TICK_S = 1
DATABASE = "bitgoeul"
STARTING_S = 5.0  # before the first blow
BETWEEN_S = (3.0, 9.0)
DRAIN_S = 120.0


@dataclass
class Field:
    """What is under fire, and what was done to it."""

    sites: stretch.Sites
    meters: Child
    broker: Server
    influx: Server | None
    area: Child
    gateways: dict[str, Child]
    links: dict[str, Link]
    random: random.Random
    kills: int = 0
    done: Counter[str] = field(default_factory=Counter)
    timers: list[threading.Timer] = field(default_factory=list)
    down: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    destroyed: dict[str, list[Path]] = field(default_factory=dict)


def options(parser: argparse.ArgumentParser) -> None:
    """See the help texts."""
    parser.add_argument("--kills", type=int, default=30, help=say("kill -9 횟수 (최소)", "how many kill -9 at least"))
    parser.add_argument("--store", choices=("duckdb", "influx"), default="duckdb")
    parser.add_argument("--readings", type=int, default=100_000, help=say("읽을 값의 수 (최소)", "readings at least"))
    parser.add_argument("--seed", type=int, default=None, help=say("같은 순서를 다시", "the same order again"))
    parser.add_argument("--keep", type=Path, help=say("파일을 남길 폴더", "keep all files in this folder"))
    parser.add_argument("--json", action="store_true")


def run(args: argparse.Namespace) -> int:
    """0 when the judge acquits, of enough kills and readings."""
    if args.kills < 1:
        raise UsageProblem("--kills: 1 이상", "--kills: expected 1 or more")
    seed = secrets.randbelow(2**32) if args.seed is None else args.seed
    print(say(f"씨앗 {seed}", f"seed {seed}"), file=sys.stderr)
    with ExitStack() as stack:
        folder = args.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bitgoeul-")))
        with _field(folder, args.store, random.Random(seed)) as under_fire:  # noqa: S311  # kills, not keys
            began_s = time.time()
            _fire(under_fire, args.kills, args.readings)
            ended_s = _cease(under_fire)
            verdict, guilty = _judge(under_fire, began_s, ended_s)
    result = {"store": args.store, "seed": seed, "kills": under_fire.kills} | verdict | {"blows": under_fire.done}
    print(json.dumps(result) if args.json else "\n".join(f"{name}: {value}" for name, value in result.items()))
    return guilty or int(verdict["readings"] < args.readings)


@contextmanager
def _field(folder: Path, store: str, chance: random.Random) -> Iterator[Field]:
    sites = stretch.load_sites(folder, SITES)
    with ExitStack() as stack:
        broker = stack.enter_context(mosquitto(folder / "broker", users=stretch.passwords(sites), persistence_s=1))
        more = ["--store", store, "--gap-timeout-s", "5"]
        influx = None
        if store == "influx":
            influx = stack.enter_context(influxdb(folder / "influx"))
            create_database(influx, DATABASE)
            more += ["--influx-url", f"http://127.0.0.1:{influx.port}", "--influx-db", DATABASE]
        names = [stretch.INGEST, *sites.gateways]
        links = {name: stack.enter_context(Link("127.0.0.1", broker.port)) for name in names}
        meters = stretch.simulation(sites, SITES, TICK_S)
        stack.callback(meters.stop)
        stretch.start_simulation(sites, meters)
        area = stretch.area(sites, f"mqtt://127.0.0.1:{links[stretch.INGEST].port}", *more)
        stack.callback(area.stop)
        gateways = {
            name: stretch.gateway(sites, name, f"mqtt://127.0.0.1:{links[name].port}") for name in sites.gateways
        }
        stack.callback(stop_all, list(gateways.values()))
        under_fire = Field(sites, meters, broker, influx, area, gateways, links, chance)
        under_fire.down = {name: [] for name in gateways}
        under_fire.destroyed = {name: [] for name in gateways}
        area.start()
        for child in gateways.values():
            child.start()
        wait_until(stretch.area_file(sites).exists, "area", [area, meters, *gateways.values()])
        time.sleep(STARTING_S)
        yield under_fire


def _fire(under_fire: Field, kills: int, readings: int) -> None:
    """Each kind of blow once, then as chance has it, until there were enough of them and enough was read."""
    blows: dict[Callable[[Field], str], int] = {
        _kill_gateway: 7,
        _kill_broker: 6,
        _kill_area: 7,
        _kill_influx: 6 if under_fire.influx else 0,
        _cut_network: 8,
        _wipe_outbox: 2,
        _restore_outbox: 2,
    }
    first = [blow for blow, weight in blows.items() if weight]
    under_fire.random.shuffle(first)
    while first or under_fire.kills < kills or _served(under_fire) < readings:
        time.sleep(under_fire.random.uniform(*BETWEEN_S))
        _check_alive(under_fire)
        blow = first.pop() if first else under_fire.random.choices(list(blows), list(blows.values()))[0]
        what = blow(under_fire)
        under_fire.done[blow.__name__.lstrip("_")] += 1
        print(f"kills={under_fire.kills}/{kills} answers={_served(under_fire):,} {what}", file=sys.stderr, flush=True)


def _check_alive(under_fire: Field) -> None:
    """Who dies without a blow is no part of the game. Raises Problem."""
    check_alive([under_fire.meters, under_fire.area, *under_fire.gateways.values()])
    for server in (under_fire.broker, under_fire.influx):
        if server is not None and not server.running:
            raise Problem(
                f"{server.name}: 죽이지 않았는데 끝났습니다 (기록: {server.log})",
                f"{server.name}: has ended, and nobody killed it (log: {server.log})",
            )


def _served(under_fire: Field) -> int:
    """About how many readings were served: each line of a log is an answer, of some ten readings."""
    return sum(path.stat().st_size for path in under_fire.sites.served) // 100


def _kill_gateway(under_fire: Field) -> str:
    name = under_fire.random.choice(sorted(under_fire.gateways))
    _away(under_fire, name, lambda: None)
    return f"gateway {name} killed"


def _away(under_fire: Field, name: str, meanwhile: Callable[[], None]) -> None:
    """Kill the gateway, do something to its outbox, start it again; its time away is noted."""
    child = under_fire.gateways[name]
    from_s = time.time()
    child.kill()
    under_fire.kills += 1
    meanwhile()
    time.sleep(under_fire.random.uniform(0, 3))
    child.start()
    under_fire.down[name].append((from_s, time.time()))


def _kill_broker(under_fire: Field) -> str:
    under_fire.broker.kill()
    under_fire.kills += 1
    wiped = under_fire.random.random() < 0.5
    if wiped:
        under_fire.broker.wipe()
    time.sleep(under_fire.random.uniform(0, 3))
    under_fire.broker.start()
    return f"broker killed{', its persistence deleted' * wiped}"


def _kill_area(under_fire: Field) -> str:
    under_fire.area.kill()
    under_fire.kills += 1
    time.sleep(under_fire.random.uniform(0, 3))
    under_fire.area.start()
    return "area killed"


def _kill_influx(under_fire: Field) -> str:
    assert under_fire.influx is not None
    under_fire.influx.kill()
    under_fire.kills += 1
    time.sleep(under_fire.random.uniform(0, 3))
    under_fire.influx.start()
    return "influxdb killed"


def _cut_network(under_fire: Field) -> str:
    """For some seconds, in which other blows may fall."""
    name = under_fire.random.choice(sorted(under_fire.links))
    mode: Mode = under_fire.random.choice(("cut", "silent"))
    under_fire.links[name].set(mode)
    mended = threading.Timer(under_fire.random.uniform(2, 15), under_fire.links[name].set, ("open",))
    mended.start()
    under_fire.timers.append(mended)
    return f"network of {name} {mode}"


def _wipe_outbox(under_fire: Field) -> str:
    name = under_fire.random.choice(sorted(under_fire.gateways))
    _away(under_fire, name, lambda: _set_aside(under_fire, name))
    return f"outbox of {name} wiped"


def _restore_outbox(under_fire: Field) -> str:
    """As a card from a drawer: the outbox as it was some seconds ago, the gateway stopped for the copy."""
    name = under_fire.random.choice(sorted(under_fire.gateways))
    old = under_fire.sites.folder / f"old-{name}"
    _away(under_fire, name, lambda: _copy(under_fire.sites.outbox(name), old))
    time.sleep(under_fire.random.uniform(5, 10))

    def put_back() -> None:
        _set_aside(under_fire, name)
        _copy(old, under_fire.sites.outbox(name))

    _away(under_fire, name, put_back)
    return f"outbox of {name} replaced by an old copy"


def _set_aside(under_fire: Field, name: str) -> None:
    kept = under_fire.sites.folder / f"destroyed-{name}-{len(under_fire.destroyed[name])}"
    _copy(under_fire.sites.outbox(name), kept)
    for file in _files(under_fire.sites.outbox(name)):
        file.unlink()
    under_fire.destroyed[name].append(kept)


def _copy(source: Path, target: Path) -> None:
    for old in _files(target):
        old.unlink()
    for file in _files(source):
        shutil.copy(file, target.with_name(target.name + file.name.removeprefix(source.name)))


def _files(database: Path) -> list[Path]:
    """The database with its write-ahead log; the shared memory beside them belongs to a running process."""
    return [path for path in (database, database.with_name(f"{database.name}-wal")) if path.exists()]


def _cease(under_fire: Field) -> float:
    """Mend everything, stop reading, let the outboxes empty; when reading stopped."""
    _check_alive(under_fire)
    for timer in under_fire.timers:
        timer.cancel()
        timer.join()
    for link in under_fire.links.values():
        link.set("open")
    ended_s = time.time()
    for child in under_fire.gateways.values():
        child.terminate()
    stop_all(list(under_fire.gateways.values()))
    drains = [stretch.drain(under_fire.sites, name) for name in under_fire.gateways]
    for drain in drains:
        drain.start()
    for drain in drains:
        if drain.wait(DRAIN_S):
            raise Problem(
                f"{drain.name}: 전송 대기함을 다 보내지 못했습니다: {drain.last_words()}",
                f"{drain.name}: its outbox was not sent whole: {drain.last_words()}",
            )
    check_alive([under_fire.area])
    under_fire.area.stop()
    return ended_s


def _judge(under_fire: Field, began_s: float, ended_s: float) -> tuple[dict[str, int], int]:
    sites = under_fire.sites
    store = {"duckdb": str(stretch.area_file(sites))}
    if under_fire.influx:
        store = {"influx": f"http://127.0.0.1:{under_fire.influx.port}", "database": DATABASE}
    plan = {
        "tick_s": TICK_S,
        "store": store,
        "served": list(map(str, sites.served)),
        "gateways": [
            {
                "name": name,
                "meters": sites.expected(name, TICK_S),
                "outbox": str(sites.outbox(name)),
                "destroyed": list(map(str, under_fire.destroyed[name])),
                "from_s": began_s,
                "to_s": ended_s - TICK_S,
                "down": under_fire.down[name],
            }
            for name in under_fire.gateways
        ],
    }
    file = sites.folder / "plan.json"
    file.write_text(json.dumps(plan), "utf-8")
    argv = [sys.executable, str(ROOT / "commands" / "judge.py"), str(file)]
    found = subprocess.run(argv, stdout=subprocess.PIPE, check=False)
    return json.loads(found.stdout), found.returncode
