"""Whether backups are whole: every file is what the manifest says, and what is a database opens."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import duckdb
import pyarrow as pa
from pyarrow import parquet as pq

from cloud.store import parquet
from commands.backup_folder import AREAS, REGISTRY, TOTALS, CopiedArea, Manifest, Tell, backups, damages, read_manifest
from commands.language import language, say
from contract.problems import Problem, Text


def check(folder: Path, tell: Tell) -> int:
    """A line for each backup, and one for each fault; 0 when there is none. Raises Problem where there is no backup."""
    found = backups(folder)
    if not found:
        raise Problem(f"{folder}: 백업이 없습니다", f"{folder}: no backup in it")
    faulty = 0
    for backup in found:
        try:
            manifest = read_manifest(backup)
        except Problem as problem:
            print(problem.text.of(language()))
            faulty += 1
            continue
        tell(Text(f"{backup}: 파일 {len(manifest.files)}개", f"{backup}: {len(manifest.files)} files"))
        faults = [*damages(backup, manifest), *_unopened(backup, manifest)]
        faulty += bool(faults)
        for fault in faults:
            print(fault.of(language()))
        if not faults:
            print(say(f"{backup}: 온전합니다", f"{backup}: whole"))
    return 1 if faulty else 0


def _unopened(backup: Path, manifest: Manifest) -> Iterator[Text]:
    for name, area in manifest.areas.items():
        file = backup / AREAS / name / f"{name}.duckdb"
        if (why := _of_area(file, area)) or (why := _of_readings(file.parent)):
            yield Text(f"{file}: 열리지 않습니다: {why}", f"{file}: does not open: {why}")
    for name in manifest.totals:
        try:
            parquet.read_manifest(backup / TOTALS / name)
        except OSError as error:
            yield Text(f"{backup / TOTALS / name}: {error}", f"{backup / TOTALS / name}: {error}")
    for file in sorted((backup / REGISTRY).glob("*.sqlite")):
        try:
            with closing(sqlite3.connect(f"file:{file}?mode=ro&immutable=1", uri=True)) as connection:
                ((said,),) = connection.execute("PRAGMA quick_check(1)").fetchall()
        except sqlite3.Error as error:
            said = str(error)
        if said != "ok":
            yield Text(f"{file}: 손상되었습니다: {said}", f"{file}: damaged: {said}")


def _of_area(file: Path, area: CopiedArea) -> str:
    try:
        with duckdb.connect(file, read_only=True) as connection:
            ((commits,),) = connection.execute("SELECT commits FROM area").fetchall()
    except duckdb.Error as error:
        return str(error).partition("\n")[0]
    return "" if commits == area.commits else f"commit {commits}, not {area.commits}"


def _of_readings(folder: Path) -> str:
    for path in sorted(folder.glob("readings/*.parquet")):
        try:
            pq.read_metadata(path)
        except (OSError, pa.ArrowException) as error:
            return f"{path.name}: {error}"
    return ""
