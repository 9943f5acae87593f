//! Snapshots: their names, their readings, and their join with webhooks.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use crate::cases::{self, RECEIVED_MS, events_folder, one, read_json};
use serde_json::{Value, json};
use webhook::claim::Part;
use webhook::event::Event;
use webhook::providers::{PROVIDERS, Provider, SCALAPAY, SCALEV, SELLDONE, SHOPLINE};
use webhook::row::{NewRow, Row};
use webhook::snapshot::SnapshotContext;
use webhook::view::{Refunded, View};

/// One file of `events/<provider>/snapshots/`.
pub(crate) struct ApiAnswer {
    pub(crate) provider: &'static Provider,
    pub(crate) label: String,
    path: PathBuf,
    source: String,
    subject: Part,
    timeless: bool,
    bytes: Vec<u8>,
}

impl ApiAnswer {
    pub(crate) fn row(&self) -> Row {
        self.snapshot().row
    }

    fn snapshot(&self) -> NewRow {
        self.snapshot_of(&self.bytes)
    }

    fn snapshot_of(&self, bytes: &[u8]) -> NewRow {
        self.provider.snapshot(&self.source, self.subject.clone(), bytes, self.timeless, RECEIVED_MS)
    }

    pub(crate) fn event(&self) -> Event {
        self.provider.read(&self.row())
    }
}

/// Every answer of every provider, by name.
pub(crate) fn all() -> Vec<ApiAnswer> {
    let mut answers = Vec::new();
    for provider in PROVIDERS {
        let folder = events_folder().join(provider.name).join("snapshots");
        let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| !path.to_str().unwrap().ends_with(".event.json"));
        paths.sort();
        answers.extend(paths.into_iter().map(|path| answer(provider, path)));
    }
    answers
}

fn named(label: &str) -> ApiAnswer {
    all().into_iter().find(|answer| answer.label == label).unwrap_or_else(|| panic!("no answer {label}"))
}

fn answer(provider: &'static Provider, path: PathBuf) -> ApiAnswer {
    let sample = read_json(&path);
    let source = sample["source"].as_str().unwrap().to_owned();
    let bytes = sample["answer"].as_str().unwrap().as_bytes().to_vec();
    let sources = read_json(&events_folder().join("sources.json"));
    let known = cases::source_of(&source, &sources[provider.name]["sources"][&source]);
    let asked = SnapshotContext {
        scheme: known.scheme,
        several_merchants: known.several_merchants,
        shop: None,
        kind: sample["kind"].as_str(),
    };
    let document = webhook::json::parse(&bytes).unwrap();
    let subject = match sample["subject"].as_str() {
        Some(subject) => Part::one(subject),
        None => (provider.snapshots.subject)(&asked, &document.root).unwrap(),
    };
    let name = path.file_stem().unwrap().to_str().unwrap();
    ApiAnswer {
        provider,
        label: format!("{}/snapshots/{name}", provider.name),
        source,
        subject,
        timeless: sample["timeless"] == true,
        bytes: bytes.clone(),
        path,
    }
}

#[test]
fn every_answer_reads_as_recorded() {
    let mut wrong = Vec::new();
    for answer in all() {
        let reading = serde_json::to_string_pretty(&answer.event()).unwrap() + "\n";
        let path = answer.path.with_extension("event.json");
        if cases::updating() {
            fs::write(&path, &reading).unwrap();
        }
        if fs::read_to_string(&path).unwrap_or_default() != reading {
            wrong.push(answer.label);
        }
    }
    assert!(wrong.is_empty(), "readings differ (UPDATE_READINGS=1 rewrites them): {wrong:#?}");
}

/// Names that were ever given, appended to by `UPDATE_READINGS=1` and never rewritten.
#[test]
fn names_are_for_ever() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/claims.golden");
    let mut golden = fs::read_to_string(&path).unwrap();
    for answer in all() {
        // The folder had another name when the first were given.
        let label = answer.label.replace("/snapshots/", "/readback/");
        let line = format!("{label} {} strong v{}\n", answer.row().key.id(), webhook::claim::VERSION);
        let given = golden.lines().find(|given| given.split(' ').next() == Some(&label));
        match given {
            Some(given) => assert_eq!(given, line.trim_end(), "reading it again would be a new event"),
            None => golden.push_str(&line),
        }
    }
    if cases::updating() {
        fs::write(&path, &golden).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), golden, "answers without a recorded name");
}

#[test]
fn a_snapshot_is_of_the_order_that_webhooks_name() {
    let orders: BTreeSet<String> = cases::all().iter().map(|case| case.key().pk).collect();
    for answer in
        all().iter().filter(|answer| !answer.label.contains("expired") && !answer.label.contains("documented"))
    {
        let key = answer.row().key;
        assert!(orders.contains(&key.pk), "{}: {} is not an order of the samples", answer.label, key.pk);
        let event = answer.event();
        assert_eq!(event.origin.as_deref(), Some("reconcile"));
        assert!(!event.unrecognised && event.unreadfields.is_none(), "{}: {:?}", answer.label, event.unreadfields);
    }
    assert!(cases::all().iter().all(|case| case.provider.read(&case.row()).origin.is_none()));
}

#[test]
fn an_answer_names_its_order_by_its_content_and_the_request() {
    use webhook::scheme::SchemeName::{Signed, UrlToken};
    let asked = |scheme, several_merchants, shop| SnapshotContext {
        scheme,
        several_merchants,
        shop,
        kind: Some("OnlineOrder"),
    };
    for (provider, asked, answer, subject) in [
        (&SHOPLINE, asked(UrlToken, false, None), r#"{"id":"o"}"#, Some("o")),
        (&SHOPLINE, asked(Signed, false, None), r#"{"id":"o","seller_id":"m"}"#, Some("m:o")),
        (&SHOPLINE, asked(Signed, false, Some("m")), r#"{"id":"o"}"#, Some("m:o")),
        (&SHOPLINE, asked(Signed, false, None), r#"{"id":"o"}"#, None),
        (&SELLDONE, asked(UrlToken, false, None), r#"{"id":9,"shop_id":1}"#, Some("1:OnlineOrder:9")),
        (&SELLDONE, asked(UrlToken, false, Some("1")), r#"{"id":9}"#, Some("1:OnlineOrder:9")),
        (&SELLDONE, asked(UrlToken, false, None), r#"{"id":9}"#, None),
        (&SCALEV, asked(Signed, false, None), r#"{"id":"u","order_id":"n"}"#, Some("n")),
        (&SCALEV, asked(Signed, true, None), r#"{"id":"u","order_id":"n"}"#, Some("u")),
        (&SCALEV, asked(Signed, true, None), r#"{"order_id":"n","business":{"client_id":"b"}}"#, Some("b:n")),
        (&SCALEV, asked(Signed, true, None), r#"{"order_id":"n"}"#, None),
        (&SCALAPAY, asked(Signed, false, None), r#"{"token":"T"}"#, Some("T")),
    ] {
        let document = webhook::json::parse(answer.as_bytes()).unwrap();
        let named = (provider.snapshots.subject)(&asked, &document.root).map(|part| part.to_string());
        assert_eq!(named.as_deref(), subject, "{} {answer}", provider.name);
    }
}

#[test]
fn no_secret_is_kept() {
    let secret = "a-secret-that-nobody-may-see";
    for answer in all() {
        for path in answer.provider.snapshots.secrets {
            let mut body: Value = serde_json::from_slice(&answer.bytes).unwrap();
            let mut place = &mut body;
            for name in *path {
                if !place[*name].is_object() {
                    place[*name] = json!({});
                }
                place = &mut place[*name];
            }
            *place = json!(secret);
            let snapshot = answer.snapshot_of(&serde_json::to_vec(&body).unwrap());
            let kept = String::from_utf8(snapshot.row.body.clone()).unwrap();
            let reading = serde_json::to_string(&answer.provider.read(&snapshot.row)).unwrap();
            assert!(!kept.contains(secret) && !reading.contains(secret), "{}: {path:?}", answer.label);
            assert_eq!(snapshot.redacted.iter().filter(|redacted| **redacted == path.join(".")).count(), 1);
        }
    }
    // The secrets that webhooks of orders have are redacted in snapshots too.
    for (provider, names) in
        [(&SCALEV, &["secret_slug", "recovery_url"][..]), (&SELLDONE, &["code", "hash", "session"])]
    {
        let known: Vec<_> = provider.snapshots.secrets.iter().filter_map(|path| path.last()).collect();
        assert!(names.iter().all(|name| known.contains(&name)), "{}", provider.name);
        let of_webhooks: Vec<_> = provider.secrets.iter().filter_map(|path| path.last()).collect();
        assert!(of_webhooks.iter().all(|name| known.contains(name)), "{}", provider.name);
    }
}

#[test]
fn what_cannot_be_read_is_kept_and_flagged() {
    for answer in all() {
        for (bytes, unreadable) in [(&b"[]"[..], false), (b"\"x\"", false), (b"{}", false), (b"{\"id\":", true)] {
            let row = answer.snapshot_of(bytes).row;
            assert_eq!(row.body, bytes);
            let event = answer.provider.read(&row);
            assert!(event.unrecognised && event.unreadable.is_some() == unreadable, "{}: {event:?}", answer.label);
            assert!(View::of(&event).is_empty());
        }
    }
}

fn joined<'a>(events: impl IntoIterator<Item = &'a Event>) -> View {
    let mut view = View::default();
    events.into_iter().for_each(|event| {
        view.merge(View::of(event));
    });
    view
}

fn webhook(provider: &str, name: &str) -> Event {
    let case = one(provider, name);
    case.provider.read(&case.row())
}

/// Whatever comes first, later webhooks win over the snapshot, and earlier ones do not.
#[test]
fn a_snapshot_is_placed_at_its_time() {
    let status = |view: &View| view.render()["order"]["status"]["word"].clone();
    for (label, earlier, later, change, own) in [
        (
            "scalev/snapshots/order",
            "order.created.2026",
            "order.status_changed.completed.base64",
            ("completed\",\"is", "shipped\",\"is"),
            "shipped",
        ),
        (
            "shopline/snapshots/order",
            "order.complete.new",
            "return_order.complete.new",
            ("completed\",\"created", "cancelled\",\"created"),
            "cancelled",
        ),
        (
            "selldone/snapshots/order",
            "OnlineOrder.OrderConfirm",
            "OnlineOrder.ReturnOrder",
            ("\"ToCustomer\"", "\"CheckQueue\""),
            "CheckQueue",
        ),
    ] {
        let answer = named(label);
        let text = String::from_utf8(answer.bytes.clone()).unwrap();
        let changed = text.replacen(change.0, change.1, 1);
        assert_ne!(changed, text, "{label}");
        let snapshot = answer.provider.read(&answer.snapshot_of(changed.as_bytes()).row);
        let (earlier, later) = (webhook(answer.provider.name, earlier), webhook(answer.provider.name, later));
        assert!(earlier.sequence < snapshot.sequence, "{label}");
        for events in [[&earlier, &snapshot], [&snapshot, &earlier]] {
            assert_eq!(status(&joined(events)), own, "{label}");
        }
        if later.sequence > snapshot.sequence {
            assert_eq!(joined([&later, &snapshot]), joined([&snapshot, &later]));
        }
    }
}

#[test]
fn webhooks_of_the_same_change_agree_with_what_is_read_back() {
    // At Selldone an action says more than the order, so it wins; at Scalev the answer has the whole second.
    let (selldone, scalev) = (named("selldone/snapshots/order"), named("scalev/snapshots/order"));
    let text = String::from_utf8(selldone.bytes.clone()).unwrap();
    let text = text.replacen("2024-09-05T08:00:00.000000Z", "2024-08-24T12:00:00.000000Z", 1);
    let snapshot = selldone.provider.read(&selldone.snapshot_of(text.as_bytes()).row);
    let cancelled = webhook("selldone", "OnlineOrder.DeliveryCanceled");
    assert!(cancelled.sequence > snapshot.sequence && snapshot.time == cancelled.time);
    assert!(webhook("selldone", "OnlineOrder.SentOrder").sequence < snapshot.sequence);
    let completed = webhook("scalev", "order.status_changed.completed.base64");
    assert!(completed.sequence < scalev.event().sequence);
}

/// Webhooks without times go by their status, and so does a snapshot beside them: a time would win
/// over all that comes.
#[test]
fn a_snapshot_does_not_freeze_an_order_whose_webhooks_have_no_times() {
    let answer = named("shopline/snapshots/order.timeless");
    let (snapshot, completed) = (answer.event(), webhook("shopline", "order.complete.old"));
    for events in [[&snapshot, &completed], [&completed, &snapshot]] {
        assert_eq!(joined(events).render()["order"]["status"]["state"], "completed");
    }
    let pending = webhook("shopline", "order.pending.old");
    for events in [[&snapshot, &pending], [&pending, &snapshot]] {
        assert_eq!(joined(events).render()["order"]["status"]["state"], "confirmed");
    }
    let timed = ApiAnswer { timeless: false, ..answer };
    assert!(timed.event().sequence > completed.sequence, "this test proves nothing");
}

/// Of two answers with one time, or with none, the one that was read later counts.
#[test]
fn of_two_answers_the_later_one_counts() {
    for answer in all() {
        let text = String::from_utf8(answer.bytes.clone()).unwrap();
        let other = answer.snapshot_of(text.replacen('{', "{\"another\":1,", 1).as_bytes());
        let (first, second) = (answer.row(), Row { received_ms: RECEIVED_MS + 1, ..other.row });
        assert_ne!(first.key, second.key);
        assert!(answer.provider.read(&first).sequence < answer.provider.read(&second).sequence, "{}", answer.label);
    }
}

#[test]
fn refunds_get_their_amounts_and_are_never_doubled() {
    let (payment, refund) =
        (named("scalapay/snapshots/payment.charged").event(), named("scalapay/snapshots/refund").event());
    let (created, refunded) = (webhook("scalapay", "created"), webhook("scalapay", "refunded"));
    let refunded_by = |events: &[&Event]| joined(events.iter().copied()).summary().refunded;
    assert_eq!(refunded_by(&[&created, &refunded, &payment]), Refunded::Unknown);
    let twenty = Refunded::Amount("20".parse().unwrap());
    assert_eq!(refunded_by(&[&refund]), twenty);
    let all = [&created, &refunded, &payment, &refund, &refund, &refunded];
    assert_eq!(refunded_by(&all), twenty);
    let backwards: Vec<&Event> = all.into_iter().rev().collect();
    assert_eq!(refunded_by(&backwards), twenty);
    // A webhook that has the amount itself is not a second refund.
    let detailed = webhook("scalapay", "refunded.with_details");
    let of_webhook = refunded_by(&[&detailed]);
    assert!(matches!(of_webhook, Refunded::Amount(_)));
    assert_eq!(refunded_by(&[&detailed, &refund]), twenty);
    assert_eq!(
        refunded_by(&[&detailed, &refunded, &refund]),
        Refunded::Unknown,
        "two were mentioned, one is accounted for"
    );
}

/// Orders that are known under one name cannot have a snapshot under a webhook's.
#[test]
fn no_webhook_is_named_like_an_order_read_back() {
    for case in cases::all() {
        assert!(!case.key().is_snapshot(), "{}", case.name);
    }
}

fn event_of(id: &str, sequence: &str, event_type: &str, data: &Value) -> Event {
    serde_json::from_value(json!({
        "specversion": "1.0", "id": id, "source": "/hookmill/shopline/tw", "type": event_type, "subject": "o",
        "datacontenttype": "application/json", "dataschema": "urn:hookmill:event:1", "providerevent": "x",
        "mappingversion": 1, "receivedtime": "2026-01-01T00:00:00Z", "sequence": sequence, "data": data,
    }))
    .unwrap()
}

#[test]
fn refunds_that_are_accounted_for_and_mentioned_are_not_added() {
    let of = |amount: &str| json!({"amount": amount, "currency": "EUR"});
    let event = |id: &str, refund: Value| {
        event_of(id, id, "payment.updated", &json!({"kind": "payment", "id": "p", "refunds": [refund]}))
    };
    let mention = |id: &str| event(id, json!({"id": id}));
    let exact = |id: &str, amount: &str| event(id, json!({"id": id, "amount": of(amount)}));
    let report = |id: &str, amount: &str| event(id, json!({"id": id, "amount": of(amount), "reported": true}));
    let amount = |text: &str| Refunded::Amount(text.parse().unwrap());
    for (events, refunded) in [
        (vec![mention("m1"), report("r1", "10")], amount("10")),
        (vec![exact("m1", "10"), report("r1", "10")], amount("10")),
        (vec![mention("m1"), mention("m2"), report("r1", "10")], Refunded::Unknown),
        (vec![exact("m1", "10"), exact("m2", "5"), report("r1", "10")], amount("15")),
        (vec![exact("m1", "10"), report("r1", "10"), report("r2", "5")], amount("15")),
        (vec![report("r1", "10"), report("r1", "10"), report("r2", "0.5")], amount("10.5")),
    ] {
        assert_eq!(joined(&events).summary().refunded, refunded, "{:?}", ids(&events));
        assert_eq!(joined(events.iter().rev()).summary().refunded, refunded);
    }
}

#[test]
fn a_snapshots_payments_count_until_an_event_has_more() {
    let paying = |state: &str| json!({"state": state, "word": state});
    let payment = |sequence: &str| {
        event_of(
            "a/b/c/d/e",
            sequence,
            "payment.updated",
            &json!({"kind": "payment", "id": "p1", "status": paying("paid")}),
        )
    };
    let order = |id: &str, state: &str| {
        event_of(id, "2", "order.updated", &json!({"kind": "order", "payments": [{"status": paying(state)}]}))
    };
    let snapshot = "shopline/tw/o/~reconcile/ab";
    for (events, state) in [
        (vec![payment("1"), order(snapshot, "refunded")], "refunded"),
        (vec![payment("3"), order(snapshot, "pending")], "paid"),
        (vec![payment("1"), order("shopline/tw/o/order%2Fupdate/ab", "pending")], "paid"),
        (vec![order(snapshot, "pending")], "pending"),
    ] {
        let summary = serde_json::to_value(joined(&events).summary()).unwrap();
        assert_eq!(summary["payment_state"], state, "{:?}", ids(&events));
    }
}

fn ids(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.id.as_str()).collect()
}
