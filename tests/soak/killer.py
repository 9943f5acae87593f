"""Kills functions while they work: by process id, and only those that the soak's own local AWS started."""

from __future__ import annotations

import os
import random
import signal
from collections import Counter
from pathlib import Path

from tests.local.ministack import StackError
from tests.soak.background import Background

PROC = Path("/proc")


class Killer(Background):
    """Kills a random function at random times, at a rate a minute."""

    def __init__(self, ministack_pid: int, a_minute: float, seed: int) -> None:
        if a_minute and not (PROC / "self" / "environ").exists():
            raise StackError("Processes cannot be distinguished here. Leave them alone: --kills-per-minute 0")
        super().__init__()
        self.ministack_pid = ministack_pid
        self.a_minute = a_minute
        self.chance = random.Random(seed)
        self.counts: Counter[str] = Counter()

    def start(self) -> None:
        if self.a_minute:
            super().start()

    def run(self) -> None:
        while not self.over.wait(self.chance.expovariate(self.a_minute / 60)):
            running = self.running()
            if running:
                # The function first: some have many processes.
                name = self.chance.choice(sorted(running))
                if self.kill(self.chance.choice(sorted(running[name]))):
                    self.counts[name] += 1

    def running(self) -> dict[str, list[int]]:
        """Returns the functions that run now, by name, and their process ids."""
        found: dict[str, list[int]] = {}
        for pid in children(self.ministack_pid):
            name = function_of(pid)
            if name:
                found.setdefault(name, []).append(pid)
        return found

    def kill(self, pid: int) -> bool:
        """Kills one process, if it is still the selected one."""
        try:
            process = os.pidfd_open(pid)
        except OSError:
            return False
        try:
            # The descriptor holds on to the process: if it is ours now, it is ours when the signal arrives.
            if pid not in children(self.ministack_pid) or not function_of(pid):
                return False
            signal.pidfd_send_signal(process, signal.SIGKILL)
            return True
        except ProcessLookupError:
            return False
        finally:
            os.close(process)


def children(pid: int) -> list[int]:
    """Returns the processes that a process has started and that still run."""
    found = []
    for status in PROC.glob("[0-9]*/stat"):
        try:
            # The name is in brackets and may hold anything; the state and the parent follow on it.
            _, parent = status.read_text(errors="replace").rpartition(")")[2].split()[:2]
        except (OSError, ValueError):
            continue
        if int(parent) == pid:
            found.append(int(status.parent.name))
    return found


def function_of(pid: int) -> str | None:
    """Returns the logical name of the function that a process is: RelayFunction, or None for anything else."""
    try:
        if (PROC / str(pid) / "exe").readlink().name.split(" ")[0] != "bootstrap":
            return None
        environment = (PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return None
    for variable in environment:
        name, _, value = variable.decode(errors="replace").partition("=")
        if name == "AWS_LAMBDA_FUNCTION_NAME":
            # hookmill-RelayFunction-1AD7A08D22718
            return value.split("-")[1]
    return None
