"""The site files that installers start from: each is taken by `edge check`, as it stands."""

import json
import subprocess
import tomllib
from pathlib import Path

import pytest

from cloud.pki.authority import create_authority
from cloud.pki.issuing import issue_client, write_credentials
from commands.processes import ROOT, bitgoeul
from edge.config import load_site

SITES = sorted((ROOT / "firmware-configs" / "sites").glob("*.toml"))
OUTBOX = "/var/lib/bitgoeul/"


def as_installed(example: Path, folder: Path) -> Path:
    """The file beside its gateway's certificate, and its outbox in a folder that exists."""
    text = example.read_text("utf-8")
    assert f'path = "{OUTBOX}' in text
    site = folder / "site.toml"
    site.write_text(text.replace(OUTBOX, f"{folder}/"), "utf-8")
    authority = create_authority(folder / f"pki-{example.stem}", "a passphrase of a test", "Test city")
    gateway = tomllib.loads(text)["gateway"]
    write_credentials(issue_client(authority, gateway, kind="gateway"), folder / "gateway.pem")
    return site


@pytest.mark.parametrize("example", SITES, ids=lambda path: path.stem)
def test_an_example_is_taken_by_edge_check(example: Path, tmp_path: Path) -> None:
    argv = bitgoeul("edge", "check", as_installed(example, tmp_path), "--json")
    found = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr) == (0, "")
    plan = json.loads(found.stdout)
    assert plan["lines"]
    assert all(line["share"] < 0.5 for line in plan["lines"]), "a line that is half full at the start has no room"


def test_together_they_show_each_kind_of_line(tmp_path: Path) -> None:
    kinds = set()
    for example in SITES:
        for line in load_site(as_installed(example, tmp_path)).line:
            kinds.add("serial" if line.port else line.framing)
            assert line.port.startswith("/dev/bitgoeul/rs485-") or line.host, "a name that lasts"
    assert kinds == {"serial", "tcp", "rtu"}
    assert {path.stem for path in SITES} == {"apartment", "industrial", "minimal", "school-solar"}
