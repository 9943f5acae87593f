"""The report of a run."""

from __future__ import annotations

from tests.local.run import table
from tests.soak import verifier
from tests.soak.verifier import Account


def as_text(account: Account, facts: dict) -> str:
    """Returns the tables and, at the end, whether everything is accounted for."""
    places = [(kind, account.deliveries[kind]) for kind in verifier.GOOD]
    places += [(kind, account.deliveries[kind]) for kind in verifier.BAD if account.deliveries[kind]]
    parts = [
        table(("what became of the deliveries", "number"), [*places, ("all of them", account.sent)]),
        table(("found", "number"), sorted(account.counts.items())),
    ]
    for name in ("answers", "forgeries", "faults", "outages", "kills"):
        if facts.get(name):
            parts.append(table((name, "number"), sorted(facts[name].items())))
    parts.append(table(("run", "value"), list(facts["run"].items())))
    complaints = account.complaints() + facts["failures"]
    if complaints:
        parts.append("NOT WELL\n" + "\n".join(f"  {line}" for line in complaints))
    else:
        parts.append(f"All {account.sent} deliveries are accounted for: none lost, doubled or let in.")
    return "\n\n".join(parts)


def as_data(account: Account, facts: dict) -> dict:
    """Returns the same for programs."""
    return {
        "well": is_well(account, facts),
        "sent": account.sent,
        "deliveries": dict(account.deliveries),
        "counts": dict(account.counts),
        "complaints": account.complaints() + facts["failures"],
        **{name: value for name, value in facts.items() if name != "failures"},
    }


def is_well(account: Account, facts: dict) -> bool:
    return account.is_clean and not facts["failures"]
