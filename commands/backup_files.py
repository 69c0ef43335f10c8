"""What a backup copies file by file: totals, the published snapshot, certificates."""

import shutil
from pathlib import Path

from cloud.registry import snapshot
from cloud.store import parquet
from commands.backup_folder import Tell, copy_file, copy_folder, told
from contract.problems import Problem, Text

ATTEMPTS = 5
PRIVATE, ENCRYPTED = b"PRIVATE KEY-----", b"ENCRYPTED"


def copy_totals(source: Path, target: Path, tell: Tell) -> None:
    """All that one manifest names, and that manifest. A file that is no longer current stays for an hour."""
    if not source.is_dir():
        raise Problem(f"--totals {source}: 폴더가 없습니다", f"--totals {source}: no such folder")
    with told(source):
        for attempt in range(1, ATTEMPTS + 1):
            try:
                _copy_totals(source, target)
                break
            except FileNotFoundError:
                if attempt == ATTEMPTS:
                    raise
                shutil.rmtree(target, ignore_errors=True)
        count = sum(1 for _ in target.glob("*.parquet"))
    tell(Text(f"합계 {source}: 파일 {count}개", f"totals {source}: {count} files"))


def _copy_totals(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    if not (source / parquet.MANIFEST).exists():
        return
    copy_file(source / parquet.MANIFEST, target / parquet.MANIFEST)
    for name in parquet.named(parquet.read_manifest(target)):
        copy_file(source / name, target / name)


def copy_snapshot(source: Path, target: Path, tell: Tell) -> str:
    """The registry's published snapshot; its version. Raises Problem where there is none."""
    found = snapshot.load(source)
    version = snapshot.write(target, {name: getattr(found, name) for name in snapshot.SCHEMAS})
    tell(Text(f"등록부 사본 {version}", f"registry's snapshot {version}"))
    return version


def copy_certificates(source: Path, target: Path, tell: Tell) -> list[str]:
    """Certificates, lists, the ledger, and keys that are encrypted; those that are not are left out, and named."""
    left_out = []
    if not source.is_dir():
        raise Problem(f"--pki {source}: 폴더가 없습니다", f"--pki {source}: no such folder")
    with told(source):
        target.mkdir(parents=True)
        for path in sorted(source.rglob("*")):
            name = path.relative_to(source).as_posix()
            if path.is_dir() and not path.is_symlink():
                copy_folder(path, target / name)
            if not path.is_file() or path.is_symlink():
                continue
            content = path.read_bytes()
            if PRIVATE in content and ENCRYPTED not in content:
                left_out.append(name)
            else:
                copy_file(path, target / name)
    tell(Text(f"인증서 {source}", f"certificates {source}"))
    return left_out
