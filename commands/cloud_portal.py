"""`bitgoeul cloud portal`: the pages, in the foreground."""

import argparse

from cloud.portal import settings
from commands.language import say


def options(parser: argparse.ArgumentParser) -> None:
    """The portal's own."""
    settings.add_options(parser, say)


def run(args: argparse.Namespace) -> int:
    """Until a signal ends it."""
    from cloud.portal import app  # noqa: PLC0415  # the web server is loaded only by who uses it

    return app.serve(settings.from_args(args))
