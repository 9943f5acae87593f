//! Checks that the alarms exist, are quiet, and notify somebody.

use aws_sdk_cloudwatch::types::{MetricAlarm, StateValue};

use super::{Checkup, Finding, listed};
use crate::terminal::error::Error;
use stack::aws::failed_for;

/// A call describes this many at most.
const A_CALL: usize = 100;

pub(super) async fn alarms(checkup: &Checkup<'_>) -> Result<Vec<Finding>, Error> {
    let expected = checkup.resources("AWS::CloudWatch::Alarm").await?;
    if expected.is_empty() {
        return Ok(vec![
            Finding::problem("the stack has no alarms, so nobody is notified when events are stuck")
                .next("Deploy the stack again from the template of this version."),
        ]);
    }
    let names: Vec<(String, String)> =
        expected.iter().map(|resource| (resource.logical.clone(), resource.physical.clone())).collect();
    let mut found = Vec::new();
    for some in names.chunks(A_CALL) {
        let wanted = some.iter().map(|(_, physical)| physical.clone()).collect();
        let sent = checkup.cloudwatch.describe_alarms().set_alarm_names(Some(wanted)).send().await;
        let output = sent.map_err(|error| failed_for("cloudwatch:DescribeAlarms", "look at the alarms", &error))?;
        found.extend(output.metric_alarms.unwrap_or_default());
    }
    Ok(judge(&names, &found))
}

/// Judges alarms by their names in the template and in CloudWatch.
fn judge(names: &[(String, String)], found: &[MetricAlarm]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let (mut silent, mut deaf) = (Vec::new(), Vec::new());
    for (logical, physical) in names {
        let Some(alarm) = found.iter().find(|alarm| alarm.alarm_name() == Some(physical)) else {
            let gone = Finding::problem(format!("the alarm is gone: {physical}")).next(
                "CloudFormation believes that it still exists: deploy once with the alarm taken out of the template, then with it.",
            );
            findings.push(gone.about(logical));
            continue;
        };
        if alarm.state_value() == Some(&StateValue::Alarm) {
            let why = alarm.state_reason().unwrap_or("no reason given");
            let next = alarm.alarm_description().unwrap_or("Look at it in CloudWatch.");
            findings.push(Finding::problem(format!("in alarm: {why}")).next(next).about(logical));
        }
        if alarm.actions_enabled() == Some(false) {
            deaf.push(logical.clone());
        } else if alarm.alarm_actions().is_empty() {
            silent.push(logical.clone());
        }
    }
    if silent.len() == names.len() {
        findings.push(
            Finding::warning("no alarm notifies anybody: they only show in CloudWatch")
                .next("Deploy with AlarmTopicArn=<the ARN of an SNS topic that you have subscribed to>."),
        );
    } else if !silent.is_empty() {
        findings.push(
            Finding::warning(format!("alarms that notify nobody: {}", listed(&silent)))
                .next("Deploy the stack again with its AlarmTopicArn."),
        );
    }
    if !deaf.is_empty() {
        findings.push(
            Finding::warning(format!("alarms whose actions are switched off: {}", listed(&deaf)))
                .next("aws cloudwatch enable-alarm-actions --alarm-names …"),
        );
    }
    if !findings.iter().any(|finding| finding.about.is_some()) {
        findings.insert(0, Finding::ok(format!("{} are there, none in alarm", names.len())));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    fn alarm(name: &str) -> aws_sdk_cloudwatch::types::builders::MetricAlarmBuilder {
        MetricAlarm::builder().alarm_name(name).state_value(StateValue::Ok).actions_enabled(true).alarm_actions("arn")
    }

    #[test]
    fn alarms_that_are_gone_ring_or_notify_nobody_are_reported() {
        let names = [("One".to_owned(), "1".to_owned()), ("Two".to_owned(), "2".to_owned())];
        let states = |found: &[MetricAlarm]| {
            let findings = judge(&names, found);
            findings.into_iter().map(|finding| (finding.state, finding.about)).collect::<Vec<_>>()
        };
        let two = alarm("2").build();
        assert_eq!(states(&[alarm("1").build(), two.clone()]), [(State::Ok, None)]);
        assert_eq!(states(std::slice::from_ref(&two)), [(State::Problem, Some("One".to_owned()))]);
        let rings = alarm("1").state_value(StateValue::Alarm).alarm_description("Read the log.").build();
        assert_eq!(states(&[rings.clone(), two.clone()]), [(State::Problem, Some("One".to_owned()))]);
        assert_eq!(judge(&names, &[rings, two.clone()])[0].next.as_deref(), Some("Read the log."));
        let deaf = alarm("1").actions_enabled(false).build();
        assert_eq!(states(&[deaf, two]), [(State::Ok, None), (State::Warning, None)]);
        let silent = |name| alarm(name).set_alarm_actions(None).build();
        assert_eq!(states(&[silent("1"), silent("2")]), [(State::Ok, None), (State::Warning, None)]);
    }
}
