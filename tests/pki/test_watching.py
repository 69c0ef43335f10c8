"""The script beside the broker, in each shell that may run it."""

import contextlib
import os
import shutil
import signal
import socket
import ssl
import time
from pathlib import Path

import psutil
import pytest

from cloud.pki.authority import CRL
from cloud.pki.files import write_file
from cloud.pki.issuing import issue_server, revoke, write_credentials
from cloud.pki.publishing import BROKER, SERVER, publish
from contract.problems import Problem
from tests.pki.installation import NO_MOSQUITTO, Installation, connected, install, until

# the image's own is busybox, which not every machine has
SHELLS = [("sh",), *([("busybox", "sh")] if shutil.which("busybox") else [])]

pytestmark = pytest.mark.skipif(NO_MOSQUITTO, reason="mosquitto is not installed")


def let_in(made: Installation, credentials: Path) -> bool:
    with contextlib.suppress(OSError), connected(made, credentials):
        return True
    return False


def shown_serial(made: Installation, credentials: Path) -> int:
    """Of the certificate that the broker shows."""
    context = ssl.create_default_context(cafile=credentials)
    context.load_cert_chain(credentials)
    plain = socket.create_connection((made.broker.host, made.broker.port), timeout=30)
    with plain, context.wrap_socket(plain, server_hostname="localhost") as stream:
        return int(str((stream.getpeercert() or {})["serialNumber"]), 16)


@pytest.mark.parametrize("shell", SHELLS, ids="-".join)
def test_what_changes_is_read_again_but_nothing_broken(shell: tuple[str, ...], tmp_path: Path) -> None:
    made = install(tmp_path, shell)
    broker = made.pki / BROKER
    good, bad = made.client("g-good"), made.client("g-bad")
    with made.broker as server:
        script = psutil.Process(server.pid)

        def said(what: str) -> bool:
            return what in server.log.read_text()

        revoke(made.authority, "g-bad", "lost")
        publish(made.pki)
        until(lambda: not let_in(made, bad), "the list to be read")
        # a broker that read a broken list would let everybody in again
        write_file(broker / CRL, b"", 0o644)
        until(lambda: said("or cut off"), "the broken list to be seen")
        assert not let_in(made, bad)
        renewed = issue_server(made.authority, ["localhost"])
        write_credentials(renewed, broker / SERVER)
        publish(made.pki)
        until(lambda: shown_serial(made, good) == int(renewed.serial, 16), "the new certificate to be read")
        assert not let_in(made, bad)
        began_s = time.monotonic()
        children = script.children(recursive=True)
        server.stop(timeout_s=30)
        assert time.monotonic() - began_s < 3
        assert not [child for child in children if child.is_running() and child.name() == "mosquitto"]


def test_it_ends_with_its_broker(tmp_path: Path) -> None:
    made = install(tmp_path)
    with made.broker as server:
        script = psutil.Process(server.pid)
        (broker,) = [child for child in script.children() if child.name() == "mosquitto"]
        os.kill(broker.pid, signal.SIGKILL)
        assert script.wait(60) != 0  # so that whoever restarts containers does


def test_it_does_not_start_a_broker_without_its_list(tmp_path: Path) -> None:
    made = install(tmp_path)
    (made.pki / BROKER / CRL).unlink()
    with pytest.raises(Problem, match="not started"):
        made.broker.start(timeout_s=30)
