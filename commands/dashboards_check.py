"""`bitgoeul dashboards check`: whether dashboards/generated is fresh."""

import argparse

from contract.problems import Problem


def options(parser: argparse.ArgumentParser) -> None:
    """No options."""


def run(args: argparse.Namespace) -> int:
    """Raises Problem naming the first file that differs."""
    from dashboards import build  # noqa: PLC0415  # `push` runs where what this needs is not installed

    del args
    old = build.stale(build.GENERATED)
    if old:
        raise Problem(
            f"dashboards/generated/{old[0]}: 코드와 다릅니다 (모두 {len(old)}개). "
            "./bitgoeul dashboards build 로 새로 만드십시오",
            f"dashboards/generated/{old[0]}: differs from the code ({len(old)} in all); "
            "make it anew with ./bitgoeul dashboards build",
        )
    return 0
