"""`cloud area` as a program of its own that looks at late readings at once, where the real one lets them gather."""

import argparse
import logging
import sys

from cloud.settle import worker
from commands import cloud_area

if __name__ == "__main__":
    worker.MARKS_S = 0.2
    logging.basicConfig(level=logging.INFO)
    parser = argparse.ArgumentParser()
    cloud_area.options(parser)
    sys.exit(cloud_area.run(parser.parse_args(["main", *sys.argv[1:]])))
