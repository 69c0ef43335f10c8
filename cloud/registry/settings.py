"""Which database: what an operator says of it on the command line, or once for all commands in the environment."""

import argparse
import os
from collections.abc import Callable
from pathlib import Path

URL_VARIABLE = "BITGOEUL_DATABASE"
PASSWORD_FILE_VARIABLE = "BITGOEUL_DATABASE_PASSWORD_FILE"  # noqa: S105  # the name of a variable that names a file


def add_options(parser: argparse.ArgumentParser, say: Callable[[str, str], str]) -> None:
    """--database and --database-password-file; `say` chooses between Korean and English."""
    parser.add_argument(
        "--database",
        default=os.environ.get(URL_VARIABLE, ""),
        metavar="URL",
        help=say(
            f"폴더의 SQLite 대신 쓸 데이터베이스: postgresql+pg8000://사용자@호스트/이름, 기본 ${URL_VARIABLE}",
            f"a database in place of the folder's SQLite: postgresql+pg8000://USER@HOST/NAME, default ${URL_VARIABLE}",
        ),
    )
    found = os.environ.get(PASSWORD_FILE_VARIABLE)
    parser.add_argument(
        "--database-password-file",
        type=Path,
        default=Path(found) if found else None,
        metavar="FILE",
        help=say(
            f"데이터베이스 암호가 든 파일 (0600), 기본 ${PASSWORD_FILE_VARIABLE}",
            f"file (0600) with the database's password, default ${PASSWORD_FILE_VARIABLE}",
        ),
    )
