"""Packages `template.yaml` for a deployment without a build: every function as a finished binary.

`sam build` makes release binaries, which take minutes to link.  The local stack gets the quick ones
that cargo has just built.  The template is the same but that its functions name those and no build, and that
its policies spell out batch calls (`spell_out_batch_calls`).
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

from samtranslator.yaml_helper import yaml_parse


class MissingBinary(Exception):
    """A function has not been built."""


def package(template: Path, binaries: Path, target: Path) -> tuple[Path, str]:
    """Writes the packaged template and its functions' folders; gives its path and a digest of it all."""
    parsed = yaml_parse(template.read_text())
    digest = hashlib.sha256()
    for resource in functions(parsed):
        name = Path(resource["Properties"]["CodeUri"]).name
        bootstrap = copy_binary(binaries / name, target / name / "bootstrap")
        resource["Properties"]["CodeUri"] = f"./{name}/"
        resource.pop("Metadata", None)
        digest.update(bootstrap.read_bytes())
    spell_out_batch_calls(parsed)
    # JSON says the same as YAML and needs no care about tags.
    packaged = target / "template.json"
    packaged.write_text(json.dumps(parsed, indent=2))
    digest.update(packaged.read_bytes())
    return packaged, digest.hexdigest()


# Batch calls, which are not actions of their own on AWS, by the action that allows them there.
BATCHES = {
    "sqs:SendMessage": "sqs:SendMessageBatch",
    "sqs:DeleteMessage": "sqs:DeleteMessageBatch",
    "sqs:ChangeMessageVisibility": "sqs:ChangeMessageVisibilityBatch",
}


def spell_out_batch_calls(template: dict) -> None:
    """Allows a batch call wherever its single one is allowed.

    On AWS the single call's action grants both, and there is none for the batch; MiniStack asks for it by name.
    """
    for resource in template["Resources"].values():
        match resource["Type"]:
            case "AWS::IAM::Role":
                policies = resource["Properties"].get("Policies", [])
            case "AWS::IAM::ManagedPolicy":
                policies = [resource["Properties"]]
            case _:
                continue
        for policy in policies:
            for statement in statements(policy):
                actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
                statement["Action"] = actions + [BATCHES[action] for action in actions if action in BATCHES]


def statements(policy: dict) -> list[dict]:
    """Returns a policy's statements, those behind a condition too."""
    policy = policy["Fn::If"][1] if "Fn::If" in policy else policy
    found = []
    for statement in policy.get("PolicyDocument", {}).get("Statement", []):
        found.append(statement["Fn::If"][1] if "Fn::If" in statement else statement)
    return [statement for statement in found if "Action" in statement]


def functions(template: dict) -> list[dict]:
    """Returns the template's functions."""
    return [
        resource
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::Serverless::Function"
    ]


def copy_binary(built: Path, bootstrap: Path) -> Path:
    """Copies a binary to where Lambda looks for it, stripped as a release is, unless it is there already."""
    if not built.is_file():
        raise MissingBinary(f"{built} is missing. Build it with: make binaries")
    bootstrap.parent.mkdir(parents=True, exist_ok=True)
    if bootstrap.exists() and bootstrap.stat().st_mtime_ns == built.stat().st_mtime_ns:
        return bootstrap
    shutil.copyfile(built, bootstrap)
    if strip := shutil.which("strip"):
        subprocess.run([strip, bootstrap], check=True)
    bootstrap.chmod(0o755)
    shutil.copystat(built, bootstrap)
    return bootstrap
