"""What each service says of itself: to be read by Prometheus, with units in the names, and true."""

import re
import time
from collections.abc import Iterator

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.cloud.ingest_area import Gateway, eventually
from tests.status.installation import Installation, address, installed, one_reading

# what a name may end in: a unit, what is counted, or a word that is either so or not
ENDINGS = (
    *("total", "seconds", "bytes", "ratio", "fds", "messages", "rows", "marks", "slots", "areas", "listeners"),
    *("connected", "available", "valid", "well"),
)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installed(tmp_path_factory.mktemp("metrics")) as started:
        yield started


def scraped(running: Installation, service: str) -> dict[tuple[str, ...], float]:
    """Samples by name and labels' values; a text that is no Prometheus' is an error."""
    text = httpx.get(f"{running.services[service]}/metrics").text
    samples = [one for family in text_string_to_metric_families(text) for one in family.samples]
    for sample in samples:
        name = re.sub(r"_(bucket|sum|count)$", "", sample.name).replace("_created", "_total")
        assert name.endswith(ENDINGS), f"{sample.name} names no unit"
    return {(one.name, *one.labels.values()): one.value for one in samples}


def test_an_areas_metrics_tell_of_settling_disk_and_process(running: Installation) -> None:
    with Gateway("g1", running.broker) as gateway:
        gateway.send(1, one_reading(int(time.time()) // 60 * 60))
        eventually(lambda: gateway.stored() == {1})
    eventually(
        lambda: "bitgoeul_settle_settled_age_seconds" in httpx.get(running.services["area-main"] + "/metrics").text
    )
    samples = scraped(running, "area-main")
    assert samples["bitgoeul_ingest_readings_total",] > 0
    assert samples["bitgoeul_settle_well",] == 1
    assert 0 <= samples["bitgoeul_settle_settled_age_seconds",] < 1000
    assert {("bitgoeul_settle_marks",), ("bitgoeul_settle_stale_slots",)} <= samples.keys()
    assert 0 < samples["bitgoeul_disk_free_bytes",] < samples["bitgoeul_disk_size_bytes",]
    assert time.time() - 600 < samples["process_start_time_seconds",] < time.time()
    assert samples["process_resident_memory_bytes",] > 1e6


def test_the_portals_requests_are_counted_by_room_and_outcome(running: Installation) -> None:
    before = scraped(running, "portal")
    for path in ("/", "/en", "/healthz", "/no/such/page", "/static/shell/portal.css"):
        httpx.get(address(running.portal) + path)
    with httpx.stream("GET", address(running.portal) + "/events") as events:
        lines = events.iter_lines()  # to be kept: without it the stream is closed
        next(lines)
        eventually(lambda: scraped(running, "portal")["bitgoeul_portal_listeners",] == 1)
    samples = scraped(running, "portal")

    def more(*key: str) -> float:
        return samples[key] - before.get(key, 0.0)

    assert more("bitgoeul_portal_requests_total", "live", "2xx") == 4
    assert more("bitgoeul_portal_requests_total", "none", "4xx") == 1
    assert more("bitgoeul_portal_requests_total", "static", "2xx") == 1
    assert more("bitgoeul_portal_request_seconds_count", "live") == 4
    assert samples["bitgoeul_portal_answering_areas",] == 1
    assert samples["bitgoeul_portal_feed_age_seconds",] < 30
    assert samples["process_start_time_seconds",] > 0


def test_metrics_are_on_an_address_of_their_own(running: Installation) -> None:
    assert httpx.get(f"{address(running.portal)}/metrics").status_code == 404
    assert httpx.get(f"{running.services['portal']}/healthz").json() == {"ok": True, "problems": []}
    assert httpx.get(f"{running.services['portal']}/").status_code == 404
