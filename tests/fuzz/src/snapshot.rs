//! Snapshots: an API's answer, whatever it is, has one stable name and reads as one legal event.

use webhook::claim::Part;
use webhook::json;
use webhook::providers::PROVIDERS;
use webhook::row::Row;
use webhook::scheme::SchemeName;
use webhook::snapshot::SnapshotContext;
use webhook::view::View;

use crate::reading::{RECEIVED_MS, check_name, check_redacted, event};

/// One byte that picks the provider and what was asked, and the answer.
pub fn snapshot(data: &[u8]) {
    let Some((choice, answer)) = data.split_first() else { return };
    let choice = usize::from(*choice);
    let provider = PROVIDERS[choice % PROVIDERS.len()];
    let flag = |at: usize| (choice / PROVIDERS.len()) >> at & 1 == 1;
    let asked = SnapshotContext {
        scheme: if flag(0) { SchemeName::Signed } else { SchemeName::UrlToken },
        several_merchants: flag(1),
        shop: flag(2).then_some("1"),
        kind: flag(3).then_some("OnlineOrder"),
    };
    let document = json::parse(answer).ok();
    let named = document.and_then(|document| (provider.snapshots.subject)(&asked, &document.root));
    let snapshot = provider.snapshot("main", named.unwrap_or_else(Part::missing), answer, flag(4), RECEIVED_MS);
    check_name(&snapshot.row.key, &snapshot.claim);
    check_redacted(provider.snapshots.secrets, answer, &snapshot.row.body);
    assert!(snapshot.row.key.is_snapshot());
    if json::parse(answer).is_ok() {
        // Redacted values are not part of a name: the kept body has the same.
        let again = provider.snapshot("main", snapshot.claim.subject.clone(), &snapshot.row.body, flag(4), RECEIVED_MS);
        assert_eq!(again.row.key, snapshot.row.key, "a name is not stable");
    }
    let later = event(provider, &Row { received_ms: RECEIVED_MS + 1, ..snapshot.row.clone() });
    let event = event(provider, &snapshot.row);
    assert_eq!(event.origin.as_deref(), Some("reconcile"));
    assert!(event.sequence <= later.sequence, "an earlier answer is placed later");
    crate::view::laws(&[View::of(&event), View::of(&later)]);
}
