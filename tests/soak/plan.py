"""The plan of deliveries: new events, the same again, and forgeries, mixed by one seed."""

from __future__ import annotations

import hashlib
import random
import threading
from collections import deque
from dataclasses import dataclass, replace

from tests.soak.events import Event, Providers, Request, marked, signed

# The kinds of the next delivery, and how often each comes.
WEIGHTS = {"history": 58, "stray": 10, "repeat": 20, "forged": 12}
OPEN_ORDERS = 40
RECENT = 200
# A provider sends again until it is answered 200; some of them give up early.
ATTEMPTS_MAX = 12
IMPATIENT = 0.03


@dataclass(frozen=True)
class Sending:
    """One thing to send. A genuine one is sent again, up to `attempts` times, until it is answered 200."""

    request: Request
    # The genuine event, or the one that a forgery pretends to be.
    event: Event
    # "" for a genuine one, else what is wrong with it.
    forged: str = ""
    repeat: bool = False
    attempts: int = 1


class Plan:
    """An endless list of sendings, the same for the same seed, shared by all clients."""

    def __init__(self, sources: dict[str, dict], seed: int) -> None:
        self.chance = random.Random(seed)
        self.providers = Providers(sources, self.chance)
        self.sources = sources
        self.open: list[deque[Event]] = []
        self.recent: deque[Event] = deque(maxlen=RECENT)
        self.lock = threading.Lock()

    def next(self) -> Sending:
        """Returns the next sending."""
        with self.lock:
            kind = self.chance.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
            if kind == "repeat" and self.recent:
                # Often the very last one, which another client has hardly sent: the two race.
                newest = self.chance.random() < 0.3
                event = self.recent[-1] if newest else self.chance.choice(self.recent)
                return Sending(event.request, event, repeat=True, attempts=self.patience())
            if kind == "forged":
                return self.forgery()
            event = self.providers.stray() if kind == "stray" else self.step()
            self.recent.append(event)
            return Sending(event.request, event, attempts=self.patience())

    def patience(self) -> int:
        return 1 if self.chance.random() < IMPATIENT else ATTEMPTS_MAX

    def step(self) -> Event:
        """Returns the next event of one of the orders under way; now and then two of them change places."""
        while len(self.open) < OPEN_ORDERS:
            events = self.providers.history()
            for index in range(len(events) - 1):
                if self.chance.random() < 0.2:
                    events[index], events[index + 1] = events[index + 1], events[index]
            self.open.append(deque(events))
        order = self.chance.choice(self.open)
        event = order.popleft()
        if not order:
            self.open.remove(order)
        return event

    # --- Forgeries

    def forgery(self) -> Sending:
        """Returns a forgery: an event of its own, or another body for an event that was sent already."""
        if self.recent and self.chance.random() < 0.5:
            event = self.chance.choice(self.recent)
        else:
            event = self.providers.stray()
        provider = event.request.provider
        source = event.id.split("/")[1]
        scheme = self.sources[provider]["sources"][source]
        # No forgery has a genuine delivery's bytes: a row that keeps one is found by its hash.
        self.providers.made += 1
        body = marked(event.request.body, self.providers.made)
        sample = {
            "headers": dict(event.request.headers),
            "rawQueryString": event.request.query,
        }
        genuine = signed(sample, provider, source, scheme, body)
        ways = [self.wrong_key, self.wrong_source, self.no_credential]
        ways += [self.wrong_merchant] if scheme["scheme"] == "url_token" else [self.altered_body]
        request, reason = self.chance.choice(ways)(genuine, sample, provider, source, scheme)
        return Sending(request, event, forged=reason)

    def wrong_key(self, genuine: Request, sample, provider, source, scheme) -> tuple[Request, str]:
        key = hashlib.sha256(b"%d" % self.chance.getrandbits(64)).hexdigest()
        other = scheme | {"signing_keys": [key], "url_tokens": [key]}
        return signed(sample, provider, source, other, genuine.body), "wrong key"

    def wrong_source(self, genuine: Request, _, provider, source, __) -> tuple[Request, str]:
        others = [name for name in self.sources[provider]["sources"] if name != source]
        path = genuine.path.split("/")
        path[1] = self.chance.choice([*others, f"nowhere-{self.chance.randrange(10)}"])
        return replace(genuine, path="/".join(path)), "wrong source"

    def no_credential(self, genuine: Request, _, provider, source, __) -> tuple[Request, str]:
        headers = tuple((name, value) for name, value in genuine.headers if "hmac" not in name)
        query = "" if provider == "shopline" else genuine.query
        return replace(genuine, path=f"/{source}", query=query, headers=headers), "no credential"

    def altered_body(self, genuine: Request, *_) -> tuple[Request, str]:
        return replace(genuine, body=marked(genuine.body, 0, "altered")), "altered body"

    def wrong_merchant(self, genuine: Request, _, provider, __, ___) -> tuple[Request, str]:
        body = genuine.body
        if provider == "selldone":
            body = body.replace(b'"shop":{"id":1,', b'"shop":{"id":2,')
        else:
            body = body.replace(b"5fc5ea00c43d7f001003999d", b"5fc5ea00c43d7f00100399ff")
        assert body != genuine.body, "the merchant is elsewhere in the body"
        return replace(genuine, body=body), "wrong merchant"
