"""Files whose names hold a hash of their content, so that what is damaged is found out."""

import hashlib
from pathlib import Path

import pyarrow as pa


def content_hash(content: bytes | pa.Buffer) -> str:
    """As it stands at the end of a file's name, before its suffix and after a hyphen."""
    return hashlib.blake2b(content, digest_size=10).hexdigest()


def is_whole(path: Path) -> bool:
    """Whether the file is there, and as it was written."""
    try:
        return path.stem.endswith(f"-{content_hash(path.read_bytes())}")
    except OSError:
        return False
