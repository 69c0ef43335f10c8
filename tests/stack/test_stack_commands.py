"""`bitgoeul stack init|check`, on an installation's files alone."""

import os
import shutil
import socket
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509

from cloud.pki import issuing
from cloud.pki.authority import create_authority, read_certificate
from cloud.pki.files import SECRET, write_file
from commands import stack_check, stack_init
from commands.__main__ import main
from commands.stack_files import CLIENTS, SECRETS, Installation, reader_of
from commands.stack_init import Asked
from contract.problems import Problem
from simulators.servers import free_port

ROOT = Path(__file__).parent.parent.parent
HOSTS = ("energy.example.kr", "127.0.0.1")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if os.geteuid() != 0:
        pytest.skip("files are given to other users, which needs root")
    folder = tmp_path_factory.mktemp("made")
    shutil.copy(ROOT / "docker-compose.yml", folder)
    before = os.umask(0)
    try:
        stack_init.init(Installation(folder), Asked(HOSTS), lambda _: None)
    finally:
        os.umask(before)
    return folder


@pytest.fixture
def installation(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installation:
    """A copy to be broken, on free ports, told of in English."""
    monkeypatch.setenv("BITGOEUL_LANG", "en")
    folder = tmp_path / "installation"
    shutil.copytree(made, folder)
    for source in made.rglob("*"):
        found = source.stat()
        os.chown(folder / source.relative_to(made), found.st_uid, found.st_gid)
    environment = folder / ".env"
    text = environment.read_text("utf-8").replace("=443", f"={free_port()}").replace("=8883", f"={free_port()}")
    environment.write_text(text, "utf-8")
    return Installation(folder)


def _complaints(installation: Installation) -> list[str]:
    """But those of a machine that has no Docker."""
    return [line for line in stack_check.check(installation) if not line.startswith("docker:")]


def test_secrets_are_for_their_reader_alone_whatever_the_umask(made: Path) -> None:
    installation = Installation(made)
    files = [installation.secrets / name for holders in SECRETS for name in holders]
    files += [installation.client_files(name)[1] for name in CLIENTS]
    files += [installation.pki / "ca.key", *installation.server_files]
    for path in files:
        found = path.stat()
        assert stat.S_IMODE(found.st_mode) == 0o600, path
        assert found.st_uid == reader_of(path), path
    assert stat.S_IMODE(installation.secrets.stat().st_mode) == 0o700
    values = {holders: {(installation.secrets / name).read_text("utf-8") for name in holders} for holders in SECRETS}
    assert all(len(held) == 1 for held in values.values())
    assert len(set.union(*values.values())) == len(SECRETS)


def test_what_exists_stays(installation: Installation) -> None:
    before = {path: path.read_bytes() for path in installation.root.rglob("*") if path.is_file()}
    (installation.secrets / "cloud" / "boards_password").unlink()
    told: list[str] = []
    stack_init.init(installation, Asked(), told.append)
    assert told == ["made: deploy/secrets/cloud/boards_password"]
    assert {path: path.read_bytes() for path in before} == before


def test_a_certificate_that_is_made_anew_has_the_names_of_before(installation: Installation) -> None:
    for path in installation.server_files:
        path.unlink()
    stack_init.init(installation, Asked(), lambda _: None)
    broker, proxy = (set(_names_in(path)) for path in installation.server_files)
    assert (broker, proxy) == ({*HOSTS, "localhost", "broker"}, set(HOSTS))
    assert _complaints(installation) == []


def test_other_names_than_those_of_the_installation_are_refused(installation: Installation) -> None:
    with pytest.raises(Problem, match=r"\.env says energy\.example\.kr,127\.0\.0\.1; change BITGOEUL_HOST "):
        stack_init.init(installation, Asked(("other.example.kr",)), lambda _: None)


def test_a_name_that_is_none_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="expected a host name"):
        stack_init.init(Installation(tmp_path), Asked(("https://energy.example.kr",)), lambda _: None)
    assert list(tmp_path.iterdir()) == []


def test_a_certificate_without_the_installations_name_is_named(installation: Installation) -> None:
    text = installation.environment_file.read_text("utf-8").replace("energy.example.kr", "new.example.kr")
    installation.environment_file.write_text(text, "utf-8")
    assert _complaints(installation) == [
        f"deploy/pki/{name}/server.pem: does not name new.example.kr (BITGOEUL_HOSTS in .env); "
        "delete it and run bitgoeul stack init"
        for name in ("broker", "proxy")
    ]


@pytest.mark.parametrize("name", ["https://energy.example.kr", "에너지.kr"])
def test_whatever_name_stands_in_the_environment_is_one_line(installation: Installation, name: str) -> None:
    text = installation.environment_file.read_text("utf-8").replace("energy.example.kr", name)
    installation.environment_file.write_text(text, "utf-8")
    lines = _complaints(installation)
    assert len(lines) == len(installation.server_files)
    assert all(name in line for line in lines)


def test_a_passphrase_that_was_taken_away_is_asked_for_only_to_sign(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = installation.passphrase_file.read_text("utf-8").strip()
    installation.passphrase_file.unlink()
    monkeypatch.setattr("sys.stdin", (installation.root / ".env").open())
    stack_init.init(installation, Asked(), lambda _: None)
    assert not installation.passphrase_file.exists()
    installation.server_files[0].unlink()
    with pytest.raises(Problem, match="expected deploy/secrets/ca_passphrase"):
        stack_init.init(installation, Asked(), lambda _: None)
    sys.stdin.close()
    write_file(installation.passphrase_file, kept.encode(), SECRET)
    stack_init.init(installation, Asked(), lambda _: None)
    assert installation.server_files[0].exists()


def test_after_the_authority_was_restored_all_of_it_is_trusted_again(installation: Installation, made: Path) -> None:
    """A new machine has an authority of its own until the old one is put in its place."""
    for name in ("ca.crt", "ca.key", "ledger.csv", "crl.pem"):
        (installation.pki / name).unlink(missing_ok=True)
    (installation.secrets / "cloud" / "ca.crt").unlink()
    stack_init.init(installation, Asked(), lambda _: None)
    assert any("not signed by" in line for line in _complaints(installation))
    for name in ("ca.crt", "ca.key"):
        shutil.copy2(made / "deploy/pki" / name, installation.pki / name)
    (line,) = _complaints(installation)
    assert line.startswith("deploy/secrets/cloud/ca.crt: not this installation's authority")
    stack_init.init(installation, Asked(), lambda _: None)
    assert _complaints(installation) == []


def test_a_further_area_has_a_certificate_and_rules_of_its_own(installation: Installation) -> None:
    stack_init.init(installation, Asked(areas=("west",)), lambda _: None)
    assert installation.clients() == ("ingest-main", "mirror", "ingest-west")
    rules = (installation.pki / "broker" / "acl").read_text("utf-8")
    assert "user ingest-west\ntopic read bitgoeul/v1/west/+/readings/#" in rules
    assert _complaints(installation) == []
    installation.client_files("ingest-west")[1].chmod(0o644)
    assert [line.split(":")[0] for line in _complaints(installation)] == ["deploy/secrets/cloud/ingest-west.key"]


def test_what_containers_read_is_readable_whatever_the_umask(installation: Installation) -> None:
    folder = installation.root / "deploy" / "broker"
    folder.mkdir(mode=0o750)
    (folder / "watch.sh").touch(0o640)
    stack_init.init(installation, Asked(), lambda _: None)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (folder, folder / "watch.sh")] == [0o755, 0o644]


def _names_in(path: Path) -> Iterator[str]:
    names = read_certificate(path).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return (str(name.value) for name in names)


def test_a_whole_installation_has_nothing_wrong(installation: Installation) -> None:
    assert _complaints(installation) == []


def test_each_thing_that_is_wrong_is_one_line_that_names_it(installation: Installation) -> None:
    secrets = installation.secrets
    (secrets / "postgres" / "password").unlink()
    (secrets / "grafana" / "secret_key").write_text("", "utf-8")
    (secrets / "cloud" / "staff_token").chmod(0o644)
    os.chown(secrets / "influxdb" / "admin_token", 4321, 4321)
    token = "deploy/secrets/influxdb/admin_token"
    assert _complaints(installation) == [
        "deploy/secrets/postgres/password: missing; bitgoeul stack init makes it",
        "deploy/secrets/cloud/staff_token: others may read it; chmod 600 deploy/secrets/cloud/staff_token",
        f"{token}: belongs to user 4321, expected 1000; chown 1000:1000 {token}",
        "deploy/secrets/grafana/secret_key: empty; delete it and run bitgoeul stack init",
    ]


def test_a_certificate_of_another_authority_and_an_expired_one_are_named(
    installation: Installation, tmp_path: Path
) -> None:
    other = create_authority(tmp_path / "other", "another passphrase", "Another")
    issuing.write_pair(issuing.issue_client(other, "mirror"), installation.secrets / "cloud", "mirror")
    broken = installation.client_files("ingest-main")[1]
    shutil.copyfile(installation.client_files("mirror")[1], broken)
    lines = _complaints(installation)
    assert [line.split(":")[0] for line in lines] == [
        "deploy/secrets/cloud/ingest-main.key",
        "deploy/secrets/cloud/mirror.crt",
    ]
    assert lines[0].endswith("not the key of deploy/secrets/cloud/ingest-main.crt")
    assert "not signed by this installation's authority" in lines[1]
    assert lines[1].endswith("then docker-compose restart area-main mirror")


def test_a_port_in_use_is_named(installation: Installation) -> None:
    with socket.create_server(("0.0.0.0", 0)) as taken:
        port = taken.getsockname()[1]
        text = f"BITGOEUL_HTTPS_PORT={port}\nBITGOEUL_MQTTS_PORT=0\n"
        installation.environment_file.write_text(text, "utf-8")
        lines = _complaints(installation)
    assert lines[0].startswith(f"proxy: port {port} is in use by another program")
    assert lines[1] == ".env: BITGOEUL_MQTTS_PORT=0: expected 1 to 65535"


@pytest.mark.skipif(stack_check.compose_command() is None, reason="docker-compose is not installed")
@pytest.mark.parametrize("text", ["services: [", "- broker", "services:\n  broker:\n    colour: red\n"])
def test_a_broken_override_file_is_named(installation: Installation, text: str) -> None:
    installation.override_file.write_text(text, "utf-8")
    (line,) = _complaints(installation)
    assert line.startswith("docker-compose.override.yml: cannot be used: ")


def test_check_says_so_by_its_exit_status(installation: Installation, capsys: pytest.CaptureFixture[str]) -> None:
    (installation.secrets / "postgres" / "password").unlink()
    assert main(["stack", "check", "--root", str(installation.root)]) == 1
    assert "deploy/secrets/postgres/password: missing" in capsys.readouterr().out


def test_a_folder_without_a_compose_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stack", "check", "--root", str(tmp_path)]) == 2
    assert "docker-compose.yml" in capsys.readouterr().err
