"""Deploys a packaged template to the local AWS by CloudFormation's own calls, as `sam deploy` does.

`tests/test_e2e_deploy.py` compares the result with `sam deploy`'s.  Here the functions are stored, not compressed:
nothing is uploaded further than this machine, and compressing eight of them takes longer than all else of a deployment.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import WaiterError

from tests.local import package
from tests.local.ministack import StackError

if TYPE_CHECKING:
    from tests.local.stack import Stack

BUCKET = "hookmill-code"
CHANGES = "local"
# CloudFormation's word for a change set that changes nothing.
NOTHING = "didn't contain changes"


def deploy(stack: Stack, name: str, template: Path, parameters: dict[str, str]) -> None:
    """Creates the stack or updates it; parameters that are left out keep the values that they were deployed with."""
    client = stack.client("cloudformation")
    deployed = is_deployed(client, name)
    body = json.loads(template.read_text())
    upload(stack, body, template.parent)
    kept = deployed_parameters(client, name) - parameters.keys() if deployed else set()
    change = {"StackName": name, "ChangeSetName": CHANGES}
    client.create_change_set(
        **change,
        ChangeSetType="UPDATE" if deployed else "CREATE",
        TemplateURL=put(stack, "template.json", json.dumps(body).encode()),
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
        + [{"ParameterKey": key, "UsePreviousValue": True} for key in sorted(kept & body["Parameters"].keys())],
    )
    try:
        client.get_waiter("change_set_create_complete").wait(**change, WaiterConfig={"Delay": 1})
    except WaiterError:
        described = client.describe_change_set(**change)
        if NOTHING in described.get("StatusReason", ""):
            return
        raise StackError(f"CloudFormation refused the template: {described.get('StatusReason')}") from None
    client.execute_change_set(**change)
    waiter = client.get_waiter("stack_update_complete" if deployed else "stack_create_complete")
    try:
        waiter.wait(StackName=name, WaiterConfig={"Delay": 1})
    except WaiterError:
        raise StackError("The deployment failed:\n" + failures(client, name)) from None


def upload(stack: Stack, template: dict, folder: Path) -> None:
    """Uploads the functions' folders, and names the uploads in the template instead."""
    stack.client("s3").create_bucket(Bucket=BUCKET)
    for resource in package.functions(template):
        code = folder / resource["Properties"]["CodeUri"] / "bootstrap"
        entry = zipfile.ZipInfo("bootstrap")
        entry.external_attr = 0o755 << 16
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as written:
            written.writestr(entry, code.read_bytes())
        content = archive.getvalue()
        # Named by its content, so that a function that did not change is not updated.
        key = f"{code.parent.name}/{hashlib.sha256(content).hexdigest()}"
        put(stack, key, content)
        resource["Properties"]["CodeUri"] = f"s3://{BUCKET}/{key}"


def put(stack: Stack, key: str, content: bytes) -> str:
    """Stores an object, and returns its URL."""
    stack.client("s3").put_object(Bucket=BUCKET, Key=key, Body=content)
    return f"{stack.endpoint}/{BUCKET}/{key}"


def is_deployed(client, name: str) -> bool:
    """Returns whether there is a stack of this name."""
    stacks = client.list_stacks()["StackSummaries"]
    return any(found["StackName"] == name and found["StackStatus"] != "DELETE_COMPLETE" for found in stacks)


def deployed_parameters(client, name: str) -> set[str]:
    """Returns the names of the parameters that the stack was deployed with."""
    (stack,) = client.describe_stacks(StackName=name)["Stacks"]
    return {parameter["ParameterKey"] for parameter in stack.get("Parameters", [])}


def failures(client, name: str) -> str:
    """Returns the reasons that CloudFormation gives for a deployment that failed."""
    events = client.describe_stack_events(StackName=name)["StackEvents"]
    failed = [event for event in reversed(events) if event["ResourceStatus"].endswith("FAILED")]
    return "\n".join(f"  {event['LogicalResourceId']}: {event.get('ResourceStatusReason')}" for event in failed)
