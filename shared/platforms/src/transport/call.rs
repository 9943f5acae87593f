//! A call, before it is sent.

use http::Method;
use serde_json::Value;
use webhook::request::percent_encode;

use crate::error::Cause;

/// A call.
#[derive(Debug)]
pub(crate) struct Call {
    /// The operation, such as `read webhook`.
    pub(crate) operation: &'static str,
    pub(crate) method: Method,
    /// The path's segments, not yet encoded.
    pub(crate) path: Vec<String>,
    /// The query's members, not yet encoded.
    pub(crate) query: Vec<(&'static str, String)>,
    pub(crate) body: Option<Value>,
    pub(crate) repeat: Repeat,
    pub(crate) success: Success,
}

/// A call's safety to be made again when its outcome is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Making it twice comes to the same.
    Allowed,
    /// Making it twice makes two of something.
    Never,
}

/// The content that an answer of success must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Success {
    /// JSON.
    Json,
    /// Anything: the documents do not say what comes.
    Anything,
}

impl Call {
    /// A call that only reads.
    pub(crate) fn get(operation: &'static str, path: &[&str]) -> Self {
        Call::new(operation, Method::GET, path, Repeat::Allowed)
    }

    /// A call that changes something.
    pub(crate) fn new(operation: &'static str, method: Method, path: &[&str], repeat: Repeat) -> Self {
        let path = path.iter().map(|segment| (*segment).to_owned()).collect();
        Call { operation, method, path, query: Vec::new(), body: None, repeat, success: Success::Json }
    }

    /// The same with one more member of the query.
    pub(crate) fn query(mut self, name: &'static str, value: impl ToString) -> Self {
        self.query.push((name, value.to_string()));
        self
    }

    /// The same with a body.
    pub(crate) fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    /// The same, content with any answer of success.
    pub(crate) fn any_answer(mut self) -> Self {
        self.success = Success::Anything;
        self
    }

    /// Returns whether it changes something at the provider.
    pub(super) fn changes(&self) -> bool {
        self.method != Method::GET
    }

    /// The path and query, encoded.
    pub(super) fn path_and_query(&self) -> Result<String, Cause> {
        let mut text = String::new();
        for segment in &self.path {
            // A server might take these for steps up the path.
            if matches!(segment.as_str(), "" | "." | "..") {
                return Err(Cause::Argument { what: "an empty id, or one of dots," });
            }
            text.push('/');
            text.push_str(&percent_encode(segment));
        }
        for (index, (name, value)) in self.query.iter().enumerate() {
            text.push(if index == 0 { '?' } else { '&' });
            text.push_str(&percent_encode(name));
            text.push('=');
            text.push_str(&percent_encode(value));
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_cannot_leave_their_place_in_the_path() {
        for (id, path) in [
            ("5f8e5dc0", Some("/v1/webhooks/5f8e5dc0?with%5B%5D=a%20b%26c")),
            ("../orders?x=1#y", Some("/v1/webhooks/..%2Forders%3Fx%3D1%23y?with%5B%5D=a%20b%26c")),
            ("é\r\n", Some("/v1/webhooks/%C3%A9%0D%0A?with%5B%5D=a%20b%26c")),
            ("", None),
            ("..", None),
        ] {
            let call = Call::get("read webhook", &["v1", "webhooks", id]).query("with[]", "a b&c");
            assert_eq!(call.path_and_query().ok().as_deref(), path);
        }
    }
}
