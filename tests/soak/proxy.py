"""The proxy between the functions and AWS: microburst, which throttles, fails, resets, and loses answers.

Errors have the form that AWS gives them, so that it is the SDK's own retries that are tried.
"""

from __future__ import annotations

import json
import random
import re
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from tests.local import ministack
from tests.local.ministack import ROOT, StackError
from tests.soak.background import Background

PYTHON = ROOT / ".local" / "microburst" / "bin" / "python"
MICROBURST = Path(__file__).with_name("microburst_main.py")
READY_SECONDS_MAX = 60
STOP_SECONDS_MAX = 10

# By service: what it answers where it throttles, fails and is away.
ERRORS = {
    "dynamodb": (
        ("ProvisionedThroughputExceededException", 400),
        ("InternalServerError", 500),
        ("ServiceUnavailable", 503),
    ),
    "sqs": (("RequestThrottled", 403), ("InternalFailure", 500), ("ServiceUnavailable", 503)),
    "secretsmanager": (
        ("ThrottlingException", 400),
        ("InternalServiceError", 500),
        ("ServiceUnavailable", 503),
    ),
}
TARGETS = {
    "DynamoDB_20120810.ListTables": "dynamodb",
    "AmazonSQS.ListQueues": "sqs",
    "secretsmanager.ListSecrets": "secretsmanager",
}
# The call has its effect; its answer ends before its first byte.
LOSE_ANSWER = {"response": {"abort_bytes": 0}}
RESET = {"reset": True}

# Now and then a service is away altogether, or the user's queue is, and that for longer: the relay waits for
# the one and parks events for the other.
OUTAGES = {
    "DynamoDB": ({"service": "dynamodb"}, 1.0, 4.0),
    "SQS": ({"service": "sqs"}, 1.0, 4.0),
    "Secrets Manager": ({"service": "secretsmanager"}, 1.0, 4.0),
    "WorkQueue": ({"service": "sqs", "body": "contains(QueueUrl, 'WorkQueue')"}, 8.0, 15.0),
}
OUTAGE_EVERY_SECONDS = (10.0, 30.0)


class Proxy:
    """A running microburst; `upstream` is the port of the local AWS."""

    def __init__(self, port: int, upstream: int, state: Path) -> None:
        self.port = port
        self.upstream = upstream
        self.state = state
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        """Starts it; nothing is injected yet."""
        ministack.refuse_taken_port(self.port)
        if not PYTHON.exists():
            raise StackError(f"{PYTHON.relative_to(ROOT)} is missing. Make it with: make proxy")
        self.state.mkdir(parents=True, exist_ok=True)
        upstream = f"http://127.0.0.1:{self.upstream}"
        with open(self.state / "microburst.log", "wb") as log:
            self.process = subprocess.Popen(
                [PYTHON, MICROBURST, "--upstream", upstream, "--port", str(self.port)],
                env=ministack.clean_environment(self.upstream),
                cwd=self.state,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # An interrupt at the keyboard is for the soak, which then ends the proxy in its own order.
                start_new_session=True,
            )

    def wait_until_ready(self) -> None:
        """Waits for its first answer, which takes seconds."""
        deadline = time.monotonic() + READY_SECONDS_MAX
        while time.monotonic() < deadline:
            if self.process is None or self.process.poll() is not None:
                log = (self.state / "microburst.log").read_text(errors="replace")
                raise StackError("The proxy ended at once:\n" + log[-2000:])
            try:
                self.call("GET", "health")
                return
            except OSError:
                time.sleep(0.1)
        raise StackError(f"The proxy was not ready within {READY_SECONDS_MAX} s")

    def stop(self) -> None:
        """Ends the process that `start` started."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def warm(self) -> None:
        """Has it fail one call a service that no function makes.

        With the first error of a service it reads that service's model, and nothing else for seconds.
        """
        self.call("POST", "rules", [{"error": {"status": 500}}])
        for target, service in TARGETS.items():
            scope = f"test/20260101/{ministack.REGION}/{service}/aws4_request"
            headers = {
                "x-amz-target": target,
                "authorization": f"AWS4-HMAC-SHA256 Credential={scope}",
                "content-type": "application/x-amz-json-1.0",
            }
            request = urllib.request.Request(f"http://127.0.0.1:{self.port}/", b"{}", headers)
            try:
                urllib.request.urlopen(request, timeout=READY_SECONDS_MAX).close()
            except urllib.error.HTTPError:
                pass
        self.calm()

    def inject(self, rate: float) -> None:
        """Has about this share of all calls go wrong, every kind alike."""
        self.call("POST", "rules", rules(rate))

    def away(self, calls: dict, seconds: float) -> None:
        """Has such calls answered with nothing but 503 for a while."""
        code, status = ERRORS[calls["service"]][-1]
        outage = {"error": {"code": code, "status": status}, "ttl_s": seconds}
        self.call("PATCH", "rules", [calls | outage])

    def calm(self) -> None:
        """Injects nothing more."""
        self.call("DELETE", "rules", [])

    def faults(self) -> dict[str, int]:
        """Returns what was injected, by the proxy's own count: service, call, kind."""
        counts: dict[str, int] = {}
        for match in FAULT.finditer(self.call("GET", "metrics").decode()):
            service, operation, action, count = match.groups()
            if operation.startswith("List"):
                continue
            name = f"{service} {operation}: {KINDS.get(action, action.removeprefix('error:'))}"
            counts[name] = counts.get(name, 0) + int(count)
        return counts

    def calls(self) -> int:
        """Returns how many calls went through it."""
        return json.loads(self.call("GET", "stats"))["requests"]["total"]

    def call(self, method: str, path: str, body: object = None) -> bytes:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/_microburst/{path}",
            data,
            {"content-type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.read()


FAULT = re.compile(r'microburst_faults_total\{service="(.*?)",operation="(.*?)",action="(.*?)"\} (\d+)')
KINDS = {"reset": "reset before the call", "response:abort": "done, but the answer lost"}


def rules(rate: float) -> list[dict]:
    """Returns one rule for each service and kind. They are tried in turn, so the chances nearly add up."""
    wanted = []
    for service, errors in ERRORS.items():
        kinds = [{"error": {"code": code, "status": status}} for code, status in errors]
        kinds += [RESET, LOSE_ANSWER]
        wanted += [{"service": service, "probability": rate / len(kinds)} | kind for kind in kinds]
    return wanted


class Outages(Background):
    """Takes one of `OUTAGES` away after another, each for some seconds."""

    def __init__(self, proxy: Proxy, seed: int) -> None:
        super().__init__()
        self.proxy = proxy
        self.chance = random.Random(seed)
        self.counts: dict[str, int] = dict.fromkeys(OUTAGES, 0)

    def run(self) -> None:
        while not self.over.wait(self.chance.uniform(*OUTAGE_EVERY_SECONDS)):
            name = self.chance.choice(list(OUTAGES))
            calls, shortest, longest = OUTAGES[name]
            self.proxy.away(calls, self.chance.uniform(shortest, longest))
            self.counts[name] += 1
