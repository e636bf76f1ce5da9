"""Fixtures for all tests, and the two facts without which a failure cannot be repeated."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from node.build import compiled

if TYPE_CHECKING:
    from tests.support.local import LocalNode

# Two cores are shared by everything that runs, so time says nothing about an example; and an
# example must fail for everybody or for nobody.
settings.register_profile("plexis", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("plexis")


def pytest_report_header() -> str:
    """Which build is tested, and under which seed Python iterates over sets."""
    build = "compiled" if compiled() else "pure Python"
    return f"plexis: {build}, PYTHONHASHSEED={os.environ.get('PYTHONHASHSEED', 'random')}"


@pytest.fixture
def node() -> LocalNode:
    """One engine without sockets; its clock stands still until told."""
    # Here, so that a broken engine fails the tests that use it and not the run of all others.
    from tests.support.local import LocalNode

    return LocalNode()
