"""Secrets in files of their own: no command line, no environment and no log ever has one."""

import stat
from pathlib import Path

from contract.problems import Problem


def read_secret(path: Path) -> str:
    """The first line of a file that only its owner may read. Raises Problem."""
    try:
        mode = path.stat().st_mode
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise Problem(
            f"암호 파일 {path}: 읽을 수 없습니다: {error}", f"password file {path}: cannot be read: {error}"
        ) from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise Problem(
            f"암호 파일 {path}: 소유자만 읽을 수 있어야 합니다 (chmod 600 {path})",
            f"password file {path}: must be readable by its owner only (chmod 600 {path})",
        )
    if not lines or not lines[0]:
        raise Problem(f"암호 파일 {path}: 비어 있습니다", f"password file {path}: empty, expected the password")
    return lines[0]
