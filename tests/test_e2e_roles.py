"""Every function's role, tried against what it must not do, on a local AWS that enforces roles.

The credentials are the role's own, taken by `sts:AssumeRole` as Lambda takes them.  What a role may do is tried as
well: a refusal counts for something only where the same role gets through elsewhere.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.local import stack as local
from tests.local.ministack import REGION

RECEIVERS = ("Scalev", "Scalapay", "Shopline", "Selldone")
OTHERS = ("Relay", "Orders", "Read", "Watch")
KEY = {"pk": {"S": "nobody/s"}, "sk": {"S": "nothing"}}
REFUSALS = {"AccessDenied", "AccessDeniedException", "AuthorizationError"}

Attempt = Callable[["Role"], object]


class Role:
    """A function's role and clients that have its credentials."""

    def __init__(self, stack: local.Stack, name: str) -> None:
        self.stack, self.name = stack, name
        arn = stack.client("iam").get_role(RoleName=stack.physical(f"{name}Role"))["Role"]["Arn"]
        self.credentials = stack.client("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]

    @functools.cache
    def client(self, service: str):
        return boto3.client(
            service,
            endpoint_url=self.stack.endpoint,
            region_name=REGION,
            aws_access_key_id=self.credentials["AccessKeyId"],
            aws_secret_access_key=self.credentials["SecretAccessKey"],
            aws_session_token=self.credentials["SessionToken"],
        )

    def table(self, name: str) -> str:
        return self.stack.outputs[f"{name}Table"]


def secret_of(provider: str) -> Attempt:
    return lambda role: role.client("secretsmanager").get_secret_value(
        SecretId=role.stack.outputs[f"{provider}Secret"]
    )


def put(table: str) -> Attempt:
    # Of no kind that the relay takes: the stack is shared with the other tests.
    item = {**KEY, "kind": {"S": "nothing"}}
    return lambda role: role.client("dynamodb").put_item(TableName=role.table(table), Item=item)


def note(role: Role) -> object:
    # The local AWS does not know the condition that keeps this to partitions: tests/test_template.py does.
    item = {"pk": {"S": "relayed/1970-01-01T00:0"}, "sk": {"S": "nothing"}, "kind": {"S": "nothing"}}
    return role.client("dynamodb").put_item(TableName=role.table("Events"), Item=item)


def query(index: str | None = None) -> Attempt:
    name, value = ("bucket", "nobody/s/0") if index else ("pk", "relayed/1970-01-01T00:0")
    return lambda role: role.client("dynamodb").query(
        TableName=role.table("Events"),
        **({"IndexName": index} if index else {}),
        KeyConditionExpression="#name = :value",
        ExpressionAttributeNames={"#name": name},
        ExpressionAttributeValues={":value": {"S": value}},
    )


def get(table: str) -> Attempt:
    key = KEY if table == "Events" else {"pk": KEY["pk"]}
    return lambda role: role.client("dynamodb").get_item(TableName=role.table(table), Key=key)


def send(queue: str) -> Attempt:
    # Without a group, which a FIFO queue refuses after it has looked at permissions: nothing arrives.
    return lambda role: role.client("sqs").send_message(
        QueueUrl=role.stack.outputs[f"{queue}Url"], MessageBody="{}"
    )


def receive(queue: str) -> Attempt:
    return lambda role: role.client("sqs").receive_message(QueueUrl=role.stack.outputs[f"{queue}Url"])


# Actions that no function may do.
NEVER: dict[str, Attempt] = {
    "write a secret": lambda role: role.client("secretsmanager").put_secret_value(
        SecretId=role.stack.outputs["ScalevSecret"], SecretString="{}"
    ),
    "list secrets": lambda role: role.client("secretsmanager").list_secrets(),
    "delete an event": lambda role: role.client("dynamodb").delete_item(TableName=role.table("Events"), Key=KEY),
    "change an event": lambda role: role.client("dynamodb").update_item(
        TableName=role.table("Events"), Key=KEY, UpdateExpression="REMOVE body"
    ),
    "scan the events": lambda role: role.client("dynamodb").scan(TableName=role.table("Events")),
    "delete a table": lambda role: role.client("dynamodb").delete_table(TableName=role.table("Events")),
    "read the user's own queue": receive("WorkQueue"),
    "empty a queue": lambda role: role.client("sqs").purge_queue(QueueUrl=role.stack.outputs["WorkQueueUrl"]),
    "call a function": lambda role: role.client("lambda").invoke(FunctionName=role.stack.outputs["ReadFunction"]),
    "make a role": lambda role: role.client("iam").create_role(
        RoleName="other", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": []})
    ),
}

# By role: what it may do of these, and must not.
MAY: dict[str, dict[str, Attempt]] = {
    **{name: {"read its own secret": secret_of(name), "put an event": put("Events")} for name in RECEIVERS},
    "Relay": {"send work": send("WorkQueue"), "read an event": get("Events"), "note what it relayed": note},
    "Orders": {"read a view": get("Orders"), "read an event": get("Events")},
    "Read": {"read a view": get("Orders"), "read an event": get("Events")},
    "Watch": {
        **{f"read {provider}'s secret": secret_of(provider) for provider in (*RECEIVERS, "Accounts")},
        "send work": send("WorkQueue"),
        "send to the order view": send("OrdersQueue"),
        "read an event": get("Events"),
        "read the notes": query(),
        "read the time index": query("received"),
        "write its memory": note,
    },
}
MAY_NOT: dict[str, dict[str, Attempt]] = {
    **{
        name: {
            **{f"read {other}'s secret": secret_of(other) for other in RECEIVERS if other != name},
            "put a view": put("Orders"),
            "read a view": get("Orders"),
            "send work": send("WorkQueue"),
            "send to the order view": send("OrdersQueue"),
        }
        for name in RECEIVERS
    },
    "Relay": {
        "query the events": query(),
        "put a view": put("Orders"),
        "read a view": get("Orders"),
        "read the order view's queue": receive("OrdersQueue"),
    },
    "Orders": {"put an event": put("Events"), "send work": send("WorkQueue"), "send to itself": send("OrdersQueue")},
    "Read": {"put an event": put("Events"), "put a view": put("Orders"), "send work": send("WorkQueue")},
    "Watch": {
        "put a view": put("Orders"),
        "read a view": get("Orders"),
        "read the order view's queue": receive("OrdersQueue"),
        "read the relay's dead letters": receive("RelayDeadLetterQueue"),
    },
}
# Scalapay names every event by what Scalapay says, so its receiver never has to look one up.
MAY_NOT["Scalapay"]["read an event"] = get("Events")
for other in (*RECEIVERS, *OTHERS):
    if other != "Watch":
        MAY_NOT[other] |= {"read the accounts' secret": secret_of("Accounts"), "read the time index": query("received")}
    if other not in ("Watch", "Relay"):
        MAY_NOT[other]["query the events"] = query()
for other in ("Relay", "Orders", "Read"):
    MAY_NOT[other] |= {f"read {provider}'s secret": secret_of(provider) for provider in RECEIVERS}


@pytest.fixture(scope="module")
def roles(stack: local.Stack) -> dict[str, Role]:
    return {name: Role(stack, name) for name in (*RECEIVERS, *OTHERS)}


def refusal(role: Role, attempt: Attempt) -> str | None:
    """Returns the code of a refusal for want of permission; anything else that fails is not a refusal."""
    try:
        attempt(role)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        return code if code in REFUSALS else None
    return None


def cases(of_role: dict[str, dict[str, Attempt]]) -> list:
    return [
        pytest.param(name, attempt, id=f"{name}: {what}")
        for name, attempts in of_role.items()
        for what, attempt in attempts.items()
    ]


@pytest.mark.parametrize(("name", "attempt"), cases(MAY))
def test_a_role_may_do_its_work(roles: dict[str, Role], name: str, attempt: Attempt) -> None:
    try:
        attempt(roles[name])
    except ClientError as error:
        # A message without a group; a secret without a value.
        assert error.response["Error"]["Code"] in ("MissingParameter", "ResourceNotFoundException")


@pytest.mark.parametrize(("name", "attempt"), cases(MAY_NOT))
def test_a_role_may_not_do_others_work(roles: dict[str, Role], name: str, attempt: Attempt) -> None:
    assert refusal(roles[name], attempt)


@pytest.mark.parametrize("what", NEVER)
@pytest.mark.parametrize("name", (*RECEIVERS, *OTHERS))
def test_no_role_may(roles: dict[str, Role], name: str, what: str) -> None:
    assert refusal(roles[name], NEVER[what])
