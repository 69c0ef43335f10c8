"""A gateway with its one file of credentials: what is looked at, and what is said."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cloud.pki.authority import Authority, create_authority
from cloud.pki.issuing import Request, issue, issue_client, issue_server, revoke, write_credentials
from cloud.pki.publishing import publish
from commands.__main__ import main
from contract.messages import decode_state
from contract.problems import Problem
from edge import certificate
from edge.agent import Agent
from edge.alarms import Alarms
from edge.broker import explain, read_login, tls_context
from edge.config import Broker, Site, UplinkConfig, load_site
from edge.connection import Connection, Refused
from tests.pki.installation import PASSPHRASE, Installation, connected, until
from tests.pki.test_access import stranger

SITE = """
area = "main"
site = "hanam"
gateway = "{gateway}"
tick_s = 1
clock = "system"

[[line]]
name = "a"
host = "127.0.0.1"
tcp_port = 1

[[line.meter]]
name = "e01"
model = "eastron_sdm120"
unit = 1

[uplink]
brokers = ["{url}"]
credentials_file = "g.pem"

[outbox]
path = "outbox.db"
"""


def site(folder: Path, gateway: str = "g1", url: str = "mqtts://localhost", more: str = "") -> Path:
    path = folder / "site.toml"
    path.write_text(SITE.format(gateway=gateway, url=url).replace('"g.pem"\n', f'"g.pem"\n{more}'))
    return path


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return create_authority(tmp_path / "pki", PASSPHRASE, "Bitgoeul")


def lasting(authority: Authority, path: Path, days: float, name: str = "g1") -> None:
    now = datetime.now(UTC)
    request = Request(name, "gateway", "", now - timedelta(days=400), now + timedelta(days=days))
    write_credentials(issue(authority, request), path)


def test_what_it_says_is_read_as_it_was_issued(authority: Authority, tmp_path: Path) -> None:
    issued = issue_client(authority, "hanam-01", kind="gateway")
    write_credentials(issued, tmp_path / "g.pem")
    own, authorities = certificate.read_credentials(tmp_path / "g.pem")
    assert (own.name, own.to_s) == ("hanam-01", issued.to_s)
    assert authorities == (authority.pem.decode(),)
    # beyond 2049 the encoding of a time is another
    (tmp_path / "ca").write_bytes(authority.pem)
    ours = certificate.read_credentials(tmp_path / "ca").own
    assert ours.to_s == authority.certificate.not_valid_after_utc.timestamp()
    assert (ours.name, ours.issuer) == ("Bitgoeul", own.issuer)


def test_a_whole_file_is_taken(authority: Authority, tmp_path: Path) -> None:
    write_credentials(issue_client(authority, "g1", kind="gateway"), tmp_path / "g.pem")
    loaded = load_site(site(tmp_path))
    assert loaded.uplink.credentials_file == str(tmp_path / "g.pem")
    trusted = tls_context(loaded.uplink).get_ca_certs(binary_form=True)
    assert len(trusted) == 1  # the authority, and not our own certificate


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        ("missing", "no such file"),
        ("open", "others can read it"),
        ("empty", "no certificate in it"),
        ("cut", "copy the file again"),
        ("no key", "private key is missing, broken"),
        ("another's key", "private key is missing, broken"),
        ("no authority", "certificate of the authority that issued it is missing"),
        ("another's", "the certificate of 'g2'; expected that of gateway = 'g1'"),
        ("both", "in place of ca_file, certificate_file, key_file"),
    ],
)
def test_what_is_wrong_with_it_is_one_line(authority: Authority, tmp_path: Path, damage: str, says: str) -> None:
    path = tmp_path / "g.pem"
    mine, other = (issue_client(authority, name, kind="gateway") for name in ("g1", "g2"))
    write_credentials(mine, path)
    contents = {
        "empty": b"",
        "cut": mine.key + mine.certificate[:200] + b"\n-----END CERTIFICATE-----\n" + authority.pem,
        "no key": mine.certificate + authority.pem,
        "another's key": other.key + mine.certificate + authority.pem,
        "no authority": mine.key + mine.certificate,
        "another's": other.one_file,
    }
    path.write_bytes(contents.get(damage, mine.one_file))
    if damage == "missing":
        path.unlink()
    if damage == "open":
        path.chmod(0o644)
    with pytest.raises(Problem) as caught:
        load_site(site(tmp_path, more='ca_file = "g.pem"\n' if damage == "both" else ""))
    assert says in caught.value.text.en
    assert "\n" not in caught.value.text.en
    assert caught.value.text.ko != caught.value.text.en


@pytest.mark.parametrize(
    "end",
    [
        (31, 0, "all right", []),
        (29, 0, "warning: ", ["certificate-expires-soon"]),
        (-1, 1, "the certificate expired on", ["certificate-expired"]),
    ],
)
def test_its_end_is_told_in_time(
    authority: Authority,
    tmp_path: Path,
    end: tuple[int, int, str, list[str]],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    days, status, says, alarms = end
    monkeypatch.setenv("BITGOEUL_LANG", "en")
    path = tmp_path / "g.pem"
    lasting(authority, path, days)
    assert main(["edge", "check", str(site(tmp_path))]) == status
    printed = capsys.readouterr()
    assert says in printed.out + printed.err
    found, now_s = Alarms(), datetime.now(UTC).timestamp()
    certificate.look(str(path), now_s, found)
    assert found.codes() == alarms
    lasting(authority, path, 400)  # renewed while the gateway runs
    certificate.look(str(path), now_s, found)
    assert found.codes() == []


def test_a_gateway_works_with_it_and_says_that_it_ends_soon(installation: Installation, tmp_path: Path) -> None:
    lasting(installation.authority, tmp_path / "g.pem", 20, "g-agent")
    with connected(installation, installation.pki / "gateways/ingest-main.pem") as ingest:
        ingest.subscribe("bitgoeul/v1/main/g-agent/#")
        asyncio.run(one_life(load_site(site(tmp_path, "g-agent", installation.url)), 2.5))
        until(lambda: any("/readings/" in topic for topic in ingest.topics()), "a batch")
    states = [decode_state(payload) for topic, payload, _ in ingest.heard if topic.endswith("/state")]
    assert ["certificate-expires-soon"] in [state.warnings for state in states]


async def one_life(site: Site, lasts_s: float) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(lasts_s, stop.set)
    assert await Agent(site).run(stop) == 0


def refusal(installation: Installation, credentials: Path) -> str:
    """What a gateway logs that is not let in."""
    config = UplinkConfig(brokers=[], credentials_file=str(credentials))

    async def attempt() -> None:
        connection = Connection(read_login(config, "g"), ("t", b""), tls_context(config))
        try:
            await connection.open(Broker("mqtts", "localhost", installation.broker.port), lambda *_: None, lambda: None)
        finally:
            connection.abandon()

    with pytest.raises((OSError, Refused)) as caught:
        asyncio.run(attempt())
    return explain(caught.value)


@pytest.mark.parametrize("times", range(3))  # what is lost is lost now and then
def test_why_the_broker_refuses_is_told_each_time(installation: Installation, tmp_path: Path, times: int) -> None:
    name = f"g-refused-{times}"
    revoked = installation.client(name)
    revoke(installation.authority, name, "lost")
    publish(installation.pki)
    until(lambda: not let_in(installation, revoked), "the list to be read")
    assert "action=ask-for-a-new-certificate-since-ours-was-revoked" in refusal(installation, revoked)
    assert "action=ask-for-a-new-certificate-since-ours-has-expired" in refusal(installation, installation.ended(name))
    server = tmp_path / "server.pem"
    write_credentials(issue_server(installation.authority, ["g"]), server)
    assert "since-ours-is-for-another-purpose" in refusal(installation, server)
    other = stranger(installation, tmp_path)
    assert "since-ours-is-of-another-authority" in refusal(installation, other)


def let_in(installation: Installation, credentials: Path) -> bool:
    try:
        with connected(installation, credentials):
            return True
    except OSError:
        return False


def test_a_gateway_that_expired_still_keeps_what_it_reads(
    installation: Installation, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lasting(installation.authority, tmp_path / "g.pem", -1, "g-over")
    loaded = load_site(site(tmp_path, "g-over", installation.url))
    with caplog.at_level(logging.ERROR):
        asyncio.run(one_life(loaded, 2.2))
    assert "alarm=certificate-expired" in caplog.text
    assert "action=ask-for-a-new-certificate-since-ours-has-expired" in caplog.text
    agent = Agent(loaded)
    assert agent.outbox.summary().batches > 0
    agent.outbox.close()
