"""The logs of the functions, and checks of all their lines: no log holds what it must not hold.

Each stack's logs are checked when its tests have ended (`conftest.py`); `test_e2e_logs.py` sends what they must show.
"""

from __future__ import annotations

import json
import re

from tests import e2e, e2e_checks
from tests.local import run, signing
from tests.local import stack as local

DIMENSIONS = [["stack", "provider", "outcome"]]
# Of the whole stack: the watch's numbers, and the one metric that calls somebody, so that one alarm hears all of it.
STACK = [["stack"]]
ATTENTION = "Attention"
NUMBERS = {"Silence", "Drift", "Subscriptions", "OldKeys", "Swept", "Unrelayed"}
# What is not kept is logged in batches of this many at most, each outcome in its own, and apart if somebody has to look
# at it; a process may end before it logs a batch.
DELIVERIES_A_LINE = 20
# Lambda's own lines around ours.
LAMBDAS_OWN = re.compile(r"(?:START|END|REPORT) RequestId: ")

# Members of bodies that are about people, and the personal ones among theirs.
PEOPLE = re.compile(
    r"customer\w*|consumer|buyer|user|receiver_info|billing|shipping|\w*address|recipient\w*|payment_account_holder"
)
PERSONAL = re.compile(
    r"(?:\w+_)?(?:e_?mail|phone\w*|mobile\w*|name|surname|givenNames|address(?:_?\d)?|line\d|birthday)"
)
EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
LENGTH_MIN = 6
WORD = re.compile(r"[^\W_]+")


# --- The checks --------------------------------------------------------------


def check(pipe: e2e.Pipe) -> None:
    """Checks every line that the pipe's functions have written so far."""
    logged = read_logs(pipe)
    check_lines(logged)
    check_counts(pipe, logged)
    check_credentials(pipe, logged)
    check_secrets_of_bodies(logged)
    check_personal_data(logged)


def check_lines(logged: dict[str, list[str]]) -> None:
    """Checks that every line of ours is one object, with metrics as the alarms expect them."""
    for line in own_lines(logged):
        assert line["level"] in ("INFO", "WARN", "ERROR") and line["message"]
        if "Deliveries" in line:
            assert line["provider"] in signing.PROVIDERS and line["outcome"]
        if "_aws" not in line:
            continue
        assert isinstance(line["_aws"]["Timestamp"], int)
        for directive in line["_aws"]["CloudWatchMetrics"]:
            names = [metric["Name"] for metric in directive["Metrics"]]
            assert directive["Namespace"] == "hookmill"
            assert directive["Dimensions"] == (STACK if set(names) <= NUMBERS | {ATTENTION} else DIMENSIONS)
            assert len(names) == len(set(names)) and line["stack"] == local.STACK_NAME
            assert {name for dimension in directive["Dimensions"] for name in dimension} <= line.keys()
            assert all(isinstance(line[name], (int, float)) for name in names)


def check_counts(pipe: e2e.Pipe, logged: dict[str, list[str]]) -> None:
    """Checks that every delivery is counted once, one that is kept in a line of its own, the others in few lines."""
    for provider in signing.PROVIDERS:
        own = [json.loads(line) for line in logged[provider] if line.startswith("{")]
        answered = sum(line.startswith("START ") for line in logged[provider])
        counted = sum(line.get("Deliveries", 0) for line in own)
        function = pipe.stack.outputs[f"{provider.capitalize()}Function"]
        spawned = sum("spawned" in line and function in line for line in logged["ministack.log"])
        batches = {(line["outcome"], ATTENTION in line) for line in own if "Deliveries" in line and "id" not in line}
        unlogged = spawned * len(batches) * DELIVERIES_A_LINE
        assert counted <= answered <= counted + unlogged, (provider, counted, answered, unlogged)
        kept = [line for line in own if "Deliveries" in line and "id" in line]
        assert all(line["Deliveries"] == 1 for line in kept), provider


def check_credentials(pipe: e2e.Pipe, logged: dict[str, list[str]]) -> None:
    """Checks that no log holds a credential."""
    known = {
        value
        for secret in pipe.stack.sources.values()
        for source in secret["sources"].values()
        for value in source["signing_keys"] + source["url_tokens"]
    }
    known |= {secret["quarantine_key"] for secret in pipe.stack.sources.values()}
    assert len(known) > 40
    assert found_in(logged, known | pipe.credentials) == {}


def check_secrets_of_bodies(logged: dict[str, list[str]]) -> None:
    """Checks that no log holds a secret of a body."""
    secrets = set()
    for file in run.cases():
        body = signing.body_bytes(json.loads(file.read_text(encoding="utf-8")))
        for text in e2e_checks.without_secrets(file.parent.name, body)[1]:
            secrets |= {value for value in strings(json.loads(text)) if len(value) >= LENGTH_MIN}
    assert len(secrets) > 3
    assert found_in(logged, secrets) == {}


def check_personal_data(logged: dict[str, list[str]]) -> None:
    """Checks that no log holds personal data."""
    personal = set()
    for file in run.cases():
        body = signing.body_bytes(json.loads(file.read_text(encoding="utf-8"))).decode()
        personal |= set(EMAIL.findall(body)) | set(personal_values(json.loads(body), in_person=False))
    personal = {value for value in personal if len(value) >= LENGTH_MIN or not value.isascii()}
    assert {"buyer@example.com", "Example Buyer", "15550100", "陳小明"} <= personal
    assert found_in(logged, personal) == {}


# --- The logs --------------------------------------------------------------


def read_logs(pipe: e2e.Pipe) -> dict[str, list[str]]:
    """Returns the lines of every log group, receivers' under their providers' names, and of MiniStack's own log."""
    client = pipe.stack.client("logs")
    logs: dict[str, list[str]] = {}
    for page in client.get_paginator("describe_log_groups").paginate():
        for group in (group["logGroupName"] for group in page["logGroups"]):
            short = group.rsplit("/", 1)[-1].removesuffix("Logs").lower()
            pages = client.get_paginator("filter_log_events").paginate(logGroupName=group)
            logs[short] = [event["message"] for page in pages for event in page["events"]]
    logs["ministack.log"] = (pipe.stack.state / "ministack.log").read_text(errors="replace").splitlines()
    return logs


def own_lines(logged: dict[str, list[str]]) -> list[dict]:
    """Returns our own lines; others than ours and Lambda's, such as a panic's text, are not JSON and fail here."""
    lines = [line for log, lines in logged.items() if log != "ministack.log" for line in lines]
    return [json.loads(line) for line in lines if line.strip() and not LAMBDAS_OWN.match(line)]


def found_in(logged: dict[str, list[str]], values: set[str]) -> dict[str, str]:
    """Returns the values that a log has as words of their own, and the log: many a hash has their digits in it."""
    hits: dict[str, str] = {}
    for log, lines in logged.items():
        text = "\n".join(lines)
        words = set(WORD.findall(text))
        for value in values:
            for form in {value, json.dumps(value)[1:-1]}:
                # Most words of most values are nowhere, which is soon seen.
                if all(word in words for word in WORD.findall(form)):
                    if re.search(r"(?<![0-9A-Za-z])" + re.escape(form) + r"(?![0-9A-Za-z])", text):
                        hits[value] = log
    return hits


# --- What must not be there --------------------------------------------------


def personal_values(value: object, in_person: bool) -> list[str]:
    """Returns names, addresses and numbers of the people in a body."""
    if isinstance(value, list):
        return [name for item in value for name in personal_values(item, in_person)]
    if not isinstance(value, dict):
        return []
    values = []
    for name, member in value.items():
        about = in_person or bool(PEOPLE.fullmatch(name))
        if isinstance(member, (str, int)) and not isinstance(member, bool):
            if about and PERSONAL.fullmatch(name):
                values.append(str(member))
        else:
            values += personal_values(member, about)
    return values


def strings(value: object) -> list[str]:
    """Returns every text in a value."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [text for item in value for text in strings(item)]
    return [value] if isinstance(value, str) else []
