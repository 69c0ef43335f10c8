"""A gateway as it is bought: Debian 12 in a container, systemd as its first process; and a city that it can reach."""

import asyncio
import contextlib
import ctypes
import hashlib
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

SUITE = "bookworm"
# what any Debian on a machine has, and what the page installs: made once, for a second run needs no network then
PACKAGES = ("systemd-sysv", "udev", "python3-venv", "ca-certificates", "chrony", "nftables", "unattended-upgrades")
UNPACK = ("force-unsafe-io", *(f"path-exclude=/usr/share/{folder}/*" for folder in ("doc", "man", "locale")))
CLONE_NEWNET = 0x4000_0000
LEFT_OUT = "ConditionCapability, which a container's first process lacks"


def absent() -> str:
    """Why no such gateway can be had here; empty where it can."""
    for program in ("mmdebstrap", "docker", "mosquitto"):
        if shutil.which(program, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin") is None:
            return f"{program} is not installed"
    if os.geteuid() != 0:
        return "not root"
    if subprocess.run(["docker", "info"], capture_output=True, check=False).returncode != 0:
        return "no Docker engine runs"
    return ""


def image() -> str:
    """The image's name; made from Debian's packages where it is not there yet."""
    recipe = " ".join((SUITE, *PACKAGES, *UNPACK))
    name = f"bitgoeul-test-gateway:{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
    if subprocess.run(["docker", "image", "inspect", name], capture_output=True, check=False).returncode == 0:
        return name
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root.tar"
        options = [f"--dpkgopt={option}" for option in UNPACK]
        # the lists stay, so that `apt-get update` has little to do
        options += ["--variant=minbase", "--skip=cleanup/apt/lists", f"--include={','.join(PACKAGES)}"]
        subprocess.run(["mmdebstrap", "--quiet", *options, SUITE, str(root)], check=True)
        subprocess.run(["docker", "import", "--change", "ENV container=docker", str(root), name], check=True)
    return name


@dataclass(frozen=True)
class Box:
    """A running container."""

    name: str

    @property
    def address(self) -> str:
        """Where the others of its network reach it."""
        return self._inspect("{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}")

    def listen(self, port: int) -> socket.socket:
        """A socket that listens on all of the container's addresses and that we, outside, accept from."""
        pid = self._inspect("{{.State.Pid}}")
        found: Future[socket.socket] = Future()

        def enter() -> None:
            try:
                with Path(f"/proc/{pid}/ns/net").open("rb") as network:
                    if ctypes.CDLL(None, use_errno=True).setns(network.fileno(), CLONE_NEWNET):
                        raise OSError(ctypes.get_errno(), "setns")
                found.set_result(socket.create_server(("0.0.0.0", port)))
            except OSError as error:
                found.set_exception(error)

        # a thread's network is its own, and so is that of each socket that it makes
        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        return found.result()

    def run(self, script: str, environment: Mapping[str, str] | None = None) -> str:
        """The output of a script that ends at the first command that fails; AssertionError with all it said then."""
        settings = [word for key, value in (environment or {}).items() for word in ("--env", f"{key}={value}")]
        argv = ["docker", "exec", "-i", *settings, self.name, "bash", "-euo", "pipefail"]
        # two pipes would not keep the order
        found = subprocess.run(
            argv, input=script, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        assert found.returncode == 0, f"{script}\n--- ended with {found.returncode}:\n{found.stdout}"
        return found.stdout

    def _inspect(self, what: str) -> str:
        argv = ["docker", "inspect", "--format", what, self.name]
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()


@contextlib.contextmanager
def network() -> Iterator[str]:
    """A network of containers' own; its name."""
    name = f"bitgoeul-test-{uuid.uuid4().hex[:8]}"
    subprocess.run(["docker", "network", "create", name], check=True, capture_output=True)
    try:
        yield name
    finally:
        subprocess.run(["docker", "network", "rm", name], check=True, capture_output=True)


@contextlib.contextmanager
def box(options: Sequence[str], command: Sequence[str]) -> Iterator[Box]:
    """A container from the image, gone at the end."""
    name = f"bitgoeul-test-{uuid.uuid4().hex[:8]}"
    argv = ["docker", "run", "--detach", "--name", name, *options, image(), *command]
    subprocess.run(argv, check=True, capture_output=True)
    try:
        yield Box(name)
    finally:
        subprocess.run(["docker", "rm", "--force", name], check=True, capture_output=True)


def machine_options(net: str) -> list[str]:
    """What systemd needs to be the first process, and nft; no right to set the clock that all share."""
    return [
        f"--network={net}",
        *("--cap-add=SYS_ADMIN", "--cap-add=NET_ADMIN"),
        *("--security-opt=seccomp=unconfined", "--security-opt=apparmor=unconfined"),
        *("--tmpfs=/run", "--tmpfs=/run/lock", "--tmpfs=/tmp"),
        "--volume=/sys/fs/cgroup:/sys/fs/cgroup:rw",
        "--volume=/etc/ssl/certs/ca-certificates.crt:/etc/ssl/certs/ca-certificates.crt:ro",
    ]


@contextlib.contextmanager
def forwarded(listener: socket.socket, target: tuple[str, int]) -> Iterator[None]:
    """Whoever connects to the listener talks to the target."""
    ready: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
        writer.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(*target)
        await asyncio.gather(copy(reader, far_writer), copy(far_reader, writer))

    async def serve() -> None:
        over = asyncio.Event()
        server = await asyncio.start_server(accept, sock=listener)
        ready.set_result((asyncio.get_running_loop(), over))
        await over.wait()
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
    thread.start()
    loop, over = ready.result()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
