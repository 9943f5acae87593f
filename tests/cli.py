"""`hookmill`, the operator's tool, as its end-to-end tests run it: the built binary, against the session's stack."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.e2e import Pipe
from tests.local import stack as local

# Nothing takes that long; a busy machine may.
SECONDS_MAX = 180


@dataclass(frozen=True)
class Ran:
    """A command's output and exit code."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict]:
        """The documents of a command with `--json`, one a line."""
        # Only \n ends a document: texts in it may hold other separators of lines.
        return [json.loads(line) for line in self.out.split("\n") if line]

    @property
    def error(self) -> dict:
        """The error of a command with `--json`."""
        return json.loads(self.err.splitlines()[-1])


def binary() -> Path:
    """Returns the tool, built beside the functions."""
    built = Path(os.environ.get("HOOKMILL_BINARIES", local.default_binaries())) / "hookmill"
    assert built.is_file(), f"{built} is missing. Build it with: make binaries"
    return built


def environment(home: Path, **more: str) -> dict[str, str]:
    """Returns an environment without anybody's AWS settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return kept | {"HOME": str(home), "AWS_EC2_METADATA_DISABLED": "true", "NO_PROXY": "127.0.0.1"} | more


@dataclass
class Cli:
    """The tool on one stack."""

    port: int
    home: Path

    @property
    def name(self) -> str:
        """The beginning of every command that the tool proposes: its name and the stack that it was asked about."""
        return f"hookmill --local={self.port}"

    def start(self, *arguments: str, **more: str) -> subprocess.Popen:
        """Starts a command that goes on; `more` is added to its environment."""
        return subprocess.Popen(
            [binary(), f"--local={self.port}", *arguments],
            env=environment(self.home, **more),
            cwd=local.ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, stdin: bytes = b"", place: bool = True, **more: str) -> Ran:
        """Runs a command to its end; `place` adds the option that names the stack."""
        where = [f"--local={self.port}"] if place else []
        ran = self.run_bytes([*where, *arguments], stdin, more)
        return Ran(ran.returncode, ran.stdout.decode(), ran.stderr.decode())

    def raw(self, *arguments: str) -> bytes:
        """Returns what a command prints, byte by byte."""
        ran = self.run_bytes([f"--local={self.port}", *arguments], b"", {})
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    def json(self, *arguments: str, **more: str) -> list[dict]:
        """Returns the documents that a command prints, which must have gone well."""
        ran = self.run("--json", *arguments, **more)
        assert ran.code == 0, ran
        return ran.lines

    def send(self, pipe: Pipe, cases: Iterable[str], source: str) -> list[str]:
        """Sends samples to a source of their provider, and gives their events' ids once both queues had them."""
        provider = source.split("/")[0]
        ids = [self.json("send", f"events/{provider}/{case}.json", "--source", source)[0]["id"] for case in cases]
        pipe.wait_for_messages(ids)
        pipe.wait_for_views()
        return ids

    def run_bytes(self, arguments: list[str], stdin: bytes, more: dict[str, str]) -> subprocess.CompletedProcess:
        return subprocess.run(
            [binary(), *arguments],
            env=environment(self.home, **more),
            cwd=local.ROOT,
            input=stdin,
            capture_output=True,
            timeout=SECONDS_MAX,
            check=False,
        )
