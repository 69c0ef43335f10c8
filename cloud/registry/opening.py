"""Opening a registry, a new one with the regions that are shipped."""

import logging
from pathlib import Path

from sqlalchemy import func, select

from cloud.registry.book import Tell
from cloud.registry.change import Author, Registry, quiet
from cloud.registry.connecting import Away, connect
from cloud.registry.database import init_database, looking, open_database, url_of
from cloud.registry.importing import import_parts, read_parts
from cloud.registry.models import Region
from contract.problems import Problem

LOG = logging.getLogger(__name__)

DATA = Path(__file__).parent / "data"
SHIPPED = ("regions.csv", "predecessors.csv")


def init_registry(folder: Path, url: str = "", password_file: Path | None = None, tell: Tell = quiet) -> Registry:
    """Create a registry, or bring one to this program's version; without a URL in the folder. Raises Problem."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Problem(
            f"{folder}: 폴더를 만들 수 없습니다: {error.strerror}", f"{folder}: cannot be made: {error.strerror}"
        ) from error
    registry = Registry(init_database(url or url_of(folder), password_file), folder)
    with looking(registry.engine) as connection:
        regions = connection.scalar(select(func.count()).select_from(Region))
    if not regions:
        author = Author("bitgoeul", source="init")
        import_parts(registry, read_parts([DATA / name for name in SHIPPED]), author, tell)
    return registry


def open_registry(folder: Path, url: str = "", password_file: Path | None = None) -> Registry:
    """A registry that is there. Raises Problem."""
    if not folder.is_dir():
        raise Problem(
            f"{folder}: 폴더가 없습니다. 먼저 'bitgoeul cloud registry init'을 하십시오",
            f"{folder}: no such folder; run 'bitgoeul cloud registry init' first",
        )
    return Registry(open_database(url or url_of(folder), password_file), folder)


def open_registry_later(folder: Path, url: str = "", password_file: Path | None = None) -> Registry:
    """As `open_registry`, but where its database is away just now: that is told by whatever is then asked of it."""
    try:
        return open_registry(folder, url, password_file)
    except Away as away:
        LOG.warning("registry away, and opened all the same why=%r", away.text.en)
        return Registry(connect(url or url_of(folder), password_file), folder)
