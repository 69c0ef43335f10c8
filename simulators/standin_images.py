"""Stand-ins for the images that the compose file names, where no image registry can be reached.

They are made of the Debian packages that this machine has, and answer as the official images do to what the compose
file asks of them: Mosquitto, InfluxDB 1.6.7 in place of 2.7, PostgreSQL, nginx, and Python to build ours on. Grafana
is in no Debian: it has none.
"""

import contextlib
import hashlib
import http.server
import subprocess
import sys
import tempfile
import threading
import zlib
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from contract.problems import Problem
from simulators.rootfs import write_rootfs

ROOT = Path(__file__).parent.parent
RECIPES = Path(__file__).parent / "standins"
SERVERS, PYTHON = "bitgoeul-standin-servers", "bitgoeul-standin-python"
IMAGES = {
    "BITGOEUL_MOSQUITTO_IMAGE": "bitgoeul-standin-mosquitto",
    "BITGOEUL_INFLUXDB_IMAGE": "bitgoeul-standin-influxdb",
    "BITGOEUL_POSTGRES_IMAGE": "bitgoeul-standin-postgres",
    "BITGOEUL_NGINX_IMAGE": "bitgoeul-standin-nginx",
    "BITGOEUL_CLOUD_IMAGE": "bitgoeul-cloud-tried",
    "BITGOEUL_EDGE_IMAGE": "bitgoeul-edge-tried",
}
LEFT_OUT = ("grafana",)
_PACKAGES = {
    SERVERS: ("mosquitto", "influxdb", "postgresql-*", "postgresql-client-*", "nginx", "nginx-common", "curl"),
    PYTHON: (
        *("python3-minimal", "python3.*", "python3.*-minimal", "libpython3.*-stdlib", "libpython3.*-minimal"),
        *("python3.*-venv", "python3-pip-whl", "python3-setuptools-whl", "libstdc++6", "libgcc-s1", "zlib1g"),
        *("binutils", "binutils-common", "binutils-x86-64-linux-gnu", "libbinutils"),
    ),
}


def build_standins() -> None:
    """All of IMAGES but our own, and PYTHON to build these on. Raises Problem."""
    with tempfile.TemporaryDirectory(prefix="bitgoeul-") as folder:
        for name, packages in _PACKAGES.items():
            tar = Path(folder) / f"{name}.tar"
            write_rootfs(tar, [*_installed(packages)])
            _import(tar, name)
            tar.unlink()
    for recipe in sorted(RECIPES.glob("*.Dockerfile")):
        image = f"bitgoeul-standin-{recipe.stem}"
        _docker("build", "--quiet", "--tag", f"{image}:latest", "--file", str(recipe), str(RECIPES))


def _import(tar: Path, name: str) -> None:
    """Not again where it is the same, so that what was built on it is not built again either."""
    with tar.open("rb") as file:
        made_of = hashlib.file_digest(file, "sha256").hexdigest()
    argv = ["docker", "image", "inspect", "--format", '{{index .Config.Labels "made-of"}}', f"{name}:latest"]
    if subprocess.run(argv, capture_output=True, text=True, check=False).stdout.strip() != made_of:
        _docker("import", "--change", f"LABEL made-of={made_of}", str(tar), f"{name}:latest")


def build_ours() -> None:
    """The images of cloud and edge by their own Dockerfiles, on PYTHON, from wheels that pip fetches here by lock."""
    with tempfile.TemporaryDirectory(prefix="bitgoeul-") as folder:
        _fetch_wheels(Path(folder))
        with _served(Path(folder)) as url:
            for part in ("cloud", "edge"):
                arguments = {"PYTHON_IMAGE": f"{PYTHON}:latest", "PIP_FIND_LINKS": url, "PIP_NO_INDEX": "1"}
                given = [f"--build-arg={name}={value}" for name, value in arguments.items()]
                tag, file = f"bitgoeul-{part}-tried:latest", f"deploy/{part}.Dockerfile"
                # the wheels are on this machine's loopback
                _docker("build", "--quiet", "--network=host", *given, "--tag", tag, "--file", file, ".")


def size_mb(image: str) -> int:
    """An image's, all of its layers."""
    return int(_docker("image", "inspect", "--format", "{{.Size}}", image)) // 1_000_000


def _installed(patterns: Sequence[str]) -> Iterator[str]:
    """The packages of that name, or those installed whose version is in their name."""
    for pattern in patterns:
        argv = ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Abbrev}\n", pattern]
        found = subprocess.run(argv, capture_output=True, text=True, check=False).stdout.splitlines()
        names = [line.split()[0] for line in found if line.split()[1:] == ["ii"]]
        exact = pattern.replace("*", "")
        numbered = [name for name in names if "*" not in pattern or _is_number(name, *pattern.split("*"))]
        if not numbered:
            raise Problem(
                f"{exact}: 설치되어 있지 않습니다 (apt-get install {exact})",
                f"{exact}: not installed (apt-get install {exact})",
            )
        yield from numbered


def _is_number(name: str, before: str, after: str) -> bool:
    return name[len(before) : len(name) - len(after)].isdigit()


def _fetch_wheels(folder: Path) -> None:
    version = _docker("run", "--rm", PYTHON, "python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])")
    argv = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    argv += ["--require-hashes", "--only-binary=:all:", f"--python-version={version}", f"--dest={folder}"]
    argv += ["-r", "locks/cloud.txt", "-r", "locks/edge.txt"]
    _run(argv)


@contextlib.contextmanager
def _served(folder: Path) -> Iterator[str]:
    """The folder's address on loopback."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """A wheel that was fetched is no news."""

    serve = partial(Quiet, directory=str(folder))
    try:
        # the same address for the same files, since another would have the packages installed anew
        server = http.server.ThreadingHTTPServer(("127.0.0.1", _usual_port()), serve)
    except OSError:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), serve)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


def _usual_port() -> int:
    locks = b"".join((ROOT / "locks" / f"{part}.txt").read_bytes() for part in ("cloud", "edge"))
    return 20_000 + zlib.crc32(locks) % 10_000


def _docker(*arguments: str) -> str:
    return _run(["docker", *arguments])


def _run(argv: Sequence[str]) -> str:
    found = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    if found.returncode:
        lines = (found.stderr.strip() or found.stdout.strip() or "?").splitlines()
        # a build ends with the command that failed, and says before it why
        last = next((line for line in reversed(lines) if "Error:" in line), lines[-1])
        what = " ".join(argv[:2])
        raise Problem(f"{what}: {last}", f"{what}: {last}")
    return found.stdout.strip()
