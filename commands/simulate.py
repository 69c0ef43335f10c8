"""`bitgoeul simulate`: run the lines of simulated sites in the foreground, and switch faults while they run.

bitgoeul simulate list
bitgoeul simulate hanam suwan --speed 60
bitgoeul simulate fault dead hanam-e-factory-03
bitgoeul simulate fault dead hanam-e-factory-03 --off
bitgoeul simulate city --meters 20000 --broker mqtt://127.0.0.1:1883
"""

import argparse
import contextlib
import signal
import sys
from collections import Counter
from pathlib import Path

from commands.language import language, say
from contract.problems import Problem, Text, UsageProblem
from edge.config import OutboxConfig, UplinkConfig, parse_broker
from simulators.control import KINDS, Fault, control_socket, send
from simulators.gateway_files import GatewaySettings, gateway_site, write_gateway_file
from simulators.registered import write_registry
from simulators.running import RunningSite, RunOptions, run_site
from simulators.site import SimSite, load_sim_site, places, shipped

DAY_S = 86_400
_STOP = (signal.SIGINT, signal.SIGTERM)


def options(parser: argparse.ArgumentParser) -> None:
    """`what` is a list of sites, or `list`, or `fault KIND TARGET`."""
    parser.add_argument(
        "what",
        nargs="+",
        metavar="SITE",
        help=say(
            "시설 이름이나 파일, 또는 list, 또는 fault 종류 대상, 또는 city(도시 전체의 게이트웨이)",
            f"names or files of sites, or: list, or: fault KIND TARGET, with KIND one of {', '.join(KINDS)}, "
            "or: city (the gateways of all of it)",
        ),
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=Path("simulation"),
        help=say("포트, 기록, 게이트웨이 파일을 둘 폴더", "folder for ports, logs and the gateways' files"),
    )
    parser.add_argument(
        "--speed", type=float, default=1.0, help=say("1초에 흐르는 모의 시간(초)", "simulated seconds a second")
    )
    parser.add_argument(
        "--baud-real", action="store_true", help=say("바이트를 실제 통신 속도로 보냄", "let bytes take their real time")
    )
    parser.add_argument(
        "--tick", type=int, default=60, help=say("게이트웨이 파일의 검침 주기(초)", "the gateways' tick in seconds")
    )
    parser.add_argument(
        "--broker",
        default="mqtt://127.0.0.1:1883",
        help=say("게이트웨이 파일의 브로커 주소", "the broker in the gateways' files"),
    )
    parser.add_argument(
        "--meters", type=int, default=20_000, help=say("city의 계량기 수, 기본 20000", "meters of city, default 20000")
    )
    parser.add_argument("--off", action="store_true", help=say("고장을 끔", "switch the fault off"))
    parser.add_argument("--value", type=float, help=say("고장의 크기", "how much of a fault"))
    parser.add_argument("--quantity", default="", help=say("고장 난 측정 항목", "the quantity that a fault befalls"))


def run(args: argparse.Namespace) -> int:
    """Run until SIGINT or SIGTERM, or do the one thing asked."""
    if args.what == ["list"]:
        _list()
    elif args.what[0] == "fault":
        _fault(args)
    elif args.what == ["city"]:
        _city(args)
    else:
        _simulate(args)
    return 0


def _city(args: argparse.Namespace) -> None:
    from commands import simulate_city  # noqa: PLC0415  # the arrays and stores are loaded only by who uses them

    _check_tick(args.tick)
    simulate_city.run(args)


def _check_tick(tick_s: int) -> None:
    if not 1 <= tick_s <= DAY_S:
        raise UsageProblem(f"--tick {tick_s}: 1~{DAY_S}이어야 합니다", f"--tick {tick_s}: expected 1 to {DAY_S}")


def _list() -> None:
    for name in shipped():
        site = load_sim_site(name)
        of = Counter(place.group.utility for place in places(site))
        meters = ", ".join(f"{utility} {count}" for utility, count in of.items())
        print(f"{name:<12} {_name(site)}: {meters}")


def _fault(args: argparse.Namespace) -> None:
    if len(args.what) != 3 or args.what[1] not in KINDS:
        kinds = ", ".join(KINDS)
        raise UsageProblem(
            f"bitgoeul simulate fault 종류 대상: 종류는 {kinds} 중 하나입니다",
            f"bitgoeul simulate fault KIND TARGET: expected KIND to be one of {kinds}",
        )
    _, kind, target = args.what
    send(args.data, Fault(kind=kind, target=target, on=not args.off, value=args.value, quantity=args.quantity))


def _simulate(args: argparse.Namespace) -> None:
    sites = [load_sim_site(name) for name in args.what]
    parse_broker(args.broker)
    _check_tick(args.tick)
    for folder in (args.data, *(args.data / site.site for site in sites)):
        _make_folder(folder)
    # while these are blocked no thread is struck by them: `sigwait` takes them, and all is put away in order
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOP)
    # lines whose threads wait for each other would answer late by up to the usual 5 ms
    sys.setswitchinterval(0.0005)
    with contextlib.ExitStack() as stack:
        running: dict[str, RunningSite] = {}
        for site in sites:
            how = RunOptions(args.speed, args.baud_real)
            running[site.site] = stack.enter_context(run_site(site, args.data / site.site, how))
            _print_site(running[site.site], args)
        registry = write_registry(sites, args.data / "registry")
        print(say(f"등록부 사본: {registry}", f"registry's snapshot: {registry}"))
        stack.enter_context(control_socket(running, args.data))
        print(say("실행 중입니다. Ctrl-C로 끝냅니다.", "running; Ctrl-C ends it"), flush=True)
        signal.sigwait(_STOP)


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Problem(
            f"{path}: 폴더로 쓸 수 없습니다: {error.strerror}",
            f"{path}: cannot be used as a folder: {error.strerror}",
        ) from error


def _print_site(running: RunningSite, args: argparse.Namespace) -> None:
    print(f"{running.site.site}: {_name(running.site)}")
    for name, endpoint in running.endpoints.items():
        where = endpoint.port or f"{endpoint.host}:{endpoint.tcp_port}"
        meters = len(running.lines[name].meters)
        print(say(f"  선로 {name}: {where} (계량기 {meters})", f"  line {name}: {where} ({meters} meters)"))
    for gateway in running.site.gateway:
        path = running.folder / f"{gateway.name}.toml"
        settings = GatewaySettings(
            UplinkConfig(brokers=[args.broker], username=gateway.name),
            OutboxConfig(path=str(running.folder.absolute() / f"{gateway.name}.outbox")),
            args.tick,
        )
        write_gateway_file(gateway_site(running.site, gateway.name, running.endpoints, settings), path)
        print(say(f"  게이트웨이 파일: {path}", f"  gateway file: {path}"))


def _name(site: SimSite) -> str:
    return Text(site.name_ko, site.name_en).of(language())
