"""Breaks `template.yaml` in one place at a time: a check that cannot fail checks nothing."""

from __future__ import annotations

import pytest

from tests.local.template import Template, arn, source, translate
from tests.test_template import CHECKS

DELETE = object()

# The check that must notice, the broken place in the template, and its value then.
MUTATIONS = [
    ("check_stream_mapping", "RelayFunction Events Stream Properties StartingPosition", "LATEST"),
    ("check_stream_mapping", "RelayFunction Events Stream Properties ParallelizationFactor", 2),
    ("check_stream_mapping", "RelayFunction Events Stream Properties MaximumRetryAttempts", 10),
    ("check_stream_mapping", "RelayFunction Events Stream Properties MaximumRetryAttempts", DELETE),
    ("check_stream_mapping", "RelayFunction Events Stream Properties MaximumRecordAgeInSeconds", 3600),
    ("check_stream_mapping", "RelayFunction Events Stream Properties BisectBatchOnFunctionError", True),
    ("check_stream_mapping", "RelayFunction Events Stream Properties DestinationConfig", DELETE),
    ("check_stream_mapping", "RelayFunction Events Stream Properties FilterCriteria Filters 0 Pattern", '{"eventName":["INSERT"]}'),
    ("check_queue_mapping", "OrdersFunction Events Queue Properties FunctionResponseTypes", []),
    ("check_queue_mapping", "OrdersFunction Events Queue Properties ScalingConfig MaximumConcurrency", 1000),
    ("check_mappings", "OrdersFunction Events Queue Properties Queue", arn("WorkQueue")),
    ("check_visibility", "OrdersQueue VisibilityTimeout", 30),
    ("check_visibility", "OrdersFunction Timeout", 900),
    ("check_visibility", "/Mappings OrdersQueueByTimeout 60 VisibilitySeconds", 359),
    ("check_visibility", "/Parameters OrdersTimeoutSeconds AllowedValues", [30, 90]),
    ("check_function_urls", "ScalevFunction FunctionUrlConfig", DELETE),
    ("check_function_urls", "ScalapayFunction FunctionUrlConfig AuthType", "AWS_IAM"),
    ("check_function_urls", "ReadFunction FunctionUrlConfig", {"AuthType": "NONE", "InvokeMode": "BUFFERED"}),
    ("check_no_wildcards", "ReadRole Policies 0 PolicyDocument Statement 0 Action", "dynamodb:*"),
    ("check_no_wildcards", "ReadRole Policies 0 PolicyDocument Statement 0 Resource", "*"),
    ("check_no_wildcards", "ReadRole ManagedPolicyArns", ["arn:aws:iam::aws:policy/ReadOnlyAccess"]),
    ("check_no_wildcards", "ReadFunction Role", DELETE),
    ("check_no_wildcards", "HookmillLook PolicyDocument Statement 1 Action", "dynamodb:*"),
    ("check_no_wildcards", "HookmillSend PolicyDocument Statement 1 Resource", "*"),
    ("check_no_wildcards", "/Resources HookmillReplay Condition", DELETE),
    ("check_no_wildcards", "HookmillDoctor Roles", ["ReadRole"]),
    ("check_no_fixed_names", "HookmillLook ManagedPolicyName", "look"),
    ("check_roles", "ScalevRole Policies 0 PolicyDocument Statement 1 Resource", arn("ShoplineSecret", "Id")),
    ("check_roles", "ScalapayRole Policies 0 PolicyDocument Statement 0 Action", ["dynamodb:PutItem", "dynamodb:GetItem"]),
    ("check_roles", "OrdersRole Policies 0 PolicyDocument Statement 2 Resource", arn("WorkQueue")),
    ("check_roles", "ReadRole AssumeRolePolicyDocument Statement 0 Principal", {"AWS": "*"}),
    ("check_roles", "ReadFunction Role", arn("RelayRole")),
    ("check_roles", "WatchRole Policies 0 PolicyDocument Statement 1 Resource", arn("OrdersTable")),
    ("check_roles_keep_to_partitions", "RelayRole Policies 0 PolicyDocument Statement 1 Condition", DELETE),
    ("check_roles_keep_to_partitions", "WatchRole Policies 0 PolicyDocument Statement 2 Condition", DELETE),
    ("check_roles_keep_to_partitions", "WatchRole Policies 0 PolicyDocument Statement 3 Condition ForAllValues:StringLike dynamodb:LeadingKeys", ["*"]),
    ("check_operators_delete_no_event", "HookmillQuarantine PolicyDocument Statement 2 Condition", DELETE),
    ("check_operators_delete_no_event", "HookmillQuarantine PolicyDocument Statement 3 Action", ["dynamodb:GetItem", "dynamodb:DeleteItem"]),
    ("check_operators_delete_no_event", "HookmillForget PolicyDocument Statement 3 Condition ForAllValues:StringLike dynamodb:LeadingKeys", ["*"]),
    ("check_operators_delete_no_event", "HookmillForget PolicyDocument Statement 4 Resource", arn("EventsTable")),
    ("check_operators_delete_no_event", "HookmillRepair PolicyDocument Statement 3 Action", ["dynamodb:GetItem", "dynamodb:UpdateItem"]),
    ("check_operators_delete_no_event", "HookmillRepair PolicyDocument Statement 4 Action", ["dynamodb:BatchWriteItem"]),
    ("check_watch_schedule", "WatchFunction Events", DELETE),
    ("check_watch_schedule", "WatchFunction Events Schedule Properties Schedule", "rate(1 day)"),
    ("check_watch_schedule", "WatchFunction Events Schedule Properties Enabled", False),
    ("check_watch_schedule", "WatchFunction EventInvokeConfig", DELETE),
    ("check_watch_schedule", "/Mappings WatchByMinutes 10 Seconds", 300),
    ("check_sweeper_sends_as_the_relay", "WatchFunction Environment Variables QUEUES Fn::Join 1 1", ""),
    ("check_sweeper_sends_as_the_relay", "WatchFunction Environment Variables RECEIVERS", {"Fn::Sub": "[]"}),
    ("check_dashboard", "/Resources Dashboard Condition", DELETE),
    ("check_dashboard", "Dashboard DashboardBody Fn::Sub 1 WorkAge", ","),
    ("check_dashboard", "Dashboard DashboardBody Fn::Sub 1 WorkDead", ""),
    ("check_kept_things", "/Resources EventsTable DeletionPolicy", DELETE),
    ("check_kept_things", "/Resources OrdersTable UpdateReplacePolicy", "Delete"),
    ("check_kept_things", "/Resources SelldoneSecret DeletionPolicy", "Delete"),
    ("check_secrets_are_empty", "ScalevSecret SecretString", "{}"),
    ("check_secrets_are_empty", "ScalevSecret GenerateSecretString", {}),
    ("check_no_fixed_names", "EventsTable TableName", "events"),
    ("check_no_fixed_names", "OrdersQueue QueueName", "orders.fifo"),
    ("check_no_fixed_names", "ScalevFunction FunctionName", "scalev"),
    ("check_no_fixed_names", "/Resources ScalevLogs Type", "AWS::S3::Bucket"),
    ("check_events_table", "EventsTable GlobalSecondaryIndexes 0 Projection ProjectionType", "ALL"),
    ("check_events_table", "EventsTable KeySchema 1 AttributeName", "id"),
    ("check_events_table", "EventsTable StreamSpecification StreamViewType", "KEYS_ONLY"),
    ("check_events_table", "EventsTable TimeToLiveSpecification", {"AttributeName": "ttl", "Enabled": True}),
    ("check_tables", "OrdersTable PointInTimeRecoverySpecification PointInTimeRecoveryEnabled", False),
    ("check_tables", "EventsTable BillingMode", "PROVISIONED"),
    ("check_fifo_queues", "OrdersQueue DeduplicationScope", "queue"),
    ("check_fifo_queues", "WorkQueue FifoThroughputLimit", "perQueue"),
    ("check_fifo_queues", "WorkQueue ContentBasedDeduplication", True),
    ("check_fifo_queues", "OrdersQueue RedrivePolicy deadLetterTargetArn", arn("WorkDeadLetterQueue")),
    ("check_all_queues", "WorkDeadLetterQueue MessageRetentionPeriod", 345600),
    ("check_all_queues", "RelayDeadLetterQueue MessageRetentionPeriod", DELETE),
    ("check_all_queues", "OrdersDeadLetterQueue SqsManagedSseEnabled", False),
    ("check_work_queue_is_optional", "/Outputs WorkQueueArn Condition", "HasExtraQueue"),
    ("check_work_queue_is_optional", "/Resources WorkDeadLetterQueue Condition", "HasExtraQueue"),
    ("check_facts_queue_is_optional", "/Outputs FactsQueueArn Condition", "HasWorkQueue"),
    ("check_facts_queue_is_optional", "/Resources FactsDeadLetterQueue Condition", DELETE),
    ("check_facts_queue_is_optional", "/Parameters FactsQueueFacts AllowedPattern", ".*"),
    ("check_facts_queue_is_optional", "OrdersFunction Environment Variables FACTS_QUEUE_URL", {"Ref": "FactsQueue"}),
    ("check_queues_variable", "RelayFunction Environment Variables QUEUES Fn::Join 1 1", ""),
    ("check_queues_variable", "RelayFunction Environment Variables QUEUES Fn::Join 1 2", ""),
    ("check_queues_variable", "/Conditions HasWorkQueueTypes", {"Fn::Equals": ["", ""]}),
    ("check_type_patterns", "/Parameters WorkQueueTypes AllowedPattern", ".*"),
    ("check_environment", "ScalevFunction Environment Variables SECRET_ID", arn("SelldoneSecret", "Id")),
    ("check_environment", "ReadFunction Environment Variables ORDERS_TABLE", DELETE),
    ("check_functions", "ReadFunction Timeout", 10),
    ("check_functions", "ScalevFunction MemorySize", {"Ref": "RelayMemoryMegabytes"}),
    ("check_functions", "/Parameters ReceiverTimeoutSeconds Default", 3),
    ("check_reserved_concurrency", "ScalevFunction ReservedConcurrentExecutions", 5),
    ("check_reserved_concurrency", "/Parameters ReceiverReservedConcurrency Default", 5),
    ("check_logs", "RelayLogs RetentionInDays", DELETE),
    ("check_logs", "RelayFunction LoggingConfig LogGroup", {"Ref": "ReadLogs"}),
    ("check_alarms", "RelayIsLate Threshold", 300),
    ("check_alarms", "OrdersHasDeadLetters AlarmActions", DELETE),
    ("check_alarms", "SourcesAreSilent TreatMissingData", "notBreaching"),
    ("check_alarms", "SourcesAreSilent Period", 300),
    ("check_alarms", "SourcesAreSilent Dimensions", DELETE),
    ("check_alarms", "NeedsAttention Dimensions", DELETE),
    ("check_alarms", "ScalevRefuses Dimensions 0 Value", "hookmill"),
    ("check_alarms", "ScalevRefuses Dimensions 2 Value", "kept"),
    ("check_alarms", "WatchFails Dimensions 0 Value", {"Ref": "RelayFunction"}),
    ("check_alarms", "/Resources WorkHasDeadLetters Condition", DELETE),
    ("check_alarms", "RelayHasDeadLetters AlarmDescription", "Something is wrong."),
    ("check_outputs", "/Outputs ScalevUrl", DELETE),
    ("check_outputs", "/Outputs ScalevSecret Value", {"Ref": "ScalevFunction"}),
]  # fmt: skip


def test_every_check_is_checked() -> None:
    assert {check for check, *_ in MUTATIONS} == set(CHECKS)


@pytest.mark.parametrize("check, where, value", MUTATIONS)
def test_check_notices(check: str, where: str, value: object) -> None:
    broken = source()
    change(broken, where, value)
    translated = translate(broken)
    # A value error is what reads no JSON, or not the one thing that should be there.
    with pytest.raises((AssertionError, KeyError, ValueError)):
        CHECKS[check](translated)


def change(template: Template, where: str, value: object) -> None:
    """Puts a value where the words lead: into a resource's properties, or with "/" from the top."""
    words = where.split()
    if where.startswith("/"):
        words[0] = words[0].removeprefix("/")
    else:
        words = ["Resources", words[0], "Properties", *words[1:]]
    *path, last = words
    place = template
    for word in path:
        place = place[int(word)] if isinstance(place, list) else place[word]
    if value is DELETE:
        del place[last]
    elif isinstance(place, list):
        place[int(last)] = value
    else:
        place[last] = value
