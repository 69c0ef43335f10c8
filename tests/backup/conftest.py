"""The PostgreSQL of the registry's tests."""

from tests.registry.conftest import server

__all__ = ["server"]
