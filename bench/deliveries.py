"""The deliveries of a benchmark: the providers' samples with ids of their own, signed as the providers sign.

    python -m bench.deliveries .local/bench/deliveries

Writes a folder a target: `target.json` with the provider's secret, and files of one request event a line: `new`,
`forged`, `body-<bytes>`, `random-leaf` and `order` (many events of one order).
"""

from __future__ import annotations

import argparse
import copy
import datetime
import json
import random
from collections.abc import Iterable
from pathlib import Path

from tests.local import signing

ROOT = Path(__file__).resolve().parents[1]

# Each target is one way in which deliveries prove themselves: the provider, its source, a sample, and where its ids are.
TARGETS = {
    "scalev": ("scalev", "main", "order.created.2026", [("unique_id",), ("data", "id"), ("data", "order_id")]),
    "scalapay": ("scalapay", "it", "charged", [("orderToken",)]),
    "shopline-signed": ("shopline", "app", "order.create.app", [("trace_id",), ("resource", "_id"), ("resource", "id")]),
    "shopline-token": ("shopline", "tw", "order.create.new", [("trace_id",), ("resource", "_id"), ("resource", "id")]),
    "selldone": ("selldone", "main", "OnlineOrder.CheckoutOrder", [("basket", "id")]),
}
GROWN = "scalev"
BODY_BYTES = (0, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)
NEW, ORDER = 2_500, 10_200
FIRST = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def keys() -> dict[str, dict]:
    """The sample sources with keys of the benchmark's own: the published ones are refused."""
    text = (ROOT / "events" / "sources.json").read_text()
    return json.loads(text.replace("hookmill-sample-", "of-this-benchmark-only-"))


class Target:
    """One target's sample, ready to be given other ids."""

    def __init__(self, name: str) -> None:
        self.provider, self.source, case, self.ids = TARGETS[name]
        self.secret = keys()[self.provider]
        self.event = json.loads((ROOT / "events" / self.provider / f"{case}.json").read_text())
        body = signing.body_bytes(self.event)
        self.document = json.loads(body)
        # Written as the sample is: providers send no spaces.
        self.separators = (", ", ": ") if b'": ' in body else (",", ":")

    def body(self, number: int, one_order: bool = False) -> dict:
        """The body with ids of its own; of one order only the event's own id and its times differ."""
        document = copy.deepcopy(self.document)
        for path in self.ids[:1] if one_order else self.ids:
            place = document
            for name in path[:-1]:
                place = place[name]
            if path[-1] in place:
                old = place[path[-1]]
                place[path[-1]] = int(f"{old}{number:06}") if isinstance(old, int) else f"{old}{number:06}"
        if one_order:
            # Scalev's: each later event changes the view.
            time = (FIRST + datetime.timedelta(seconds=number)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            document["timestamp"] = document["data"]["last_updated_at"] = time
        return document

    def delivery(self, document: dict, forged: bool = False) -> str:
        """A request event on one line."""
        event = copy.deepcopy(self.event)
        event["body"], event["isBase64Encoded"] = json.dumps(document, ensure_ascii=False, separators=self.separators), False
        source = copy.deepcopy(self.secret["sources"][self.source])
        if forged:
            for kind in ("signing_keys", "url_tokens"):
                source[kind] = [f"{key}-forged" for key in source[kind]]
        return json.dumps(signing.sign(self.provider, event, source))

    def grown(self, number: int, more_bytes: int) -> dict:
        """A body with more lines, of text that compresses by about a half, as orders do."""
        chance, lines, length = random.Random(number), [], 0
        while length < more_bytes:
            line = {
                "sku": f"{chance.getrandbits(48):012x}",
                "quantity": chance.randint(1, 9),
                "price": f"{chance.randint(0, 999)}.{chance.randint(0, 99):02}",
                "title": "A line of a long order",
            }
            lines.append(line)
            length += len(json.dumps(line, separators=self.separators)) + 1
        return self.body(number) | ({"lines": lines} if lines else {})


def write(path: Path, lines: Iterable[str]) -> None:
    """One line an event."""
    with path.open("w") as file:
        file.writelines(f"{line}\n" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    for name in TARGETS:
        print(f"writing the deliveries of {name}", flush=True)
        target, place = Target(name), folder / name
        place.mkdir(parents=True, exist_ok=True)
        about = {"provider": target.provider, "secret": json.dumps(target.secret)}
        (place / "target.json").write_text(json.dumps(about))
        write(place / "new.jsonl", (target.delivery(target.body(number)) for number in range(NEW)))
        write(place / "forged.jsonl", (target.delivery(target.body(number), forged=True) for number in range(NEW)))
        if name != GROWN:
            continue
        for more in BODY_BYTES:
            count = max(30, min(1_000, 5_000_000 // (5_000 + more)))
            bodies = (target.delivery(target.grown(number, more)) for number in range(count))
            write(place / f"body-{more}.jsonl", bodies)
        leaves = json.loads((ROOT / "shared/edge/tests/fixtures/random_leaf.json").read_text())
        random_bodies = (leaves | {"unique_id": f"{leaves['unique_id']}{number}"} for number in range(20))
        write(place / "random-leaf.jsonl", (target.delivery(body) for body in random_bodies))
        write(place / "order.jsonl", (target.delivery(target.body(number, one_order=True)) for number in range(ORDER)))


if __name__ == "__main__":
    main()
