//! One suite over every provider and every sample: a provider brings samples, not tests.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::cases::{self, Case, RECEIVED_MS, all, events_folder, one};
use webhook::claim::Strength;
use webhook::event::Event;
use webhook::request::{Delivery, RefusedDelivery};
use webhook::scheme::{Scheme, SchemeName, Signature, TimestampHeader};
use webhook::secret::Secret;
use webhook::signature::{Refusal, admit_again};
use webhook::source::Merchants;

#[test]
fn every_sample_reads_as_recorded() {
    let mut wrong = Vec::new();
    for case in all() {
        let event = case.provider.read(&case.row());
        let reading = serde_json::to_string_pretty(&event).unwrap() + "\n";
        let path = case.path.with_file_name(format!("{}.event.json", case.name));
        let label = format!("{}/{}", case.provider.name, case.name);
        let recorded = fs::read_to_string(&path).unwrap_or_default();
        let Some(difference) = cases::first_difference(&recorded, &reading) else { continue };
        if !cases::updating() {
            wrong.push(format!("{label} {difference}"));
        } else if is_raised(&recorded, &event) {
            fs::write(&path, &reading).unwrap();
        } else {
            wrong.push(format!("{label} is read differently under the same mapping version {}", event.mappingversion));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} readings differ. UPDATE_READINGS=1 rewrites them where the provider's mapping_version is raised; \
         UPDATE_READINGS=unreleased rewrites all, and is right only if no stack has that version yet.\n{}",
        wrong.len(),
        cases::first_lines(&wrong)
    );
}

/// Tells whether a reading may replace the recorded one: what a stack read under a version is corrected by a higher one.
fn is_raised(recorded: &str, event: &Event) -> bool {
    let recorded: Option<Event> = serde_json::from_str(recorded).ok();
    cases::update_unreleased() || recorded.is_none_or(|recorded| recorded.mappingversion < event.mappingversion)
}

#[test]
fn every_reading_survives_its_own_json() {
    for case in all() {
        let event = case.provider.read(&case.row());
        let again: Event = serde_json::from_str(&event.to_json().unwrap()).unwrap();
        assert!(again == event, "{} of {}", case.name, case.provider.name);
    }
}

#[test]
fn every_reading_has_its_sample() {
    let known: BTreeSet<_> = all().iter().map(|case| case.path.clone()).collect();
    for provider in webhook::providers::PROVIDERS {
        for entry in fs::read_dir(events_folder().join(provider.name)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                continue;
            }
            let sample = path.to_str().unwrap().replace(".event.json", ".json");
            assert!(known.contains(std::path::Path::new(&sample)), "{} has no sample", path.display());
        }
    }
}

#[test]
fn every_sample_has_its_origin() {
    let origins = cases::read_json(&events_folder().join("origins.json"));
    let recorded: BTreeSet<_> = origins.as_object().unwrap().keys().cloned().collect();
    let deliveries = all().into_iter().map(|case| format!("{}/{}", case.provider.name, case.name));
    let there: BTreeSet<_> = deliveries.chain(crate::snapshots::all().into_iter().map(|answer| answer.label)).collect();
    assert_eq!(recorded, there);
}

#[test]
fn all_names_are_distinct() {
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    for case in all() {
        let id = case.key().id();
        if let Some(other) = names.insert(id.clone(), case.name.clone()) {
            // Equal names are right only where one delivery is the other again.
            panic!("{} and {other} of {} are both {id}", case.name, case.provider.name);
        }
    }
}

/// Names that were ever given, appended to by `UPDATE_READINGS=1` and never rewritten.
#[test]
fn names_are_for_ever() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/claims.golden");
    let mut golden = fs::read_to_string(&path).unwrap_or_default();
    let given: BTreeMap<String, String> =
        golden.lines().filter_map(|line| line.split_once(' ')).map(|(case, name)| (case.into(), name.into())).collect();
    for case in all() {
        let claim = case.claim();
        let strength = match claim.strength {
            Strength::Strong => "strong".to_owned(),
            Strength::SignedTime(time) => format!("signed:{time}"),
            Strength::Horizon(ms) => format!("horizon:{ms}"),
        };
        let label = format!("{}/{}", case.provider.name, case.name);
        let name = format!("{} {strength} v{}", case.key().id(), webhook::claim::VERSION);
        match given.get(&label) {
            Some(old) => assert_eq!(*old, name, "{label} got a new name: redeliveries would be new events"),
            None => golden.push_str(&format!("{label} {name}\n")),
        }
    }
    if cases::updating() {
        fs::write(&path, &golden).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap_or_default(), golden, "samples without a recorded name");
}

#[test]
fn any_changed_byte_is_refused() {
    for case in all().iter().filter(|case| case.source.scheme == SchemeName::Signed) {
        // Spaces between tokens do not matter to a scheme that signs the parsed body.
        let spaces_count = case.provider.name != "shopline";
        let mut changed = copy(case);
        for at in 0..case.delivery.body.len() {
            let original = case.delivery.body[at];
            if original.is_ascii_whitespace() && !spaces_count {
                continue;
            }
            changed.delivery.body[at] = original ^ 1;
            assert!(changed.admit().is_err(), "{} with byte {at} changed", case.name);
            changed.delivery.body[at] = original;
        }
    }
}

/// The signed message joins timestamp and body by a colon; the same message divided elsewhere is another delivery.
#[test]
fn the_border_of_timestamp_and_body_cannot_be_moved() {
    let mut moved = 0;
    for case in all() {
        let Some(Scheme::Signed(Signature { timestamp: Some(TimestampHeader { header, .. }), .. })) =
            case.provider.admission.scheme(case.source.scheme)
        else {
            continue;
        };
        for at in (0..case.delivery.body.len()).filter(|at| case.delivery.body[*at] == b':') {
            let mut changed = copy(&case);
            let Ok(into) = std::str::from_utf8(&case.delivery.body[..at]) else { continue };
            let timestamp = format!("{}:{into}", case.delivery.headers[*header]);
            changed.delivery.headers.insert((*header).to_owned(), timestamp);
            changed.delivery.body.drain(..=at);
            assert_eq!(changed.admit().err(), Some(Refusal::Malformed), "{} at {at}", case.name);
            moved += 1;
        }
    }
    assert!(moved > 100, "{moved}");
}

#[test]
fn credentials_fail_closed() {
    for case in all() {
        let signed = case.source.scheme == SchemeName::Signed;
        let check = |what: &str, change: &dyn Fn(&mut Case), expected: &[Refusal]| {
            let mut changed = copy(&case);
            change(&mut changed);
            let refusal = changed.admit().err();
            assert!(refusal.is_some_and(|refusal| expected.contains(&refusal)), "{} {what}: {refusal:?}", case.name);
        };
        let other = || vec![Secret::new("another-key-that-nobody-knows")];
        check(
            "no keys",
            &|case| (case.source.signing_keys, case.source.url_tokens) = (vec![], vec![]),
            &[Refusal::Mismatch],
        );
        check(
            "foreign keys",
            &|case| (case.source.signing_keys, case.source.url_tokens) = (other(), other()),
            &[Refusal::Mismatch],
        );
        check("no credential", &drop_credential, &[Refusal::Missing]);
        if signed {
            check("empty", &|case| write_signature(case, |_| String::new()), &[Refusal::Missing]);
            check("doubled", &|case| write_signature(case, |text| format!("{text},{text}")), &[Refusal::Malformed]);
            check(
                "cut",
                &|case| write_signature(case, |text| text[..text.len() - 4].to_owned()),
                &[Refusal::Malformed],
            );
            check("garbled", &|case| write_signature(case, |text| format!("!{}", &text[1..])), &[Refusal::Malformed]);
            let bare = |case: &mut Case| case.delivery.headers.retain(|name, _| !name.ends_with("timestamp"));
            if case.delivery.headers.keys().any(|name| name.ends_with("timestamp")) {
                check("without its time", &bare, &[Refusal::Missing]);
            }
        } else {
            check("a longer token", &|case| case.delivery.url_token = Some(Secret::new("x")), &[Refusal::Mismatch]);
            let of_others = |case: &mut Case| case.source.merchants = Merchants::Only(vec!["nobody".into()]);
            check("another's merchant", &of_others, &[Refusal::WrongMerchant]);
        }
    }
}

/// The kept part of a refused delivery proves as much as the delivery did, and no more.
#[test]
fn a_refused_delivery_is_checked_again_without_its_token() {
    let again = |case: &Case, digest: Option<[u8; 32]>| {
        let Delivery { headers, query, body, .. } = case.delivery.clone();
        let refused = RefusedDelivery::new(headers, query, digest, body);
        let verified = admit_again(&case.provider.admission, &case.source, &refused);
        verified.map(|verified| (verified.fingerprint().to_owned(), case.provider.claim_of(&verified)))
    };
    for case in all() {
        let digest = case.delivery.url_token.as_ref().map(Secret::digest);
        let first = case.admit().unwrap();
        let expected = Ok((first.fingerprint().to_owned(), case.provider.claim_of(&first)));
        assert_eq!(again(&case, digest), expected, "{}", case.name);
        if case.source.scheme == SchemeName::Signed {
            // A digest proves nothing where the provider signs.
            let mut unsigned = copy(&case);
            drop_credential(&mut unsigned);
            let key = case.source.signing_keys[0].digest();
            assert_eq!(again(&unsigned, Some(key)), Err(Refusal::Missing), "{}", case.name);
        } else {
            let mut flipped = digest.unwrap();
            flipped[31] ^= 1;
            for (digest, refusal) in [
                (None, Refusal::Missing),
                (Some(flipped), Refusal::Mismatch),
                (Some([0; 32]), Refusal::Mismatch),
                (Some(Secret::new("").digest()), Refusal::Mismatch),
            ] {
                assert_eq!(again(&case, digest), Err(refusal), "{}", case.name);
            }
            let mut bound = copy(&case);
            bound.source.merchants = Merchants::Only(vec!["nobody".into()]);
            assert_eq!(again(&bound, digest), Err(Refusal::WrongMerchant), "{}", case.name);
        }
    }
}

#[test]
fn a_rotated_key_is_named_by_its_fingerprint() {
    for case in all() {
        let before = case.admit().unwrap().fingerprint().to_owned();
        let mut rotated = copy(&case);
        let new = Secret::new("the-key-that-comes-after-it");
        rotated.source.signing_keys.insert(0, new.clone());
        rotated.source.url_tokens.insert(0, new);
        assert_eq!(rotated.admit().unwrap().fingerprint(), before, "{}", case.name);
    }
}

#[test]
fn another_providers_delivery_is_refused() {
    let cases = all();
    for case in &cases {
        for other in cases.iter().filter(|other| other.provider.name != case.provider.name) {
            let verdict = webhook::signature::admit(&other.provider.admission, &other.source, &case.delivery);
            assert!(verdict.is_err(), "{} as {}", case.name, other.provider.name);
        }
    }
}

#[test]
fn the_scheme_is_never_inferred() {
    for case in all() {
        let mut other = copy(&case);
        other.source.scheme = match case.source.scheme {
            SchemeName::Signed => SchemeName::UrlToken,
            SchemeName::UrlToken => SchemeName::Signed,
        };
        assert!(other.admit().is_err(), "{}", case.name);
    }
}

#[test]
fn a_body_cut_anywhere_is_kept_under_a_stable_name() {
    for case in signable() {
        for length in (0..case.delivery.body.len()).step_by(7) {
            let cut = case.with_body(case.delivery.body[..length].to_vec());
            let Ok(verified) = cut.admit() else {
                // If the body must be parsed to be checked, a truncated one proves nothing.
                assert_eq!((cut.provider.name, cut.admit().err()), ("shopline", Some(Refusal::Ambiguous)));
                continue;
            };
            assert!(verified.body.is_err(), "{} cut at {length} is still JSON", case.name);
            let key = cut.key();
            assert_eq!(key, cut.key());
            let event = cut.provider.read(&cut.row());
            assert!(event.unreadable.is_some() && event.unrecognised);
            assert_eq!(event.id, key.id());
        }
    }
}

#[test]
fn odd_bodies_are_kept_and_read_as_something() {
    let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
    let digits = format!(
        r#"{{"event":"order.created","totalAmount":{0},"status":"charged","data":{{"gross_revenue":{0}}}}}"#,
        "9".repeat(400)
    );
    let bodies = [
        "",
        "null",
        "[]",
        "1",
        "\"text\"",
        "{}",
        "{\"data\":[]}",
        "{\"event\":{},\"status\":[],\"topic\":1}",
        r#"{"event":"order.created","event":"order.deleted","data":{"order_id":"a","order_id":"b"}}"#,
        r#"{"data":{"notes":"\ud83d \u0000 \ufffe \uffff"},"event":"order.updated","status":"charged","orderToken":"\ud800"}"#,
        "{\"event\":\"order.created\",\"data\":{\"notes\":\"\u{fffe}\u{ffff}\u{7f}\"}}",
        digits.as_str(),
        deep.as_str(),
        "\u{feff}{}",
        "not json at all",
    ];
    for case in signable() {
        for body in bodies.iter().map(|body| body.as_bytes().to_vec()).chain([vec![0xff, 0xfe, 0x00]]) {
            let odd = case.with_body(body);
            if odd.admit().is_err() {
                assert_eq!(odd.provider.name, "shopline", "{}", String::from_utf8_lossy(&odd.delivery.body));
                continue;
            }
            let json = odd.provider.read(&odd.row()).to_json().unwrap();
            assert!(!json.contains(['\u{fffe}', '\u{ffff}', '\0']));
            let event: Event = serde_json::from_str(&json).unwrap();
            assert_eq!(event.id, odd.key().id());
        }
    }
}

#[test]
fn secrets_are_nowhere_in_rows_or_readings() {
    let mut found = 0;
    for case in all() {
        let row = case.row();
        let reading = case.provider.read(&row).to_json().unwrap();
        let body = String::from_utf8_lossy(&case.delivery.body).into_owned();
        for path in case.provider.secrets {
            let name = format!("\"{}\":\"", path.last().unwrap());
            for (at, _) in body.match_indices(&name) {
                let value = body[at + name.len()..].split('"').next().unwrap();
                if value.len() < 8 {
                    continue;
                }
                found += 1;
                assert!(!String::from_utf8_lossy(&row.body).contains(value), "{}: {value}", case.name);
                assert!(!reading.contains(value), "{}: {value}", case.name);
            }
        }
    }
    assert!(found > 10, "no sample carries a secret: this test proves nothing");
}

#[test]
fn readings_do_not_depend_on_the_cut() {
    for case in all() {
        let uncut = webhook::row::Row { body: case.delivery.body.clone(), ..case.row() };
        assert_eq!(case.provider.read(&uncut), case.provider.read(&case.row()), "{}", case.name);
    }
}

#[test]
fn samples_verify_at_their_own_source_whatever_the_transport() {
    for case in all() {
        assert!(case.admit().is_ok(), "{}: {:?}", case.name, case.admit().err());
        assert_eq!(case.row().received_ms, RECEIVED_MS);
    }
    assert!(one("shopline", "customer.remove.base64").admit().is_ok());
}

/// Signatures made elsewhere: the providers' own examples, openssl, Node.
#[test]
fn vectors_made_elsewhere_verify() {
    let vectors = cases::read_json(&events_folder().join("signature_vectors.json"));
    let mut checked = 0;
    for (provider, key_field, header, time_field) in [
        ("scalev", "secret", "x-scalev-hmac-sha256", ""),
        ("scalapay", "api_key", "x-scalapay-hmac-v1", "x_scalapay_timestamp"),
        ("shopline", "app_secret", "", "timestamp"),
    ] {
        for vector in vectors[provider].as_array().unwrap() {
            let text = |name: &str| vector[name].as_str().unwrap_or_default().to_owned();
            let case = all()
                .into_iter()
                .find(|case| case.provider.name == provider && case.source.scheme == SchemeName::Signed);
            let mut case = case.unwrap();
            case.source.signing_keys = vec![Secret::new(text(key_field))];
            case.source.merchants = Merchants::Any;
            case.delivery.body = text("raw_body").into_bytes();
            case.delivery.query = format!("sign={}", text("sign"));
            for (name, value) in [
                (header, text(&header.replace('-', "_"))),
                ("x-scalapay-timestamp", text(time_field)),
                ("x-shopline-developer-event-timestamp", text(time_field)),
            ] {
                case.delivery.headers.insert(name.to_owned(), value);
            }
            assert!(case.admit().is_ok(), "{provider}: {vector}");
            case.source.signing_keys = vec![Secret::new("x".to_owned() + &text(key_field))];
            assert_eq!(case.admit().err(), Some(Refusal::Mismatch));
            checked += 1;
        }
    }
    assert!(checked >= 10, "only {checked} vectors");
}

fn copy(case: &Case) -> Case {
    Case {
        provider: case.provider,
        name: case.name.clone(),
        path: case.path.clone(),
        source: case.source.clone(),
        delivery: case.delivery.clone(),
    }
}

/// One case of each source: what a hostile body is signed by.
fn signable() -> Vec<Case> {
    let mut seen = BTreeSet::new();
    all().into_iter().filter(|case| seen.insert((case.provider.name, case.source.name.clone()))).collect()
}

fn drop_credential(case: &mut Case) {
    case.delivery.headers.retain(|name, _| !name.contains("hmac"));
    case.delivery.query = String::new();
    case.delivery.url_token = None;
}

fn write_signature(case: &mut Case, change: impl Fn(&str) -> String) {
    for (_, value) in case.delivery.headers.iter_mut().filter(|(name, _)| name.contains("hmac")) {
        *value = change(value);
    }
    if let Some(sign) = case.delivery.query.strip_prefix("sign=") {
        case.delivery.query = format!("sign={}", change(sign));
    }
}
