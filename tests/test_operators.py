"""The managed policies for operators, tried on a local AWS that enforces them.

Each command runs with its group's policy alone, and succeeds.  With each action taken away in turn, at least one
command of the group fails, names that action and ends with the exit code for a missing permission.
"""

from __future__ import annotations

import copy
import itertools
import json
import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests import e2e, older_build, provider_api
from tests.cli import Cli, Ran
from tests.local import signing
from tests.local import template as reading
from tests.local.package import BATCHES
from tests.local.stack import Stack
from tests.provider_api import CREDENTIAL, Api
from tests.test_cli_reconcile import RESPONSES
from tests.test_e2e_secrets import fresh

NO_PERMISSION = 3
SIDE_BY_SIDE = 2
SOURCE = "scalapay/it-operators"
SHOP = "shopline/tw-operators"
# A source whose first delivery was refused, because nobody had set the source up yet.
LATE = "scalapay/late-operators"
EVENTS, ORDERS = "EventsTable", "OrdersTable"


@dataclass
class Late:
    """A delivery that lies in the quarantine and has been taken in as well: its slot, event and view."""

    slot: str
    event: str
    order: str
    email: str
    fingerprint: str


@dataclass
class Made:
    """The things that the commands work on: an event, its repeat, and dead letters to be looked at and sent back."""

    stack: Stack
    cli: Cli
    event: str
    order: str
    runs: Path
    late: Late
    api: Api
    shop_order: str
    plan: Path
    # A subject whose events are not about an order.
    thing: str
    # By table, the items that commands erase or change, as they were.
    items: list[tuple[str, dict]] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=itertools.count)
    since: float = field(default_factory=time.monotonic)

    def restore(self) -> None:
        """Puts back what earlier commands erased. The relay ignores a row that is there already."""
        for table, item in self.items:
            self.stack.client("dynamodb").put_item(TableName=self.stack.outputs[table], Item=item)
        # Nothing is admitted of an order that was forgotten since.
        note = {"pk": {"S": f"forgotten/{self.late.order}"}, "sk": {"S": "~"}}
        self.stack.client("dynamodb").delete_item(TableName=self.stack.outputs[EVENTS], Key=note)

    def drop_view(self, order: str) -> None:
        """Deletes an order's view."""
        self.stack.client("dynamodb").delete_item(TableName=self.stack.outputs[ORDERS], Key={"pk": {"S": order}})

    def new_source(self) -> str:
        """Returns the name of a source that is not there yet."""
        return f"selldone/operators-{next(self.numbers)}"

    def added_source(self) -> str:
        """Adds a source, and returns its name."""
        name = self.new_source()
        self.cli.json("sources", "add", name, "--any-merchant")
        return name

    def webhook(self) -> str:
        """Registers a webhook at the provider, and returns its id."""
        self.api.webhooks["5f8e"] = provider_api.webhook("5f8e", {"address": "https://old.example/", "topics": []})
        return "5f8e"

    def run_file(self) -> str:
        """Returns the name of a run file that is not there yet."""
        return str(self.runs / f"{len(list(self.runs.iterdir()))}.jsonl")

    def dead_letter(self) -> None:
        """Puts a message into the relay's dead letter queue, as the relay parks an event."""
        body = {"queue": self.stack.outputs["WorkQueueUrl"], "id": self.event, "reason": "a test's"}
        url = self.stack.outputs["RelayDeadLetterQueueUrl"]
        self.stack.client("sqs").send_message(QueueUrl=url, MessageBody=json.dumps(body))


Command = Callable[[Made], list[str]]


def plain(*words: str) -> Command:
    return lambda made: [word.format(made=made, event=made.event, order=made.order) for word in words]


def restored(*words: str) -> Command:
    """Makes a command that begins with everything as it was."""

    def command(made: Made) -> list[str]:
        made.restore()
        return plain(*words)(made)

    return command


def recorded(*words: str) -> Command:
    """Makes a command that changes something, from everything as it was, and records that in a file."""
    return lambda made: [*restored(*words)(made), "--yes", "--run-file", made.run_file()]


def viewless(*words: str) -> Command:
    """Makes such a command, but the order that was received late has no view."""

    def command(made: Made) -> list[str]:
        arguments = recorded(*words)(made)
        made.drop_view(made.late.order)
        return arguments

    return command


def with_a_dead_letter(*words: str) -> Command:
    def command(made: Made) -> list[str]:
        made.dead_letter()
        return plain(*words)(made)

    return command


@dataclass(frozen=True)
class Group:
    """A policy's commands, and the policies that they need beside it."""

    commands: tuple[Command, ...]
    beside: tuple[str, ...] = ()
    # Several users may run the commands at once.
    changes_nothing: bool = False
    # The age that the events must have for the commands to look at all that the policy allows.
    age_seconds: float = 0


# A group of commands is added here, in the template and in docs/operations.md.
GROUPS: dict[str, Group] = {
    "HookmillLook": Group(
        (
            plain("events", "list", "--source", SOURCE),
            plain("events", "list", "--source", SOURCE, "--quarantined"),
            plain("events", "show", "{event}"),
            plain("events", "tail", "--source", SOURCE, "--since", "1h", "--count", "1"),
            plain("forward", "--to", "http://127.0.0.1:1/", "--source", SOURCE, "--once", "--from", "2099-01-01"),
            plain("orders", "list"),
            plain("orders", "show", "{order}"),
        ),
        changes_nothing=True,
    ),
    "HookmillSources": Group((plain("events", "list", "--limit", "1"),), beside=("HookmillLook",)),
    "HookmillSend": Group((plain("send", "events/scalapay/created.json", "--source", SOURCE),)),
    "HookmillReplay": Group(
        (
            plain("replay", "{event}"),
            plain("replay", "--source", SOURCE, "--queue", "orders"),
            lambda made: ["replay", made.event, "--yes", "--run-file", made.run_file()],
            plain("replay", "--order", "{order}"),
            plain("dlq", "list"),
            with_a_dead_letter("dlq", "show", "{event}"),
            with_a_dead_letter("dlq", "redrive", "--queue", "relay", "--yes"),
        )
    ),
    "HookmillQuarantine": Group(
        (
            plain("quarantine", "list"),
            restored("quarantine", "show", "{made.late.slot}"),
            restored("quarantine", "admit", "--source", LATE),
            restored("quarantine", "admit", "{made.late.slot}", "--yes"),
        )
    ),
    "HookmillSecrets": Group(
        (
            plain("sources", "list"),
            lambda made: ["sources", "add", made.new_source(), "--any-merchant"],
            plain("sources", "rotate", "selldone/main-operators"),
            plain("sources", "rotate", SOURCE, "--status"),
            lambda made: ["sources", "remove", made.added_source(), "--yes"],
            plain("accounts", "set", "scalapay/late-operators", "--credential-env", "CREDENTIAL", "--base-url", "{made.api.base}"),
            plain("accounts", "list"),
            plain("accounts", "remove", "scalapay/late-operators", "--yes"),
        )
    ),
    "HookmillProviders": Group(
        (
            plain("subscriptions", "create", "--source", SHOP),
            plain("subscriptions", "check", "--source", SHOP),
            plain("subscriptions", "list"),
            lambda made: ["subscriptions", "get", made.webhook(), "--source", SHOP],
            lambda made: ["subscriptions", "update", made.webhook(), "--source", SHOP, "--yes"],
            lambda made: ["subscriptions", "delete", made.webhook(), "--source", SHOP, "--yes"],
            plain("reconcile", "--source", SHOP, "--order", "{made.shop_order}", "--yes"),
            plain("reconcile", "--source", SOURCE, "--since", "1h", "--yes"),
        )
    ),
    "HookmillRepair": Group(
        (
            plain("reread", "--source", SOURCE),
            recorded("reread", "publish", "{made.plan}"),
            plain("orders", "rebuild", "--source", SOURCE),
            viewless("orders", "rebuild", "{made.late.order}"),
            recorded("orders", "rebuild", "{made.thing}"),
        )
    ),
    "HookmillForget": Group(
        (
            restored("forget", "--source", LATE, "--older-than", "1s"),
            plain("forget", "--older-than", "400d"),
            recorded("forget", "order", "{made.late.order}"),
            recorded("forget", "order", "{made.thing}"),
            recorded("forget", "person", "--source", LATE, "--email", "{made.late.email}"),
            recorded("disown", "--source", LATE, "--key", "{made.late.fingerprint}", "--since", "1h"),
        )
    ),
    "HookmillDoctor": Group(
        (plain("doctor", "--skip", "quarantine"), plain("doctor", "--only", "quarantine")),
        changes_nothing=True,
        # It looks for events in their views only if they can no longer be on their way. The last group waits least.
        age_seconds=62,
    ),
}
# Without it, dead letters that were looked at stay hidden for 30 seconds, and nothing else happens.
UNMISSED = {"sqs:ChangeMessageVisibility"}
# MiniStack lets everybody call CloudWatch in the form that the tool's client speaks, and knows no action of Lambda's
# account settings.
UNENFORCED = {"cloudwatch:DescribeAlarms", "cloudwatch:GetMetricData", "lambda:GetAccountSettings"}


@pytest.fixture(scope="module")
def api(pipe: e2e.Pipe) -> Iterator[Api]:
    """The providers' APIs, with accounts for two sources, which are gone afterwards."""
    with provider_api.serving() as api, provider_api.own_accounts(pipe.stack):
        provider_api.put_account(pipe.stack, SHOP, api.shop)
        provider_api.put_account(pipe.stack, SOURCE, {"api_key": CREDENTIAL, "base_url": api.base})
        api.orders = [json.loads((RESPONSES / "shopline/order.json").read_text())]
        yield api


@pytest.fixture(scope="module")
def late(cli: Cli, pipe: e2e.Pipe) -> Iterator[Late]:
    """A delivery to a source that is added only then; the providers' secrets as they were, afterwards."""
    key = secrets.token_urlsafe(32)
    event = e2e.sample("scalapay", "created") | {"rawPath": "/" + LATE.split("/")[1]}
    # A payment with its buyer that makes a fact of its order, which ends when it is disowned.
    event["body"] = event["body"].replace('"created"', '"authorized"')
    signed = {"scheme": "signed", "signing_keys": [key], "url_tokens": [], "merchants": "any"}
    with fresh(pipe, "scalapay"), fresh(pipe, "selldone"):
        assert pipe.send("scalapay", signing.sign("scalapay", event, signed)).status == 401
        cli.json("sources", "add", LATE, "--any-merchant", "--key-env", "KEY", KEY=key)
        (line,) = cli.json("quarantine", "admit", "--source", LATE)
        row = item(pipe.stack, EVENTS, *slot_key(line["name"]))
        (line,) = cli.json("quarantine", "admit", "--source", LATE, "--yes")
        message = pipe.wait_for_messages([line["id"]])[line["id"]]
        pipe.stack.client("dynamodb").put_item(TableName=pipe.stack.outputs[EVENTS], Item=row)
        order, email = order_of(line["id"]), message.event["data"]["customer"]["email"]
        fingerprint = item(pipe.stack, EVENTS, *event_key(line["id"]))["fingerprint"]["S"]
        yield Late(line["name"], line["id"], order, email, fingerprint)


@pytest.fixture(scope="module")
def made(
    cli: Cli, pipe: e2e.Pipe, api: Api, late: Late, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Made]:
    send = ("send", "events/scalapay/charged.json", "--source", SOURCE)
    cli.json(*send)
    # A repeat of its own signed time refers to the first one's body: reading it takes a further call.
    (line,) = cli.json(*send, "--fresh")
    assert line["kept"] == "possiblyrepeated"
    order = order_of(line["id"])
    token = order.split("/")[2]
    answer = json.loads((reading.ROOT / "events/scalapay/snapshots/payment.charged.json").read_text())["answer"]
    api.payments[token] = json.loads(answer) | {"token": token}
    cli.json("send", "events/shopline/order.create.new.json", "--source", SHOP)
    (thing,) = cli.json("send", "events/shopline/product.create.new.json", "--source", SHOP)
    pipe.wait_for_messages([line["id"], thing["id"]])
    pipe.wait_for_views()
    plan, runs = plan_of(cli, pipe, tmp_path_factory.mktemp("plan")), tmp_path_factory.mktemp("runs")
    view = item(pipe.stack, ORDERS, late.order)
    items = [
        (EVENTS, item(pipe.stack, EVENTS, *slot_key(late.slot))),
        *((EVENTS, item(pipe.stack, EVENTS, *event_key(one))) for one in (late.event, thing["id"])),
        (ORDERS, view),
        # A view of what is not an order, as a mapping's mistake would leave it.
        (ORDERS, view | {"pk": {"S": order_of(thing["id"])}}),
    ]
    shop_order, about = api.orders[0]["id"], order_of(thing["id"])
    made = Made(pipe.stack, cli, line["id"], order, runs, late, api, shop_order, plan, about, items)
    yield made
    made.drop_view(made.thing)
    pipe.stack.client("sqs").purge_queue(QueueUrl=pipe.stack.outputs["RelayDeadLetterQueueUrl"])


def order_of(event: str) -> str:
    """Returns the order of an event, by their names."""
    return "/".join(event.split("/")[:3])


def event_key(event: str) -> tuple[str, str]:
    """Returns the key of an event's item."""
    return order_of(event), event.removeprefix(order_of(event) + "/")


def slot_key(slot: str) -> tuple[str, str]:
    """Returns the key of a refused delivery's item."""
    provider, source, number = slot.split("/")
    return f"refused/{provider}/{source}", number


def item(stack: Stack, table: str, *key: str) -> dict:
    """Returns an item as the table holds it."""
    named = {name: {"S": value} for name, value in zip(("pk", "sk"), key, strict=False)}
    answer = stack.client("dynamodb").get_item(TableName=stack.outputs[table], Key=named, ConsistentRead=True)
    return answer["Item"]


def plan_of(cli: Cli, pipe: e2e.Pipe, folder: Path) -> Path:
    """Plans the correction of what an older build read."""
    plan = folder / "plan.jsonl"
    older = {id_: event | {"mappingversion": 0, "data": {}} for id_, event in pipe.readings(SOURCE).items()}
    with older_build.deployed(pipe.stack, older) as name:
        cli.json("--stack", name, "reread", "--source", SOURCE, "--out", str(plan))
    return plan


@pytest.fixture(scope="module")
def policies(stack: Stack) -> dict[str, dict]:
    """The deployed policies' documents."""
    return {name: document(stack, name) for name in GROUPS}


def document(stack: Stack, name: str) -> dict:
    client, arn = stack.client("iam"), stack.physical(name)
    version = client.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    found = client.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
    return json.loads(found) if isinstance(found, str) else found


class User:
    """Somebody who may do what a policy says."""

    numbers = itertools.count()

    def __init__(self, stack: Stack, cli: Cli) -> None:
        self.stack, self.cli = stack, cli
        self.client = stack.client("iam")
        self.name = f"operator-{next(self.numbers)}"
        self.client.create_user(UserName=self.name)
        self.key = self.client.create_access_key(UserName=self.name)["AccessKey"]

    def may(self, documents: list[dict]) -> None:
        for number, one in enumerate(documents):
            self.client.put_user_policy(
                UserName=self.name, PolicyName=f"p{number}", PolicyDocument=json.dumps(one)
            )

    def run(self, arguments: list[str]) -> Ran:
        return self.cli.run(
            "--json", "--endpoint-url", self.stack.endpoint, *arguments, place=False,
            AWS_REGION="us-east-1", AWS_ACCESS_KEY_ID=self.key["AccessKeyId"],
            AWS_SECRET_ACCESS_KEY=self.key["SecretAccessKey"], CREDENTIAL=CREDENTIAL,
        )  # fmt: skip


@pytest.fixture
def user(stack: Stack, cli: Cli) -> User:
    return User(stack, cli)


def actions(policy: dict) -> list[str]:
    """Returns a policy's actions, without the batch calls that only MiniStack asks for."""
    found = {action for statement in policy["Statement"] for action in reading.listed(statement["Action"])}
    return sorted(found - set(BATCHES.values()))


def without(policy: dict, action: str) -> Iterator[dict]:
    """Yields the policy without an action, in one statement at a time: that is the action on some resources."""
    gone = {action, BATCHES.get(action)}
    for number, statement in enumerate(policy["Statement"]):
        if action in reading.listed(statement["Action"]):
            less = copy.deepcopy(policy)
            left = [one for one in reading.listed(statement["Action"]) if one not in gone]
            less["Statement"][number : number + 1] = [statement | {"Action": left}] if left else []
            yield less


def unknown(ran: Ran) -> list[dict]:
    """Returns what the doctor could not look at."""
    return [line for line in ran.lines if line.get("state") == "unknown"]


def succeeded(arguments: list[str], ran: Ran) -> bool:
    # The doctor may well find fault with what the other tests have left behind.
    return ran.code in (0, 1) and not unknown(ran) if arguments[0] == "doctor" else ran.code == 0


def was_refused(arguments: list[str], ran: Ran, action: str) -> bool:
    """Returns whether a command failed for want of an action, and named it."""
    match arguments[:2]:
        case ["doctor", _]:
            # Without the stack there is nothing that it could look at.
            messages = [line["message"] + line.get("next", "") for line in unknown(ran)] or [ran.err]
            return ran.code in (1, NO_PERMISSION) and any(action in text for text in messages)
        case ["dlq", "redrive"] | ["quarantine", "admit"] if ran.code == 1:
            # What was done before the refusal is reported dead letter by dead letter, or delivery by delivery.
            return action in ran.out
        case _:
            return ran.code == NO_PERMISSION and action in ran.err


def test_every_policy_has_a_group() -> None:
    policies = reading.of_type(reading.source(), "AWS::IAM::ManagedPolicy")
    assert policies.keys() == GROUPS.keys()
    page = (reading.ROOT / "docs" / "operations.md").read_text()
    assert all(f"`{name}`" in page for name in GROUPS)


@pytest.mark.parametrize("name", GROUPS)
def test_a_group_does_its_work_with_its_policy_alone(
    policies: dict[str, dict], made: Made, user: User, name: str
) -> None:
    group = GROUPS[name]
    user.may([policies[one] for one in (name, *group.beside)])
    for command in group.commands:
        arguments = command(made)
        ran = user.run(arguments)
        assert succeeded(arguments, ran), (arguments, ran)


@pytest.mark.parametrize("name", GROUPS)
def test_a_group_needs_each_action_of_its_policy(
    policies: dict[str, dict], made: Made, stack: Stack, cli: Cli, name: str
) -> None:
    group, policy = GROUPS[name], policies[name]
    time.sleep(max(0, made.since + group.age_seconds - time.monotonic()))
    beside = [policies[one] for one in group.beside]
    tries = [
        (action, number, less)
        for action in actions(policy)
        # An action that the other policies allow as well is tried with theirs.
        if action not in UNMISSED | UNENFORCED and not any(action in actions(other) for other in beside)
        for number, less in enumerate(without(policy, action))
    ]

    def is_missed(attempt: tuple[str, int, dict]) -> bool:
        action, _, less = attempt
        user = User(stack, cli)
        user.may([less, *beside])
        tried = (command(made) for command in group.commands)
        return any(was_refused(arguments, user.run(arguments), action) for arguments in tried)

    with ThreadPoolExecutor(SIDE_BY_SIDE if group.changes_nothing else 1) as pool:
        missed = list(pool.map(is_missed, tries))
    assert [(action, number) for (action, number, _), was_missed in zip(tries, missed) if not was_missed] == []


def test_who_may_look_may_neither_send_nor_read_keys(policies: dict[str, dict], made: Made, user: User) -> None:
    user.may([policies["HookmillLook"]])
    for command in (GROUPS["HookmillSend"].commands[0], GROUPS["HookmillSources"].commands[0]):
        ran = user.run(command(made))
        assert ran.code == NO_PERMISSION and "secretsmanager:GetSecretValue" in ran.err, ran
        assert ran.error["next"]
    ran = user.run(GROUPS["HookmillReplay"].commands[2](made))
    assert ran.code == NO_PERMISSION and "sqs:SendMessage" in ran.err, ran
