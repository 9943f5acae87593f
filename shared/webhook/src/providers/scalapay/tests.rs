//! The traps of this provider's bodies.

use std::collections::BTreeMap;

use super::*;
use crate::receive::request::Delivery;
use crate::receive::secret::Secret;
use crate::receive::signature::admit;
use crate::receive::source::{Merchants, Source};

fn name_of(body: &str) -> (String, String, bool) {
    let key = Secret::new("an api key of the tests");
    let digest = hex::encode(key.hmac(&[b"V1:1700000000000:", body.as_bytes()]));
    let headers = [("x-scalapay-hmac-v1", digest.as_str()), (TIMESTAMP, "1700000000000")];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let delivery =
        Delivery { headers: BTreeMap::from(headers), query: String::new(), url_token: None, body: body.into() };
    let source = Source {
        name: "it".to_owned(),
        scheme: SchemeName::Signed,
        signing_keys: vec![key],
        url_tokens: Vec::new(),
        merchants: Merchants::Any,
        several_merchants: false,
    };
    let claim = SCALAPAY.claim_of(&admit(&SCALAPAY.admission, &source, &delivery).unwrap());
    let identity = claim.identity.to_string().replace(&hex::encode(claim.content), "HASH");
    (format!("{}/{}", claim.subject, claim.word), identity, claim.strength == Strength::Strong)
}

#[test]
fn what_can_come_twice_is_named_by_more_than_its_status() {
    for (members, name, identity, strong) in [
        (r#""status":"created","orderToken":"T""#, "T/created", "~", true),
        (r#""status":"EXPIRED","orderToken":"T""#, "T/expired", "~", true),
        (r#""status":"created""#, "~/created", "HASH", false),
        (r#""status":"charged","orderToken":"T","merchantRefundReference":"r""#, "T/charged", "HASH", false),
        (r#""status":"refunded","orderToken":"T""#, "T/refunded", "HASH", false),
        (r#""status":"refunded","orderToken":"T","refundToken":"pre_transfer""#, "T/refunded", "HASH", false),
        (
            r#""status":"refunded","orderToken":"T","refundToken":"pre_transfer","refundedAt":"t1""#,
            "T/refunded",
            "pre_transfer%40t1",
            false,
        ),
        (
            r#""status":"refunded","orderToken":"T","refundToken":"x","refundedAt":"t1","merchantRefundReference":"r""#,
            "T/refunded",
            "r%40t1",
            false,
        ),
        (r#""status":"refunded","orderToken":"T","merchantRefundReference":"r""#, "T/refunded", "HASH", false),
        (r#""status":"disputed","orderToken":"T""#, "T/disputed", "HASH", false),
    ] {
        let expected = (name.to_owned(), identity.to_owned(), strong);
        assert_eq!(name_of(&format!("{{{members}}}")), expected, "{members}");
    }
}

#[test]
fn amounts_may_have_a_comma() {
    for (text, expected) in [
        ("40,70", Some("40.7")),
        ("40.70", Some("40.7")),
        ("1.000,00", None),
        ("1,0,0", None),
        ("1,190", None),
        ("1,2", None),
    ] {
        assert_eq!(Amount::with_comma(text).map(|amount| amount.to_string()).as_deref(), expected, "{text}");
    }
}
