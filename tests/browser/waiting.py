"""Waiting for what a page comes to, polled from here: a busy machine starves the browser's own timers."""

from __future__ import annotations

import time
from collections.abc import Callable, Sized

import pytest

Error = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").Error

BETWEEN = ("Execution context was destroyed", "Cannot find context with specified id")
"""What the browser answers who asks while one document gives way to the next: there is no page to ask just then."""


def until(condition: Callable[[], bool], seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while not _holds(condition):
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.05)


def _holds(condition: Callable[[], bool]) -> bool:
    try:
        return condition()
    except Error as error:
        if not any(told in error.message for told in BETWEEN):
            raise
        return False


def address(page: object) -> str:
    """What stands in the address bar now: page.url is only as new as the last answer that the browser gave."""
    return page.evaluate("location.href")


def until_address(page: object, *parts: str) -> None:
    until(lambda: all(part in address(page) for part in parts))


def settled(page: object, frames: Sized, quiet_ms: int = 800) -> None:
    """Waits until no frame has been added for a while: what page and server had to tell each other is told."""
    last = -1
    while last != len(frames):
        last = len(frames)
        page.wait_for_timeout(quiet_ms)
