//! Is our webhook registered with the provider as it should be?

use std::collections::BTreeSet;

use crate::address::WebhookAddress;
use crate::subscription::{Activity, Failures, Subscription};

/// A webhook's fault and what to do about it. Its texts hold no webhook's secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubscriptionFinding {
    /// No webhook goes to our address.
    Missing {
        /// The address.
        ours: WebhookAddress,
    },
    /// A webhook for what we handle goes elsewhere: to our host by an old path, or, where none goes to our address,
    /// anywhere.
    OtherAddress {
        /// The webhook.
        id: String,
        /// Its destination.
        address: WebhookAddress,
    },
    /// A webhook to our address is switched off.
    Inactive {
        /// The webhook.
        id: String,
        /// The provider's word.
        word: String,
    },
    /// The provider does not say whether the webhook to our address is sent.
    ActivityUnknown {
        /// The webhook.
        id: String,
    },
    /// No webhook to our address that is sent is for these.
    TopicsMissing {
        /// The provider's words.
        topics: Vec<String>,
    },
    /// The provider will switch the webhook off soon.
    NearFailureLimit {
        /// The webhook.
        id: String,
        /// The failures so far, and the limit.
        failures: Failures,
    },
    /// Several webhooks bring the same events to our address: repeats at the best, and twice the calls.
    Duplicated {
        /// The webhooks.
        ids: Vec<String>,
        /// The topics that they have in common.
        topics: Vec<String>,
    },
}

/// The urgency of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Good to know.
    Notice,
    /// Some events do not come, or will not.
    Warning,
    /// Events do not come.
    Alarm,
}

impl Severity {
    /// The word for it, in figures and JSON.
    pub fn word(self) -> &'static str {
        match self {
            Severity::Notice => "notice",
            Severity::Warning => "warning",
            Severity::Alarm => "alarm",
        }
    }
}

/// Compares what a provider has with what we need: that `handled` comes to `ours`.
///
/// Webhooks to other hosts are other people's, and no finding, as long as one goes to our address.
pub fn check(ours: &WebhookAddress, handled: &[&str], list: &[Subscription]) -> Vec<SubscriptionFinding> {
    let here: Vec<&Subscription> = list.iter().filter(|one| one.goes_to(ours)).collect();
    let mut findings = Vec::new();
    if here.is_empty() {
        findings.push(SubscriptionFinding::Missing { ours: ours.clone() });
    }
    findings.extend(elsewhere(ours, handled, list, here.is_empty()));
    let sent: Vec<&Subscription> = here.iter().copied().filter(|one| one.is_sent()).collect();
    let comes = |topic: &str| sent.iter().any(|one| one.topics.iter().any(|known| known == topic));
    for one in &here {
        // A removed webhook may stay in the list (SHOPLINE has a status for it): what another one brings is not missed.
        let replaced = !one.is_sent() && !sent.is_empty() && one.topics.iter().all(|topic| comes(topic));
        findings.extend(state(one).filter(|_| !replaced));
    }
    if !sent.is_empty() {
        let missing = handled.iter().filter(|topic| !comes(topic));
        let topics: Vec<String> = missing.map(|topic| (*topic).to_owned()).collect();
        findings.extend((!topics.is_empty()).then_some(SubscriptionFinding::TopicsMissing { topics }));
    }
    findings.extend(duplicated(&sent));
    findings
}

fn elsewhere(
    ours: &WebhookAddress,
    handled: &[&str],
    list: &[Subscription],
    anywhere: bool,
) -> Vec<SubscriptionFinding> {
    let finding = |one: &Subscription| {
        let address = one.address.as_ref().filter(|address| !address.is_same(ours))?;
        let of_ours = one.topics.iter().any(|topic| handled.contains(&topic.as_str()));
        let is_elsewhere = one.is_sent() && of_ours && (anywhere || address.is_same_host(ours));
        is_elsewhere.then(|| SubscriptionFinding::OtherAddress { id: one.id.clone(), address: address.clone() })
    };
    list.iter().filter_map(finding).collect()
}

fn state(one: &Subscription) -> Option<SubscriptionFinding> {
    let id = || one.id.clone();
    match (&one.activity, one.failures) {
        (Activity::Inactive(word), _) => Some(SubscriptionFinding::Inactive { id: id(), word: word.clone() }),
        // Half of the limit: late enough to be no accident, early enough to act.
        (_, Some(failures)) if failures.count.saturating_mul(2) >= failures.limit => {
            Some(SubscriptionFinding::NearFailureLimit { id: id(), failures })
        }
        (Activity::Unknown, _) => Some(SubscriptionFinding::ActivityUnknown { id: id() }),
        (Activity::Active, _) => None,
    }
}

/// One finding for all webhooks that have topics in common with another one.
fn duplicated(sent: &[&Subscription]) -> Option<SubscriptionFinding> {
    let mut ids = BTreeSet::new();
    let mut topics = BTreeSet::new();
    for (index, one) in sent.iter().enumerate() {
        for other in sent.iter().skip(index + 1) {
            for topic in one.topics.iter().filter(|topic| other.topics.contains(topic)) {
                ids.extend([one.id.clone(), other.id.clone()]);
                topics.insert(topic.clone());
            }
        }
    }
    let all = |set: BTreeSet<String>| set.into_iter().collect();
    (!ids.is_empty()).then(|| SubscriptionFinding::Duplicated { ids: all(ids), topics: all(topics) })
}

impl SubscriptionFinding {
    /// A name for it, in figures and JSON.
    pub fn word(&self) -> &'static str {
        match self {
            SubscriptionFinding::Missing { .. } => "missing",
            SubscriptionFinding::OtherAddress { .. } => "other_address",
            SubscriptionFinding::Inactive { .. } => "inactive",
            SubscriptionFinding::ActivityUnknown { .. } => "activity_unknown",
            SubscriptionFinding::TopicsMissing { .. } => "topics_missing",
            SubscriptionFinding::NearFailureLimit { .. } => "near_failure_limit",
            SubscriptionFinding::Duplicated { .. } => "duplicated",
        }
    }

    /// Returns its urgency.
    pub fn severity(&self) -> Severity {
        match self {
            SubscriptionFinding::Missing { .. } | SubscriptionFinding::Inactive { .. } => Severity::Alarm,
            SubscriptionFinding::TopicsMissing { .. } | SubscriptionFinding::NearFailureLimit { .. } => {
                Severity::Warning
            }
            SubscriptionFinding::OtherAddress { .. }
            | SubscriptionFinding::Duplicated { .. }
            | SubscriptionFinding::ActivityUnknown { .. } => Severity::Notice,
        }
    }

    /// Describes it in a sentence.
    pub fn message(&self) -> String {
        match self {
            SubscriptionFinding::Missing { ours } => format!("No webhook goes to {ours}."),
            SubscriptionFinding::OtherAddress { id, address } => {
                format!("Webhook {id} goes to {address}, not to this source.")
            }
            SubscriptionFinding::Inactive { id, word } => {
                format!("Webhook {id} is switched off ({word}): nothing is sent.")
            }
            SubscriptionFinding::ActivityUnknown { id } => {
                format!("The provider does not say whether webhook {id} is switched on.")
            }
            SubscriptionFinding::TopicsMissing { topics } => format!("No webhook is for: {}.", topics.join(", ")),
            SubscriptionFinding::NearFailureLimit { id, failures } => format!(
                "Webhook {id} has failed {} times; at {} the provider switches it off.",
                failures.count, failures.limit
            ),
            SubscriptionFinding::Duplicated { ids, topics } => {
                format!("Webhooks {} all bring: {}.", ids.join(", "), topics.join(", "))
            }
        }
    }

    /// Returns what to do about it, with commands for the source `<provider>/<source>`.
    pub fn next_step(&self, source: &str) -> String {
        match self {
            SubscriptionFinding::Missing { .. } => {
                format!("Create it: hookmill subscriptions create --source {source}.")
            }
            SubscriptionFinding::OtherAddress { id, .. } => format!(
                "If it is an old address of this source, change it (hookmill subscriptions update {id} --source \
                 {source}) or remove it (hookmill subscriptions delete {id} --source {source}); if it is somebody \
                 else's, leave it."
            ),
            SubscriptionFinding::Inactive { id, .. } => format!(
                "Find out why deliveries failed (hookmill doctor), switch it on again in the provider's back office, or \
                 delete it (hookmill subscriptions delete {id} --source {source}) and create it again, then fetch what \
                 was not sent: hookmill reconcile --source {source}."
            ),
            SubscriptionFinding::ActivityUnknown { .. } => "Look at it in the provider's back office.".to_owned(),
            SubscriptionFinding::TopicsMissing { .. } => format!(
                "Add those that you want: hookmill subscriptions update ID --source {source}, or create where each has \
                 a webhook of its own."
            ),
            SubscriptionFinding::NearFailureLimit { .. } => format!(
                "Look at its calls in the provider's back office and at the receiver's log (hookmill doctor), fix the \
                 cause, then clear the count there. Whether a success clears it is not documented. Afterwards: hookmill \
                 subscriptions check --source {source}."
            ),
            SubscriptionFinding::Duplicated { ids, .. } => format!(
                "Keep one of {} and delete the others: hookmill subscriptions delete ID --source {source}.",
                ids.join(", ")
            ),
        }
    }
}

#[cfg(test)]
mod tests;
