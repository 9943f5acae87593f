use aws_sdk_lambda::types::{DestinationConfig, OnFailure};

use super::super::State;
use super::*;

#[test]
fn the_template_tells_its_version_and_every_output_that_is_looked_for() {
    let template = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../template.yaml")).unwrap();
    let outputs = template.split("\nOutputs:\n").nth(1).unwrap();
    assert!(outputs.contains(&format!("    Value: \"{VERSION}\"\n")), "the template's Version is not {VERSION}");
    let always: Vec<&str> = outputs
        .split("\n  ")
        .filter(|output| !output.starts_with(' '))
        .filter_map(|output| output.trim_start().split_once(':').map(|(name, _)| name))
        .collect();
    for name in OUTPUTS {
        assert!(always.contains(name), "{name}: {always:?}");
    }
}

#[test]
fn versions_that_differ_are_told() {
    assert_eq!(judge_version(Some(VERSION)).state, State::Ok);
    assert_eq!(judge_version(Some("0.0.1")).state, State::Warning);
    assert_eq!(judge_version(None).state, State::Warning);
}

#[test]
fn a_stacks_status_decides() {
    for (status, state) in [
        (StackStatus::UpdateComplete, State::Ok),
        (StackStatus::UpdateInProgress, State::Warning),
        (StackStatus::UpdateRollbackComplete, State::Warning),
        (StackStatus::RollbackComplete, State::Problem),
        (StackStatus::UpdateRollbackFailed, State::Problem),
        (StackStatus::DeleteFailed, State::Problem),
    ] {
        let finding = judge_status(&status, "");
        assert_eq!(finding.state, state, "{status:?}");
        assert_eq!(finding.next.is_none(), state == State::Ok, "{status:?}");
    }
}

fn relay() -> aws_sdk_lambda::types::builders::EventSourceMappingConfigurationBuilder {
    let letters = DestinationConfig::builder().on_failure(OnFailure::builder().destination("arn").build()).build();
    Mapping::builder().uuid("u").state("Enabled").batch_size(100).parallelization_factor(1).destination_config(letters)
}

fn orders() -> aws_sdk_lambda::types::builders::EventSourceMappingConfigurationBuilder {
    let partial = FunctionResponseType::ReportBatchItemFailures;
    Mapping::builder().uuid("u").state("Enabled").batch_size(10).function_response_types(partial)
}

#[test]
fn a_mapping_that_was_changed_is_told() {
    assert_eq!(judge_mapping(&relay().last_processing_result("OK").build(), true), []);
    assert_eq!(judge_mapping(&orders().build(), false), []);
    let one = |mapping: &Mapping, of_relay| {
        let findings = judge_mapping(mapping, of_relay);
        assert_eq!(findings.len(), 1, "{findings:?}");
        let finding = findings.into_iter().next().unwrap();
        assert!(finding.next.is_some());
        (finding.state, finding.message)
    };
    let (state, told) = one(&relay().state("Disabled").build(), true);
    assert_eq!((state, told.contains("Disabled")), (State::Problem, true));
    assert_eq!(one(&relay().state("Updating").build(), true).0, State::Warning);
    assert_eq!(one(&relay().parallelization_factor(10).build(), true).0, State::Problem);
    assert_eq!(one(&relay().maximum_retry_attempts(3).build(), true).0, State::Warning);
    assert_eq!(one(&relay().set_destination_config(None).build(), true).0, State::Warning);
    assert_eq!(one(&relay().batch_size(1).build(), true).0, State::Warning);
    assert_eq!(one(&relay().last_processing_result("PROBLEM: Function call failed").build(), true).0, State::Problem);
    assert_eq!(one(&orders().set_function_response_types(None).build(), false).0, State::Problem);
}

#[test]
fn a_function_that_cannot_run_is_told() {
    let state = |state, status| {
        let function = GetFunctionConfigurationOutput::builder().state(state).last_update_status(status).build();
        judge_function(&function).map(|finding| finding.state)
    };
    assert_eq!(state(FunctionState::Active, LastUpdateStatus::Successful), None);
    assert_eq!(state(FunctionState::Failed, LastUpdateStatus::Successful), Some(State::Problem));
    assert_eq!(state(FunctionState::Active, LastUpdateStatus::Failed), Some(State::Problem));
    assert_eq!(state(FunctionState::Pending, LastUpdateStatus::InProgress), Some(State::Warning));
}
