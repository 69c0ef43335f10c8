"""`bitgoeul backup` and `restore` as they are typed: what is kept, what is refused, and in which words."""

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from cloud.store.copying import Copies
from cloud.store.duck import DuckStore
from cloud.store.flight import AreaServer
from cloud.store.parquet import TotalsWriter
from commands import backup_folder
from commands.__main__ import main
from tests.totals.some_atoms import many

BROKER = 1883  # whose its folder is
KEY = "-----BEGIN {}PRIVATE KEY-----\n"


class Installation:
    """An area whose process is this one, totals, and certificates; `arguments` are those of `backup`."""

    def __init__(self, folder: Path, store: DuckStore) -> None:
        self.folder, self.store, self.to = folder, store, folder / "to"
        totals = folder / "totals" / "main"
        TotalsWriter(totals).write_day(20_000, many(20_000, 1))
        pki = folder / "pki"
        (pki / "gateways").mkdir(parents=True)
        (pki / "ca.key").write_text(KEY.format("ENCRYPTED "), "utf-8")
        (pki / "ca.crt").write_text("-----BEGIN CERTIFICATE-----\n", "utf-8")
        (pki / "broker.key").write_text(KEY.format(""), "utf-8")
        (pki / "gateways" / "g1.json").write_text("{}", "utf-8")
        (pki / "gateways").chmod(0o755)
        if os.geteuid() == 0:
            os.chown(pki / "gateways", BROKER, BROKER)
            os.chown(pki / "gateways" / "g1.json", BROKER, BROKER)
        self.arguments = ["backup", "--to", str(self.to), "--area", f"main={folder / 'data' / 'main.sock'}"]
        self.arguments += ["--totals", str(totals), "--pki", str(pki)]

    def backups(self) -> list[str]:
        return sorted(path.name for path in self.to.iterdir() if path.is_dir())


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installation]:
    monkeypatch.setenv("BITGOEUL_LANG", "en")
    (tmp_path / "data").mkdir()
    store = DuckStore(tmp_path / "data" / "main.duckdb")
    copies = Copies(store.file, tmp_path / "data" / "main.registry")
    copies.start()
    with AreaServer(tmp_path / "data" / "main.sock", store, copies.tables()):
        yield Installation(tmp_path, store)
    copies.stop(10)
    store.close()


def last_line(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that says what is wrong."""
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("bitgoeul")]
    assert len(said) == 1
    return said[0]


def test_all_of_it_is_copied_checked_and_put_back(
    made: Installation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made.store.series(["m"], ["electricity_import_kwh"])
    assert main(made.arguments) == 0
    said = capsys.readouterr()
    assert "left out, private keys not encrypted: broker.key" in said.err
    assert "passwords and other secrets are not in the backup" in said.err
    backup = Path(said.out.strip())
    assert stat.S_IMODE(backup.stat().st_mode) == 0o700
    assert main(["backup", "check", str(backup)]) == 0
    there = tmp_path / "there"
    assert main(["restore", str(made.to), "--data", str(there), "--pki", str(there / "pki")]) == 0
    assert "a private key that no backup has: broker.key" in capsys.readouterr().err
    pki = {path.relative_to(there / "pki").as_posix() for path in (there / "pki").rglob("*") if path.is_file()}
    assert pki == {"ca.crt", "ca.key", "gateways/g1.json"}
    folder = there / "pki" / "gateways"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755
    expected = BROKER if os.geteuid() == 0 else os.geteuid()
    assert [path.stat().st_uid for path in (folder, folder / "g1.json")] == [expected] * 2
    assert (
        TotalsWriter(there / "totals" / "main")
        .read_day(20_000)
        .equals(TotalsWriter(tmp_path / "totals" / "main").read_day(20_000))
    )
    restored = DuckStore(there / "main.duckdb")
    assert restored.series_from(0).num_rows == 1
    restored.close()


def test_only_so_many_are_kept_and_only_whole_ones_count(
    made: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = made.to / "20250101T000000Z.partial"
    broken.mkdir(parents=True)
    for name in ("20250102T000000Z", "20250103T000000Z"):
        assert main(made.arguments) == 0
        (latest,) = (name for name in made.backups() if name > "2026")
        (made.to / latest).rename(made.to / name)
    assert main([*made.arguments, "--keep", "2"]) == 0
    assert len(made.backups()) == 2
    assert made.backups()[0] == "20250103T000000Z"
    (made.to / "20250103T000000Z" / backup_folder.MANIFEST).unlink()
    capsys.readouterr()
    assert main(["backup", "check", str(made.to)]) == 0
    assert "20250103" not in capsys.readouterr().out


def test_a_folder_of_totals_is_those_of_all_areas(made: Installation, capsys: pytest.CaptureFixture[str]) -> None:
    TotalsWriter(made.folder / "totals" / "north").write_day(20_000, many(20_000, 2))
    assert main(["backup", "--to", str(made.to), "--totals", str(made.folder / "totals")]) == 0
    assert backup_folder.read_manifest(made.to / made.backups()[0]).totals == ["main", "north"]
    assert main(["restore", str(made.to), "--totals", str(made.folder / "there"), "--area", "north"]) == 0
    assert [path.name for path in (made.folder / "there").iterdir()] == ["north"]
    assert TotalsWriter(made.folder / "there" / "north").read_day(20_000).num_rows
    capsys.readouterr()


def test_what_does_not_work_out_leaves_nothing(made: Installation, capsys: pytest.CaptureFixture[str]) -> None:
    totals = made.folder / "totals" / "main"
    next(path for path in totals.iterdir() if path.name.startswith("slots-")).unlink()
    assert main(made.arguments) == 1
    assert "slots-" in last_line(capsys)
    assert made.backups() == []
    away = [*made.arguments[:3], "--area", f"main={made.folder / 'nobody.sock'}"]
    assert main(away) == 1
    assert "area main: its process gives no copy; it must be running" in last_line(capsys)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("areas/main/main.duckdb", "main.duckdb: its content has changed"),
        ("pki/ca.crt", "ca.crt: its content has changed"),
        ("manifest.json", "no backup; one that was written to its end has a manifest.json"),
    ],
)
def test_what_is_damaged_is_named_and_not_restored(
    made: Installation, name: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(made.arguments) == 0
    backup = made.to / made.backups()[0]
    with (backup / name).open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\x07")
    capsys.readouterr()
    assert main(["backup", "check", str(made.to)]) == 1
    assert said in capsys.readouterr().out
    assert main(["restore", str(made.to), "--data", str(made.folder / "there")]) == 1
    assert said in last_line(capsys)
    assert not (made.folder / "there").exists()


def test_a_newer_programs_backup_is_refused(made: Installation, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(made.arguments) == 0
    path = made.to / made.backups()[0] / backup_folder.MANIFEST
    capsys.readouterr()
    whole = msgspec.json.decode(path.read_bytes())
    area = {"main": whole["areas"]["main"] | {"schema": 99}}
    for change, said in (
        ({"program": "99.0.0"}, "made by a newer program (99.0.0); upgrade this one"),
        ({"format": 2}, "made by a newer program"),
        ({"areas": area}, "area main: of a newer program (schema 99); upgrade this one"),
    ):
        path.write_bytes(msgspec.json.encode(whole | change))
        assert main(["restore", str(made.to), "--data", str(made.folder / "there")]) == 1
        assert said in last_line(capsys)


def test_what_runs_or_is_there_is_refused_and_set_aside_only_when_told(
    made: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(made.arguments) == 0
    data, there = made.folder / "data", made.folder / "there"
    capsys.readouterr()
    assert main(["restore", str(made.to), "--data", str(data), "--replace"]) == 1
    assert last_line(capsys) == "bitgoeul: area main: its process is running; stop it first"
    (there / "totals" / "main").mkdir(parents=True)
    (there / "main.duckdb").write_bytes(b"mine")
    (there / "totals" / "main" / "mine.parquet").write_bytes(b"mine too")
    assert main(["restore", str(made.to), "--data", str(there)]) == 1
    assert "main.duckdb: is there already; give --replace to set it aside and restore" in last_line(capsys)
    assert main(["restore", str(made.to), "--data", str(there), "--replace"]) == 0
    (aside,) = there.glob(".before-restore-*")
    assert (aside / "main.duckdb").read_bytes() == b"mine"
    (aside,) = (there / "totals" / "main").glob(".before-restore-*")
    assert (aside / "mine.parquet").read_bytes() == b"mine too"
    assert main(["backup", "check", str(made.to)]) == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["backup"], "expected --to DIR"),
        (["backup", "--to", "x"], "nothing to back up: expected --area, --totals, --registry or --pki"),
        (["backup", "--to", "x", "--area", "main"], "--area 'main': expected NAME=PATH"),
        (["backup", "--to", "x", "--pki", "p", "--keep", "0"], "--keep 0: expected 1 or more"),
        (["backup", "--to", "x", "--pki", "absent"], "--pki absent: no such folder"),
        (["backup", "--to", "x", "--totals", "absent"], "--totals absent: no such folder"),
        (["backup", "--to", "x", "--totals", "main=absent"], "--totals absent: no such folder"),
        (["backup", "--to", "x", "--registry", "absent"], "absent: no registry snapshot"),
        (["backup", "check", "absent"], "absent: cannot be read or written: No such file"),
        (["restore", "absent", "--data", "x"], "absent: cannot be read or written: No such file"),
        (["restore", "absent"], "no place to restore to: expected --data, --totals, --registry or --pki"),
    ],
)
def test_what_is_typed_wrong_is_said_in_one_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    said: str,
) -> None:
    monkeypatch.setenv("BITGOEUL_LANG", "en")
    monkeypatch.chdir(tmp_path)
    assert main(arguments) in (1, 2)
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_a_disk_that_is_full_is_said_and_leaves_nothing(
    made: Installation, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made.to.mkdir()
    usage = shutil.disk_usage(made.to)
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: usage._replace(free=1000))
    assert main(made.arguments) == 1
    assert "MB free" in last_line(capsys)
    assert made.backups() == []
