"""The root file system of a container, made of what Debian packages left on this machine: no registry is asked.

A package brings its files; a program among them brings the libraries that it is linked with. Documents, locales and
what only a compiler needs stay out, and so does all that was changed here after installing.
"""

import io
import os
import re
import subprocess
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from contract.problems import Problem

# what any image has: shells, the small programs that scripts call, names of services, time zones
BASE = ("base-files", "bash", "coreutils", "dash", "findutils", "grep", "sed", "libc6", "libc-bin", "netbase", "tzdata")
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_UNNEEDED = re.compile(
    r"/usr/share/(doc|man|info|locale|lintian|bug|zoneinfo-icons|postgresql/\d+/man)/|/bitcode/|llvmjit|/usr/share/perl"
    r"|/usr/lib/x86_64-linux-gnu/gconv/|/etc/init\.d/|/test/|/idlelib/|/__pycache__/|/sites-enabled/"
)
_LINKED = re.compile(r"(?:=>\s+)?(/\S+) \(0x")
_FOLDERS = ("bin", "sbin", "lib", "lib64")
_WRITABLE = ("tmp", "var/tmp")
_MADE = ("dev", "proc", "sys", "run", "root", "mnt", "var/lib", "var/log", "usr/local/bin")


def write_rootfs(target: Path, packages: Sequence[str]) -> None:
    """A tar file of BASE and the packages, all of which must be installed. Raises Problem."""
    files = sorted({_place(path) for path in _files([*BASE, *packages])})
    libraries = sorted({_place(path) for path in _libraries(files)} - set(files))
    with tarfile.open(target, "w") as tar:
        for name in _FOLDERS:
            _add_link(tar, name, f"usr/{name}")
        for name in (*_MADE, *_WRITABLE):
            _add_folder(tar, name, 0o1777 if name in _WRITABLE else 0o755)
        for path in (*files, *_with_targets(libraries)):
            tar.add(path, path.lstrip("/"), recursive=False, filter=_roots)
        tar.add(CERTIFICATES, str(CERTIFICATES).lstrip("/"), filter=_roots)
        _add_text(tar, "etc/passwd", "root:x:0:0:root:/root:/bin/sh\n")
        _add_text(tar, "etc/group", "root:x:0:\n")


def _files(packages: Iterable[str]) -> Iterator[str]:
    for package in packages:
        found = subprocess.run(["dpkg-query", "-L", package], capture_output=True, text=True, check=False)
        if found.returncode:
            raise Problem(
                f"{package}: 설치되어 있지 않습니다 (apt-get install {package})",
                f"{package}: not installed (apt-get install {package})",
            )
        for path in found.stdout.splitlines():
            # what is in the root itself are folders and links to them
            if path.count("/") > 1 and not _UNNEEDED.search(path) and _is_file(path):
                yield path


def _is_file(path: str) -> bool:
    return os.path.islink(path) or os.path.isfile(path)  # noqa: PTH114, PTH113  # thousands: Path takes ten times as long


def _place(path: str) -> str:
    """Where the file is once /bin, /lib, … are links; the file itself may be a link."""
    folder, _, name = path.rpartition("/")
    return f"{os.path.realpath(folder)}/{name}"


def _libraries(files: Iterable[str]) -> Iterator[str]:
    linked = [path for path in files if ("/bin/" in path or "/sbin/" in path or ".so" in path) and _is_elf(path)]
    found = subprocess.run(["ldd", *linked], capture_output=True, text=True, check=False)
    yield from set(_LINKED.findall(found.stdout))


def _is_elf(path: str) -> bool:
    try:
        with open(path, "rb") as file:  # noqa: PTH123  # the same
            return file.read(4) == b"\x7fELF"
    except OSError:
        return False


def _with_targets(libraries: Iterable[str]) -> Iterator[str]:
    for path in libraries:
        yield path
        if os.path.islink(path):  # noqa: PTH114  # the same
            yield os.path.realpath(path)


def _roots(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return member


def _add_link(tar: tarfile.TarFile, name: str, target: str) -> None:
    member = tarfile.TarInfo(name)
    member.type, member.linkname, member.mode = tarfile.SYMTYPE, target, 0o777
    tar.addfile(member)


def _add_folder(tar: tarfile.TarFile, name: str, mode: int) -> None:
    member = tarfile.TarInfo(name)
    member.type, member.mode = tarfile.DIRTYPE, mode
    tar.addfile(member)


def _add_text(tar: tarfile.TarFile, name: str, text: str) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(text), 0o644
    tar.addfile(member, io.BytesIO(text.encode()))
