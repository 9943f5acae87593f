"""Fixtures of the end-to-end tests: a local stack for each worker, apart from that of `make run`.

`make test` runs several workers side by side; each takes whole files, so a file's tests share one stack.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import cli as tool
from tests import e2e, e2e_logs
from tests.local import stack as local


def free_port() -> int:
    """Returns a port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[local.Stack]:
    """`template.yaml`, deployed to a MiniStack of the worker's own; stopped at the end.

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
def pipe(stack: local.Stack) -> Iterator[e2e.Pipe]:
    """The worker's stack with sources for every file of tests, and everything that came off its WorkQueue.

    At the end its logs are checked: they hold the lines of all the tests that ran on it.
    """
    opened = e2e.open_pipe(stack)
    yield opened
    e2e_logs.check(opened)


@pytest.fixture(scope="session")
def cli(pipe: e2e.Pipe, tmp_path_factory: pytest.TempPathFactory) -> tool.Cli:
    """The operator's tool on the session's stack, with nobody's AWS settings."""
    return tool.Cli(pipe.stack.port, tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def answer_to_strangers(pipe: e2e.Pipe) -> e2e.Answer:
    """The answer to a caller who knows nothing."""
    return pipe.request("scalev", "/who", b"{}", [("content-type", "application/json")])


# Files that take longest start first, so that no worker is left with one of them at the end.
LONGEST_FIRST = (
    *("test_operators.py", "test_soak.py", "test_e2e_watch.py", "test_e2e_bad_input.py", "test_e2e_concurrent.py"),
    *("test_cli_forward.py", "test_cli_doctor.py", "test_e2e_claims.py", "test_cli_reconcile.py"),
    "test_e2e_samples.py",
)
LAST = "test_e2e_logs.py"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Orders the files: the longest first; the logs when everything has been sent."""

    def place(item: pytest.Item) -> tuple[bool, int]:
        name = item.path.name
        return name == LAST, LONGEST_FIRST.index(name) if name in LONGEST_FIRST else len(LONGEST_FIRST)

    items.sort(key=place)


@pytest.fixture(autouse=True)
def region(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sets a region, which boto3 and SAM's transform ask for, whatever the machine has set."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
