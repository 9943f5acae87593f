"""Rules for `template.yaml`, checked on what SAM makes of it.

The local stack ignores much of this (retries, parallelisation, visibility, retention), so that a
mistake would show on AWS only.  Each check is a function of the translated template;
`test_template_checks.py` shows that each of them can fail.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from tests.local import signing
from tests.local.template import (
    ROOT,
    Template,
    arn,
    listed,
    names_in,
    of_type,
    properties,
    resolve,
    source,
    statements,
    translate,
    unconditional,
)

RECEIVERS = tuple(provider.capitalize() for provider in signing.PROVIDERS)
FUNCTIONS = (*RECEIVERS, "Relay", "Orders", "Read", "Watch")
FOURTEEN_DAYS = 14 * 24 * 3600


def check_stream_mapping(template: Template) -> None:
    """Checks that nothing is skipped, nothing overtakes, nothing is given up on before the stream itself is."""
    mapping = properties(template, "RelayFunctionStream")
    assert mapping == {
        "FunctionName": {"Ref": "RelayFunction"},
        "EventSourceArn": arn("EventsTable", "StreamArn"),
        "StartingPosition": "TRIM_HORIZON",
        "BatchSize": 100,
        "MaximumBatchingWindowInSeconds": 0,
        "ParallelizationFactor": 1,
        "MaximumRetryAttempts": -1,
        "MaximumRecordAgeInSeconds": -1,
        "FilterCriteria": mapping["FilterCriteria"],
        "DestinationConfig": {"OnFailure": {"Destination": arn("RelayDeadLetterQueue")}},
    }
    patterns = [json.loads(one["Pattern"]) for one in mapping["FilterCriteria"]["Filters"]]
    assert patterns == [{"eventName": ["INSERT"], "dynamodb": {"NewImage": {"kind": {"S": ["event"]}}}}]


def check_queue_mapping(template: Template) -> None:
    """Checks that one bad message does not bring back the other nine."""
    mapping = properties(template, "OrdersFunctionQueue")
    assert mapping["EventSourceArn"] == arn("OrdersQueue")
    assert mapping["BatchSize"] == 10
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": {"Ref": "OrdersMaximumConcurrency"}}


def check_mappings(template: Template) -> None:
    """Checks that there are two mappings; above all, nothing of ours reads WorkQueue."""
    mappings = of_type(template, "AWS::Lambda::EventSourceMapping")
    read = {name: mapping["Properties"]["EventSourceArn"] for name, mapping in mappings.items()}
    assert read == {
        "RelayFunctionStream": arn("EventsTable", "StreamArn"),
        "OrdersFunctionQueue": arn("OrdersQueue"),
    }


def check_visibility(template: Template) -> None:
    """Checks that a message stays hidden for six time-outs of its consumer, whichever time-out is chosen."""
    timeout = {"Ref": "OrdersTimeoutSeconds"}
    assert properties(template, "OrdersFunction")["Timeout"] == timeout
    visibility = {"Fn::FindInMap": ["OrdersQueueByTimeout", timeout, "VisibilitySeconds"]}
    assert properties(template, "OrdersQueue")["VisibilityTimeout"] == visibility
    chosen = template["Mappings"]["OrdersQueueByTimeout"]
    parameter = template["Parameters"]["OrdersTimeoutSeconds"]
    assert set(chosen) == {str(seconds) for seconds in parameter["AllowedValues"]}
    for seconds, entry in chosen.items():
        assert entry["VisibilitySeconds"] >= 6 * int(seconds), seconds


def check_function_urls(template: Template) -> None:
    """Checks that each receiver, and nothing else, has a public URL with both permissions that AWS asks for."""
    urls = of_type(template, "AWS::Lambda::Url")
    assert set(urls) == {f"{name}FunctionUrl" for name in RECEIVERS}
    for url in urls.values():
        assert url["Properties"]["AuthType"] == "NONE"
        assert url["Properties"]["InvokeMode"] == "BUFFERED"
    permissions = [one["Properties"] for one in of_type(template, "AWS::Lambda::Permission").values()]
    found = [one for one in permissions if one["Principal"] != "events.amazonaws.com"]
    wanted = []
    for name in RECEIVERS:
        public = {"FunctionName": {"Ref": f"{name}Function"}, "Principal": "*"}
        by_url = {"Action": "lambda:InvokeFunctionUrl", "FunctionUrlAuthType": "NONE"}
        wanted += [public | by_url, public | {"Action": "lambda:InvokeFunction", "InvokedViaFunctionUrl": True}]
    assert sorted(map(repr_sorted, found)) == sorted(map(repr_sorted, wanted))


def repr_sorted(value: object) -> str:
    return json.dumps(value, sort_keys=True)


# Actions that AWS grants on no single resource.
OF_THE_ACCOUNT = {
    "lambda:ListEventSourceMappings",
    "lambda:GetAccountSettings",
    "cloudwatch:DescribeAlarms",
    "cloudwatch:GetMetricData",
    "logs:DescribeLogGroups",
}


def check_no_wildcards(template: Template) -> None:
    """Roles name actions and resources; no managed policy brings in others."""
    for name, role in of_type(template, "AWS::IAM::Role").items():
        assert set(role["Properties"]) == {"AssumeRolePolicyDocument", "Policies"}, name
    assert not of_type(template, "AWS::IAM::Policy")
    # Those for operators are nobody's until somebody attaches them.
    for name, policy in of_type(template, "AWS::IAM::ManagedPolicy").items():
        assert policy["Condition"] == "HasOperatorPolicies", name
        assert set(policy["Properties"]) == {"Description", "PolicyDocument"}, name
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
            assert statement["Effect"] == "Allow", name
            granted = listed(statement["Action"])
            assert not any("*" in action for action in granted), name
            assert statement["Resource"] != "*" or set(granted) <= OF_THE_ACCOUNT, name
    for name, actions, resources in statements(template):
        assert "*" not in repr_sorted(sorted(actions)), name
        assert "*" not in repr_sorted(resources), name


LOGS = {"logs:CreateLogStream", "logs:PutLogEvents"}
STREAM = {f"dynamodb:{action}" for action in ("DescribeStream", "GetRecords", "GetShardIterator", "ListStreams")}
RECEIVE = {f"sqs:{action}" for action in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")}
GET, PUT, SEND = {"dynamodb:GetItem"}, {"dynamodb:PutItem"}, {"sqs:SendMessage"}
QUERY, SECRET = {"dynamodb:Query"}, {"secretsmanager:GetSecretValue"}
QUEUES = {
    "OrdersQueue.Arn": SEND,
    "RelayDeadLetterQueue.Arn": SEND,
    "if HasWorkQueue: WorkQueue.Arn": SEND,
    "if HasExtraQueue: ExtraQueueArn": SEND,
}
# Actions that each function does, and so may do.  Scalapay's claims never need a second look at a row.
MAY = {
    "Scalev": {"EventsTable.Arn": GET | PUT},
    "Scalapay": {"EventsTable.Arn": PUT},
    "Shopline": {"EventsTable.Arn": GET | PUT},
    "Selldone": {"EventsTable.Arn": GET | PUT},
    "Relay": {"EventsTable.Arn": GET | PUT, "EventsTable.StreamArn": STREAM} | QUEUES,
    "Orders": {"EventsTable.Arn": GET, "OrdersTable.Arn": GET | PUT, "OrdersQueue.Arn": RECEIVE}
    | {"if HasFactsQueue: FactsQueue.Arn": SEND},
    "Read": {"EventsTable.Arn": GET, "OrdersTable.Arn": GET},
    "Watch": {"EventsTable.Arn": GET | QUERY | PUT, "EventsTable.Arn/index/received": QUERY}
    | {f"{name}Secret.Id": SECRET | {"secretsmanager:ListSecretVersionIds"} for name in RECEIVERS}
    | {"AccountsSecret.Id": SECRET}
    | QUEUES,
}
# Roles that may act in part of a table only: by its actions there, the partitions.
ONLY_IN = {
    ("RelayRole", "dynamodb:PutItem"): ["relayed/*"],
    ("WatchRole", "dynamodb:PutItem"): ["relayed/*", "watch"],
    ("WatchRole", "dynamodb:Query"): ["relayed/*"],
}


def check_roles(template: Template) -> None:
    """Checks that each function's role is its own and allows what it does and no more; receivers, their own secret."""
    assert set(of_type(template, "AWS::IAM::Role")) == {f"{name}Role" for name in FUNCTIONS}
    found: dict[str, dict[str, set[str]]] = {}
    for role, actions, resources in statements(template):
        for resource in map(resource_text, resources):
            found.setdefault(role.removesuffix("Role"), {}).setdefault(resource, set()).update(actions)
    for name in FUNCTIONS:
        assert properties(template, f"{name}Function")["Role"] == arn(f"{name}Role")
        secret = {f"{name}Secret.Id": {"secretsmanager:GetSecretValue"}} if name in RECEIVERS else {}
        assert found[name] == MAY[name] | secret | {f"{name}Logs.Arn": LOGS}, name
    for name, role in of_type(template, "AWS::IAM::Role").items():
        trusted = [one["Principal"] for one in role["Properties"]["AssumeRolePolicyDocument"]["Statement"]]
        assert trusted == [{"Service": "lambda.amazonaws.com"}], name


def check_roles_keep_to_partitions(template: Template) -> None:
    """The relay and the watch write their notes and their memory, and can write no event. The local AWS does not
    know this condition, so it is held here alone."""
    found = {}
    for name, role in of_type(template, "AWS::IAM::Role").items():
        for policy in role["Properties"]["Policies"]:
            for _, statement in map(unconditional, policy["PolicyDocument"]["Statement"]):
                table = statement["Resource"] == arn("EventsTable")
                action = str(statement["Action"])
                if table and (name, action) in ONLY_IN:
                    condition = statement["Condition"]
                    assert set(condition) == {"ForAllValues:StringLike"}, name
                    found[name, action] = condition["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
                else:
                    assert "Condition" not in statement, name
    assert found == ONLY_IN


# The same for the operators' policies: what may be deleted of the events table, and where refused deliveries are read.
OPERATORS_ONLY_IN = {
    ("HookmillQuarantine", "dynamodb:Query"): ["refused/*"],
    ("HookmillQuarantine", "dynamodb:DeleteItem"): ["refused/*"],
    ("HookmillForget", "dynamodb:DeleteItem"): ["chunk/*", "refused/*"],
}


def check_operators_delete_no_event(template: Template) -> None:
    """Checks that nobody may delete an event's row, or update one but to forget or disown, under any condition."""
    found, updating = {}, set()
    for name, policy in of_type(template, "AWS::IAM::ManagedPolicy").items():
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
            granted = listed(statement["Action"])
            if "dynamodb:UpdateItem" in granted:
                updating.add(name)
            of_events = arn("EventsTable") in listed(statement["Resource"])
            if "Condition" in statement or (of_events and "dynamodb:DeleteItem" in granted):
                condition = statement["Condition"]
                assert of_events and set(condition) == {"ForAllValues:StringLike"}, name
                for action in granted:
                    found[name, action] = condition["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
    assert found == OPERATORS_ONLY_IN
    assert updating == {"HookmillForget"}
    deleting = ("dynamodb:BatchWriteItem", "dynamodb:PartiQLDelete", "dynamodb:DeleteTable")
    assert not any(action in json.dumps(of_type(template, "AWS::IAM::ManagedPolicy")) for action in deleting)


def check_watch_schedule(template: Template) -> None:
    """Checks that the watch runs by a schedule that may call it, and that a failed run is not retried beside the next."""
    (rule,) = of_type(template, "AWS::Events::Rule").values()
    assert rule["Properties"]["ScheduleExpression"] == {"Fn::Sub": "rate(${WatchEveryMinutes} minutes)"}
    assert rule["Properties"].get("State", "ENABLED") == "ENABLED"
    (target,) = rule["Properties"]["Targets"]
    assert target["Arn"] == arn("WatchFunction")
    permissions = [one["Properties"] for one in of_type(template, "AWS::Lambda::Permission").values()]
    assert {
        "FunctionName": {"Ref": "WatchFunction"},
        "Action": "lambda:InvokeFunction",
        "Principal": "events.amazonaws.com",
        "SourceArn": arn("WatchFunctionSchedule"),
    } in permissions
    (invocation,) = of_type(template, "AWS::Lambda::EventInvokeConfig").values()
    assert invocation["Properties"]["FunctionName"] == {"Ref": "WatchFunction"}
    assert invocation["Properties"]["MaximumRetryAttempts"] == 0
    # An alarm's period is a multiple of a minute, and one run falls into each.
    parameter = template["Parameters"]["WatchEveryMinutes"]
    periods = {minutes: entry["Seconds"] for minutes, entry in template["Mappings"]["WatchByMinutes"].items()}
    assert periods == {str(minutes): minutes * 60 for minutes in parameter["AllowedValues"]}


def check_sweeper_sends_as_the_relay(template: Template) -> None:
    """Checks that the watch sends to the relay's queues, by the same filters, and knows every receiver."""
    watch, relay = (properties(template, f"{name}Function")["Environment"]["Variables"] for name in ("Watch", "Relay"))
    assert watch["QUEUES"] == relay["QUEUES"]
    assert watch["RELAY_DEAD_LETTER_QUEUE_URL"] == relay["RELAY_DEAD_LETTER_QUEUE_URL"]
    text = re.sub(r"\$\{([\w.]+)\}", r"\1", watch["RECEIVERS"]["Fn::Sub"])
    assert sorted(json.loads(text), key=lambda one: one["provider"]) == [
        {"provider": name.lower(), "secret_id": f"{name}Secret", "url": f"{name}FunctionUrl.FunctionUrl"}
        for name in RECEIVERS
    ]


def check_dashboard(template: Template) -> None:
    """Checks that the dashboard is JSON whatever the parameters say, refers to what there is, and can be turned off."""
    dashboard = template["Resources"]["Dashboard"]
    assert dashboard["Condition"] == "HasDashboard"
    assert resolve(template, template["Conditions"]["HasDashboard"], {}) is True
    assert resolve(template, template["Conditions"]["HasDashboard"], {"DashboardEnabled": "false"}) is False
    for enabled in ("true", "false"):
        value = dashboard["Properties"]["DashboardBody"]
        # The resolver knows names without attributes.
        text = json.dumps(value).replace("Queue.QueueName}", "Queue}").replace("${AWS::", "${AWS")
        body = json.loads(resolve(template, json.loads(text), {"WorkQueueEnabled": enabled}))
        titles = [widget["properties"]["title"] for widget in body["widgets"]]
        assert len(titles) == 6 and len(set(titles)) == 6
        names = set(re.findall(r'"QueueName", "(\w+)"', json.dumps(body)))
        ours = {"OrdersQueue", "OrdersDeadLetterQueue", "RelayDeadLetterQueue"}
        assert names == ours | ({"WorkQueue", "WorkDeadLetterQueue"} if enabled == "true" else set())
        for metric in ("Deliveries", "DurationMs", "IteratorAge", "Silence", "Drift", "Subscriptions", "OldKeys", "Swept"):
            assert metric in json.dumps(body), metric


def resource_text(resource: dict) -> str:
    """Returns a statement's resource in one line."""
    if "Fn::If" in resource:
        condition, value, otherwise = resource["Fn::If"]
        assert otherwise == {"Ref": "AWS::NoValue"}
        return f"if {condition}: {resource_text(value)}"
    if "Fn::Sub" in resource:
        return resource["Fn::Sub"].replace("${", "").replace("}", "")
    return resource["Ref"] if "Ref" in resource else ".".join(resource["Fn::GetAtt"])


def check_kept_things(template: Template) -> None:
    """Checks that deleting the stack, or renaming something in it, deletes no event, no view and no secret."""
    kept = of_type(template, "AWS::DynamoDB::Table") | of_type(template, "AWS::SecretsManager::Secret")
    assert set(kept) == {"EventsTable", "OrdersTable", "AccountsSecret", *(f"{name}Secret" for name in RECEIVERS)}
    for name, resource in kept.items():
        assert resource.get("DeletionPolicy") == "RetainExceptOnCreate", name
        assert resource.get("UpdateReplacePolicy") == "Retain", name


def check_secrets_are_empty(template: Template) -> None:
    """Checks that the template says nothing of a secret's value, so no deployment can overwrite it."""
    for name, secret in of_type(template, "AWS::SecretsManager::Secret").items():
        assert set(secret["Properties"]) == {"Description"}, name


# Which property would name the thing itself, per type.
NAMES = {
    "AWS::CloudWatch::Alarm": "AlarmName",
    "AWS::CloudWatch::Dashboard": "DashboardName",
    "AWS::DynamoDB::Table": "TableName",
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
    "AWS::Events::Rule": "Name",
    "AWS::IAM::Role": "RoleName",
    "AWS::Lambda::EventInvokeConfig": None,
    "AWS::Lambda::EventSourceMapping": None,
    "AWS::Lambda::Function": "FunctionName",
    "AWS::Lambda::Permission": None,
    "AWS::Lambda::Url": None,
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::SecretsManager::Secret": "Name",
    "AWS::SQS::Queue": "QueueName",
}


def check_no_fixed_names(template: Template) -> None:
    """Checks that two stacks fit in one account."""
    for name, resource in template["Resources"].items():
        assert resource["Type"] in NAMES, f"{resource['Type']}: say in NAMES which property names it"
        assert NAMES[resource["Type"]] not in resource.get("Properties", {}), name


def check_events_table(template: Template) -> None:
    """Checks the keys, which can never change; an index that costs as little as can be; the stream."""
    table = properties(template, "EventsTable")
    assert table["KeySchema"] == keys("pk", "sk")
    (index,) = table["GlobalSecondaryIndexes"]
    assert index["IndexName"] == "received"
    assert index["KeySchema"] == keys("bucket", "received_at")
    assert index["Projection"] == {"ProjectionType": "KEYS_ONLY"}
    assert "LocalSecondaryIndexes" not in table
    assert table["StreamSpecification"] == {"StreamViewType": "NEW_IMAGE"}
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires", "Enabled": True}
    assert {one["AttributeType"] for one in table["AttributeDefinitions"]} == {"S"}


def check_tables(template: Template) -> None:
    """Checks that both tables are paid by use, can be wound back, and can be protected."""
    assert properties(template, "OrdersTable")["KeySchema"] == keys("pk")
    for name, table in of_type(template, "AWS::DynamoDB::Table").items():
        assert table["Properties"]["BillingMode"] == "PAY_PER_REQUEST", name
        recovery = table["Properties"]["PointInTimeRecoverySpecification"]
        assert recovery == {"PointInTimeRecoveryEnabled": True}, name
        assert table["Properties"]["DeletionProtectionEnabled"] == {"Ref": "DeletionProtection"}, name


def keys(partition: str, sort: str | None = None) -> list[dict]:
    """Returns a key schema."""
    schema = [{"AttributeName": partition, "KeyType": "HASH"}]
    return schema + ([{"AttributeName": sort, "KeyType": "RANGE"}] if sort else [])


def check_fifo_queues(template: Template) -> None:
    """Checks that queues are ordered within a group, fast over all, and have dead letters of their own."""
    names = ("OrdersQueue", "OrdersDeadLetterQueue", "WorkQueue", "WorkDeadLetterQueue")
    for name in (*names, "FactsQueue", "FactsDeadLetterQueue"):
        queue = properties(template, name)
        assert queue["FifoQueue"] is True, name
        assert queue["DeduplicationScope"] == "messageGroup", name
        assert queue["FifoThroughputLimit"] == "perMessageGroupId", name
        assert queue["ContentBasedDeduplication"] is False, name
        assert queue["MaximumMessageSize"] == 1024 * 1024, name
    for name in ("Orders", "Work", "Facts"):
        redrive = properties(template, f"{name}Queue")["RedrivePolicy"]
        assert redrive["deadLetterTargetArn"] == arn(f"{name}DeadLetterQueue"), name
    assert properties(template, "OrdersQueue")["RedrivePolicy"]["maxReceiveCount"] == 5


def check_all_queues(template: Template) -> None:
    """Checks that every queue keeps what it has for as long as SQS can, encrypted."""
    queues = of_type(template, "AWS::SQS::Queue")
    assert len(queues) == 7
    for name, queue in queues.items():
        assert queue["Properties"]["MessageRetentionPeriod"] == FOURTEEN_DAYS, name
        assert queue["Properties"]["SqsManagedSseEnabled"] is True, name
    assert "FifoQueue" not in queues["RelayDeadLetterQueue"]["Properties"], "Lambda sends to standard queues only"


def check_work_queue_is_optional(template: Template) -> None:
    """Checks that without WorkQueue, nothing refers to it."""
    optional = {"WorkQueue", "WorkDeadLetterQueue"}
    for name, resource in template["Resources"].items():
        if name in optional:
            assert resource["Condition"] == "HasWorkQueue"
    for name, output in template["Outputs"].items():
        if names_in(output["Value"]) & optional:
            assert output["Condition"] == "HasWorkQueue", name


def check_facts_queue_is_optional(template: Template) -> None:
    """Checks that without FactsQueue, nothing refers to it, and that its filter takes facts that exist."""
    optional = {"FactsQueue", "FactsDeadLetterQueue"}
    for name in optional:
        assert template["Resources"][name]["Condition"] == "HasFactsQueue"
    for name, output in template["Outputs"].items():
        if names_in(output["Value"]) & optional:
            assert output["Condition"] == "HasFactsQueue", name
    url = properties(template, "OrdersFunction")["Environment"]["Variables"]["FACTS_QUEUE_URL"]
    assert resolve(template, url, {}) == "FactsQueue"
    assert resolve(template, url, {"FactsQueueEnabled": "false"}) == ""
    pattern = re.compile(template["Parameters"]["FactsQueueFacts"]["AllowedPattern"])
    schema = json.loads((ROOT / "shared/webhook/event.schema.json").read_text(encoding="utf-8"))
    facts = [each["const"] for each in schema["$defs"]["FactName"]["oneOf"] if "const" in each]
    for good in ("", *facts, ",".join(facts)):
        assert pattern.fullmatch(good), good
    for bad in ("fact.paid", "paid, shipped", "paid,", ",", "Paid", "payed", "*"):
        assert not pattern.fullmatch(bad), bad


def check_queues_variable(template: Template) -> None:
    """Checks that QUEUES is the JSON that the relay reads, under every combination of parameters."""

    def queues(**parameters: str) -> list[dict]:
        value = properties(template, "RelayFunction")["Environment"]["Variables"]["QUEUES"]
        return json.loads(resolve(template, value, parameters))

    ours = {"url": "OrdersQueue", "types": ["order.*", "payment.*", "fulfillment.*", "return.*"]}
    work = {"url": "WorkQueue", "types": [], "bodies": False}
    extra = {"url": "https://sqs/x.fifo", "types": []}
    extra_parameters = {"ExtraQueueUrl": extra["url"], "ExtraQueueArn": "arn:aws:sqs:r:1:x.fifo"}
    assert queues() == [ours, work]
    assert queues(WorkQueueEnabled="false") == [ours]
    assert queues(WorkQueueBodies="true") == [ours, work | {"bodies": True}]
    filtered = {"url": "WorkQueue", "types": ["order.*", "payment.paid"], "bodies": False}
    assert queues(WorkQueueTypes="order.*,payment.paid") == [ours, filtered]
    assert queues(**extra_parameters) == [ours, work, extra]
    assert queues(WorkQueueEnabled="false", **extra_parameters, ExtraQueueTypes="order.*") == [
        ours,
        extra | {"types": ["order.*"]},
    ]


def check_type_patterns(template: Template) -> None:
    """Checks that a filter that CloudFormation accepts is one that stays JSON."""
    for name in ("WorkQueueTypes", "ExtraQueueTypes"):
        pattern = re.compile(template["Parameters"][name]["AllowedPattern"])
        for good in ("", "other", "order.*", "order.created,payment.*", "customer.signed_in,ping"):
            assert pattern.fullmatch(good), (name, good)
        for bad in ('"', "order.*, payment.*", "order.*,", ",", "Order.*", "order.", "*", 'a","b', "[]"):
            assert not pattern.fullmatch(bad), (name, bad)


def check_environment(template: Template) -> None:
    """Checks the variables that each function reads, and that no secret is among them."""
    for name in FUNCTIONS:
        variables = properties(template, f"{name}Function")["Environment"]["Variables"]
        wanted = {"EVENTS_TABLE": {"Ref": "EventsTable"}, "STACK": {"Ref": "AWS::StackName"}}
        if name in RECEIVERS:
            wanted |= {"SECRET_ID": arn(f"{name}Secret", "Id"), "BODY_LIMIT_BYTES": {"Ref": "BodyLimitBytes"}}
        elif name == "Relay":
            wanted |= {
                "QUEUES": variables["QUEUES"],
                "RELAY_DEAD_LETTER_QUEUE_URL": {"Ref": "RelayDeadLetterQueue"},
                "TIMEOUT_SECONDS": {"Ref": "RelayTimeoutSeconds"},
            }
        elif name == "Watch":
            wanted |= {
                "QUEUES": variables["QUEUES"],
                "RELAY_DEAD_LETTER_QUEUE_URL": {"Ref": "RelayDeadLetterQueue"},
                "RECEIVERS": variables["RECEIVERS"],
                "ACCOUNTS_SECRET_ID": {"Ref": "AccountsSecret"},
                "TIMEOUT_SECONDS": {"Ref": "WatchTimeoutSeconds"},
            }
        else:
            wanted |= {"ORDERS_TABLE": {"Ref": "OrdersTable"}}
        if name == "Orders":
            url = {"Fn::If": ["HasFactsQueue", {"Ref": "FactsQueue"}, ""]}
            wanted |= {"FACTS_QUEUE_URL": url, "FACTS": {"Ref": "FactsQueueFacts"}}
        assert variables == wanted, name


def check_functions(template: Template) -> None:
    """Checks runtime, processor, memory and time-out of each function."""
    assert set(of_type(template, "AWS::Lambda::Function")) == {f"{name}Function" for name in FUNCTIONS}
    defaults = {name: parameter.get("Default") for name, parameter in template["Parameters"].items()}
    for name in FUNCTIONS:
        function = properties(template, f"{name}Function")
        kind = "Receiver" if name in RECEIVERS else name
        assert function["Runtime"] == "provided.al2023", name
        assert function["Handler"] == "bootstrap", name
        assert function["Architectures"] == [{"Ref": "Architecture"}], name
        assert function["MemorySize"] == {"Ref": f"{kind}MemoryMegabytes"}, name
        assert function["Timeout"] == {"Ref": f"{kind}TimeoutSeconds"}, name
    seconds = [defaults[f"{kind}TimeoutSeconds"] for kind in ("Receiver", "Relay", "Orders", "Read", "Watch")]
    assert seconds == [5, 60, 30, 10, 300]
    megabytes = [defaults[f"{kind}MemoryMegabytes"] for kind in ("Receiver", "Relay", "Orders", "Read", "Watch")]
    assert megabytes == [256, 512, 256, 256, 512]
    assert defaults["Architecture"] == "x86_64"
    assert template["Parameters"]["Architecture"]["AllowedValues"] == ["x86_64", "arm64"]


def check_reserved_concurrency(template: Template) -> None:
    """Checks that a new account refuses any reservation, so there is none unless somebody asks for it."""
    none = {"Ref": "AWS::NoValue"}
    asked = {"Fn::If": ["HasReservedConcurrency", {"Ref": "ReceiverReservedConcurrency"}, none]}
    for name in FUNCTIONS:
        reserved = properties(template, f"{name}Function").get("ReservedConcurrentExecutions")
        assert reserved == (asked if name in RECEIVERS else None), name
    has = template["Conditions"]["HasReservedConcurrency"]
    assert resolve(template, has, {}) is False
    assert resolve(template, has, {"ReceiverReservedConcurrency": "5"}) is True


def check_logs(template: Template) -> None:
    """Checks that every function logs JSON to a group of its own, and no group grows for ever."""
    groups = of_type(template, "AWS::Logs::LogGroup")
    assert set(groups) == {f"{name}Logs" for name in FUNCTIONS}
    for name, group in groups.items():
        assert group["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}, name
    for name in FUNCTIONS:
        logging = properties(template, f"{name}Function")["LoggingConfig"]
        assert logging["LogFormat"] == "JSON", name
        assert logging["LogGroup"] == {"Ref": f"{name}Logs"}, name
    assert template["Parameters"]["LogRetentionDays"]["Default"] == 30


VISIBLE = "ApproximateNumberOfMessagesVisible"
NONE = {"Ref": "AWS::NoValue"}
STACK = [{"Name": "stack", "Value": {"Ref": "AWS::StackName"}}]
RUNS = {"Fn::FindInMap": ["WatchByMinutes", {"Ref": "WatchEveryMinutes"}, "Seconds"]}
DAY = {"EvaluationPeriods": 24, "DatapointsToAlarm": 20}


def of_function(name: str) -> list[dict]:
    return [{"Name": "FunctionName", "Value": {"Ref": f"{name}Function"}}]


def of_queue(name: str) -> list[dict]:
    return [{"Name": "QueueName", "Value": arn(name, "QueueName")}]


def refused(provider: str) -> list[dict]:
    return [*STACK, {"Name": "provider", "Value": provider}, {"Name": "outcome", "Value": "refused"}]


# Every alarm: what it watches, and where it differs from "one value above 0 rings, none at all is fine".
ALARMS: dict[str, tuple[str, str, list[dict] | None, str, object, dict]] = {
    **{f"{name}Fails": ("AWS/Lambda", "Errors", of_function(name), "Sum", 300, {}) for name in RECEIVERS},
    **{
        f"{name}Refuses": (
            "hookmill", "Deliveries", refused(name.lower()), "Sum", 900, {"Threshold": {"Ref": "RefusalsAlarmCount"}}
        )
        for name in RECEIVERS
    },
    "FunctionsAreThrottled": ("AWS/Lambda", "Throttles", None, "Sum", 300, {}),
    "RelayIsLate": ("AWS/Lambda", "IteratorAge", of_function("Relay"), "Maximum", 60, {"Threshold": 300_000}),
    "RelayDoesNotRun": ("hookmill", "Unrelayed", STACK, "Maximum", RUNS, {}),
    "RelayHasDeadLetters": ("AWS/SQS", VISIBLE, of_queue("RelayDeadLetterQueue"), "Maximum", 60, {}),
    "OrdersHasDeadLetters": ("AWS/SQS", VISIBLE, of_queue("OrdersDeadLetterQueue"), "Maximum", 60, {}),
    "WorkHasDeadLetters": ("AWS/SQS", VISIBLE, of_queue("WorkDeadLetterQueue"), "Maximum", 60, {}),
    "FactsHasDeadLetters": ("AWS/SQS", VISIBLE, of_queue("FactsDeadLetterQueue"), "Maximum", 60, {}),
    "NeedsAttention": ("hookmill", "Attention", STACK, "Sum", 300, {}),
    # A watch that says nothing is as bad as a source that does.
    "SourcesAreSilent": (
        "hookmill", "Silence", STACK, "Maximum", RUNS,
        {"EvaluationPeriods": 3, "DatapointsToAlarm": 2, "TreatMissingData": "breaching"},
    ),
    "ShapesDrift": ("hookmill", "Drift", STACK, "Maximum", 3600, {}),
    "SubscriptionsAreWrong": ("hookmill", "Subscriptions", STACK, "Maximum", 3600, {"TreatMissingData": "ignore"}),
    "OldKeysAreUsed": ("hookmill", "OldKeys", STACK, "Maximum", 3600, {"TreatMissingData": "ignore"} | DAY),
    "WatchFails": (
        "AWS/Lambda", "Errors", of_function("Watch"), "Sum", RUNS, {"EvaluationPeriods": 3, "DatapointsToAlarm": 3}
    ),
}  # fmt: skip
# The tool's commands, those under way among them.
COMMANDS = re.compile(r"hookmill\s+(events|orders|dlq|subscriptions|sources|replay|reconcile|quarantine|doctor)\b")


def check_alarms(template: Template) -> None:
    """Alarms where events are stuck, refused, silent or need somebody; the user's topic is told, and what to type."""
    alarms = of_type(template, "AWS::CloudWatch::Alarm")
    assert set(alarms) == set(ALARMS)
    told = {"Fn::If": ["HasAlarmTopic", [{"Ref": "AlarmTopicArn"}], NONE]}
    usual = {"EvaluationPeriods": 1, "Threshold": 0, "TreatMissingData": "notBreaching"}
    for name, (namespace, metric, dimensions, statistic, period, unusual) in ALARMS.items():
        found = dict(alarms[name]["Properties"])
        assert COMMANDS.search(found.pop("AlarmDescription")), f"{name} does not say what to type"
        wanted = {"Namespace": namespace, "MetricName": metric, "Statistic": statistic, "Period": period}
        wanted |= {"ComparisonOperator": "GreaterThanThreshold", "AlarmActions": told} | usual | unusual
        assert found == wanted | ({"Dimensions": dimensions} if dimensions else {}), name
        optional = {"WorkHasDeadLetters": "HasWorkQueue", "FactsHasDeadLetters": "HasFactsQueue"}
        assert alarms[name].get("Condition") == optional.get(name), name


OUTPUTS = {
    "Version",
    *(f"{name}{kind}" for name in RECEIVERS for kind in ("Url", "Secret", "Function")),
    *("AccountsSecret", "EventsTable", "OrdersTable", "RelayFunction", "OrdersFunction", "ReadFunction"),
    "WatchFunction",
    *("WorkQueueUrl", "WorkQueueArn", "WorkDeadLetterQueueUrl", "ExtraQueueUrl"),
    *("FactsQueueUrl", "FactsQueueArn", "FactsDeadLetterQueueUrl"),
    *("OrdersQueueUrl", "OrdersDeadLetterQueueUrl", "RelayDeadLetterQueueUrl"),
}


def check_outputs(template: Template) -> None:
    """Checks the outputs that the README, the tools and people's own templates use."""
    assert set(template["Outputs"]) == OUTPUTS
    for name in RECEIVERS:
        assert template["Outputs"][f"{name}Url"]["Value"] == arn(f"{name}FunctionUrl", "FunctionUrl")
        assert template["Outputs"][f"{name}Secret"]["Value"] == arn(f"{name}Secret", "Id")
    assert template["Outputs"]["ExtraQueueUrl"]["Condition"] == "HasExtraQueue"


CHECKS = {name: value for name, value in list(globals().items()) if name.startswith("check_")}


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS.keys())
def test_template(check: Callable[[Template], None]) -> None:
    check(translate(source()))


def test_every_function_has_its_folder() -> None:
    """`sam build` finds a member of the workspace behind every function, and none is left out."""
    functions = of_type(source(), "AWS::Serverless::Function")
    folders = {function["Properties"]["CodeUri"] for function in functions.values()}
    assert folders == {f"functions/{file.parent.name}/" for file in ROOT.glob("functions/*/Cargo.toml")}
    assert all(function["Metadata"] == {"BuildMethod": "rust-cargolambda"} for function in functions.values())
