"""What an operator's Prometheus sees of the mirror."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

WRITE_BUCKETS_S = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)


class Metrics:
    """One registry a mirror."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.points = Counter("bitgoeul_mirror_points", "Points written", registry=registry)
        self.errors = Counter("bitgoeul_mirror_errors", "Posts and questions that failed", registry=registry)
        self.write_s = Histogram(
            "bitgoeul_mirror_write_seconds", "Duration of a post", buckets=WRITE_BUCKETS_S, registry=registry
        )
        self.newest_s = Gauge(
            "bitgoeul_mirror_newest_slot_seconds", "End of the newest slot mirrored", registry=registry
        )
