"""The local stack: MiniStack with `template.yaml` deployed to it, on this machine only.

    python -m tests.local.stack up [--port 4566]     start, deploy, fill the secrets
    python -m tests.local.stack status
    python -m tests.local.stack down

Everything it keeps lies in one directory (`.local/stack-<port>`): the process id, the log, the
packaged template, the sources with their keys, the stack's outputs.  A second `up` on a stack that
runs changes only what has changed, so the data in it stays.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from samtranslator.yaml_helper import yaml_parse

from tests.local import ministack, package, sources
from tests.local.deploy import deploy
from tests.local.ministack import REGION, ROOT, StackError

STACK_NAME = "hookmill"

Say = Callable[[str], None]


@dataclass
class Stack:
    """A deployed stack and how to talk to it."""

    port: int
    state: Path
    outputs: dict[str, str] = field(default_factory=dict, repr=False)
    # By provider, the value of its secret: keys and tokens that only this stack knows.
    sources: dict[str, dict] = field(default_factory=dict, repr=False)
    _clients: dict = field(default_factory=dict, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, service: str):
        """Returns a boto3 client that can only reach this stack, whatever the caller's own AWS settings are."""
        # Threads may share a client, but may not make two at once.
        with self._lock:
            if service not in self._clients:
                self._clients[service] = boto3.client(
                    service,
                    endpoint_url=self.endpoint,
                    region_name=REGION,
                    aws_access_key_id="test",
                    aws_secret_access_key="test",
                    # The watch reads of every source, which takes a busy machine a while.
                    config=Config(retries={"max_attempts": 2}, max_pool_connections=16, read_timeout=300),
                )
            return self._clients[service]

    def url(self, provider: str) -> str:
        """Returns the function URL of a provider's receiver, as the stack's outputs name it."""
        return self.outputs[f"{provider.capitalize()}Url"]

    def local_path(self, provider: str) -> str:
        """Returns the path that reaches the same function whatever the Host header says."""
        return "/_aws/lambda-url/" + urlsplit(self.url(provider)).netloc.split(".", 1)[0]

    def local_url(self, provider: str) -> str:
        """Returns the function's address for curl, without a Host header; ends in a slash."""
        return f"{self.endpoint}{self.local_path(provider)}/"

    def connect(self) -> http.client.HTTPConnection:
        """Returns a connection to it, to be used by one thread at a time."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def physical(self, name: str) -> str:
        """Returns a resource's name in this stack; `name` is the template's."""
        described = self.client("cloudformation").describe_stack_resource(StackName=STACK_NAME, LogicalResourceId=name)
        return described["StackResourceDetail"]["PhysicalResourceId"]

    def invoke(self, function: str, payload: dict) -> dict:
        """Calls one of the stack's functions (`ReadFunction`) and gives what it returns."""
        answer = self.client("lambda").invoke(
            FunctionName=self.outputs[function], Payload=json.dumps(payload).encode()
        )
        result = json.loads(answer["Payload"].read() or b"null")
        if "FunctionError" in answer:
            raise FunctionFailed(function, result)
        return result


class FunctionFailed(StackError):
    """A function's error, with the type that the function gave it."""

    def __init__(self, function: str, result: dict) -> None:
        super().__init__(f"{function} failed: {json.dumps(result)}")
        self.type = (result or {}).get("errorType")


# --- Up and down -----------------------------------------------------------


def up(
    port: int,
    state: Path,
    binaries: Path,
    parameters: dict[str, str] | None = None,
    say: Say = print,
    functions_port: int | None = None,
) -> Stack:
    """Starts what is not running, deploys what is not deployed, fills the secrets.

    `parameters` are the template's; those left out stay as they were deployed last.
    At `functions_port` the functions look for AWS, if that is not to be the stack's own port.
    """
    state.mkdir(parents=True, exist_ok=True)
    stack = Stack(port, state)
    if ministack.owned_pid(state) is None:
        start(stack, say, functions_port)
    elif ministack.is_ready(port):
        say(f"The local AWS is running on port {port}.")
    else:
        raise StackError(f"The local AWS runs but does not answer on port {port}. Stop it with: make stop PORT={port}")
    template, digest = package.package(ROOT / "template.yaml", binaries, state / "package")
    digest = json.dumps([digest, parameters])
    if deployed_digest(state) == digest:
        say("The template and the functions are deployed already.")
        stack.outputs = read_outputs(stack)
    else:
        say("Deploying template.yaml …")
        began = time.monotonic()
        deploy(stack, STACK_NAME, template, parameters or {})
        stack.outputs = read_outputs(stack)
        complete(stack)
        say(f"  deployed after {time.monotonic() - began:.1f} s")
    stack.sources = sources.sample_sources(state / "sources.json")
    sources.fill_secrets(stack, say)
    sources.keep(stack.sources, state / "sources.json")
    save(stack, digest)
    return stack


def attach(port: int, state: Path) -> Stack:
    """Returns the stack that an earlier `up` left running."""
    if ministack.owned_pid(state) is None:
        raise StackError(f"No local stack runs on port {port}. Start it with: make run PORT={port}")
    try:
        kept = json.loads((state / "stack.json").read_text())
    except FileNotFoundError:
        raise StackError("The local stack is not deployed yet.") from None
    return Stack(port, state, kept["outputs"], json.loads((state / "sources.json").read_text()))


def down(state: Path) -> bool:
    """Ends the local AWS and its functions, by process id.  Its data goes with it."""
    (state / "stack.json").unlink(missing_ok=True)
    return ministack.stop(state)


def start(stack: Stack, say: Say, functions_port: int | None = None) -> None:
    """Starts the local AWS; what an earlier one had deployed ended with it."""
    say(f"Starting the local AWS on 127.0.0.1:{stack.port} …")
    began = time.monotonic()
    (stack.state / "stack.json").unlink(missing_ok=True)
    ministack.start(stack.port, stack.state, functions_port)
    say(f"  ready after {time.monotonic() - began:.1f} s")


# --- Deployment ------------------------------------------------------------


def complete(stack: Stack) -> None:
    """Does what CloudFormation does and MiniStack does not.

    It keeps a parameter's text where the type is a number or a boolean, which an SDK with types cannot read, and leaves
    out the tables' expiry.
    """
    functions = stack.client("lambda")
    for mapping in functions.list_event_source_mappings()["EventSourceMappings"]:
        if "ScalingConfig" in mapping:
            most = int(mapping["ScalingConfig"]["MaximumConcurrency"])
            functions.update_event_source_mapping(UUID=mapping["UUID"], ScalingConfig={"MaximumConcurrency": most})
    template = yaml_parse((ROOT / "template.yaml").read_text())
    tables = stack.client("dynamodb")
    for name in ("EventsTable", "OrdersTable"):
        table, declared = stack.outputs[name], template["Resources"][name]["Properties"]
        protected = tables.describe_table(TableName=table)["Table"].get("DeletionProtectionEnabled", False)
        tables.update_table(TableName=table, DeletionProtectionEnabled=str(protected).lower() == "true")
        if "TimeToLiveSpecification" in declared:
            tables.update_time_to_live(TableName=table, TimeToLiveSpecification=declared["TimeToLiveSpecification"])


def read_outputs(stack: Stack) -> dict[str, str]:
    """Returns the stack's outputs by name."""
    stacks = stack.client("cloudformation").describe_stacks(StackName=STACK_NAME)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in stacks[0]["Outputs"]}


def deployed_digest(state: Path) -> str | None:
    """Returns the digest of what is deployed, or None."""
    try:
        return json.loads((state / "stack.json").read_text())["digest"]
    except FileNotFoundError:
        return None


def save(stack: Stack, digest: str) -> None:
    """Writes down what the next command needs to find the stack."""
    kept = {"port": stack.port, "digest": digest, "outputs": stack.outputs}
    (stack.state / "stack.json").write_text(json.dumps(kept, indent=2) + "\n")


# --- The command -----------------------------------------------------------


def default_binaries() -> Path:
    """Returns the folder into which `cargo build` puts the functions."""
    return ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "debug"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options that every command about a local stack shares."""
    parser.add_argument("--port", type=int, default=4566)
    parser.add_argument("--state", type=Path, help="default: .local/stack-<port>")
    parser.add_argument("--binaries", type=Path, default=default_binaries())
    parser.add_argument("--parameters", nargs="*", default=[], metavar="NAME=VALUE", help="of the template")


def up_from(options: argparse.Namespace, say: Say = print) -> Stack:
    """Brings the stack up with the options of the command line."""
    parameters = dict(parameter.split("=", 1) for parameter in options.parameters)
    return up(options.port, state_of(options), options.binaries, parameters, say)


def state_of(options: argparse.Namespace) -> Path:
    """Returns the state directory that the options name."""
    return (options.state or ROOT / ".local" / f"stack-{options.port}").resolve()


def describe(stack: Stack) -> str:
    """Returns the names and URLs of the stack's things."""
    lines = [f"Local stack {STACK_NAME!r} on {stack.endpoint}, process {ministack.owned_pid(stack.state)}"]
    lines += [f"  {name:<26}{value}" for name, value in sorted(stack.outputs.items())]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Carries out one of the three commands."""
    parser = argparse.ArgumentParser(description="The local stack.")
    parser.add_argument("command", choices=["up", "down", "status"])
    add_arguments(parser)
    options = parser.parse_args(arguments)
    state = state_of(options)
    try:
        if options.command == "down":
            stopped = down(state)
            print(f"Stopped the local stack on port {options.port}." if stopped else "No local stack was running.")
        elif options.command == "up":
            print(describe(up_from(options)))
        else:
            print(describe(attach(options.port, state)))
    except (StackError, package.MissingBinary) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
