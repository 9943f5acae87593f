use super::*;
use crate::raw::Raw;

const OURS: &str = "https://a.lambda-url.example/tw/3f9c-secret";
const HANDLED: &[&str] = &["order/create", "order/update"];

fn webhook(id: &str, address: &str, topics: &[&str]) -> Subscription {
    Subscription {
        id: id.to_owned(),
        address: Some(WebhookAddress::new(address)),
        topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
        activity: Activity::Active,
        version: None,
        failures: None,
        merchant: None,
        format: None,
        created_at: None,
        updated_at: None,
        raw: Raw::default(),
    }
}

#[track_caller]
fn found(list: &[Subscription], expected: &[&str]) -> Vec<SubscriptionFinding> {
    let findings = check(&WebhookAddress::new(OURS), HANDLED, list);
    assert_eq!(findings.iter().map(SubscriptionFinding::word).collect::<Vec<_>>(), expected);
    for finding in &findings {
        let texts = format!("{finding:?} {} {}", finding.message(), finding.next_step("shopline/tw"));
        assert!(!texts.contains("secret"), "{texts}");
        assert!(finding.next_step("shopline/tw").ends_with('.') && finding.message().ends_with('.'), "{texts}");
    }
    findings
}

#[test]
fn all_is_well() {
    found(&[webhook("1", OURS, HANDLED)], &[]);
    found(&[webhook("1", OURS, &HANDLED[..1]), webhook("2", OURS, &HANDLED[1..])], &[]);
    found(&[webhook("1", &format!("{OURS}/"), HANDLED), webhook("2", "https://other.example/x", HANDLED)], &[]);
}

#[test]
fn a_missing_one_reports_where_the_others_go() {
    found(&[], &["missing"]);
    found(&[webhook("1", "https://other.example/x/secret", &["page/create"])], &["missing"]);
    let findings = found(&[webhook("1", "https://old.example/tw/old-secret", HANDLED)], &["missing", "other_address"]);
    assert_eq!(findings[0].severity(), Severity::Alarm);
    assert_eq!(findings[1].message(), "Webhook 1 goes to https://old.example/tw/…, not to this source.");
    let removed = Subscription {
        activity: Activity::Inactive("removed".to_owned()),
        ..webhook("1", "https://old.example/tw/old-secret", HANDLED)
    };
    found(&[removed], &["missing"]);
}

#[test]
fn an_old_path_of_our_own_host_is_reported() {
    let old = webhook("2", "https://a.lambda-url.example/tw/old-secret", HANDLED);
    found(&[webhook("1", OURS, HANDLED), old], &["other_address"]);
}

#[test]
fn switched_off_unknown_and_nearly_off() {
    let with = |activity: Activity, count: u64| Subscription {
        activity,
        failures: Some(Failures { count, limit: 100 }),
        ..webhook("1", OURS, HANDLED)
    };
    found(&[with(Activity::Inactive("removed".to_owned()), 0)], &["inactive"]);
    found(&[with(Activity::Inactive("100 fails".to_owned()), 100)], &["inactive"]);
    found(&[with(Activity::Active, 49)], &[]);
    let near = found(&[with(Activity::Active, 50)], &["near_failure_limit"]);
    assert_eq!(near[0].message(), "Webhook 1 has failed 50 times; at 100 the provider switches it off.");
    found(&[Subscription { activity: Activity::Unknown, ..webhook("1", OURS, HANDLED) }], &["activity_unknown"]);
}

#[test]
fn missing_topics_are_those_that_no_sent_one_has() {
    let findings = found(&[webhook("1", OURS, &["order/create", "page/create"])], &["topics_missing"]);
    assert_eq!(findings, [SubscriptionFinding::TopicsMissing { topics: vec!["order/update".to_owned()] }]);
    let off = Subscription { activity: Activity::Inactive("removed".to_owned()), ..webhook("2", OURS, HANDLED) };
    found(&[webhook("1", OURS, &["order/create"]), off.clone()], &["inactive", "topics_missing"]);
    found(&[webhook("1", OURS, HANDLED), off], &[]);
}

#[test]
fn duplicates_are_reported_with_what_they_share() {
    let list =
        [webhook("1", OURS, HANDLED), webhook("2", OURS, &["order/create"]), webhook("3", OURS, &["user/create"])];
    let findings = found(&list, &["duplicated"]);
    let (ids, topics) = (vec!["1".to_owned(), "2".to_owned()], vec!["order/create".to_owned()]);
    assert_eq!(findings, [SubscriptionFinding::Duplicated { ids, topics }]);
}
