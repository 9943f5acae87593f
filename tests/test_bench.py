"""The arithmetic of the bill and of the limits: small numbers that can be checked by hand."""

from __future__ import annotations

import json

import pytest

from bench import bill, deliveries, scale
from tests.local import signing

PRICES = json.loads((bill.HERE / "prices.json").read_text())
QUOTAS = json.loads((scale.HERE / "quotas.json").read_text())


def warm(cpu_us: float, calls: dict[str, int], write_units: int, invocations: int = 100) -> dict:
    counts = {"calls": calls, "write_units": write_units, "read_units": 0}
    return {"cpu_us": {"median": cpu_us}, "invocations": invocations, "counts": counts}


def measured() -> dict:
    """Returns figures: each contender makes one put of two units a delivery; `-send` and the sample one send more."""
    rows = []
    for contender in ("hookmill", "rust-sample", "python-send", "node-send"):
        sends = {} if contender == "hookmill" else {"SendMessage": 100}
        new, repeat = warm(1_000, {"PutItem": 100} | sends, 200), warm(1_000, {"PutItem": 100}, 100)
        rows.append({"contender": contender, "target": "scalev", "warm": {"new": new, "repeat": repeat}})
    points = [{"size": size, "cpu_us": 1_000, "events": 100, "counts": warm(0, {"SendMessageBatch": 100 // size}, 0)["counts"]} for size in (1, 10, 100)]
    orders = [{"size": size, "cpu_us": 1_000, "events": 100, "counts": warm(0, {"GetItem": 100, "PutItem": 100}, 100)["counts"]} for size in (1, 2, 5, 10)]
    growth = [{"what": "relay: records in a batch", "points": points}, {"what": "orders: messages in a batch", "points": orders}]
    return {"rows": rows, "growth": growth}


def test_a_delivery_costs_its_request_its_time_and_its_writes() -> None:
    # 256 MB are 0.1447 of a core: a millisecond of processor time takes 6.91; with a put of 5 ms, 12 are billed.
    work = bill.receiving(measured()["rows"][0], "new", PRICES, 256, logs=False)
    assert work.billed_ms == pytest.approx(1 / (256 / 1769) + 5)
    expected = 0.20 / 1e6 + 12 / 1_000 * 0.25 * 0.0000166667 + 2 * 0.625 / 1e6
    assert bill.dollars(work, PRICES) == pytest.approx(expected)


def test_repeats_cost_less_and_nothing_follows_them() -> None:
    ours = bill.designs(measured(), PRICES, logs=False)[0]
    none, half, all_of_them = (ours.cost(PRICES, repeats) for repeats in (0.0, 0.5, 1.0))
    assert none > half > all_of_them
    assert half == pytest.approx((none + all_of_them) / 2)
    assert all_of_them == pytest.approx(1e6 * bill.dollars(ours.repeat, PRICES))


def test_logs_and_views_are_distinguished() -> None:
    bare, logged = bill.designs(measured(), PRICES, logs=False), bill.designs(measured(), PRICES, logs=True)
    assert all(one.cost(PRICES, 0) < other.cost(PRICES, 0) for one, other in zip(bare, logged, strict=True))
    assert bare[0].cost(PRICES, 0) < bare[1].cost(PRICES, 0)


def test_what_was_not_measured_is_left_out() -> None:
    whole = measured()
    without_node = whole | {"rows": [row for row in whole["rows"] if row["contender"] != "node-send"]}
    table = bill.priced(without_node, PRICES)
    assert len(table) == len(bill.priced(whole, PRICES)) - 1 and not any("Node" in name for name in table)
    alone = whole | {"rows": [row for row in whole["rows"] if row["contender"] == "hookmill"]}
    assert list(bill.priced(alone, PRICES)) == [bill.TO_WORK, bill.WITH_VIEWS]
    assert len(bill.goals(bill.priced(alone, PRICES), PRICES)) == 2
    assert bill.goals(bill.priced(alone | {"growth": []}, PRICES), PRICES) == []


def test_fixed_costs_are_of_what_the_template_makes() -> None:
    fixed = bill.fixed_costs(PRICES)
    assert fixed["5 secrets"] == pytest.approx(2.0)
    assert sum(fixed.values()) < 12


def test_limits_are_found_where_they_are() -> None:
    table = {rate: {limit.what.split(":")[0]: limit for limit in scale.limits(measured(), PRICES, QUOTAS, rate)} for rate in scale.RATES}
    assert all(limit.holds for limit in table[10].values())
    index = table[10_000]["time index"]
    assert (index.needed, index.available, index.holds) == (10_000, 8_000, False)
    # 10,000 a second of one unit each, beside the index's, fill 15 partitions of 700 units, each with a shard.
    relay = next(limit for limit in scale.limits(measured(), PRICES, QUOTAS, 10_000) if limit.what.startswith("relay"))
    assert "from 15 shards" in relay.what and not relay.keeps_order
    # A new table has four.
    relay = next(limit for limit in scale.limits(measured(), PRICES, QUOTAS, 10) if limit.what.startswith("relay"))
    assert "from 4 shards" in relay.what


def test_deliveries_differ_and_are_signed() -> None:
    target = deliveries.Target("scalev")
    one, other = (json.loads(target.delivery(target.body(number))) for number in (1, 2))
    bodies = [json.loads(event["body"]) for event in (one, other)]
    assert bodies[0]["unique_id"] != bodies[1]["unique_id"]
    key = target.secret["sources"]["main"]["signing_keys"][0]
    assert signing.header(one, "x-scalev-hmac-sha256") == signing.scalev_signature(key, signing.body_bytes(one))
    forged = json.loads(target.delivery(target.body(1), forged=True))
    assert signing.header(forged, "x-scalev-hmac-sha256") != signing.header(one, "x-scalev-hmac-sha256")
    same_order = [target.body(number, one_order=True) for number in (1, 2)]
    assert same_order[0]["data"]["order_id"] == same_order[1]["data"]["order_id"]
    assert len(json.dumps(target.grown(1, 100_000))) > 100_000
