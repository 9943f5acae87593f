//! The least that a receiver can cost: the same bytes through HMAC, one JSON parse and one signed request, all by
//! hand, over connections that are kept open. It knows no provider, repeats nothing and forgives nothing: it is what
//! the receivers' processor time is held against.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "unlike a receiver, it stops at the first surprise"
)]

use std::env;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

type HmacSha256 = Hmac<Sha256>;

/// One kept-alive connection.
struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer's head and body, within the connection's buffer.
struct RawAnswer {
    head: String,
    body: Vec<u8>,
}

fn main() {
    let api = env::var("AWS_LAMBDA_RUNTIME_API").unwrap();
    let endpoint = env::var("AWS_ENDPOINT_URL").unwrap();
    let endpoint = endpoint.trim_start_matches("http://").trim_end_matches('/').to_owned();
    let mut runtime = Connection::open(&api);
    let mut dynamodb = Connection::open(&endpoint);
    let signer = Signer::new();
    loop {
        let next =
            runtime.ask(format!("GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nhost: {api}\r\n\r\n").as_bytes());
        let id = header(&next.head, "lambda-runtime-aws-request-id").to_owned();
        let event: serde_json::Value = serde_json::from_slice(&next.body).unwrap();
        let body = event["body"].as_str().unwrap();
        let mac = HmacSha256::new_from_slice(b"a key of the length that keys have").unwrap();
        let digest = hex::encode(mac.chain_update(body.as_bytes()).finalize().into_bytes());
        let parsed: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
        let members = parsed.as_object().map_or(0, serde_json::Map::len);
        let put = signer.put_item(&endpoint, &digest, members, body);
        let answer = dynamodb.ask(&put);
        assert!(answer.head.starts_with("HTTP/1.1 200"), "{}", answer.head);
        let response = r#"{"statusCode":200,"headers":{},"body":"","isBase64Encoded":false}"#;
        let post = format!(
            "POST /2018-06-01/runtime/invocation/{id}/response HTTP/1.1\r\nhost: {api}\r\ncontent-length: {}\r\n\r\n{response}",
            response.len()
        );
        runtime.ask(post.as_bytes());
    }
}

impl Connection {
    fn open(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        Connection { stream, buffer: vec![0; 64 * 1024] }
    }

    fn ask(&mut self, request: &[u8]) -> RawAnswer {
        self.stream.write_all(request).unwrap();
        let mut read = 0;
        let head_end = loop {
            if read == self.buffer.len() {
                self.buffer.resize(read * 2, 0);
            }
            let more = self.stream.read(&mut self.buffer[read..]).unwrap();
            assert!(more > 0, "the connection was closed");
            read += more;
            if let Some(at) = self.buffer[..read].windows(4).position(|end| end == b"\r\n\r\n") {
                break at + 4;
            }
        };
        let head = std::str::from_utf8(&self.buffer[..head_end]).unwrap().to_owned();
        let length: usize = header(&head, "content-length").parse().unwrap_or_default();
        let mut body = self.buffer[head_end..read].to_vec();
        let missing = length - body.len();
        let start = body.len();
        body.resize(start + missing, 0);
        self.stream.read_exact(&mut body[start..]).unwrap();
        RawAnswer { head, body }
    }
}

fn header<'a>(head: &'a str, name: &str) -> &'a str {
    let mut lines = head.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value.trim())
}

/// Signature Version 4 with a key that is derived once, as a client that lives for a day does.
struct Signer {
    key: Vec<u8>,
}

const DATE: &str = "20261122";
const TIME: &str = "20261122T000000Z";
const SIGNED: &str = "content-type;host;x-amz-date;x-amz-target";
const TARGET: &str = "DynamoDB_20120810.PutItem";

impl Signer {
    fn new() -> Self {
        let steps = [DATE, "us-east-1", "dynamodb", "aws4_request"];
        let first = b"AWS4secret".to_vec();
        Signer { key: steps.iter().fold(first, |key, step| hmac(&key, step.as_bytes())) }
    }

    fn put_item(&self, host: &str, name: &str, members: usize, body: &str) -> Vec<u8> {
        let body = STANDARD.encode(body);
        let payload = format!(
            r#"{{"TableName":"events","Item":{{"pk":{{"S":"{name}"}},"sk":{{"S":"{members}"}},"body":{{"B":"{body}"}}}},"ConditionExpression":"attribute_not_exists(pk)"}}"#
        );
        let hash = hex::encode(Sha256::digest(payload.as_bytes()));
        let canonical = format!(
            "POST\n/\n\ncontent-type:application/x-amz-json-1.0\nhost:{host}\nx-amz-date:{TIME}\nx-amz-target:{TARGET}\n\n{SIGNED}\n{hash}"
        );
        let scope = format!("{DATE}/us-east-1/dynamodb/aws4_request");
        let to_sign =
            format!("AWS4-HMAC-SHA256\n{TIME}\n{scope}\n{}", hex::encode(Sha256::digest(canonical.as_bytes())));
        let signature = hex::encode(hmac(&self.key, to_sign.as_bytes()));
        let mut request = String::with_capacity(payload.len() + 512);
        let _ = write!(
            request,
            "POST / HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/x-amz-json-1.0\r\nx-amz-date: {TIME}\r\nx-amz-target: {TARGET}\r\nauthorization: AWS4-HMAC-SHA256 Credential=bench/{scope}, SignedHeaders={SIGNED}, Signature={signature}\r\ncontent-length: {}\r\n\r\n{payload}",
            payload.len()
        );
        request.into_bytes()
    }
}

fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    HmacSha256::new_from_slice(key).expect("any length").chain_update(message).finalize().into_bytes().to_vec()
}
