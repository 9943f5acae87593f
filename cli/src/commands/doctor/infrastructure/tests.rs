use super::super::State;
use super::*;

#[test]
fn the_template_outputs_its_version_and_everything_that_is_looked_for() {
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
fn versions_that_differ_are_reported() {
    assert_eq!(judge_version(Some(VERSION)).state, State::Ok);
    assert_eq!(judge_version(Some("0.0.1")).state, State::Warning);
    assert_eq!(judge_version(None).state, State::Warning);
}

#[test]
fn a_type_that_no_event_has_is_a_problem() {
    for (types, unknown) in [
        ("", vec![]),
        ("order.created,payment.*,ping", vec![]),
        ("order.paid", vec!["order.paid"]),
        ("order.paid,payment.paid,refund.*", vec!["order.paid", "refund.*"]),
    ] {
        let found = judge_types("WorkQueueTypes", types);
        assert_eq!(found.len(), unknown.len(), "{types}: {found:?}");
        for (finding, name) in found.iter().zip(unknown) {
            assert_eq!(finding.state, State::Problem);
            assert!(finding.message.contains(&format!("WorkQueueTypes names {name}, and no event has this type")));
            assert!(finding.next.as_ref().unwrap().contains("WorkQueueTypes="), "{finding:?}");
        }
    }
    let template = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../template.yaml")).unwrap();
    for name in template.lines().filter_map(|line| line.strip_prefix("  ")?.strip_suffix("Types:")) {
        let name = format!("{name}Types");
        assert!(name.contains(' ') || TYPE_PARAMETERS.contains(&name.as_str()), "{name}");
    }
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

#[test]
fn a_mapping_that_is_off_or_fails_is_reported() {
    let mapping = || Mapping::builder().uuid("u").state("Enabled").last_processing_result("OK");
    assert_eq!(judge_mapping(&mapping().build()), []);
    let one = |mapping: &Mapping| {
        let findings = judge_mapping(mapping);
        assert_eq!(findings.len(), 1, "{findings:?}");
        let finding = findings.into_iter().next().unwrap();
        assert!(finding.next.is_some());
        (finding.state, finding.message)
    };
    let (state, message) = one(&mapping().state("Disabled").build());
    assert_eq!((state, message.contains("Disabled")), (State::Problem, true));
    assert_eq!(one(&mapping().state("Updating").build()).0, State::Warning);
    assert_eq!(one(&mapping().last_processing_result("PROBLEM: Function call failed").build()).0, State::Problem);
}

#[test]
fn the_concurrency_of_a_new_account_is_a_warning() {
    let found = judge_concurrency(10).unwrap();
    assert!(found.state == State::Warning && found.message.contains("10 at once"), "{found:?}");
    assert!(found.next.unwrap().contains("Service Quotas"));
    assert!(judge_concurrency(0).is_some());
    assert_eq!(judge_concurrency(1_000), None);
}

#[test]
fn a_function_that_cannot_run_is_reported() {
    let state = |state, status| {
        let function = GetFunctionConfigurationOutput::builder().state(state).last_update_status(status).build();
        judge_function(&function).map(|finding| finding.state)
    };
    assert_eq!(state(FunctionState::Active, LastUpdateStatus::Successful), None);
    assert_eq!(state(FunctionState::Failed, LastUpdateStatus::Successful), Some(State::Problem));
    assert_eq!(state(FunctionState::Active, LastUpdateStatus::Failed), Some(State::Problem));
    assert_eq!(state(FunctionState::Pending, LastUpdateStatus::InProgress), Some(State::Warning));
}
