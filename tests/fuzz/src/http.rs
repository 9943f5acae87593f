//! Requests of a function URL: parsed or rejected with an answer, never anything else.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use edge::receive::http::{HttpAnswer, Request};
use serde_json::Value;

const BODY_LIMIT_BYTES: usize = 4_096;

/// The JSON of a request.
pub fn http(data: &[u8]) {
    let Ok(request) = serde_json::from_slice::<Request>(data) else { return };
    // A second reader, which a key that occurs twice makes disagree.
    let Ok(json) = serde_json::from_slice::<Value>(data) else { return };
    // Serde takes a list for a struct as well; Lambda sends none.
    let places = ["", "/requestContext", "/requestContext/http"];
    if places.iter().any(|place| json.pointer(place).is_some_and(Value::is_array)) {
        return;
    }
    let method = json.pointer("/requestContext/http/method").and_then(Value::as_str).unwrap_or_default();
    let is_post = method.eq_ignore_ascii_case("POST");
    let text = json["body"].as_str().unwrap_or_default();
    let body =
        if json["isBase64Encoded"] == true { STANDARD.decode(text).ok() } else { Some(text.as_bytes().to_vec()) };
    match request.open(BODY_LIMIT_BYTES) {
        Ok(arrived) => {
            assert!(is_post, "another method was let in");
            let delivery = arrived.delivery;
            assert!(delivery.body.len() <= BODY_LIMIT_BYTES, "over the limit");
            assert_eq!(Some(&delivery.body), body.as_ref());
            assert!(!delivery.headers.keys().any(|name| name.bytes().any(|byte| byte.is_ascii_uppercase())));
            assert!(delivery.url_token.is_none() || !arrived.source.is_empty() || json["rawPath"] != "/");
            let _ = (delivery.query_once("sign"), delivery.kept_headers(&["?sign", "x"]), delivery.body_hash());
        }
        Err(HttpAnswer::MethodNotAllowed) => assert!(!is_post),
        Err(HttpAnswer::TooLarge) => assert!(body.is_some_and(|body| body.len() > BODY_LIMIT_BYTES)),
        Err(HttpAnswer::Unauthorized) => assert_eq!(body, None, "what can be decoded was refused"),
        Err(answer @ (HttpAnswer::Ok | HttpAnswer::Unavailable)) => panic!("{answer:?}"),
    }
}
