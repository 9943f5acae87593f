//! Payments of the API, and refunds out of the provider's reports.
//!
//! Source: developers.scalapay.com/reference, pages `get_v2-payments-token-1` and
//! `get_v1-reporting-payouts-token-refunds`. No answer has a time of change: its place is the rank of its status, then
//! the time of fetching. A row of a report belongs to a payment only where the end of the token and the merchant's
//! reference agree.

use super::*;
use crate::read::event::{Data, EventType};
use crate::read::snapshot::position;
use crate::receive::request::percent_decode;

pub(super) const SNAPSHOTS: SnapshotMapping =
    SnapshotMapping { secrets: &[], subject: |_, root| Some(Part::of(&[token(root).as_deref()])), mapping: read };

/// Statuses that no webhook has: what was voided was never captured.
const FURTHER_RANKS: Table<u16> = &[("voided", 3)];

fn token<'a>(root: &Value<'a>) -> Option<std::borrow::Cow<'a, str>> {
    root.get("token").and_then(Value::text)
}

/// A payment, or a row of a report on refunds, which names its payment by the end of the token alone.
fn read(kept: MappingInput<'_>) -> Mapped {
    let root = kept.reader.root(kept.root);
    let status = root.text_or_none("status").unwrap_or_default();
    let known = STATUSES.iter().find(|(known, ..)| known.eq_ignore_ascii_case(&status)).map(|(.., rank)| *rank);
    let is_payment = token(kept.root).is_some();
    let is_refund = !is_payment && kept.root.get("refundAmount").is_some();
    let (data, rank) = match (is_payment, is_refund) {
        (true, _) => (payment_data(&root), known.or_else(|| lookup(FURTHER_RANKS, &status)).unwrap_or(0)),
        (false, true) => (Data::Payment(Box::new(refunded(&root, kept))), REFUNDED_RANK),
        (false, false) => (Data::Other {}, 0),
    };
    Mapped {
        word: String::new(),
        event_type: (is_payment || is_refund).then_some(EventType::PaymentUpdated),
        time: None,
        position: position(kept.row, None, rank),
        merchant: None,
        app: None,
        test: false,
        lacks_id: false,
        data,
    }
}

fn payment_data(root: &Node<'_>) -> Data {
    let details = root.get("orderDetails");
    let payment = Payment {
        id: root.text_or_none("token"),
        merchant_reference: root.text("merchantReference").or(details.text("merchantReference")),
        amount: money(root, "totalAmount"),
        capture_status: root.text("captureStatus"),
        failure_reason: root.text("lastEligibilityFeedback"),
        status: root.status("status", STATES),
        created_at: root.time("created"),
        ..Payment::default()
    };
    match root.object("orderDetails", |details| order(details, root)) {
        Presence::Value(order) => {
            Data::Order(Box::new(Order { id: root.text_or_none("token"), payments: vec![payment], ..order }))
        }
        Presence::Absent | Presence::Null => Data::Payment(Box::new(payment)),
    }
}

/// The id of the transfer is the only one that a report has for a refund; without it nothing can be said of it.
fn refunded(root: &Node<'_>, kept: MappingInput<'_>) -> Payment {
    let subject = kept.row.key.parts().map(|(.., subject)| percent_decode(subject).into_owned());
    let refund = Refund {
        id: root.text_or_none("transferId"),
        amount: money(root, "refundAmount"),
        refunded_at: Presence::Absent,
        reported: Presence::Value(true),
    };
    Payment { id: subject, refunds: vec![refund], ..Payment::default() }
}
