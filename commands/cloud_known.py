"""`bitgoeul cloud known SITE… --to DIR`: what the cloud must know of sites, until there is a registry."""

import argparse
import os
from pathlib import Path
from typing import Any

from commands.language import say
from contract.problems import Problem
from contract.topics import check_name
from edge.config import Site
from edge.files import read_toml
from edge.models import load_model, quantities


def options(parser: argparse.ArgumentParser) -> None:
    """Sites by name or file."""
    about = say(
        "게이트웨이의 현장 파일, 또는 모의 시설의 이름이나 파일. sites.csv는 모의 시설로만 만듭니다",
        "site files of gateways, or names or files of simulated sites; sites.csv is made of the simulated ones only",
    )
    parser.add_argument("sites", nargs="+", metavar="SITE", help=about)
    parser.add_argument("--to", type=Path, required=True, metavar="DIR", help=say("쓸 폴더", "folder to write to"))


def run(args: argparse.Namespace) -> int:
    """Write what can be made of these sites, and say where."""
    from simulators.site import shipped, write_cloud_files  # noqa: PLC0415  # loaded only by who uses them

    real = [name for name in args.sites if name not in shipped() and _is_gateways(name)]
    simulated = [name for name in args.sites if name not in real]
    gateways = [_read(Path(name)) for name in real]
    try:
        args.to.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Problem(
            f"{args.to}: 쓸 수 없습니다: {error.strerror}", f"{args.to}: cannot be written: {error.strerror}"
        ) from error
    for path in write_cloud_files(simulated, args.to, gateways):
        print(path)
    return 0


def _is_gateways(name: str) -> bool:
    """Whether it is a gateway's own file: there `gateway` is its name, in a simulated site a table of each."""
    if not os.path.isfile(name):  # noqa: PTH113  # Path.is_file raises for a name that is too long
        return False
    read: dict[str, Any] = read_toml(Path(name), dict)
    return isinstance(read.get("gateway"), str) or "uplink" in read


def _read(path: Path) -> Site:
    """A gateway's site file, checked for what the cloud needs of it: its passwords and its outbox are elsewhere."""
    site = read_toml(path, Site)
    try:
        _check(site)
    except Problem as problem:
        raise Problem(f"{path}: {problem.text.ko}", f"{path}: {problem.text.en}") from problem
    return site


def _check(site: Site) -> None:
    meters = [meter for line in site.line for meter in line.meter]
    if not meters:
        raise Problem("meter가 하나도 없습니다", "no meter: expected at least one [[line.meter]]")
    check_name("gateway", site.gateway)
    for meter in meters:
        check_name("meter", meter.name)
        known = quantities(load_model(meter.model))
        for quantity in meter.quantities:
            if quantity not in known:
                raise Problem(
                    f"meter '{meter.name}': 모델 {meter.model}에 '{quantity}' 항목이 없습니다."
                    f" 쓸 수 있는 항목: {', '.join(known)}",
                    f"meter '{meter.name}': model {meter.model} has no quantity '{quantity}';"
                    f" expected one of {', '.join(known)}",
                )
