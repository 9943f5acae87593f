//! A server that gives prepared answers in their order, and remembers what it was asked.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use platforms::{Account, Accounts, Limits, Platform, RetryTimer, Settings};

/// The credential of all tests; no text may show it.
pub(crate) const CREDENTIAL: &str = "q8Vq2b7xGkP4mZ1sW0";

/// The server's reaction to one request.
#[derive(Clone)]
pub(crate) enum Reply {
    /// An answer: status, headers, body.
    Answer(u16, &'static [(&'static str, &'static str)], Vec<u8>),
    /// Nothing, and the connection stays open.
    Silence,
    /// Half of an answer, then the end.
    Half,
    /// The end, at once.
    Close,
    /// An answer without a length, as long as it is read.
    Endless,
}

/// A request.
#[derive(Debug)]
pub(crate) struct Asked {
    /// Method and target, such as `GET /v1/webhooks?page=1`.
    pub(crate) line: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

pub(crate) struct Server {
    base: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    waited: Arc<Mutex<(Duration, Vec<Duration>)>>,
}

/// A file of `tests/responses`.
pub(crate) fn file(name: &str) -> Vec<u8> {
    // The tool's tests share this file.
    let crates = ["", "/../shared/platforms"].map(|folder| format!("{}{folder}", env!("CARGO_MANIFEST_DIR")));
    let mut paths = crates.iter().map(|folder| format!("{folder}/tests/responses/{name}"));
    paths.find_map(|path| std::fs::read(path).ok()).unwrap_or_else(|| panic!("no file {name}"))
}

/// 200 with a file.
pub(crate) fn ok(name: &str) -> Reply {
    Reply::Answer(200, &[], file(name))
}

/// A status with a text.
pub(crate) fn status(status: u16, body: &str) -> Reply {
    Reply::Answer(status, &[], body.as_bytes().to_vec())
}

impl Server {
    pub(crate) fn start(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let remembered = Arc::clone(&asked);
        std::thread::spawn(move || {
            // Connections that stay silent are held, or the client would see them end.
            let mut held = Vec::new();
            let mut replies = replies.into_iter();
            while let Ok((mut stream, _)) = listener.accept() {
                let Some(request) = request(&mut stream) else { continue };
                remembered.lock().unwrap().push(request);
                let reply = replies.next().unwrap_or_else(|| status(500, r#"{"error":"one request too many"}"#));
                if answer(&mut stream, reply) {
                    held.push(stream);
                }
            }
        });
        Server { base, asked, waited: Arc::default() }
    }

    /// An account whose API is this server.
    pub(crate) fn account(&self, platform: &'static Platform) -> Account {
        account(platform, &self.base)
    }

    /// Short time-outs, and waits that take no time.
    pub(crate) fn settings(&self) -> Settings {
        let limits =
            Limits { attempt_time: Duration::from_millis(400), answer_bytes_max: 64 * 1024, ..Limits::default() };
        let (clock, waited) = (Arc::clone(&self.waited), Arc::clone(&self.waited));
        let timer = RetryTimer::new(
            move || UNIX_EPOCH + Duration::from_secs(1_700_000_000) + clock.lock().unwrap().0,
            move |time| {
                let mut waited = waited.lock().unwrap();
                waited.0 += time;
                waited.1.push(time);
                std::future::ready(())
            },
            |most| most,
        );
        Settings { limits, timer }
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    /// The requests' methods and targets.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.line).collect()
    }

    /// The waits between attempts, in milliseconds.
    pub(crate) fn waits(&self) -> Vec<u128> {
        self.waited.lock().unwrap().1.iter().map(Duration::as_millis).collect()
    }
}

/// An account with all that its platform needs.
pub(crate) fn account(platform: &'static Platform, base: &str) -> Account {
    let shop = platform.shop.map(|member| format!(r#", "{}": "1""#, member.name)).unwrap_or_default();
    let entry = format!(r#"{{"{}": "{CREDENTIAL}", "base_url": "{base}"{shop}}}"#, platform.credential);
    let secret = format!(r#"{{"accounts": {{"{}/tw": {entry}}}}}"#, platform.name);
    let accounts = Accounts::parse(platform, &secret).unwrap();
    accounts.get("tw").unwrap().clone()
}

fn request(stream: &mut TcpStream) -> Option<Asked> {
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    let end = loop {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return None,
            Ok(read) => bytes.extend_from_slice(&buffer[..read]),
        }
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.lines();
    let line = lines.next()?.trim_end_matches(" HTTP/1.1").to_owned();
    let header = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
    let headers: BTreeMap<String, String> = lines.filter_map(header).collect();
    let length: usize = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or_default();
    while bytes.len() < end + 4 + length {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return None,
            Ok(read) => bytes.extend_from_slice(&buffer[..read]),
        }
    }
    let body = String::from_utf8_lossy(&bytes[end + 4..]).into_owned();
    Some(Asked { line, headers, body })
}

/// Answers; true where the connection is to stay open.
fn answer(stream: &mut TcpStream, reply: Reply) -> bool {
    match reply {
        Reply::Answer(status, headers, body) => {
            let mut head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n", body.len());
            headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
            let _ = stream.write_all(format!("{head}\r\n").as_bytes()).and_then(|()| stream.write_all(&body));
        }
        Reply::Silence => return true,
        Reply::Half => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"id\":");
        }
        Reply::Close => {}
        Reply::Endless => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n[");
            while stream.write_all(&[b' '; 4096]).is_ok() {}
        }
    }
    false
}
