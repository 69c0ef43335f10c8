"""The compose file itself: what every service must have, whatever it is."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from commands.stack_files import CLIENTS, SECRETS

ROOT = Path(__file__).parent.parent.parent
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
RUNNING = {name: service for name, service in SERVICES.items() if "profiles" not in service}
PUBLISHED = {"broker": 8883, "proxy": 8443}
_DEFAULT = re.compile(r"^\$\{BITGOEUL_[A-Z]+_IMAGE:-(?P<image>[^:]+):(?P<tag>[^}]+)\}$")


def test_old_and_new_compose_both_take_it() -> None:
    # a version would choose another format in docker-compose 1.29, and `name` is unknown there
    assert not {"version", "name"} & COMPOSE.keys()


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_the_least_rights(name: str) -> None:
    service = SERVICES[name]
    user = int(service["user"].split(":")[0])
    assert user > 0
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "devices", "pid", "network_mode", "ipc"} & service.keys()
    assert not any("docker.sock" in str(volume) for volume in service.get("volumes", ()))
    assert any(entry.split(":")[0] == "/tmp" for entry in service["tmpfs"])  # noqa: S108  # the container's


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_limits(name: str) -> None:
    service = SERVICES[name]
    assert {"mem_limit", "cpus", "pids_limit"} <= service.keys()
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}


@pytest.mark.parametrize("name", RUNNING)
def test_a_service_that_runs_is_watched_and_started_again(name: str) -> None:
    assert RUNNING[name]["restart"] == "unless-stopped"
    assert RUNNING[name]["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")


@pytest.mark.parametrize("name", SERVICES)
def test_an_image_is_pinned_and_may_be_another(name: str) -> None:
    found = _DEFAULT.match(SERVICES[name]["image"])
    assert found, SERVICES[name]["image"]
    assert re.match(r"\d+\.\d+", found["tag"])


def test_two_ports_are_published_and_no_more() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published.keys() == PUBLISHED.keys()
    for name, ports in published.items():
        assert [int(port.rsplit(":", 1)[1]) for port in ports] == [PUBLISHED[name]]


def test_no_network_leads_out_but_those_of_the_published_ports() -> None:
    open_networks = {name for name, network in COMPOSE["networks"].items() if not network.get("internal")}
    for name, service in SERVICES.items():
        # Grafana tells of alarms, and nobody reaches it that way
        assert bool(open_networks & set(service["networks"])) == (name in PUBLISHED or name == "grafana")
    assert [name for name, service in SERVICES.items() if "alarms" in service["networks"]] == ["grafana"]


def test_a_store_is_reached_only_by_who_needs_it() -> None:
    members = {
        network: {name for name, service in SERVICES.items() if network in service["networks"]}
        for network in COMPOSE["networks"]
    }
    assert members["postgres"] == {"postgres", "portal", "tools"}
    assert members["boards"] == {"influxdb", "mirror", "grafana"}
    assert "proxy" not in members["mqtt"] | members["postgres"] | members["boards"] | members["metrics"]


def test_a_store_has_a_volume_of_its_own() -> None:
    for store in ("broker", "postgres", "influxdb", "grafana"):
        users = [
            name
            for name, service in SERVICES.items()
            if any(str(volume).startswith(f"{store}:") for volume in service.get("volumes", ()))
        ]
        assert users == [store]


def test_secrets_are_files_that_stack_init_makes() -> None:
    made = {f"deploy/secrets/{name}" for holders in SECRETS for name in holders}
    made |= {f"deploy/secrets/cloud/{name}.{end}" for name in CLIENTS for end in ("crt", "key")}
    made.add("deploy/secrets/cloud/ca.crt")
    files = {secret["file"].removeprefix("./") for secret in COMPOSE["secrets"].values()}
    assert files <= made
    # what is made is used, but for the authority's passphrase
    assert made - files == {"deploy/secrets/ca_passphrase"}


def test_no_secret_stands_in_the_file() -> None:
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if re.search("PASSWORD|TOKEN|SECRET", name):
                assert name.endswith("FILE") or value in ("true", "false"), name


def test_a_secret_goes_only_to_the_service_whose_user_owns_it() -> None:
    owners = {"cloud": ("area-main", "portal", "mirror", "tools")}
    for name, service in SERVICES.items():
        for secret in service.get("secrets", ()):
            source = secret["source"] if isinstance(secret, dict) else secret
            owner = source.split("_", 1)[0]
            assert name in owners.get(owner, (owner,)), f"{name}: {source}"


def test_our_images_are_built_by_hash_and_run_as_nobody_in_particular() -> None:
    for part in ("cloud", "edge"):
        text = (ROOT / "deploy" / f"{part}.Dockerfile").read_text("utf-8")
        assert "--require-hashes" in text
        assert f"locks/{part}.txt" in text
        assert re.search(r"^USER \d{5}:\d{5}$", text, re.MULTILINE)
        assert re.search(r"^ARG PYTHON_IMAGE=python:\d+\.\d+\.\d+-slim-bookworm$", text, re.MULTILINE)


def test_the_example_of_a_second_area_is_as_the_first_and_is_known_to_all() -> None:
    example = yaml.safe_load((ROOT / "deploy/area-west.override.yml").read_text("utf-8"))
    services = example["services"]
    first = {name: value for name, value in SERVICES["area-main"].items() if name != "build"}  # it is built once
    renamed = yaml.safe_dump(first).replace("main", "west").replace("cloud_ingest_", "cloud_ingest_west_")
    assert services["area-west"] == yaml.safe_load(renamed)
    for name in ("portal", "mirror"):
        more = [word for word in services[name].pop("command") if word not in SERVICES[name]["command"]]
        said = {word.partition("=")[0] for word in SERVICES[name]["command"] if "main" in word and "portal" not in word}
        assert {word.partition("=")[0] for word in more} == said
        assert all("west" in word and "main" not in word for word in more)
    assert services["tools"]["environment"].keys() == {
        name for name, value in SERVICES["tools"]["environment"].items() if "main" in str(value)
    }
    assert example["secrets"].keys() == {"cloud_ingest_west_certificate", "cloud_ingest_west_key"}
    assert services.keys() == {"area-west", "portal", "mirror", "tools"}
