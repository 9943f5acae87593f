//! Kept bodies: what was compressed comes back, and what was not takes no more memory than a body may.

use edge::keep::compression::{compress, compress_body, compress_view, decompress};
use edge::keep::item::BODY_BYTES_MAX;
use webhook::providers::PROVIDERS;

/// Round trips are tried up to this length.
const ROUND_TRIP_BYTES_MAX: usize = 65_536;

/// An odd byte and something to decompress, or an even byte and something to compress.
pub fn row_decompress(data: &[u8]) {
    let Some((choice, rest)) = data.split_first() else { return };
    if choice % 2 == 0 {
        round_trip(rest);
    } else if let Ok(body) = decompress(rest) {
        assert!(u64::try_from(body.len()).unwrap() <= BODY_BYTES_MAX, "longer than any body");
        assert!(body.capacity() <= 4 * usize::try_from(BODY_BYTES_MAX).unwrap(), "more memory than any body takes");
        if body.len() <= ROUND_TRIP_BYTES_MAX && choice % 16 == 1 {
            round_trip(&body);
        }
    }
}

fn round_trip(body: &[u8]) {
    let with_dictionaries = PROVIDERS.iter().map(|provider| compress_body(provider.name, body));
    for compressed in with_dictionaries.chain([compress(body), compress_view(body)]) {
        let compressed = compressed.unwrap();
        assert!(compressed.len() <= body.len() + body.len() / 128 + 64, "much longer than the body");
        assert!(decompress(&compressed).unwrap() == body, "another body came back");
    }
}
