"""What the end-to-end tests share: a local stack of their own, apart from that of `make run`."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import cli as tool
from tests import e2e
from tests.local import stack as local


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[local.Stack]:
    """`template.yaml`, deployed to a MiniStack of this test run's own; stopped at the end.

    See `tests.local.stack.Stack` for what it offers: `client`, `physical`, `invoke`, `outputs`, `sources`.
    HOOKMILL_BINARIES names another folder of built functions.
    """
    state = tmp_path_factory.mktemp("stack")
    binaries = Path(os.environ.get("HOOKMILL_BINARIES", local.default_binaries()))
    try:
        yield local.up(free_port(), state, binaries, {"OperatorPolicies": "true"})
    finally:
        local.down(state)
        # pytest keeps the last few sessions' folders: the logs are worth it, the binaries are not.
        shutil.rmtree(state / "package", ignore_errors=True)


@pytest.fixture(scope="session")
def pipe(stack: local.Stack) -> e2e.Pipe:
    """The session's stack with sources for every file of tests, and everything that came off its WorkQueue."""
    return e2e.open_pipe(stack)


@pytest.fixture(scope="session")
def cli(pipe: e2e.Pipe, tmp_path_factory: pytest.TempPathFactory) -> tool.Cli:
    """The operator's tool on the session's stack, with nobody's AWS settings."""
    return tool.Cli(pipe.stack.port, tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def told_to_strangers(pipe: e2e.Pipe) -> e2e.Answer:
    """What a caller gets who knows nothing."""
    return pipe.request("scalev", "/who", b"{}", [("content-type", "application/json")])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is to be in no log is looked for when everything has been sent; alone it sends its own."""
    items.sort(key=lambda item: item.path.name == "test_e2e_logs.py")


@pytest.fixture(autouse=True)
def region(monkeypatch: pytest.MonkeyPatch) -> None:
    """boto3 and SAM's transform ask for a region, whatever the machine has set."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
