//! Checks on the template's resources: the stack itself, its tables, mappings and functions.

use aws_sdk_cloudformation::types::StackStatus;
use aws_sdk_dynamodb::types::{IndexStatus, TableDescription, TableStatus};
use aws_sdk_lambda::operation::get_function_configuration::GetFunctionConfigurationOutput;
use aws_sdk_lambda::types::{EventSourceMappingConfiguration as Mapping, LastUpdateStatus, State as FunctionState};
use edge::keep::item::TIME_INDEX;
use webhook::providers::PROVIDERS;

use super::{Checkup, Finding};
use crate::terminal::error::Error;
use crate::work::selection::type_filter;
use stack::aws::failed_for;
use stack::deployment::Queue;

const VERSION: &str = env!("CARGO_PKG_VERSION");
const REDEPLOY: &str = "Deploy the stack again from the template of this version.";

/// Functions at once below which a burst of deliveries may be refused: the relay, the orders function and the watch need
/// ten of them.
const CONCURRENCY_MIN: i32 = 50;

/// Outputs that are neither a provider's nor of a queue that may not be there.
const OUTPUTS: &[&str] = &[
    "AccountsSecret",
    "EventsTable",
    "OrdersFunction",
    "OrdersDeadLetterQueueUrl",
    "OrdersQueueUrl",
    "OrdersTable",
    "ReadFunction",
    "RelayDeadLetterQueueUrl",
    "RelayFunction",
    "WatchFunction",
];

/// Parameters that name event types, separated by commas.
const TYPE_PARAMETERS: &[&str] = &["WorkQueueTypes", "ExtraQueueTypes"];

pub(super) async fn stack(checkup: &Checkup<'_>) -> Result<Vec<Finding>, Error> {
    let deployment = checkup.deployment().await?;
    let mut findings = Vec::new();
    let described = checkup.cloudformation.describe_stacks().stack_name(deployment.stack()).send().await;
    match described {
        Err(error) => {
            let message = failed_for("cloudformation:DescribeStacks", "ask for the stack's status", &error);
            findings.push(Finding::unknown(message));
        }
        Ok(output) => {
            let found = output.stacks().first();
            let reason = found.and_then(|stack| stack.stack_status_reason()).unwrap_or_default();
            findings.extend(found.and_then(|stack| stack.stack_status()).map(|status| judge_status(status, reason)));
        }
    }
    let mut missing = Vec::new();
    for provider in PROVIDERS {
        let outputs = [deployment.url(provider), deployment.secret(provider), deployment.function(provider)];
        missing.extend(outputs.into_iter().filter_map(Result::err));
    }
    missing.extend(OUTPUTS.iter().filter_map(|name| deployment.output(name).err()));
    findings.extend(missing.into_iter().map(|error| Finding::problem(error.message).next(REDEPLOY)));
    if deployment.queue(Queue::Work).is_some() != deployment.queue(Queue::WorkDeadLetters).is_some() {
        findings.push(Finding::problem("only one of WorkQueue and its dead letter queue is there").next(REDEPLOY));
    }
    findings.push(judge_version(deployment.find_output("Version")));
    findings.extend(TYPE_PARAMETERS.iter().flat_map(|name| judge_types(name, deployment.parameter(name))));
    Ok(findings)
}

/// Returns a problem for each event type in a parameter that no event can have: its queue would wait for it in vain.
fn judge_types(parameter: &str, types: &str) -> Vec<Finding> {
    let unknown = |name: &str| type_filter(name).err().map(|why| (name.to_owned(), why));
    let finding = |(name, why)| {
        Finding::problem(format!("the parameter {parameter} names {name}, and {why}")).next(format!(
            "Nothing is sent for it: deploy the stack again with another value (sam deploy --parameter-overrides \
             {parameter}=…)."
        ))
    };
    types.split(',').filter(|name| !name.is_empty()).filter_map(unknown).map(finding).collect()
}

fn judge_status(status: &StackStatus, reason: &str) -> Finding {
    let message = format!("its status is {}{}{reason}", status.as_str(), if reason.is_empty() { "" } else { ": " });
    match status {
        StackStatus::CreateComplete | StackStatus::UpdateComplete | StackStatus::ImportComplete => Finding::ok(message),
        StackStatus::UpdateRollbackComplete | StackStatus::ImportRollbackComplete => Finding::warning(message)
            .next("The last deployment was rolled back: look at the stack's events, and deploy again."),
        status if status.as_str().ends_with("_IN_PROGRESS") => {
            Finding::warning(message).next("A deployment is under way: look again when it has ended.")
        }
        _ => Finding::problem(message).next("Look at the stack's events in CloudFormation, and deploy it again."),
    }
}

fn judge_version(deployed: Option<&str>) -> Finding {
    match deployed {
        Some(VERSION) => Finding::ok(format!("version {VERSION}, as this tool")),
        Some(other) => Finding::warning(format!("version {other} is deployed, and this tool is {VERSION}"))
            .next("They may read one delivery differently: deploy the tool's version, or use the stack's."),
        None => Finding::warning(format!("the stack has no version output, and this tool is {VERSION}"))
            .next("It was deployed from an older template: deploy it again."),
    }
}

pub(super) async fn tables(checkup: &Checkup<'_>) -> Result<Vec<Finding>, Error> {
    let deployment = checkup.deployment().await?;
    let mut findings = Vec::new();
    for (about, table) in [("events", deployment.events_table()), ("orders", deployment.orders_table())] {
        let finding = match table {
            Ok(table) => look_at_table(checkup, table, about == "events").await,
            Err(error) => Finding::unknown(error),
        };
        findings.push(finding.about(about));
    }
    Ok(findings)
}

async fn look_at_table(checkup: &Checkup<'_>, table: &str, of_events: bool) -> Finding {
    match checkup.context.dynamodb().describe_table().table_name(table).send().await {
        Err(error) if error.as_service_error().is_some_and(|error| error.is_resource_not_found_exception()) => {
            Finding::problem(format!("the table {table} is gone"))
                .next("Restore it from its point-in-time backup under this name; nothing can be received meanwhile.")
        }
        Err(error) => Finding::unknown(failed_for("dynamodb:DescribeTable", "look at the table", &error)),
        Ok(output) => output
            .table()
            .and_then(|table| judge_table(table, of_events))
            .unwrap_or_else(|| Finding::ok(if of_events { "active, with its index and stream" } else { "active" })),
    }
}

fn judge_table(table: &TableDescription, of_events: bool) -> Option<Finding> {
    let status = table.table_status();
    if !matches!(status, Some(TableStatus::Active | TableStatus::Updating)) {
        let word = status.map_or("unknown", TableStatus::as_str);
        return Some(Finding::problem(format!("the table is not active: {word}")).next("Look at it in DynamoDB."));
    }
    if !of_events {
        return None;
    }
    let index = table.global_secondary_indexes().iter().find(|index| index.index_name() == Some(TIME_INDEX));
    let serves = index.is_some_and(|index| match index.index_status() {
        Some(IndexStatus::Active | IndexStatus::Updating) | None => true,
        Some(_) => false,
    });
    if !serves {
        return Some(Finding::problem("the time index is not active: nothing can be listed").next(REDEPLOY));
    }
    let streams = table.stream_specification().is_some_and(|stream| stream.stream_enabled());
    (!streams).then(|| {
        Finding::problem("the table's stream is off: what is received reaches no queue").next(format!(
            "{REDEPLOY} What was received meanwhile is kept: hookmill replay --from … --queue orders --queue work"
        ))
    })
}

pub(super) async fn mappings(checkup: &Checkup<'_>) -> Result<Vec<Finding>, Error> {
    let deployment = checkup.deployment().await?;
    let mut findings = Vec::new();
    for (about, function) in [("relay", "RelayFunction"), ("orders", "OrdersFunction")] {
        let looked = match deployment.output(function) {
            Ok(function) => look_at_mappings(checkup, function, about == "relay").await,
            Err(error) => Err(error),
        };
        let looked = looked.unwrap_or_else(|error| vec![Finding::unknown(error)]);
        findings.extend(looked.into_iter().map(|finding| finding.about(about)));
    }
    Ok(findings)
}

async fn look_at_mappings(checkup: &Checkup<'_>, function: &str, of_relay: bool) -> Result<Vec<Finding>, Error> {
    let sent = checkup.lambda.list_event_source_mappings().function_name(function).send().await;
    let output = sent
        .map_err(|error| failed_for("lambda:ListEventSourceMappings", &format!("ask what calls {function}"), &error))?;
    if output.event_source_mappings().is_empty() {
        return Ok(vec![Finding::problem("nothing calls it: its mapping is gone").next(REDEPLOY)]);
    }
    let mut findings = Vec::new();
    for mapping in output.event_source_mappings() {
        findings.extend(judge_mapping(mapping));
    }
    if of_relay && findings.is_empty() {
        findings.extend(stale_stream(checkup, output.event_source_mappings()).await);
    }
    if findings.is_empty() {
        let mapping = output.event_source_mappings().first();
        let last = mapping.and_then(|mapping| mapping.last_processing_result()).unwrap_or("nothing yet");
        findings.push(Finding::ok(format!("its mapping is enabled; its last result: {last}")));
    }
    Ok(findings)
}

fn judge_mapping(mapping: &Mapping) -> Vec<Finding> {
    let (uuid, state) = (mapping.uuid().unwrap_or("…"), mapping.state().unwrap_or("unknown"));
    let mut findings = Vec::new();
    match state {
        "Enabled" => {}
        "Creating" | "Enabling" | "Updating" => {
            findings.push(Finding::warning(format!("its mapping is being changed: {state}")).next("Look again soon."));
        }
        _ => findings.push(
            Finding::problem(format!("its mapping is not enabled: {state}"))
                .next(format!("aws lambda update-event-source-mapping --uuid {uuid} --enabled")),
        ),
    }
    if let Some(result) = mapping.last_processing_result().filter(|result| result.starts_with("PROBLEM")) {
        findings.push(
            Finding::problem(format!("its mapping's last result: {result}"))
                .next("Read the function's log; the mapping tries again by itself."),
        );
    }
    findings
}

/// A stream that was turned off and on again is another stream, which an old mapping does not read.
async fn stale_stream(checkup: &Checkup<'_>, mappings: &[Mapping]) -> Option<Finding> {
    let table = checkup.deployment().await.ok()?.events_table().ok()?;
    let described = checkup.context.dynamodb().describe_table().table_name(table).send().await.ok()?;
    let current = described.table()?.latest_stream_arn()?.to_owned();
    let reads = mappings.iter().any(|mapping| mapping.event_source_arn() == Some(current.as_str()));
    (!reads).then(|| {
        Finding::problem("its mapping reads an older stream of the events table, not the current one").next(format!(
            "{REDEPLOY} What was received meanwhile is kept: hookmill replay --from … --queue orders --queue work"
        ))
    })
}

pub(super) async fn functions(checkup: &Checkup<'_>) -> Result<Vec<Finding>, Error> {
    let deployment = checkup.deployment().await?;
    let receivers = PROVIDERS.map(|provider| (provider.name, deployment.function(provider)));
    let others = [
        ("relay", "RelayFunction"),
        ("orders", "OrdersFunction"),
        ("read", "ReadFunction"),
        ("watch", "WatchFunction"),
    ];
    let others = others.map(|(about, name)| (about, deployment.output(name)));
    let (mut findings, mut well) = (Vec::new(), 0);
    for (about, function) in receivers.into_iter().chain(others) {
        let looked = match function {
            Ok(function) => look_at_function(checkup, function).await,
            Err(error) => vec![Finding::unknown(error)],
        };
        well += usize::from(looked.is_empty());
        findings.extend(looked.into_iter().map(|finding| finding.about(about)));
    }
    if well > 0 {
        findings.insert(0, Finding::ok(format!("{well} are active and have their log groups")));
    }
    findings.extend(look_at_concurrency(&checkup.lambda).await);
    Ok(findings)
}

async fn look_at_concurrency(lambda: &aws_sdk_lambda::Client) -> Option<Finding> {
    match lambda.get_account_settings().send().await {
        Ok(output) => judge_concurrency(output.account_limit()?.unreserved_concurrent_executions()?),
        Err(error) => {
            let refused = failed_for("lambda:GetAccountSettings", "read the account's concurrency", &error);
            Some(Finding::unknown(refused))
        }
    }
}

/// Judges how many functions may run at once, without those that other functions have reserved.
fn judge_concurrency(unreserved: i32) -> Option<Finding> {
    let message = format!(
        "all functions of this account and region together may run {unreserved} at once: when that many are busy, \
         receivers answer 429 and the relay waits"
    );
    let next = "Ask AWS for 1,000, which costs nothing: Service Quotas, AWS Lambda, Concurrent executions. A new account has about 10.";
    (unreserved < CONCURRENCY_MIN).then(|| Finding::warning(message).next(next))
}

async fn look_at_function(checkup: &Checkup<'_>, function: &str) -> Vec<Finding> {
    let output = match checkup.lambda.get_function_configuration().function_name(function).send().await {
        Ok(output) => output,
        Err(error) if error.as_service_error().is_some_and(|error| error.is_resource_not_found_exception()) => {
            return vec![Finding::problem(format!("the function {function} is gone")).next(REDEPLOY)];
        }
        Err(error) => {
            let message = failed_for("lambda:GetFunctionConfiguration", "look at the function", &error);
            return vec![Finding::unknown(message)];
        }
    };
    let mut findings: Vec<Finding> = judge_function(&output).into_iter().collect();
    let group = output.logging_config().and_then(|logging| logging.log_group());
    let group = group.map_or_else(|| format!("/aws/lambda/{function}"), str::to_owned);
    match checkup.logs.describe_log_groups().log_group_name_prefix(&group).send().await {
        Err(error) => {
            let message = failed_for("logs:DescribeLogGroups", "look for the function's log group", &error);
            findings.push(Finding::unknown(message));
        }
        Ok(output) => {
            let there = output.log_groups().iter().any(|found| found.log_group_name() == Some(group.as_str()));
            findings.extend((!there).then(|| {
                Finding::problem(format!("its log group {group} is gone: its messages are neither kept nor counted"))
                    .next(format!("aws logs create-log-group --log-group-name {group}"))
            }));
        }
    }
    findings
}

fn judge_function(function: &GetFunctionConfigurationOutput) -> Option<Finding> {
    let reason = |text: Option<&str>| text.map(|text| format!(": {text}")).unwrap_or_default();
    match function.state() {
        // One that was not called for weeks is set aside, and comes back with the next call.
        Some(FunctionState::Active | FunctionState::Inactive) | None => {}
        Some(FunctionState::Pending) => {
            return Some(Finding::warning("it is being made").next("Look again soon."));
        }
        Some(other) => {
            let message = format!("its state is {}{}", other.as_str(), reason(function.state_reason()));
            return Some(Finding::problem(message).next(REDEPLOY));
        }
    }
    matches!(function.last_update_status(), Some(LastUpdateStatus::Failed)).then(|| {
        let message = format!("its last update failed{}", reason(function.last_update_status_reason()));
        Finding::problem(message).next(REDEPLOY)
    })
}

#[cfg(test)]
mod tests;
