//! The text that SHOPLINE signs, against a JavaScript engine (QuickJS): what it parses, and what it prints.

use rquickjs::{CatchResultExt, Context, Function, Runtime};
use webhook::json::canonical::{Keys, Numbers, candidates, print};
use webhook::json::{self, JsonError};

thread_local! {
    static ENGINE: Context = engine();
}

/// Prints a body twice with its keys sorted at every depth: as JavaScript prints an object whose members were put in
/// that order, and member by member in that order. Null where it is not JSON.
const PRINTERS: &str = r"
    const sorted = (value) => {
        if (value === null || typeof value !== 'object') return value;
        if (Array.isArray(value)) return value.map(sorted);
        const copy = Object.create(null);
        for (const key of Object.keys(value).sort()) copy[key] = sorted(value[key]);
        return copy;
    };
    const byMembers = (value) => {
        if (value === null || typeof value !== 'object') return JSON.stringify(value);
        if (Array.isArray(value)) return '[' + value.map(byMembers).join(',') + ']';
        const member = (key) => JSON.stringify(key) + ':' + byMembers(value[key]);
        return '{' + Object.keys(value).sort().map(member).join(',') + '}';
    };
    globalThis.print = (body) => {
        let value;
        try { value = JSON.parse(body); } catch (error) { if (error instanceof SyntaxError) return null; throw error; }
        return [JSON.stringify(sorted(value)), byMembers(value)];
    };
";

fn engine() -> Context {
    let runtime = Runtime::new().unwrap();
    runtime.set_max_stack_size(4 * 1024 * 1024);
    runtime.set_memory_limit(128 * 1024 * 1024);
    let context = Context::full(&runtime).unwrap();
    context.with(|context| context.eval::<(), _>(PRINTERS).catch(&context).unwrap());
    context
}

fn javascript(body: &str) -> Option<[String; 2]> {
    ENGINE.with(|engine| {
        engine.with(|context| {
            let print: Function = context.globals().get("print").unwrap();
            let printed: Option<Vec<String>> = print.call((body,)).catch(&context).unwrap();
            printed.map(|texts| texts.try_into().unwrap())
        })
    })
}

/// A body.
pub fn canonical_json(data: &[u8]) {
    let Ok(body) = std::str::from_utf8(data) else {
        assert!(matches!(json::parse(data), Err(JsonError::NotUtf8 { .. })));
        return;
    };
    let document = match json::parse(data) {
        Ok(document) => document,
        // As deep as this, a stack decides what the engine does.
        Err(JsonError::TooDeep { .. }) => return,
        Err(JsonError::Syntax { .. } | JsonError::NotUtf8 { .. }) => {
            assert_eq!(javascript(body), None, "JavaScript reads it");
            return;
        }
    };
    let root = &document.root;
    let [whole, by_members] = javascript(body).expect("JavaScript does not read it");
    let ours = print(root, Numbers::JavaScript, Keys::JavaScript);
    if document.duplicate_keys {
        // Refused: JavaScript signs one of the two members.
        assert_ne!(ours, whole, "no key is there twice");
        return;
    }
    assert_eq!(ours, whole);
    assert_eq!(print(root, Numbers::JavaScript, Keys::CodeUnits), by_members);
    for (keys, text) in [(Keys::JavaScript, &whole), (Keys::CodeUnits, &by_members)] {
        let as_written = print(root, Numbers::AsWritten, keys);
        assert_eq!(numbers(&as_written), numbers(body), "a number is written otherwise");
        let again = json::parse(as_written.as_bytes()).unwrap();
        assert_eq!(&print(&again.root, Numbers::JavaScript, keys), text, "not the same value");
        assert_eq!(print(&again.root, Numbers::AsWritten, keys), as_written, "printing twice changes it");
    }
    let candidates = candidates(root);
    assert_eq!(candidates.first(), Some(&print(root, Numbers::AsWritten, Keys::JavaScript)));
    assert!(candidates.len() <= 4 && candidates.contains(&whole) && candidates.contains(&by_members));
}

/// The number tokens of a JSON text, sorted.
fn numbers(text: &str) -> Vec<&str> {
    let mut found: Vec<&str> = text
        .split('"')
        .scan((false, false), |(inside, escaped), piece| {
            let outside = (!*inside).then_some(piece);
            // A quote behind an odd number of backslashes does not end a string.
            *escaped = *inside && piece.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1;
            if !*escaped {
                *inside = !*inside;
            }
            Some(outside)
        })
        .flatten()
        .flat_map(|piece| piece.split(|character: char| !matches!(character, '0'..='9' | '-' | '+' | '.' | 'e' | 'E')))
        .filter(|token| token.bytes().any(|byte| byte.is_ascii_digit()))
        .collect();
    found.sort_unstable();
    found
}
