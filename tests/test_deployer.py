"""`examples/deployer-policy.json`: what the role that deploys the template has to be allowed.

No local AWS checks it: a resource of a type that is not below, or an action that the policy lacks, shows here.
"""

from __future__ import annotations

import json

from tests.local.template import ROOT, source, translate

POLICY = json.loads((ROOT / "examples/deployer-policy.json").read_text(encoding="utf-8"))
# By type, what CloudFormation calls to make, read, change and delete such a resource; from AWS's resource schemas.
NEEDED = {
    "AWS::CloudWatch::Alarm": "cloudwatch: PutMetricAlarm DescribeAlarms DeleteAlarms",
    "AWS::CloudWatch::Dashboard": "cloudwatch: PutDashboard GetDashboard DeleteDashboards",
    "AWS::DynamoDB::Table": "dynamodb: CreateTable DescribeTable UpdateTable DeleteTable UpdateTimeToLive DescribeTimeToLive "
    "UpdateContinuousBackups DescribeContinuousBackups",
    "AWS::Events::Rule": "events: PutRule DescribeRule DeleteRule PutTargets RemoveTargets ListTargetsByRule",
    "AWS::IAM::ManagedPolicy": "iam: CreatePolicy GetPolicy CreatePolicyVersion DeletePolicyVersion ListPolicyVersions DeletePolicy",
    "AWS::IAM::Role": "iam: CreateRole GetRole UpdateRole DeleteRole PutRolePolicy GetRolePolicy DeleteRolePolicy PassRole",
    "AWS::Lambda::EventInvokeConfig": "lambda: PutFunctionEventInvokeConfig GetFunctionEventInvokeConfig DeleteFunctionEventInvokeConfig",
    "AWS::Lambda::EventSourceMapping": "lambda: CreateEventSourceMapping GetEventSourceMapping UpdateEventSourceMapping "
    "DeleteEventSourceMapping",
    "AWS::Lambda::Function": "lambda: CreateFunction GetFunction UpdateFunctionCode UpdateFunctionConfiguration DeleteFunction "
    "PutFunctionConcurrency DeleteFunctionConcurrency TagResource",
    "AWS::Lambda::Permission": "lambda: AddPermission RemovePermission GetPolicy",
    "AWS::Lambda::Url": "lambda: CreateFunctionUrlConfig GetFunctionUrlConfig UpdateFunctionUrlConfig DeleteFunctionUrlConfig",
    "AWS::Logs::LogGroup": "logs: CreateLogGroup DescribeLogGroups PutRetentionPolicy DeleteLogGroup",
    "AWS::SQS::Queue": "sqs: CreateQueue GetQueueAttributes SetQueueAttributes DeleteQueue",
    "AWS::SecretsManager::Secret": "secretsmanager: CreateSecret DescribeSecret UpdateSecret DeleteSecret",
}  # fmt: skip


def allowed() -> set[str]:
    return {action for statement in POLICY["Statement"] for action in statement["Action"]}


def test_the_deployer_may_make_every_resource_of_the_template() -> None:
    types = {resource["Type"] for resource in translate(source())["Resources"].values()}
    assert types == NEEDED.keys()
    for kind, actions in NEEDED.items():
        service, *names = actions.split()
        assert {f"{service}{name}" for name in names} <= allowed(), kind


def test_the_deployer_may_do_nothing_with_what_the_stack_holds() -> None:
    """It makes resources; rows, messages, values of secrets and log lines are none of its business."""
    data = {
        "dynamodb": ("Item", "Query", "Scan", "PartiQL", "GetRecords"),
        "sqs": ("Message", "Purge"),
        "secretsmanager": ("Value",),
        "logs": ("Events", "Query"),
        "lambda": ("Invoke:",),
    }
    for action in allowed():
        service, name = action.split(":")
        assert "*" not in action and not any(word in name for word in data.get(service, ())), action
