"""`bitgoeul cloud gateways`, without a broker."""

import contextlib
import io
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cloud.pki import ledger
from cloud.pki.authority import KEY, Authority, create_authority, open_authority
from cloud.pki.issuing import issue_client, revoke
from cloud.pki.publishing import ACL, BROKER, publish
from commands.__main__ import main
from contract.problems import Problem
from tests.pki.installation import PASSPHRASE

NOBODY = 65_534

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    made = create_authority(tmp_path / "pki", PASSPHRASE, "Bitgoeul")
    publish(made.folder)
    return made


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "passphrase"
    path.touch(mode=0o600)
    path.write_text(PASSPHRASE + "\n")
    return path


@pytest.fixture
def gateways(
    authority: Authority, secret: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Run:
    """The command; its exit status and what it said."""

    def run(action: str, *arguments: str, language: str = "en") -> tuple[int, str]:
        monkeypatch.setenv("BITGOEUL_LANG", language)
        options = ["--pki", str(authority.folder)]
        if action != "list":
            options += ["--passphrase-file", str(secret)]
        status = main(["cloud", "gateways", action, *options, *arguments])
        said = capsys.readouterr()
        return status, said.out + said.err

    return run


def test_one_file_for_each_gateway(authority: Authority, gateways: Run) -> None:
    status, said = gateways("add", "g1", "g2", "--area", "main", "--days", "400")
    assert status == 0, said
    for name in ("g1", "g2"):
        path = authority.folder / "gateways" / f"{name}.pem"
        assert str(path) in said
        assert path.stat().st_mode & 0o777 == 0o600
        text = path.read_text()
        assert text.count("BEGIN PRIVATE KEY") == 1
        assert text.count("BEGIN CERTIFICATE") == 2
    listed = json.loads(gateways("list", "--json")[1])
    assert [(one["name"], one["area"], one["state"]) for one in listed] == [
        ("g1", "main", "valid"),
        ("g2", "main", "valid"),
    ]
    assert {one["days_left"] for one in listed} <= {399, 400}
    assert PASSPHRASE not in said


def test_a_name_that_has_one_gets_another_only_to_renew(authority: Authority, gateways: Run) -> None:
    gateways("add", "g1")
    old = (authority.folder / "gateways/g1.pem").read_bytes()
    status, said = gateways("add", "g2", "g1")
    assert status == 1
    assert "gateway 'g1': has a certificate until" in said
    assert "--renew" in said
    assert [entry.name for entry in ledger.read_ledger(authority.folder)] == ["g1"]
    assert (authority.folder / "gateways/g1.pem").read_bytes() == old
    assert gateways("add", "g1", "--renew")[0] == 0
    assert (authority.folder / "gateways/g1.pem").read_bytes() != old
    (listed,) = json.loads(gateways("list", "--json")[1])
    assert (listed["state"], listed["certificates_holding"]) == ("valid", 2)


def test_the_list_says_how_each_stands(authority: Authority, gateways: Run) -> None:
    assert "no certificate was issued yet" in gateways("list")[1]
    gateways("add", "g-good")
    gateways("add", "g-soon", "--days", "29")
    gateways("add", "g-lost")
    revoke(authority, "g-lost", "stolen")
    entries = ledger.read_ledger(authority.folder)
    over = ledger.Entry(name="g-over", kind="gateway", serial="1f", from_s=1, to_s=2)
    ledger.write_ledger(authority.folder, [*entries, over])
    rows = {line.split()[0]: line for line in gateways("list")[1].splitlines()[1:]}
    assert list(rows) == ["g-good", "g-lost", "g-over", "g-soon"]
    assert " valid " in rows["g-good"]
    assert " expires soon " in rows["g-soon"]
    assert " expired " in rows["g-over"]
    assert " revoked " in rows["g-lost"]
    assert rows["g-lost"].endswith("stolen")
    assert "폐기" in gateways("list", language="ko")[1]
    # what has expired can be ended too, so that nobody is reminded of it for ever
    assert [one.name for one in revoke(authority, "g-over", "retired")] == ["g-over"]
    issue_client(authority, "mirror")
    kinds = {one["name"]: one["kind"] for one in json.loads(gateways("list", "--json", "--all")[1])}
    assert kinds == dict.fromkeys(rows, "gateway") | {"mirror": "process"}


def test_rules_follow_the_ledger(authority: Authority, gateways: Run) -> None:
    acl = authority.folder / BROKER / ACL
    gateways("add", "g1")
    for name in ("ingest-main", "ingest-dong"):
        issue_client(authority, name)
    revoke(authority, "g1", "lost")
    publish(authority.folder)
    text = acl.read_text()
    assert "user ingest-main\ntopic read bitgoeul/v1/main/+/readings/#\n" in text
    assert "user ingest-dong\n" in text
    assert text.endswith("user g1\ntopic deny #\n")
    assert gateways("add", "g1")[0] == 0
    assert "user g1" not in acl.read_text()
    assert acl.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (("tools",), 1, "gateway 'tools': the name of a process"),
        (("ingest-east",), 1, "gateway 'ingest-east': the name of a process"),
        (("G1",), 1, "gateway 'G1': expected 1 to 64"),
        (("../up",), 1, "gateway '../up': expected 1 to 64"),
        (("g1", "g1"), 2, "a name is given twice"),
        (("g1", "--days", "0"), 2, "--days 0: expected 1 to"),
        (("g1", "--area", "A B"), 1, "area 'A B': expected 1 to 64"),
        (("g1", "--to", "/proc/version"), 1, "/proc/version/g1.pem: cannot be written"),
        (("g1", "--pki", "/nowhere"), 1, "/nowhere/ca.key: no authority there"),
        (("g1", "--passphrase-file", "/nowhere"), 1, "/nowhere: cannot be read"),
    ],
)
def test_bad_input_is_one_line(gateways: Run, arguments: tuple[str, ...], status: int, says: str) -> None:
    found, said = gateways("add", *arguments)
    assert (found, said.count("\n")) == (status, 1), said
    assert says in said


def test_a_wrong_passphrase_or_a_broken_key_is_one_line(
    authority: Authority, gateways: Run, secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret.write_text("something else")
    assert gateways("add", "g1") == (1, f"bitgoeul: {authority.folder / KEY}: wrong passphrase\n")
    secret.chmod(0o644)
    assert "chmod 600" in gateways("add", "g1")[1]
    (authority.folder / KEY).write_text("broken")
    secret.chmod(0o600)
    assert "ca.key: no PEM, or broken" in gateways("add", "g1")[1]
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert main(["cloud", "gateways", "add", "g1", "--pki", str(authority.folder)]) == 2


def test_who_may_not_look_is_told(authority: Authority, gateways: Run) -> None:
    authority.folder.chmod(0)
    try:
        with as_nobody():
            status, said = gateways("list")
            with pytest.raises(Problem, match="cannot be read: Permission denied"):
                open_authority(authority.folder, PASSPHRASE)
    finally:
        authority.folder.chmod(0o700)
    assert (status, said.count("\n")) == (1, 1), said
    assert "cannot be read: Permission denied" in said


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    """Root may look everywhere."""
    was = os.geteuid()
    if was == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(was)


def test_an_authority_that_is_not_there_has_no_list(gateways: Run) -> None:
    assert gateways("list", "--pki", "/nowhere")[0] == 1
