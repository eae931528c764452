"""What all tests share: the world that an end-to-end test runs agentmux in."""

from __future__ import annotations

import asyncio
import faulthandler
import inspect
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import closing

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "support"))  # importlib mode adds nothing by itself

from disk import Disk, mounted
from scripted_api import ScriptedApi
from world import World

# Children inherit a signal that is ignored, as behind `nohup ... &`: what a test interrupts would go on for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test that is a coroutine in a loop of its own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    wanted = inspect.signature(pyfuncitem.obj).parameters
    asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in wanted}))
    return True


@pytest.fixture(autouse=True)
def _patience(request: pytest.FixtureRequest) -> None:
    """Let what takes minutes by its nature do so without being suspected of hanging."""
    if request.node.get_closest_marker("prove"):
        faulthandler.cancel_dump_traceback_later()


@pytest.fixture
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """A private HOME, runtime folder and environment; whatever is left behind in or around it fails the test."""
    before = set(os.listdir("/proc/self/fd")) if sys.platform == "linux" else set()
    outside = World.outside()
    made = World()
    try:
        yield made
    finally:
        complaints = made.close()
    if sys.platform == "linux" and (open_ := set(os.listdir("/proc/self/fd")) - before):
        complaints.append(f"descriptors of the test are still open: {sorted(map(int, open_))}")
    if changed := World.outside() - outside:
        complaints.append(f"files outside of the world: {sorted(changed)}")
    assert not complaints, "\n".join(complaints)


@pytest.fixture
def api(world: World) -> Iterator[ScriptedApi]:
    """A model's API for agents, which ends before the world does."""
    with closing(ScriptedApi()) as made:
        yield made


@pytest.fixture
def disk(world: World) -> Iterator[Disk]:
    """The data folder's own file system."""
    with mounted(world) as made:
        yield made
