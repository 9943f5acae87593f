//! Scalapay.

use platforms::order::{Cursor, FetchedOrder, Refunds};
use platforms::providers::{SCALAPAY, Scalapay};
use platforms::{Cause, Client, Raw};

use crate::server::{CREDENTIAL, Reply, Server, file, ok};

fn start(replies: Vec<Reply>) -> (Server, Scalapay) {
    let server = Server::start(replies);
    let scalapay = Scalapay::new(&server.account(&SCALAPAY), server.settings()).unwrap();
    (server, scalapay)
}

fn error(status: u16, name: &str) -> Reply {
    Reply::Answer(status, &[], file(&format!("scalapay/error.{name}.json")))
}

#[tokio::test]
async fn a_payment_is_kept_byte_for_byte() {
    let (server, scalapay) = start(vec![ok("scalapay/payment.charged.json"), ok("scalapay/payment.expired.json")]);
    let payment = scalapay.payment("71KH916VPE").await.unwrap();
    assert_eq!(payment.id.as_deref(), Some("71KH916VPE"));
    assert_eq!((payment.updated_at, &payment.refunds), (None, &Refunds::Unknown));
    assert_eq!(payment.raw.bytes(), file("scalapay/payment.charged.json"));
    assert_eq!(scalapay.payment("82LJ027WQF").await.unwrap().id.as_deref(), Some("82LJ027WQF"));
    let asked = server.asked();
    assert_eq!(asked[0].line, "GET /v2/payments/71KH916VPE");
    assert_eq!(asked[0].headers["authorization"], format!("Bearer {CREDENTIAL}"));
    assert!(asked[0].headers["user-agent"].starts_with("hookmill/"));
}

#[tokio::test]
async fn its_errors_are_read() {
    let (_server, scalapay) = start(vec![
        error(401, "401"),
        error(422, "422.invalid_token"),
        error(409, "409.conflict"),
        error(400, "400.validation"),
    ]);
    let mut failures = Vec::new();
    for _ in 0..4 {
        let failure = scalapay.payment("71KH916VPE").await.unwrap_err();
        failures.push((failure.cause, failure.said.unwrap_or_default()));
    }
    assert_eq!(failures[0], (Cause::Unauthorized { status: 401 }, "Unauthorized".to_owned()));
    assert_eq!(failures[1], (Cause::NotFound, "invalid_token: Order null not found.".to_owned()));
    assert_eq!(failures[2].0, Cause::Refused { status: 409 });
    assert!(failures[2].1.starts_with("conflicting_operation_in_progress: "));
    assert_eq!(failures[3], (Cause::Refused { status: 400 }, "api_validationerror".to_owned()));
}

#[tokio::test]
async fn references_lead_to_several_payments() {
    let (server, scalapay) = start(vec![ok("scalapay/references.json")]);
    let found = scalapay.payments_of("merchantOrder-1234").await.unwrap();
    let tokens: Vec<_> = found.iter().map(|reference| reference.token.as_str()).collect();
    assert_eq!(tokens, ["71KH916VPE", "71KH916VPD"]);
    assert_eq!(server.lines(), ["GET /v2/payments/references?merchantOrderReference=merchantOrder-1234"]);
}

#[tokio::test]
async fn refunds_are_absolute_amounts_by_id() {
    let (server, scalapay) =
        start(vec![ok("scalapay/payout_refunds.page0.json"), ok("scalapay/payout_refunds.page1.json")]);
    let first = scalapay.refunds_of_payout("3BQD2I26MRG3", None).await.unwrap();
    assert_eq!(first.next, Some(Cursor("1".to_owned())));
    let second = scalapay.refunds_of_payout("3BQD2I26MRG3", first.next.as_ref()).await.unwrap();
    assert_eq!(second.next, None);
    let rows: Vec<_> = first.items.into_iter().chain(second.items).collect();

    let payment = |token: &str, raw: &str| FetchedOrder {
        id: Some(token.to_owned()),
        alias: None,
        updated_at: None,
        refunds: Refunds::Unknown,
        raw: Raw::new(raw),
    };
    let own = r#"{"merchantReference":"merchantOrder-1234"}"#;
    let of = |token: &str, raw: &str| Refunds::of(&scalapay.refunds_of(&rows, &payment(token, raw)));
    let Refunds::Known(refunds) = of("71KH916VPE", own) else { panic!() };
    let found: Vec<_> = refunds
        .iter()
        .map(|(id, refund)| (id.as_str(), refund.amount.unwrap().to_string(), refund.currency.as_deref()))
        .collect();
    assert_eq!(
        found,
        [
            ("trr_1L5M90FHjEtCWkTsoyHuImNL", "20".to_owned(), Some("EUR")),
            ("trr_1L5M90FHjEtCWkTsoyHuImNM", "5.5".to_owned(), Some("EUR")),
        ]
    );
    assert_eq!(of("71KH916VPD", own), Refunds::Unknown);
    assert_eq!(of("71KH916VPE", r#"{"merchantReference":"another"}"#), Refunds::Unknown);
    // A row is given to a payment only where both sides carry the reference.
    for (raw, count) in [
        (own, 2),
        (r#"{"orderDetails":{"merchantReference":"merchantOrder-1234"}}"#, 2),
        (r#"{"merchantReference":"another"}"#, 0),
        ("{}", 0),
    ] {
        assert_eq!(scalapay.refunds_of(&rows, &payment("71KH916VPE", raw)).len(), count, "{raw}");
    }
    let path = "GET /v1/reporting/payouts/3BQD2I26MRG3/refunds";
    assert_eq!(server.lines(), [0, 1].map(|page| format!("{path}?page={page}&size=5000")));
}

#[tokio::test]
async fn a_report_without_a_refunded_amount_has_none() {
    let (server, scalapay) = start(vec![ok("scalapay/refunds.documented.json"), ok("scalapay/payouts.json")]);
    let (from, to) = ("2022-05-26".parse().unwrap(), "2022-05-27".parse().unwrap());
    let page = scalapay.refunds(from, to, None).await.unwrap();
    let row = &page.items[0];
    assert_eq!((&row.id, &row.refund, row.payment_end.as_deref()), (&None, &None, Some("AYPA")));
    assert!(row.raw.bytes().starts_with(b"{"));
    assert!(row.may_be_of("XXXXXXAYPA", Some("merchantOrder-1234")));
    let rows: Vec<_> = page.items.iter().collect();
    assert_eq!(Refunds::of(&rows), Refunds::Unknown);
    assert_eq!(scalapay.payouts(from, to, None).await.unwrap().items, ["FELGDH3XJDRS", "3BQD2I26MRG3"]);
    let lines = server.lines();
    assert_eq!(lines[0], "GET /v1/reporting/refunds?startDate=2022-05-26&endDate=2022-05-27&page=0&size=5000");
}
