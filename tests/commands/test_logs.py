"""What a log says to a machine: one JSON object a line, whoever speaks, and nothing secret."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from commands.__main__ import main

ROOT = Path(__file__).parents[2]
SPEAK = """
import logging, threading, warnings
from commands import logs
logs.set_up()
ours, other = logging.getLogger("cloud.ingest.area"), logging.getLogger("uvicorn.error")
ours.info("slot settled slot_s=%d settle_s=%.2f name=%s why=%r", 1_700_000_000, 0.25, "007", "no room, said 'a=b'")
ours.info("event=area-silent area=main error='gone away'")
ours.info("housekeeping begins")
other.warning("reached postgresql://kim:hunter2@db/x a=b")
warnings.warn("old ways", stacklevel=1)
logging.getLogger("alembic.runtime").info("context impl")
try:
    raise ValueError("mqtts://u:hunter2@broker")
except ValueError:
    ours.exception("frame failed frame=3")
thread = threading.Thread(target=lambda: 1 / 0)
thread.start()
thread.join()
raise OSError("at the end")
"""


def said(kind: str) -> str:
    env = os.environ | {"PYTHONPATH": str(ROOT), "BITGOEUL_LOG": kind, "BITGOEUL_LANG": "en"}
    return subprocess.run([sys.executable, "-c", SPEAK], env=env, capture_output=True, text=True, check=False).stderr


def test_each_line_is_an_object_with_the_pairs_of_our_messages() -> None:
    lines: list[dict[str, Any]] = [json.loads(line) for line in said("json").splitlines()]
    assert [(line["level"], line["logger"], line.get("event"), line.get("fields")) for line in lines] == [
        (
            "info",
            "cloud.ingest.area",
            "slot settled",
            {"slot_s": 1_700_000_000, "settle_s": 0.25, "name": "007", "why": "no room, said 'a=b'"},
        ),
        ("info", "cloud.ingest.area", "area-silent", {"area": "main", "error": "gone away"}),
        ("info", "cloud.ingest.area", None, None),
        ("warning", "uvicorn.error", None, None),
        ("warning", "py.warnings", None, None),
        ("error", "cloud.ingest.area", "frame failed", {"frame": 3}),
        ("critical", "commands", None, None),
        ("critical", "commands", None, None),
    ]
    assert all(line["ts"].endswith("+00:00") for line in lines)
    assert lines[2]["message"] == "housekeeping begins"
    assert lines[5]["exception"].startswith("Traceback")
    assert ["ZeroDivisionError" in lines[6]["exception"], "at the end" in lines[7]["exception"]] == [True, True]


def test_no_password_of_an_address_is_written() -> None:
    for kind in ("json", "text"):
        assert "hunter2" not in said(kind)
        assert "://***@db/x" in said(kind)


def test_another_kind_of_log_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:

    monkeypatch.setenv("BITGOEUL_LANG", "en")
    monkeypatch.setenv("BITGOEUL_LOG", "xml")
    assert main(["cloud", "registry", "columns"]) == 2
    assert "BITGOEUL_LOG 'xml': expected json or text" in capsys.readouterr().err
