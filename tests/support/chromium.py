"""Headless Chromium for the tests that look at pages: the fixture `browser`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["LOOK_MS", "browser"]

LOOK_MS = 30_000
"""How long a test waits for what a page is to show."""

# A closed network refuses what a fresh Chromium asks for in the background.
_FLAGS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser without a past."""
    # Here, as most tests look at no page.
    from playwright.sync_api import expect, sync_playwright

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    assert chromium, "no chromium on PATH: install it, for example `apt install chromium`"
    flags = [*_FLAGS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=flags)
        expect.set_options(timeout=LOOK_MS)
        yield started
        started.close()
