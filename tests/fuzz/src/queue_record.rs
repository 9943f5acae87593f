//! Messages of the orders queue: every message becomes a view or an error, whatever is in it.

use edge::orders::consumer::{QueueBatch, parse_message};
use webhook::view::View;

/// The JSON of an invocation; what is none is taken for one message's body.
pub fn queue_record(data: &[u8]) {
    let views: Vec<View> = match serde_json::from_slice::<QueueBatch>(data) {
        Ok(batch) => batch.bodies().take(3).filter_map(view).collect(),
        Err(_) => std::str::from_utf8(data).ok().and_then(view).into_iter().collect(),
    };
    crate::view::laws(&views);
}

fn view(body: &str) -> Option<View> {
    match parse_message(body) {
        Ok((key, event)) => {
            assert_eq!(key.id(), event.id);
            crate::reading::check_message(&event);
            Some(View::of(&event))
        }
        Err(reason) => {
            assert!(!reason.is_empty());
            None
        }
    }
}
