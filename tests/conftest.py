"""The two tiers: what `make test` leaves to `make test-slow`. A module elsewhere says it itself: `pytest.mark.slow`."""

from pathlib import Path

import pytest

TESTS = Path(__file__).parent
SLOW = {"cluster", "conda", "site"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.relative_to(TESTS).parts[0] in SLOW:
            item.add_marker("slow")
