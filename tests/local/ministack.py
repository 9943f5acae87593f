"""The process of the local AWS: starting it, knowing it again, ending it.

It is known by the process id in its state directory.  Nothing is ever ended by name.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MINISTACK = ROOT / ".local" / "ministack" / "bin" / "ministack"
REGION = "us-east-1"
READY_SECONDS_MAX = 60
STOP_SECONDS_MAX = 10


class StackError(Exception):
    """Something that the person at the keyboard can put right; the text says what."""


def start(port: int, state: Path, functions_port: int | None = None) -> None:
    """Starts MiniStack and waits until it answers.

    Its functions look for AWS at `functions_port`, where a proxy may stand in between; at its own without one.
    """
    refuse_taken_port(port)
    if not MINISTACK.exists():
        raise StackError(f"{MINISTACK.relative_to(ROOT)} is missing. Make it with: make tools")
    temporary = state / "tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    with open(state / "ministack.log", "wb") as log:
        process = subprocess.Popen(
            [MINISTACK],
            env=environment(port, temporary, functions_port or port),
            cwd=state,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            # A group of its own: it outlives this command, and stopping it takes its functions along.
            start_new_session=True,
        )
    (state / "ministack.pid").write_text(str(process.pid))
    wait_until_ready(port, state, process)


def stop(state: Path) -> bool:
    """Ends MiniStack and its functions, and their data with them; whether it was running."""
    pid = owned_pid(state)
    if pid is not None:
        end_process(pid)
    (state / "ministack.pid").unlink(missing_ok=True)
    shutil.rmtree(state / "tmp", ignore_errors=True)
    return pid is not None


def is_ready(port: int) -> bool:
    """Returns whether MiniStack answers on the port."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/_ministack/ready", timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False


def wait_until_ready(port: int, state: Path, process: subprocess.Popen) -> None:
    """Waits for MiniStack's first answer; a process that ends instead is reported with its log."""
    deadline = time.monotonic() + READY_SECONDS_MAX
    while time.monotonic() < deadline:
        if process.poll() is not None:
            log = (state / "ministack.log").read_text(errors="replace")
            raise StackError("The local AWS ended at once:\n" + log[-2000:])
        if is_ready(port):
            return
        time.sleep(0.1)
    end_process(process.pid)
    raise StackError(f"The local AWS was not ready within {READY_SECONDS_MAX} s: {state / 'ministack.log'}")


def environment(port: int, temporary: Path, functions_port: int) -> dict[str, str]:
    """MiniStack's environment, which its functions inherit: nothing in it leads to the real AWS."""
    return clean_environment(functions_port) | {
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "LAMBDA_EXECUTOR": "local",
        # A function may do what its role allows and no more, as on AWS.
        "AUTH": "true",
        # It unpacks functions here; two stacks, or two people, do not meet.
        "TMPDIR": str(temporary),
    }


def clean_environment(port: int) -> dict[str, str]:
    """Returns the caller's environment without its AWS settings, and pointed at this MiniStack."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SAM_"))}
    return kept | {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "SAM_CLI_TELEMETRY": "0",
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }


def refuse_taken_port(port: int) -> None:
    """Says so if anything listens on the port; only what we started is ours to use or stop."""
    with socket.socket() as probe:
        probe.settimeout(1)
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise StackError(
                f"Port {port} is taken by something that this command did not start. "
                f"Stop it, or choose another port: make run PORT={port + 1}"
            )


def owned_pid(state: Path) -> int | None:
    """Returns the id of the MiniStack that this state directory belongs to, if it still runs."""
    try:
        pid = int((state / "ministack.pid").read_text())
    except (FileNotFoundError, ValueError):
        return None
    # Ids are used again after a while, so the name must fit too.
    return pid if "ministack" in command_of(pid) else None


def command_of(pid: int) -> str:
    """Returns the command line of a process; empty if there is none, or if it has ended."""
    if Path("/proc/self").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
        except OSError:
            return ""
    listed = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return listed.stdout


def end_process(pid: int) -> None:
    """Asks MiniStack to stop, waits, then ends whatever of its process group is left."""
    signal_group(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS_MAX
    while time.monotonic() < deadline and is_running(pid):
        time.sleep(0.05)
    signal_group(pid, signal.SIGKILL)


def signal_group(pid: int, number: signal.Signals) -> None:
    """Signals the group that `start` made, which only holds MiniStack and its functions."""
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        pass


def is_running(pid: int) -> bool:
    """Returns whether the process is there; collects a child of ours that has ended."""
    try:
        if os.waitpid(pid, os.WNOHANG)[0] == pid:
            return False
    except ChildProcessError:
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
