use serde_json::{Value, json};

use super::announced::{self, Joining, from_json, join, to_json};
use super::message::{CauseTimes, FactMessage};
use super::table::RULES;
use super::{FactName, FactValue, Facts, times};
use crate::read::event::Event;
use crate::view::View;

fn event(id: &str, sequence: &str, event_type: &str, data: Value) -> Event {
    serde_json::from_value(json!({
        "specversion": "1.0", "id": id, "source": "/hookmill/shopline/tw", "type": event_type, "subject": "o",
        "datacontenttype": "application/json", "dataschema": "urn:hookmill:event:1", "providerevent": "x",
        "mappingversion": 1, "receivedtime": "2026-01-01T00:00:00Z", "sequence": sequence, "data": data,
    }))
    .unwrap()
}

fn status(state: &str) -> Value {
    json!({"state": state, "word": state})
}

/// The facts of an order that one event has described.
fn facts_of(order: Value) -> Vec<String> {
    let mut order = order;
    order["kind"] = json!("order");
    names(&Facts::of(&View::of(&event("a/b/o/c/d", "1", "order.updated", order))))
}

fn names(facts: &Facts) -> Vec<String> {
    let name = |(fact, value): (FactName, FactValue)| match value.sum() {
        Some(sum) => format!("{}={sum}", fact.name()),
        None => fact.name().to_owned(),
    };
    facts.iter().filter(|(_, value)| value.holds()).map(name).collect()
}

fn payments(states: &[&str]) -> Value {
    let payment = |(number, state): (usize, &&str)| json!({"id": number.to_string(), "status": status(state)});
    json!(states.iter().enumerate().map(payment).collect::<Vec<_>>())
}

#[test]
fn an_orders_state_makes_its_facts() {
    for (state, expected) in [
        ("draft", &[][..]),
        ("flagged", &["flagged"]),
        ("pending", &["placed"]),
        ("ready", &["placed"]),
        ("a_later_word", &["placed"]),
        ("shipped", &["placed", "shipped"]),
        ("completed", &["placed", "completed"]),
        ("returning", &["placed", "shipped", "return_requested"]),
        ("returned", &["placed", "shipped", "return_requested", "returned"]),
        ("cancelled", &["placed", "cancelled"]),
        ("closed", &["placed"]),
        ("deleted", &["placed", "cancelled"]),
    ] {
        assert_eq!(facts_of(json!({"status": status(state)})), expected, "{state}");
    }
}

#[test]
fn payments_make_facts_together() {
    for (states, expected) in [
        (&["pending"][..], &[][..]),
        (&["authorized"], &["placed", "authorized"]),
        (&["paid"], &["placed", "authorized", "paid"]),
        (&["settled", "failed"], &["placed", "authorized", "paid"]),
        (&["conflict"], &[]),
        (&["failed", "expired", "voided"], &["payment_failed"]),
        (&["failed", "pending"], &[]),
        (&["failed", "a_later_word"], &[]),
        (&["authorized", "refunded"], &["placed", "authorized", "paid", "refunded=unknown"]),
        (&["partially_refunded"], &["placed", "authorized", "paid", "refunded=unknown"]),
        (&["refunding", "voided"], &["placed", "authorized", "paid", "refunded=unknown"]),
    ] {
        assert_eq!(facts_of(json!({"payments": payments(states)})), expected, "{states:?}");
    }
    // A second attempt of which nothing is known yet may still pay.
    let attempts = json!([{"id": "1", "status": status("failed")}, {"id": "2", "method": "card"}]);
    assert_eq!(facts_of(json!({"payments": attempts})), Vec::<String>::new());
}

#[test]
fn refunds_have_their_sum_as_value() {
    let refund = |id: &str, amount: Value| json!({"id": id, "amount": amount});
    let of = |amount: &str, currency: &str| json!({"amount": amount, "currency": currency});
    for (refunds, expected) in [
        (vec![refund("1", of("10.5", "EUR")), refund("2", of("9.5", "EUR"))], Some("20")),
        (vec![refund("1", of("10.5", "EUR")), refund("2", of("9.5", "CHF"))], Some("unknown")),
        (vec![refund("1", of("10.5", "EUR")), refund("2", Value::Null)], Some("unknown")),
        (vec![refund("1", of("0", "EUR"))], None),
    ] {
        let order = json!({"payments": [{"id": "p", "status": status("paid"), "refunds": refunds}]});
        let expected = expected.map(|sum| format!("refunded={sum}"));
        let found = facts_of(order).into_iter().find(|fact| fact.starts_with("refunded"));
        assert_eq!(found, expected, "{refunds:?}");
    }
    // Money that went back by an attempt which was voided then was paid.
    let voided = json!([{"id": "p", "status": status("voided"), "refunds": [refund("1", of("5", "EUR"))]}]);
    assert_eq!(facts_of(json!({"payments": voided})), ["placed", "authorized", "paid", "refunded=5"]);
}

#[test]
fn parcels_make_facts_together() {
    let at = "2026-01-02T00:00:00Z";
    let parcel = |id: &str, state: &str| json!({"id": id, "status": status(state)});
    for (parcels, expected) in [
        (vec![parcel("1", "ready"), parcel("2", "pending")], &[][..]),
        (vec![parcel("1", "shipped"), parcel("2", "pending")], &["placed", "shipped"]),
        (vec![parcel("1", "delivered"), parcel("2", "arrived")], &["placed", "shipped"]),
        (vec![parcel("1", "delivered"), parcel("2", "cancelled")], &["placed", "shipped", "delivered"]),
        (vec![parcel("1", "failed")], &[]),
        (vec![json!({"id": "1", "status": status("failed"), "shipped_at": at})], &["placed", "shipped"]),
        (vec![json!({"id": "1", "status": status("cancelled"), "shipped_at": at})], &[]),
        (vec![parcel("1", "returning")], &["placed", "shipped", "return_requested"]),
        (vec![parcel("1", "returned")], &["placed", "shipped", "return_requested", "returned"]),
        (
            vec![json!({"id": "1", "status": status("returning"), "delivered_at": at})],
            &["placed", "shipped", "delivered", "return_requested"],
        ),
    ] {
        assert_eq!(facts_of(json!({"fulfillments": parcels})), expected, "{parcels:?}");
    }
    // What was sent and then removed was not called off.
    let removed = json!({"status": status("deleted"), "fulfillments": [parcel("1", "delivered")]});
    assert_eq!(facts_of(removed), ["placed", "shipped", "delivered"]);
}

#[test]
fn returns_make_facts() {
    for (state, expected) in [
        ("requested", &["placed", "return_requested"][..]),
        ("accepted", &["placed", "return_requested"]),
        ("completed", &["placed", "return_requested", "returned"]),
        ("rejected", &[]),
        ("cancelled", &[]),
    ] {
        assert_eq!(facts_of(json!({"returns": [{"id": "1", "status": status(state)}]})), expected, "{state}");
    }
    let back = |state: &str| json!({"returns": [{"id": "1", "fulfillments": [{"id": "2", "status": status(state)}]}]});
    assert_eq!(facts_of(back("shipped")), ["placed", "return_requested"]);
    assert_eq!(facts_of(back("delivered")), ["placed", "return_requested", "returned"]);
    assert_eq!(facts_of(back("failed")), Vec::<String>::new());
}

#[test]
fn every_fact_has_one_row_in_its_place() {
    let rows: Vec<FactName> = RULES.iter().map(|rule| rule.fact).collect();
    assert_eq!(rows, FactName::ALL);
    for (place, rule) in RULES.iter().enumerate() {
        let places = rule.implied_by.iter().map(|later| rows.iter().position(|row| row == later).unwrap());
        assert!(places.into_iter().all(|later| later > place), "{}", rule.fact.name());
    }
    assert!(FactName::ALL.iter().all(|fact| FactName::from_name(fact.name()) == Some(*fact)));
}

fn joining(id: &str, sequence: &str, state: &str) -> Joining {
    let event = event(id, sequence, "payment.updated", json!({"kind": "payment", "id": "p", "status": status(state)}));
    Joining { id: id.to_owned(), is_replay: false, is_disowned: false, view: View::of(&event) }
}

fn ids(changes: &[announced::FactChange]) -> Vec<String> {
    changes.iter().map(|change| format!("{} by {}", change.id("o"), change.announcement.cause)).collect()
}

#[test]
fn each_change_has_a_number_and_the_event_that_caused_it() {
    let batch = [joining("a", "1", "pending"), joining("b", "2", "authorized"), joining("c", "3", "paid")];
    let first = join(View::default(), None, &batch, |_| ());
    assert_eq!(ids(&first.changes), ["o;placed;1 by b", "o;authorized;1 by b", "o;paid;1 by c"]);
    let again = join(first.view.clone(), Some(first.announced.clone()), &batch, |_| ());
    assert!(!again.is_change && again.changes.is_empty());
    assert_eq!(ids(&first.announced.caused_by(&batch[..2])), ["o;placed;1 by b", "o;authorized;1 by b"]);

    let failed = join(first.view, Some(first.announced), &[joining("d", "4", "voided")], |_| ());
    let gone = ["o;placed;2 by d", "o;authorized;2 by d", "o;paid;2 by d", "o;payment_failed;1 by d"];
    assert_eq!(ids(&failed.changes), gone);
    assert!(failed.changes[..3].iter().all(|change| !change.announcement.value.holds()));
    let back =
        join(failed.view, Some(failed.announced), &[joining("e", "5", "pending"), joining("f", "6", "paid")], |_| ());
    let expected = ["o;placed;3 by f", "o;authorized;3 by f", "o;paid;3 by f", "o;payment_failed;2 by e"];
    assert_eq!(ids(&back.changes), expected);
}

#[test]
fn what_a_batch_does_and_undoes_is_not_announced() {
    let batch = [joining("a", "1", "paid"), joining("b", "2", "pending")];
    assert_eq!(ids(&join(View::default(), None, &batch, |_| ()).changes), Vec::<String>::new());
}

#[test]
fn a_view_that_is_older_than_the_record_is_adopted_silently() {
    let old = join(View::default(), None, &[joining("a", "1", "paid")], |_| ()).view;
    let nothing = join(old.clone(), None, &[joining("a", "1", "paid")], |_| ());
    assert!(!nothing.is_change && nothing.changes.is_empty());
    assert!(nothing.announced.caused_by(&[joining("a", "1", "paid"), joining("", "1", "paid")]).is_empty());
    let later = join(old, None, &[joining("b", "2", "refunded")], |_| ());
    assert_eq!(ids(&later.changes), ["o;refunded;1 by b"]);
}

#[test]
fn a_fact_of_a_view_that_has_no_place_for_its_payments_does_not_cease() {
    let paid = join(View::default(), None, &[joining("a", "1", "paid")], |_| ());
    let other = event("b", "2", "order.updated", json!({"kind": "order", "notes": "n"}));
    let other = Joining { id: "b".to_owned(), is_replay: false, is_disowned: false, view: View::of(&other) };
    let shorten = |view: &mut View| {
        view.shorten(|view| view.registers().all(|(path, _)| path.starts_with("order/")));
    };
    let joined = join(paid.view, Some(paid.announced), &[other], shorten);
    assert!(!Facts::of(&joined.view).holds(FactName::Paid), "{:?}", joined.view);
    assert_eq!(ids(&joined.changes), Vec::<String>::new());
    assert!(joined.announced.facts().holds(FactName::Paid));
    assert_eq!(joined.announced.due(&joined.view), joined.announced.facts());
}

#[test]
fn a_difference_that_no_event_made_has_the_last_ones_id() {
    let known = join(View::default(), None, &[joining("a", "1", "authorized")], |_| ());
    let rebuilt = join(View::default(), None, &[joining("a", "1", "paid")], |_| ()).view;
    let looked = join(rebuilt, Some(known.announced), &[joining("a", "1", "paid")], |_| ());
    assert!(looked.is_change);
    assert_eq!(ids(&looked.changes), ["o;paid;1 by a"]);
}

#[test]
fn a_replay_announces_nothing_again() {
    let event = joining("a", "1", "paid");
    let replay = Joining { is_replay: true, ..event.clone() };
    let joined = join(View::default(), None, std::slice::from_ref(&event), |_| ());
    assert_eq!(joined.announced.caused_by(std::slice::from_ref(&replay)), []);
    // What the replay itself caused is sent again if the replay comes again.
    let joined = join(View::default(), None, std::slice::from_ref(&replay), |_| ());
    assert_eq!(joined.announced.caused_by(&[replay]).len(), 3);
    assert_eq!(joined.announced.caused_by(&[event]).len(), 3);
}

#[test]
fn a_record_is_read_back_as_it_was_written() {
    let id = |name: &str| format!("scalapay/it/1/{name}/~");
    let replay = Joining { is_replay: true, ..joining(&id("b"), "2", "refunded") };
    let first = join(View::default(), None, &[joining(&id("a"), "1", "paid")], |_| ());
    let usual = to_json(&first.view, Some(&first.announced)).unwrap();
    assert!(String::from_utf8(usual.clone()).unwrap().contains(r#""facts":[1,3,4]"#));
    assert_eq!(from_json(&usual).unwrap(), (first.view.clone(), Some(first.announced.clone())));
    let joined = join(first.view, Some(first.announced), &[replay], |_| ());
    let json = to_json(&joined.view, Some(&joined.announced)).unwrap();
    let text = String::from_utf8(json.clone()).unwrap();
    let (a, record) =
        ("43c5fc291a7f", |a: &str| format!(r#""facts":[[1,"{a}"],[3,"{a}"],[4,"{a}"],[11,0,1,"unknown",false,true]]"#));
    assert!(text.contains(&record(a)), "{text}");
    let (view, read) = from_json(&json).unwrap();
    assert_eq!((view, read.as_ref().unwrap().facts()), (joined.view.clone(), joined.announced.facts()));
    let ids = [id("c"), id("a"), id("b")];
    let causes = |announced: &announced::Announced| -> Vec<String> {
        let among = |change: announced::FactChange| change.announcement.cause_among(ids.iter().map(String::as_str));
        announced.changes().filter_map(among).collect()
    };
    assert_eq!(causes(read.as_ref().unwrap()), [id("a"), id("a"), id("a"), id("b")]);
    assert_eq!(to_json(&joined.view, read.as_ref()).unwrap(), json);
    // An event that comes again is known by its abbreviation.
    let unsent = read.unwrap().caused_by(&[joining(&id("a"), "1", "paid")]);
    assert!(unsent.len() == 3 && unsent.iter().all(|change| change.announcement.cause == id("a")), "{unsent:?}");
    // Builds before and after this one.
    assert_eq!(serde_json::from_str::<View>(&text).unwrap(), joined.view);
    let older = serde_json::to_vec(&joined.view).unwrap();
    assert_eq!(from_json(&older).unwrap(), (joined.view.clone(), None));
    let first = format!("[[1,\"{a}\"]");
    let later = text.replace(&first, &first.replace("[[1,", "[[99,\"x\",3,false],[1,").replace("\"]", "\",2]"));
    let (_, read) = from_json(later.replace("unknown", "much").as_bytes()).unwrap();
    assert_eq!(names(&read.as_ref().unwrap().facts()), ["placed", "authorized", "paid", "refunded=unknown"]);
    let again = to_json(&joined.view, read.as_ref()).unwrap();
    assert!(String::from_utf8(again).unwrap().contains(r#"[99,"x",3,false]"#));
    for (found, broken) in
        [("[11,0,", "[11,7,"), (first.as_str(), "[[1]"), (first.as_str(), "[701"), ("\"unknown\"", "{}")]
    {
        let text = text.replace(found, broken);
        assert!(from_json(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn a_correction_is_known_by_its_abbreviation_too() {
    let id = "scalapay/it/1/a/~;v3";
    let first = join(View::default(), None, &[joining(id, "1", "paid")], |_| ());
    let joined = join(first.view, Some(first.announced), &[joining("scalapay/it/1/b/~", "2", "paid")], |_| ());
    let (_, read) = from_json(&to_json(&joined.view, Some(&joined.announced)).unwrap()).unwrap();
    let announcement = read.as_ref().unwrap().of(FactName::Paid).unwrap();
    assert!(announcement.cause.ends_with(";v3") && announcement.cause.len() == 15, "{}", announcement.cause);
    assert_eq!(announcement.cause_among(["scalapay/it/1/a/~"].into_iter()).as_deref(), Some(id));
    assert!(!announcement.is_caused_by("scalapay/it/1/a/~;v2") && !announcement.is_caused_by("scalapay/it/1/a/~"));
}

#[test]
fn a_fact_has_its_code_for_ever() {
    let codes: std::collections::BTreeSet<u64> = FactName::ALL.iter().map(|fact| fact.code()).collect();
    assert_eq!(codes.len(), FactName::ALL.len());
    assert_eq!((FactName::Placed.code(), FactName::Paid.code(), FactName::Completed.code()), (1, 4, 12));
}

#[test]
fn times_are_the_providers() {
    let view = View::of(&event(
        "a/b/o/c/d",
        "1",
        "order.updated",
        json!({"kind": "order", "status": {"state": "completed", "word": "done"}, "created_at": "2026-01-01T00:00:00Z",
            "status_times": {"done": "2026-01-05T00:00:00Z"},
            "payments": [{"id": "1", "status": status("failed"), "paid_at": "2025-01-01T00:00:00Z"},
                {"id": "2", "status": status("settled"), "paid_at": "2026-01-02T00:00:00Z",
                 "refunds": [{"id": "r", "refunded_at": "2026-01-06T00:00:00Z"}]}],
            "fulfillments": [{"id": "1", "status": status("delivered"), "shipped_at": "2026-01-03T00:00:00Z",
                "delivered_at": "2026-01-04T00:00:00Z"}]}),
    ));
    for (fact, time) in [
        (FactName::Placed, Some("2026-01-01T00:00:00Z")),
        (FactName::Authorized, None),
        (FactName::Paid, Some("2026-01-02T00:00:00Z")),
        (FactName::Shipped, Some("2026-01-03T00:00:00Z")),
        (FactName::Delivered, Some("2026-01-04T00:00:00Z")),
        (FactName::Completed, Some("2026-01-05T00:00:00Z")),
        (FactName::Refunded, Some("2026-01-06T00:00:00Z")),
        (FactName::Cancelled, None),
    ] {
        assert_eq!(times::time_of(&view, fact), time.map(|time| time.parse().unwrap()), "{}", fact.name());
    }
}

fn change(view: &View, fact: FactName) -> announced::FactChange {
    let joined = join(
        View::default(),
        None,
        &[Joining { id: "e".to_owned(), is_replay: false, is_disowned: false, view: view.clone() }],
        |_| (),
    );
    joined.changes.into_iter().find(|change| change.fact == fact).unwrap()
}

#[test]
fn a_message_has_the_order_as_it_is_now() {
    let order = json!({
        "kind": "order", "number": "A-1", "status": status("confirmed"), "customer": {"name": "Example Person"},
        "totals": {"total": {"amount": "40.7", "currency": "EUR"}}, "lines": [{"sku": "S", "quantity": 2}],
        "payments": [{"status": status("pending")}, {"id": "p", "status": status("refunded"),
            "refunds": [{"id": "r", "amount": {"amount": "40.7", "currency": "EUR"}}]}],
        "fulfillments": [{"status": status("pending"), "tracking_number": "T"}],
        "returns": [{"id": "b", "status": status("accepted"), "fulfillments": [{"id": "f", "return_id": "b"}]}],
    });
    let view = View::of(&event("shopline/tw/o/c/d", "1", "order.updated", order.clone()));
    let message = FactMessage::of("shopline/tw/o", &view, &change(&view, FactName::Refunded), CauseTimes::default());
    let sent: Value = serde_json::from_str(&message.to_json().unwrap()).unwrap();
    let attributes = ["id", "type", "subject", "order", "reference", "because", "value", "currency"];
    let expected =
        ["shopline/tw/o;refunded;1", "fact.refunded", "o", "shopline/tw/o", "A-1", "e", "40.7", "EUR"].map(Value::from);
    assert_eq!(attributes.map(|name| sent[name].clone()), expected);
    assert_eq!((&sent["holds"], &sent["number"], sent.get("dataref")), (&json!(true), &json!(1), None));
    let facts = json!(["placed", "authorized", "paid", "return_requested", "refunded"]);
    assert_eq!(sent["data"]["facts"], facts);
    assert_eq!(sent["data"]["summary"]["refunded"], "40.7");
    let current = &sent["data"]["order"];
    for part in ["number", "status", "customer", "totals", "lines", "fulfillments", "returns"] {
        assert_eq!(current[part], order[part], "{part}");
    }
    assert_eq!(current["payments"], json!([order["payments"][1]]), "the unnamed one is the same money");
    assert_eq!(serde_json::from_value::<FactMessage>(sent).unwrap(), message);
}

#[test]
fn what_a_message_cannot_carry_is_referred_to() {
    let notes = "x".repeat(crate::view::REGISTER_BYTES_MAX);
    let order = json!({"kind": "order", "status": status("pending"), "notes": notes, "tags": ["a"]});
    let view = View::of(&event("shopline/tw/o/c/d", "1", "order.updated", order));
    let message = FactMessage::of("shopline/tw/o", &view, &change(&view, FactName::Placed), CauseTimes::default());
    assert_eq!(message.dataref.as_deref(), Some("shopline/tw/o"));
    let order = message.data.clone().unwrap().order;
    assert!(order.notes.is_absent() && order.tags.value().is_some() && order.status.value().is_some());
    let bare = message.without_data();
    assert_eq!((bare.data, bare.dataref.as_deref()), (None, Some("shopline/tw/o")));
}

#[test]
fn a_fact_that_ceased_has_its_events_time() {
    let joined = join(View::default(), None, &[joining("a", "1", "paid")], |_| ());
    let joined = join(joined.view, Some(joined.announced), &[joining("b", "2", "voided")], |_| ());
    let time = Some("2026-01-02T00:00:00Z".parse().unwrap());
    let cause = CauseTimes { time, is_test: true, ..CauseTimes::default() };
    let paid = joined.changes.iter().find(|change| change.fact == FactName::Paid).unwrap();
    let message = FactMessage::of("a/b/c", &joined.view, paid, cause);
    assert_eq!((message.holds, message.time, message.test, message.value), (false, time, true, None));
}
