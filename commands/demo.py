"""`bitgoeul demo`: two industrial complexes and two apartment blocks, whole, on this machine.

Every meter answers real Modbus frames, every gateway is a process, every reading crosses a real broker. All of
it lies in one folder and ends with the command.
"""

import argparse
import fcntl
import json
import math
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from commands import demo_boards, stretch
from commands.demo_boards import Extra
from commands.language import say
from commands.listener import Listener, freshness_s
from commands.processes import Child, bitgoeul, check_alive, stop_all, wait_until
from commands.tally import moments, tally
from contract.problems import Problem, UsageProblem
from simulators.servers import free_port

SITES = ("hanam", "pyeongdong", "suwan", "cheomdan")
TICK_S = 1
STALE_AFTER_S = 10
SETTLE_DELAY_S = "5"  # its gateways are never late unless somebody makes them
WATCH_S = 0.5
LAST_PORT = 65_535
LAST_S = 3.0  # readings nearer to the end are not judged for freshness: the end of the gateways overtakes them
JUDGED_S = 600.0  # freshness is of the last ten minutes
MARK = "bitgoeul-demo"
DEFAULT = Path(__file__).parent.parent / "data" / "demo"


@dataclass(frozen=True)
class City:
    """What runs, in the order in which it was started, how long that took, and when it was done (UTC epoch)."""

    stretch: stretch.Sites
    gateways: list[Child]
    others: list[Child]
    listener: Listener
    ready_s: float
    ready_at_s: float
    filled_until_s: int  # what was filled in before the start ends there
    boards: str  # InfluxDB's address, or ""


def options(parser: argparse.ArgumentParser) -> None:
    """See the help texts."""
    parser.add_argument(
        "--for",
        dest="for_s",
        type=float,
        default=math.inf,
        metavar="SECONDS",
        help=say("이만큼 지나면 스스로 끝납니다", "end by itself after so long"),
    )
    parser.add_argument(
        "--json", action="store_true", help=say("마지막 줄에 요약을 JSON으로", "end with the summary as JSON")
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=DEFAULT,
        metavar="FOLDER",
        help=say("모든 것을 둘 폴더 (시작할 때 비웁니다)", "the folder for everything (emptied at the start)"),
    )
    parser.add_argument(
        "--port", type=int, default=0, help=say("화면의 포트 (기본: 빈 포트)", "the page's port (default: a free one)")
    )
    demo_boards.options(parser)


def run(args: argparse.Namespace) -> int:
    """Run until the time is over, SIGTERM or Ctrl-C; 0 when nothing was lost or doubled."""
    if not args.for_s > 0:  # nor what is no number
        raise UsageProblem("--for: 0보다 큰 초를 주십시오", "--for: expected seconds above 0")
    if not 0 <= args.port <= LAST_PORT:
        raise UsageProblem(f"--port {args.port}: 0~{LAST_PORT}", f"--port {args.port}: expected 0 to {LAST_PORT}")
    extra = demo_boards.from_args(args)
    _refuse_taken(args.port)
    signal.signal(signal.SIGTERM, _interrupt)
    city: City | None = None
    with ExitStack() as stack:
        try:
            folder = _fresh(args.data, stack)
            city = _start(folder, args.port or free_port(), extra, stack)
            _say_ready(city)
            _watch(city, args.for_s)
        except KeyboardInterrupt:
            if city is None:
                return 130
            _progress("\n")
        summary = _finish(city)
    _print(summary, as_json=args.json)
    return 0 if summary["lost"] == summary["duplicated"] == 0 < summary["readings_stored"] else 1


def _refuse_taken(port: int) -> None:
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("127.0.0.1", port))
        except OSError as error:
            # before anything starts: a page that is there already would be taken for ours
            raise Problem(
                f"--port {port}: 열 수 없습니다: {error.strerror}; 다른 포트를 고르십시오",
                f"--port {port}: cannot be opened: {error.strerror}; choose another",
            ) from None


def _watch(city: City, for_s: float) -> None:
    """Until the time is over. Raises Problem when a part of the city ends before."""
    until_s = time.monotonic() + for_s
    while (left_s := until_s - time.monotonic()) > 0:
        time.sleep(min(left_s, WATCH_S))
        check_alive([*city.others, *city.gateways])


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _fresh(folder: Path, stack: ExitStack) -> Path:
    """The folder, empty but for the mark that lets the next demo empty it again, and ours until `stack` ends.

    Raises Problem.
    """
    folder = folder.resolve()
    mark = folder / MARK
    try:
        if folder.exists() and any(folder.iterdir()) and not mark.exists():
            raise Problem(
                f"{folder}: 비어 있지 않고, 데모의 폴더가 아닙니다. 다른 폴더를 --data로 주십시오",
                f"{folder}: not empty, and not a demo's folder; give another one with --data",
            )
        folder.mkdir(parents=True, exist_ok=True)
        fcntl.flock(stack.enter_context(mark.open("w")), fcntl.LOCK_EX | fcntl.LOCK_NB)
        for old in folder.iterdir():
            if old.is_dir() and not old.is_symlink():
                shutil.rmtree(old)
            elif old != mark:
                old.unlink()
    except BlockingIOError as error:
        raise Problem(
            f"{folder}: 다른 데모가 쓰고 있습니다. 다른 폴더를 --data로 주십시오",
            f"{folder}: another demo is using it; give another folder with --data",
        ) from error
    except OSError as error:
        raise Problem(
            f"{folder}: 쓸 수 없습니다: {error.strerror}", f"{folder}: cannot be used: {error.strerror}"
        ) from error
    return folder


def _start(folder: Path, port: int, extra: Extra, stack: ExitStack) -> City:
    sites = stretch.load_sites(folder, SITES)
    filled_until_s = _fill(sites, extra.history_days)
    influx = demo_boards.start_influxdb(sites, stack) if extra.boards else None
    began_s = time.monotonic()
    others: list[Child] = []
    gateways: list[Child] = []
    stack.callback(stop_all, others)
    stack.callback(stop_all, gateways)

    def begin(child: Child) -> Child:
        others.append(child)
        child.start()
        return child

    _progress(say("[1/4] 계량기와 선로를 켭니다", "[1/4] switching on meters and lines"))
    meters = stretch.simulation(sites, SITES, TICK_S)
    others.append(meters)
    broker_port = free_port()
    begin(_broker(sites, broker_port))
    stretch.start_simulation(sites, meters)
    _progress(say("[2/4] 클라우드를 켭니다", "[2/4] starting the cloud"))
    broker = f"mqtt://127.0.0.1:{broker_port}"
    area = begin(stretch.area(sites, broker, "--settle-delay-s", SETTLE_DELAY_S, *extra.area_options))
    begin(_portal(sites, port, *extra.portal_options))
    # what gateways publish before reaches nobody, and their first batches would wait for the time-out
    wait_until(lambda: stretch.subscribed(area), "area", others, 60)
    _progress(say("[3/4] 게이트웨이를 켭니다", "[3/4] starting the gateways"))
    for name in sites.gateways:
        gateways.append(stretch.gateway(sites, name, broker))
        gateways[-1].start()
    _progress(say("[4/4] 첫 값을 기다립니다", "[4/4] waiting for the first readings"))
    listener = Listener(port)
    stack.callback(listener.close)
    wait_until(lambda: listener.live, say("실시간 화면", "the live page"), [*others, *gateways], 60)
    check_alive([*others, *gateways])  # a page that somebody else shows at that port is not ours
    ready_s = time.monotonic() - began_s
    if influx is not None:
        begin(demo_boards.mirror(sites, influx, broker, extra))
    boards = demo_boards.address(influx) if influx is not None else ""
    return City(sites, gateways, others, listener, ready_s, time.time(), filled_until_s, boards)


def _fill(sites: stretch.Sites, days: int) -> int:
    if not days:
        return 0
    _progress(say(f"[0/4] 지난 {days}일을 채웁니다", f"[0/4] filling in {days} days that are over"))
    return demo_boards.fill(sites, days)


def _broker(sites: stretch.Sites, port: int) -> Child:
    # the passwords are random and live as long as the demo: a cheap hash is enough, and starts faster
    hasher = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=1024, parallelism=1),))
    file = sites.password_file("hashed")
    file.touch(mode=0o600)
    file.write_text(
        "".join(f"{name}:{hasher.hash(word)}\n" for name, word in stretch.passwords(sites).items()), "utf-8"
    )
    settings = sites.folder / "broker.json"
    content = {"port": port, "gateways": sites.gateways, "area": stretch.AREA, "password_file": str(file)}
    settings.write_text(json.dumps(content), "utf-8")
    argv = [sys.executable, "-m", "commands.demo_broker", str(settings)]
    return Child("broker", argv, sites.folder / "logs" / "broker.log")


def _portal(sites: stretch.Sites, port: int, *more: str) -> Child:
    argv = bitgoeul("cloud", "portal", "--registry", sites.registry, "--port", str(port))
    argv += ["--area", f"{stretch.AREA}={stretch.area_socket(sites)}", "--stale-after", str(STALE_AFTER_S)]
    argv += ["--totals", str(stretch.totals(sites)), *more]
    return Child("portal", argv, sites.folder / "logs" / "portal.log")


def _say_ready(city: City) -> None:
    port, gateways, meters = city.listener.port, len(city.gateways), len(city.stretch.meters)
    _progress(
        say(
            f"\n  빛고을이 {city.ready_s:.0f}초 만에 켜졌습니다: http://127.0.0.1:{port}/ (English: /en)\n"
            f"  게이트웨이 {gateways}대가 계량기 {meters}대를 1초마다 읽습니다. 끝내려면 Ctrl-C를 누르십시오.\n"
            f"  고장을 내 보려면: ./bitgoeul simulate fault dead {city.stretch.meters[0]}"
            f" --data {city.stretch.simulation}\n",
            f"\n  Bitgoeul is up after {city.ready_s:.0f} s: http://127.0.0.1:{port}/en (한국어: /)\n"
            f"  {gateways} gateways read {meters} meters each second. Ctrl-C ends it.\n"
            f"  To try a fault: ./bitgoeul simulate fault dead {city.stretch.meters[0]}"
            f" --data {city.stretch.simulation}\n",
        )
    )
    if city.boards:
        name = demo_boards.DATABASE
        _progress(
            say(
                f"  대시보드의 InfluxDB: {city.boards} 데이터베이스 {name}\n",
                f"  The boards' InfluxDB: {city.boards} database {name}\n",
            )
        )


def _finish(city: City) -> dict[str, float | int]:
    """Stop what reads, let the outboxes empty, stop the rest, and compare what was taken with what is stored."""
    _progress(say("마지막 값까지 저장하고 끝냅니다", "storing the last readings, then ending"))
    judged_to_s = time.time() - LAST_S
    alive = sum(child.alive for child in city.gateways)
    _each(city.gateways, lambda child: child.terminate())
    stop_all(city.gateways)
    drains = [stretch.drain(city.stretch, name) for name in city.stretch.gateways]
    _each(drains, lambda child: child.start())
    _each(drains, lambda child: child.wait(30))
    city.listener.close()
    until_s = time.time()
    stop_all(city.others)
    area = stretch.area_file(city.stretch)
    found = tally(area, [city.stretch.outbox(name) for name in city.stretch.gateways], city.filled_until_s)
    judged_from_s = max(city.ready_at_s, judged_to_s - JUDGED_S)
    ages = sorted(freshness_s(city.listener.events, moments(area, judged_from_s, judged_to_s), until_s))
    return {
        "gateways": alive,
        "meters": found.meters,
        "readings_taken": found.taken,
        "readings_stored": found.stored,
        "lost": found.lost,
        "duplicated": found.rows - found.stored,
        "freshness_p95_s": round(ages[int(len(ages) * 0.95)], 3) if ages else -1,
        "ready_s": round(city.ready_s, 1),
    }


def _each(children: list[Child], action: Callable[[Child], object]) -> None:
    for child in children:
        action(child)


def _print(summary: dict[str, float | int], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(summary))
        return
    print(
        say(
            "게이트웨이 {gateways}대, 계량기 {meters}대, 읽은 값 {readings_taken:,}, 저장한 값 {readings_stored:,}, "
            "잃은 값 {lost}, 겹친 값 {duplicated}; 읽은 뒤 화면까지 {freshness_p95_s}초 (95 %)",
            "{gateways} gateways, {meters} meters, {readings_taken:,} readings taken, {readings_stored:,} stored, "
            "{lost} lost, {duplicated} doubled; from reading to page {freshness_p95_s} s (95 %)",
        ).format(**summary)
    )


def _progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
