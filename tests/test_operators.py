"""The managed policies for operators, tried on a local AWS that enforces them.

Each command runs with its group's policy alone, and succeeds.  With each action taken away in turn, at least one
command of the group fails, names that action and ends with the exit code for a missing permission.
"""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import e2e
from tests.cli import Cli, Ran
from tests.local import template as reading
from tests.local.package import BATCHES
from tests.local.stack import STACK_NAME, Stack

NO_PERMISSION = 3
SOURCE = "scalapay/it-operators"


@dataclass
class Made:
    """What the commands are about: an event, its repeat, and letters to be looked at and sent back."""

    stack: Stack
    event: str
    order: str
    runs: Path

    def run_file(self) -> str:
        """The name of a run file that is not there yet."""
        return str(self.runs / f"{len(list(self.runs.iterdir()))}.jsonl")

    def letter(self) -> None:
        """Puts a letter into the relay's dead letter queue, as the relay parks an event."""
        body = {"queue": self.stack.outputs["WorkQueueUrl"], "id": self.event, "reason": "a test's"}
        url = self.stack.outputs["RelayDeadLetterQueueUrl"]
        self.stack.client("sqs").send_message(QueueUrl=url, MessageBody=json.dumps(body))


Command = Callable[[Made], list[str]]


def plain(*words: str) -> Command:
    return lambda made: [word.format(event=made.event, order=made.order) for word in words]


def with_a_letter(*words: str) -> Command:
    def command(made: Made) -> list[str]:
        made.letter()
        return list(words)

    return command


@dataclass(frozen=True)
class Group:
    """A policy's commands, and the policies that they need beside it."""

    commands: tuple[Command, ...]
    beside: tuple[str, ...] = ()


# A group of commands is added here, in the template and in docs/operators.md.
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
        )
    ),
    "HookmillSources": Group((plain("events", "list", "--limit", "1"),), beside=("HookmillLook",)),
    "HookmillSend": Group((plain("send", "events/scalapay/created.json", "--source", SOURCE),)),
    "HookmillReplay": Group(
        (
            plain("replay", "{event}"),
            plain("replay", "--source", SOURCE, "--queue", "orders"),
            lambda made: ["replay", made.event, "--yes", "--run-file", made.run_file()],
            plain("dlq", "list"),
            with_a_letter("dlq", "redrive", "--queue", "relay", "--yes"),
        )
    ),
    "HookmillDoctor": Group((plain("doctor", "--skip", "quarantine"), plain("doctor", "--only", "quarantine"))),
}
# Without it, letters that were looked at stay hidden for 30 seconds, and nothing else comes of it.
UNMISSED = {"sqs:ChangeMessageVisibility"}
# MiniStack lets everybody call CloudWatch in the form that the tool's client speaks.
UNENFORCED = {"cloudwatch:DescribeAlarms", "cloudwatch:GetMetricData"}


@pytest.fixture(scope="module")
def made(cli: Cli, pipe: e2e.Pipe, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    send = ("send", "events/scalapay/charged.json", "--source", SOURCE)
    cli.json(*send)
    # A repeat of its own signed time refers to the first one's body: reading it takes a further call.
    (line,) = cli.json(*send, "--fresh")
    assert line["kept"] == "possiblyrepeated"
    pipe.wait_for_messages([line["id"]])
    pipe.wait_for_views()
    runs = tmp_path_factory.mktemp("runs")
    yield Made(pipe.stack, line["id"], "/".join(line["id"].split("/")[:3]), runs)
    pipe.stack.client("sqs").purge_queue(QueueUrl=pipe.stack.outputs["RelayDeadLetterQueueUrl"])


@pytest.fixture(scope="module")
def policies(stack: Stack) -> dict[str, dict]:
    """The deployed policies' documents."""
    return {name: document(stack, name) for name in GROUPS}


def document(stack: Stack, name: str) -> dict:
    client = stack.client("iam")
    resource = stack.client("cloudformation").describe_stack_resource(StackName=STACK_NAME, LogicalResourceId=name)
    arn = resource["StackResourceDetail"]["PhysicalResourceId"]
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
            AWS_SECRET_ACCESS_KEY=self.key["SecretAccessKey"],
        )  # fmt: skip


@pytest.fixture
def user(stack: Stack, cli: Cli) -> User:
    return User(stack, cli)


def actions(policy: dict) -> list[str]:
    """A policy's actions, without the batch calls that only MiniStack asks for."""
    found = {action for statement in policy["Statement"] for action in reading.listed(statement["Action"])}
    return sorted(found - set(BATCHES.values()))


def without(policy: dict, action: str) -> dict:
    """The policy without an action."""
    policy = copy.deepcopy(policy)
    for statement in policy["Statement"]:
        gone = {action, BATCHES.get(action)}
        statement["Action"] = [one for one in reading.listed(statement["Action"]) if one not in gone]
    policy["Statement"] = [statement for statement in policy["Statement"] if statement["Action"]]
    return policy


def unknown(ran: Ran) -> list[dict]:
    """What the doctor could not look at."""
    return [line for line in ran.lines if line.get("state") == "unknown"]


def succeeded(arguments: list[str], ran: Ran) -> bool:
    # The doctor may well find fault with what the other tests have left behind.
    return ran.code in (0, 1) and not unknown(ran) if arguments[0] == "doctor" else ran.code == 0


def was_refused(arguments: list[str], ran: Ran, action: str) -> bool:
    """Whether a command failed for want of an action, and named it."""
    match arguments[:2]:
        case ["doctor", _]:
            # Without the stack there is nothing that it could look at.
            told = [line["message"] + line.get("next", "") for line in unknown(ran)] or [ran.err]
            return ran.code in (1, NO_PERMISSION) and any(action in text for text in told)
        case ["dlq", "redrive"] if ran.code == 1:
            # What was done before the refusal is told letter by letter.
            return action in ran.out
        case _:
            return ran.code == NO_PERMISSION and action in ran.err


def test_every_policy_has_a_group() -> None:
    policies = reading.of_type(reading.source(), "AWS::IAM::ManagedPolicy")
    assert policies.keys() == GROUPS.keys()
    told = (reading.ROOT / "docs" / "operators.md").read_text()
    assert all(f"`{name}`" in told for name in GROUPS)


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
    policies: dict[str, dict], made: Made, user: User, name: str
) -> None:
    group, policy = GROUPS[name], policies[name]
    beside = [policies[one] for one in group.beside]
    unneeded = []
    for action in actions(policy):
        # What the other policies allow as well is tried with theirs.
        if action in UNMISSED | UNENFORCED or any(action in actions(other) for other in beside):
            continue
        user.may([without(policy, action), *beside])
        tried = (command(made) for command in group.commands)
        if not any(was_refused(arguments, user.run(arguments), action) for arguments in tried):
            unneeded.append(action)
    assert unneeded == []


def test_who_may_look_may_neither_send_nor_read_keys(policies: dict[str, dict], made: Made, user: User) -> None:
    user.may([policies["HookmillLook"]])
    for command in (GROUPS["HookmillSend"].commands[0], GROUPS["HookmillSources"].commands[0]):
        ran = user.run(command(made))
        assert ran.code == NO_PERMISSION and "secretsmanager:GetSecretValue" in ran.err, ran
        assert ran.error["next"]
    ran = user.run(GROUPS["HookmillReplay"].commands[2](made))
    assert ran.code == NO_PERMISSION and "sqs:SendMessage" in ran.err, ran
