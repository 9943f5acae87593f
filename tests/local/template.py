"""Reads `template.yaml`, as it is written and as SAM translates it, for the tests of its content."""

from __future__ import annotations

import copy
import functools
import re
from collections.abc import Iterator
from pathlib import Path

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

ROOT = Path(__file__).resolve().parents[2]

Template = dict


def source() -> Template:
    """Returns the template as it is written."""
    return yaml_parse((ROOT / "template.yaml").read_text(encoding="utf-8"))


def translate(template: Template) -> Template:
    """Returns the CloudFormation that SAM makes of it, by SAM's own transform and without a network."""
    uploaded = copy.deepcopy(template)
    for resource in uploaded["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = "s3://bucket/key"
    defaults = {name: parameter.get("Default", "") for name, parameter in template["Parameters"].items()}
    return transform(uploaded, defaults, NoManagedPolicies())


class NoManagedPolicies:
    """SAM looks managed policies up in the account; ours uses none."""

    def load(self) -> dict[str, str]:
        return {}


def of_type(template: Template, kind: str) -> dict[str, dict]:
    """Returns the resources of one type, by their names in the template."""
    return {name: value for name, value in template["Resources"].items() if value["Type"] == kind}


def properties(template: Template, name: str) -> dict:
    """Returns a resource's properties."""
    return template["Resources"][name].get("Properties", {})


def arn(name: str, attribute: str = "Arn") -> dict:
    """Returns a reference to an attribute of a resource."""
    return {"Fn::GetAtt": [name, attribute]}


def names_in(value: object) -> set[str]:
    """Returns the resources and parameters that a value refers to."""
    if isinstance(value, list):
        return set().union(*map(names_in, value))
    if not isinstance(value, dict):
        return set()
    if "Ref" in value:
        return {value["Ref"]}
    if "Fn::GetAtt" in value:
        attribute = value["Fn::GetAtt"]
        return {attribute[0] if isinstance(attribute, list) else attribute.split(".")[0]}
    return set().union(*map(names_in, value.values()))


def statements(template: Template) -> Iterator[tuple[str, set[str], list]]:
    """Returns every statement of every role: the role, its actions, its resources."""
    for name, role in of_type(template, "AWS::IAM::Role").items():
        for policy in role["Properties"]["Policies"]:
            for condition, statement in map(unconditional, policy["PolicyDocument"]["Statement"]):
                assert statement["Effect"] == "Allow", name
                assert set(statement) <= {"Effect", "Action", "Resource", "Condition"}, name
                resources = listed(statement["Resource"])
                if condition:
                    resources = [{"Fn::If": [condition, resource, {"Ref": "AWS::NoValue"}]} for resource in resources]
                yield name, set(listed(statement["Action"])), resources


def unconditional(statement: dict) -> tuple[str | None, dict]:
    """Returns the condition under which a statement is there, if it has one, and the statement itself."""
    if "Fn::If" not in statement:
        return None, statement
    condition, statement, otherwise = statement["Fn::If"]
    assert otherwise == {"Ref": "AWS::NoValue"}, condition
    return condition, statement


def listed(value: object) -> list:
    """Returns one or many as a list."""
    return value if isinstance(value, list) else [value]


def resolve(template: Template, value: object, parameters: dict[str, str]) -> object:
    """Carries out the intrinsic functions that the template uses; a resource's Ref is its name."""
    again = functools.partial(resolve, template, parameters=parameters)
    if isinstance(value, list):
        return [again(item) for item in value]
    if not isinstance(value, dict):
        return value
    (name, argument), *more = value.items()
    assert not more, value
    match name:
        case "Ref":
            default = template["Parameters"].get(argument, {}).get("Default", argument)
            return parameters.get(argument, default)
        case "Fn::Join":
            return argument[0].join(again(argument[1]))
        case "Fn::Split":
            return again(argument[1]).split(argument[0])
        case "Fn::Sub":
            text, values = argument if isinstance(argument, list) else (argument, {})
            return re.sub(r"\$\{(\w+)\}", lambda m: again(values.get(m[1], {"Ref": m[1]})), text)
        case "Fn::If":
            return again(argument[1] if again(template["Conditions"][argument[0]]) else argument[2])
        case "Fn::Equals":
            return str(again(argument[0])) == str(again(argument[1]))
        case "Fn::Not":
            return not again(argument[0])
        case _:
            raise AssertionError(f"{name} is not expected here")
