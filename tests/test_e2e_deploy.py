"""`sam deploy`, which users deploy with, makes the stack that all other tests run on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.conftest import free_port
from tests.local import ministack, package
from tests.local.stack import STACK_NAME, Stack

SAM = Path(sys.executable).with_name("sam")


def test_sam_deploys_the_same(stack: Stack, tmp_path: Path) -> None:
    other = Stack(free_port(), tmp_path)
    template = with_little_code(stack.state / "package/template.json", tmp_path)
    ministack.start(other.port, tmp_path)
    try:
        ran = subprocess.run(
            [
                *(SAM, "deploy", "--template-file", template, "--stack-name", STACK_NAME),
                *("--resolve-s3", "--capabilities", "CAPABILITY_IAM", "--no-confirm-changeset"),
                *("--region", ministack.REGION, "--parameter-overrides", "OperatorPolicies=true"),
            ],
            env=ministack.clean_environment(other.port),
            # Another directory, so that no samconfig.toml of the user's is read.
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-4000:]
        assert resources(other) == resources(stack)
        assert outputs(other) == outputs(stack)
        assert parameters(other) == parameters(stack)
    finally:
        ministack.stop(tmp_path)


def with_little_code(packaged: Path, folder: Path) -> Path:
    """Copies a packaged template; its functions do nothing, since SAM takes a while to compress real ones."""
    template = json.loads(packaged.read_text())
    for resource in package.functions(template):
        bootstrap = folder / resource["Properties"]["CodeUri"] / "bootstrap"
        bootstrap.parent.mkdir()
        bootstrap.write_text("#!/bin/sh\n")
    copy = folder / "template.json"
    copy.write_text(json.dumps(template))
    return copy


def resources(stack: Stack) -> set[tuple[str, str, str]]:
    """Returns the stack's resources: name in the template, type, state."""
    pages = stack.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=STACK_NAME)
    return {
        (resource["LogicalResourceId"], resource["ResourceType"], resource["ResourceStatus"])
        for page in pages
        for resource in page["StackResourceSummaries"]
    }


def outputs(stack: Stack) -> set[str]:
    """Returns the names of the stack's outputs."""
    return {output["OutputKey"] for output in described(stack)["Outputs"]}


def parameters(stack: Stack) -> dict[str, str]:
    """Returns the parameters that the stack is deployed with."""
    return {parameter["ParameterKey"]: parameter["ParameterValue"] for parameter in described(stack)["Parameters"]}


def described(stack: Stack) -> dict:
    """Returns CloudFormation's description of the stack."""
    (found,) = stack.client("cloudformation").describe_stacks(StackName=STACK_NAME)["Stacks"]
    return found
