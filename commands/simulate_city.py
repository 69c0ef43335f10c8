"""`bitgoeul simulate city`: the gateways of a whole city on a broker, and what a registry would say of them."""

import argparse
import secrets
import signal
import time
from types import FrameType

from cloud.registry import snapshot
from commands.language import say
from contract.problems import UsageProblem
from edge.config import parse_broker
from simulators.city_build import build
from simulators.city_load import CityLoad, LoadSettings
from simulators.city_registry import snapshot_tables, write_csvs
from simulators.city_wire import FILES_BESIDE, allow_files

TOLD_S = 60.0


def run(args: argparse.Namespace) -> None:
    """Write the registry's snapshot and CSV files, then send every meter each tick, until SIGINT or SIGTERM."""
    broker = parse_broker(args.broker)
    if broker.scheme != "mqtt":
        raise UsageProblem(
            f"--broker {args.broker}: 모의 도시는 mqtt://로만 보냅니다",
            f"--broker {args.broker}: a simulated city sends to mqtt:// only",
        )
    city = build(args.meters)
    allow_files(city.gateways + FILES_BESIDE)
    registry, csv = args.data / "registry", args.data / "csv"
    snapshot.write(registry, snapshot_tables(city))
    write_csvs(city, csv)
    print(say(f"등록부 사본: {registry}, CSV: {csv}", f"registry's snapshot: {registry}, CSV: {csv}"), flush=True)
    run_name = secrets.token_hex(4)
    load = CityLoad(city, LoadSettings(broker.port, run_name, args.meters, tick_s=args.tick, host=broker.host))
    over: list[int] = []

    def end(number: int, _frame: FrameType | None) -> None:
        over.append(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    load.begin()
    told_s = time.monotonic()
    while not over:
        load.step()
        if time.monotonic() - told_s >= TOLD_S:
            told_s = time.monotonic()
            _tell(load, city.gateways)
    load.leave()


def _tell(load: CityLoad, gateways: int) -> None:
    told = load.tell()
    print(
        say(
            f"게이트웨이 {told.connected:,}/{gateways:,}대 연결, 측정값 {told.readings:,}, "
            f"영수증 없는 묶음 {told.waiting:,}",
            f"{told.connected:,} of {gateways:,} gateways connected, {told.readings:,} readings, "
            f"{told.waiting:,} batches without a receipt",
        ),
        flush=True,
    )
