"""An installation of its own, brought up for a test or a bench: stand-ins for what no registry gives, free ports."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from commands.stack_check import compose_command
from commands.stack_files import Installation
from commands.stack_init import Asked, init
from contract.problems import Problem
from simulators.registry_csv import write_csv
from simulators.servers import free_port
from simulators.site import SimSite
from simulators.standin_images import IMAGES

ROOT = Path(__file__).parent.parent
SERVICES = ("broker", "postgres", "influxdb", "area-main", "portal", "mirror", "proxy")
LEFT_OUT = ("grafana",)  # no Debian package has it
_NO_TOOLS = ("--filter", "label=com.docker.compose.oneoff=False")
REGISTRY = "/var/lib/bitgoeul/registry"


@dataclass(frozen=True)
class Stack:
    """A running installation: its folder, Compose's project, and its two ports."""

    installation: Installation
    project: str
    https_port: int
    mqtts_port: int

    @property
    def broker(self) -> str:
        """The broker's address, from outside of all containers."""
        return f"mqtts://localhost:{self.mqtts_port}"

    @property
    def page(self) -> str:
        """The portal's address, as a browser has it."""
        return f"https://localhost:{self.https_port}"


def prepare(folder: Path, project: str, like: Stack | None = None) -> Stack:
    """The files of an installation, new or with secrets, certificates and ports of another. Raises Problem."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "docker-compose.yml", folder)
    for name in ("broker", "proxy", "influxdb"):
        shutil.copytree(ROOT / "deploy" / name, folder / "deploy" / name, dirs_exist_ok=True)
    if like is not None:
        for part in ("secrets", "pki"):
            source = like.installation.root / "deploy" / part
            subprocess.run(["cp", "-a", str(source), str(folder / "deploy" / part)], check=True)
    ports = (like.https_port, like.mqtts_port) if like else (free_port(), free_port())
    stack = Stack(Installation(folder), project, *ports)
    lines = [f"COMPOSE_PROJECT_NAME={project}", "BITGOEUL_HOST=localhost", "BITGOEUL_HOSTS=localhost,127.0.0.1"]
    lines += ["BITGOEUL_LANG=en", f"BITGOEUL_HTTPS_PORT={stack.https_port}", f"BITGOEUL_MQTTS_PORT={stack.mqtts_port}"]
    lines += [f"{name}={image}" for name, image in IMAGES.items()]
    (folder / ".env").write_text("\n".join(lines) + "\n", "utf-8")
    init(stack.installation, Asked(), lambda _: None)
    return stack


def compose(stack: Stack, *arguments: str, timeout_s: float = 300) -> str:
    """What the command prints. Raises Problem with its last line."""
    command = compose_command()
    if command is None:
        raise Problem("docker-compose: 없습니다", "docker-compose: not installed")
    done = subprocess.run(
        [*command, *arguments],
        cwd=stack.installation.root,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode:
        # Compose ends what a container said with its exit status
        said = [line for line in done.stderr.splitlines() if line.strip() and not line.strip().isdigit()]
        last = (said or ["?"])[-1]
        what = f"docker-compose {arguments[0]}"
        raise Problem(f"{what}: {last}", f"{what}: {last}")
    return done.stdout


def register(stack: Stack, sites: Sequence[SimSite]) -> None:
    """A registry with these sites, in an installation that has none. Raises Problem."""
    run_tool(stack, "cloud", "registry", "init", "--registry", REGISTRY)
    folder = stack.installation.root / "registry"
    files = write_csv(sites, folder)
    # as a person would hand it over: readable for the container's user
    folder.chmod(0o755)
    for file in files:
        file.chmod(0o644)
    names = [f"/given/{file.name}" for file in files]
    run_tool(stack, "cloud", "registry", "import", "--registry", REGISTRY, "--by", "bench", *names, given=folder)


def run_tool(stack: Stack, *arguments: str, given: Path | None = None) -> str:
    """What one of our commands prints in the installation's container for tools; `given` is its /given."""
    mount = ["-v", f"{given}:/given"] if given else []
    return compose(stack, "run", "--rm", "-T", *mount, "tools", *arguments)


def up(stack: Stack, services: Sequence[str] = SERVICES, timeout_s: float = 120) -> float:
    """Start them, and return once all are healthy; how long that took, in seconds. Raises Problem."""
    began_s = time.monotonic()
    compose(stack, "up", "-d", *services)
    wait_healthy(stack, services, timeout_s)
    return time.monotonic() - began_s


def down(stack: Stack, *more: str) -> None:
    """Stop and remove the containers; the volumes too with "--volumes"."""
    compose(stack, "down", "--timeout", "20", "--remove-orphans", *more)


def container(stack: Stack, service: str) -> str:
    """The id of its container, running or not. Raises Problem where there is none."""
    labels = [f"project={stack.project}", f"service={service}", "oneoff=False"]
    filters = [f"--filter=label=com.docker.compose.{label}" for label in labels]
    found = _docker("ps", "-aq", *filters).split()
    if not found:
        raise Problem(f"{service}: 컨테이너가 없습니다", f"{service}: has no container")
    return found[0]


def states(stack: Stack) -> dict[str, str]:
    """Of each container: healthy, unhealthy, starting, or what it is where it has no health check."""
    ids = _docker("ps", "-aq", "--filter", f"label=com.docker.compose.project={stack.project}", *_NO_TOOLS).split()
    if not ids:
        return {}
    # one question for all: a container that restarts is not healthy, whatever its last check said
    health = "{{if .State.Health}}{{.State.Health.Status}}{{else}}{{.State.Status}}{{end}}"
    text = '{{index .Config.Labels "com.docker.compose.service"}} {{.State.Running}} ' + health
    lines = _docker("inspect", "--format", text, *ids).splitlines()
    return {name: state if running == "true" else "down" for name, running, state in map(str.split, lines)}


def wait_healthy(stack: Stack, services: Sequence[str], timeout_s: float) -> None:
    """Raises Problem with the last words of one that is not in time."""
    _wait(lambda: all(states(stack).get(name) == "healthy" for name in services), timeout_s)
    late = [name for name in services if states(stack).get(name) != "healthy"]
    if late:
        words = last_words(stack, late[0])
        raise Problem(
            f"{', '.join(late)}: {timeout_s:.0f}초 안에 준비되지 않았습니다: {words}",
            f"{', '.join(late)}: not healthy within {timeout_s:.0f} s: {words}",
        )


def last_words(stack: Stack, service: str) -> str:
    """The end of its log, one line."""
    done = subprocess.run(
        ["docker", "logs", "--tail", "1", container(stack, service)], capture_output=True, check=False
    )
    return (done.stdout + done.stderr).decode("utf-8", "replace").strip() or "(no output)"


def kill(stack: Stack, service: str, timeout_s: float = 60) -> float:
    """SIGKILL to the container's first process; until it runs anew and is healthy, in seconds. Raises Problem."""
    name = container(stack, service)
    began = _docker("inspect", "--format", "{{.State.Pid}} {{.State.StartedAt}}", name)
    began_s = time.monotonic()
    os.kill(int(began.split()[0]), signal.SIGKILL)
    _wait(lambda: began.split()[1] not in _docker("inspect", "--format", "{{.State.StartedAt}}", name), timeout_s)
    wait_healthy(stack, [service], timeout_s)
    return time.monotonic() - began_s


def _wait(ready: Callable[[], bool], timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while not ready() and time.monotonic() < deadline:
        time.sleep(0.5)


def _docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True).stdout.strip()
