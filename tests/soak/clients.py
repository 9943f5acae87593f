"""Who sends: several clients over connections that they keep, each like a provider's own sender.

What is not answered 200 is sent again after a while, a bounded number of times.
"""

from __future__ import annotations

import heapq
import http.client
import itertools
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.local.stack import Stack
from tests.soak.plan import Plan, Sending

ANSWER_SECONDS_MAX = 30
# A provider waits longer and longer; this one is in a hurry, so that a run is short.
AGAIN_SECONDS = (0.2, 0.5, 1.0, 2.0, 3.0)
IDLE_SECONDS = 0.05


@dataclass
class Delivery:
    """One HTTP request that was sent, and how it was answered; None where the connection broke instead."""

    number: int
    sending: Sending
    attempt: int
    answer: int | None
    milliseconds: float


class Clients:
    """Sends a plan until a number of deliveries or a time is reached."""

    def __init__(self, stack: Stack, plan: Plan, count: int, deliveries_max: int, seed: int) -> None:
        self.stack = stack
        self.plan = plan
        self.deliveries_max = deliveries_max
        self.deliveries: list[Delivery] = []
        self.failures: list[str] = []
        self.waiting: list[tuple[float, int, Sending, int]] = []
        self.begun = 0
        self.under_way = 0
        self.numbers = itertools.count()
        self.chance = random.Random(seed)
        self.lock = threading.Lock()
        self.no_more = threading.Event()
        self.over = threading.Event()
        self.threads = [
            threading.Thread(target=self.run, name=f"client-{number}", daemon=True) for number in range(count)
        ]

    def start(self) -> None:
        for thread in self.threads:
            thread.start()

    @property
    def done(self) -> bool:
        """Everything that is to be sent has been."""
        return not any(thread.is_alive() for thread in self.threads)

    def finish(self, seconds: float) -> None:
        """Begins nothing new; what is to be sent again still is, for so long."""
        self.no_more.set()
        deadline = time.monotonic() + seconds
        for thread in self.threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self.over.set()
        for thread in self.threads:
            thread.join(ANSWER_SECONDS_MAX + 5)
        if not self.done:
            self.failures.append("a client did not come to its end")

    def run(self) -> None:
        connection = Connection(self.stack)
        try:
            while (job := self.job()) is not None:
                self.send(connection, *job)
        except Exception as error:  # The run goes on without this client, and fails at its end.
            self.failures.append(f"{threading.current_thread().name}: {error!r}")
        finally:
            connection.close()

    def job(self) -> tuple[Sending, int] | None:
        """Returns the next thing to send; waits where everything left is to be sent again later."""
        while not self.over.is_set():
            with self.lock:
                if self.waiting and self.waiting[0][0] <= time.monotonic():
                    _, _, sending, attempt = heapq.heappop(self.waiting)
                    self.under_way += 1
                    return sending, attempt
                if not self.no_more.is_set() and self.begun < self.deliveries_max:
                    self.begun += 1
                    self.under_way += 1
                    return self.plan.next(), 1
                if not self.waiting and not self.under_way:
                    return None
            self.over.wait(IDLE_SECONDS)
        return None

    def send(self, connection: Connection, sending: Sending, attempt: int) -> None:
        began = time.monotonic()
        answer = connection.post(sending)
        took = (time.monotonic() - began) * 1000
        with self.lock:
            self.under_way -= 1
            number = next(self.numbers)
            self.deliveries.append(Delivery(number, sending, attempt, answer, took))
            if answer != 200 and not sending.forged and attempt < sending.attempts:
                # A retry is a delivery like any other.
                self.begun += 1
                pause = AGAIN_SECONDS[min(attempt, len(AGAIN_SECONDS)) - 1] * self.chance.uniform(0.5, 1.5)
                heapq.heappush(self.waiting, (time.monotonic() + pause, number, sending, attempt + 1))


class Connection:
    """A connection that is kept as long as the other side keeps it."""

    def __init__(self, stack: Stack) -> None:
        self.hosts = {provider: urlsplit(stack.url(provider)).netloc for provider in stack.sources}
        self.make: Callable = lambda: http.client.HTTPConnection(
            "127.0.0.1", stack.port, timeout=ANSWER_SECONDS_MAX
        )
        self.kept = self.make()

    def post(self, sending: Sending) -> int | None:
        """Sends the request; gives the status, or None if there was no answer."""
        request = sending.request
        target = request.path + (f"?{request.query}" if request.query else "")
        try:
            self.kept.putrequest("POST", target, skip_host=True, skip_accept_encoding=True)
            self.kept.putheader("host", self.hosts[request.provider])
            self.kept.putheader("content-length", str(len(request.body)))
            for name, value in request.headers:
                self.kept.putheader(name, value)
            self.kept.endheaders(request.body)
            answer = self.kept.getresponse()
            answer.read()
            return answer.status
        except (OSError, http.client.HTTPException):
            self.kept.close()
            self.kept = self.make()
            return None

    def close(self) -> None:
        self.kept.close()
