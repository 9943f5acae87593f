//! Function URL requests and their answers: the one place that knows statuses.

use std::collections::BTreeMap;
use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use webhook::request::{Delivery, split_path};

use crate::receive::limiter::Network;

/// A request as a function URL passes it on (payload version 2.0), as far as it matters here.
///
/// Read without an HTTP library on purpose: nothing in it can fail to parse, be it the Host header or the query.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Request {
    raw_path: String,
    raw_query_string: String,
    headers: BTreeMap<String, String>,
    request_context: RequestContext,
    body: Option<String>,
    is_base64_encoded: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RequestContext {
    http: RequestMethod,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RequestMethod {
    method: String,
    source_ip: String,
}

/// The answer to a sender: a status and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpAnswer {
    /// Durable, or known already.
    Ok,
    /// No proof of who sent it; unknown sources look the same.
    Unauthorized,
    /// Not POST.
    MethodNotAllowed,
    /// Longer than the limit.
    TooLarge,
    /// Table or secrets cannot be reached: the sender has to retry.
    Unavailable,
}

impl HttpAnswer {
    /// Returns the HTTP status.
    pub fn status(self) -> u16 {
        match self {
            HttpAnswer::Ok => 200,
            HttpAnswer::Unauthorized => 401,
            HttpAnswer::MethodNotAllowed => 405,
            HttpAnswer::TooLarge => 413,
            HttpAnswer::Unavailable => 503,
        }
    }

    /// Returns the function URL's response.
    pub fn response(self) -> Response {
        Response { status_code: self.status(), body: "" }
    }
}

/// A function URL's response: a status and an empty body.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    status_code: u16,
    body: &'static str,
}

/// A parsed request.
#[derive(Debug)]
pub struct Arrived {
    /// The source that the path names.
    pub source: String,
    /// The delivery.
    pub delivery: Delivery,
    /// The network that it came from.
    pub network: Network,
}

impl Request {
    /// Parses a request, or returns the answer to one that is not a delivery.
    pub fn open(self, body_limit_bytes: usize) -> Result<Arrived, HttpAnswer> {
        if !self.request_context.http.method.eq_ignore_ascii_case("POST") {
            return Err(HttpAnswer::MethodNotAllowed);
        }
        let body = self.body.unwrap_or_default();
        let body = if self.is_base64_encoded {
            STANDARD.decode(body).map_err(|_| HttpAnswer::Unauthorized)?
        } else {
            body.into_bytes()
        };
        if body.len() > body_limit_bytes {
            return Err(HttpAnswer::TooLarge);
        }
        let network = network(&self.request_context.http.source_ip);
        let (source, url_token) = split_path(&self.raw_path);
        let headers = self.headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
        let delivery = Delivery { headers, query: self.raw_query_string, url_token, body };
        Ok(Arrived { source: source.into_owned(), delivery, network })
    }

    /// Returns the source that the path names.
    pub fn source(&self) -> String {
        split_path(&self.raw_path).0.into_owned()
    }
}

/// Whoever has one address has its neighbours too: 256 of IPv4, a site's of IPv6.
fn network(address: &str) -> Network {
    match address.parse().ok()? {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            Some([0, 0, 0, a, b, c])
        }
        IpAddr::V6(address) => {
            let [a, b, c, d, e, f, ..] = address.octets();
            Some([a, b, c, d, e, f])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(json: serde_json::Value) -> Request {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn what_is_not_a_delivery_is_answered_at_once() {
        let post = serde_json::json!({"http": {"method": "POST"}});
        for (request, answer) in [
            (serde_json::json!({"requestContext": {"http": {"method": "GET"}}}), Some(HttpAnswer::MethodNotAllowed)),
            (serde_json::json!({}), Some(HttpAnswer::MethodNotAllowed)),
            (serde_json::json!({"requestContext": post, "body": "12345"}), Some(HttpAnswer::TooLarge)),
            (serde_json::json!({"requestContext": post, "body": "1234"}), None),
            (serde_json::json!({"requestContext": post, "body": "MTIzNA==", "isBase64Encoded": true}), None),
            (
                serde_json::json!({"requestContext": post, "body": "MTIzNDU=", "isBase64Encoded": true}),
                Some(HttpAnswer::TooLarge),
            ),
            (
                serde_json::json!({"requestContext": post, "body": "!", "isBase64Encoded": true}),
                Some(HttpAnswer::Unauthorized),
            ),
            (
                serde_json::json!({"requestContext": post, "headers": {"Host": "\u{0} a b"}, "rawQueryString": " %zz"}),
                None,
            ),
        ] {
            let opened = serde_json::from_value::<Request>(request.clone()).unwrap().open(4);
            assert_eq!(opened.err(), answer, "{request}");
        }
    }

    #[test]
    fn networks_are_compared_by_what_one_sender_has() {
        let network_of = |address: &str| {
            let context = serde_json::json!({"http": {"method": "POST", "sourceIp": address}});
            request(serde_json::json!({"requestContext": context})).open(0).unwrap().network
        };
        assert_eq!(network_of("192.0.2.1"), network_of("192.0.2.254"));
        assert_ne!(network_of("192.0.2.1"), network_of("192.0.3.1"));
        assert_eq!(network_of("2001:db8:1::1"), network_of("2001:db8:1:ffff::1"));
        assert_ne!(network_of("2001:db8:1::1"), network_of("2001:db8:2::1"));
        assert_eq!([network_of(""), network_of("nobody")], [None, None]);
    }

    #[test]
    fn header_names_are_lower_case_and_paths_are_split() {
        let arrived = request(serde_json::json!({
            "requestContext": {"http": {"method": "POST"}}, "headers": {"X-A": "1"}, "rawPath": "/main/token",
        }))
        .open(10)
        .unwrap();
        assert_eq!((arrived.source.as_str(), arrived.delivery.header("x-a")), ("main", Some("1")));
        assert!(arrived.delivery.url_token.is_some());
    }
}
