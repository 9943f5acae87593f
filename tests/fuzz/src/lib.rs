//! hookmill's fuzz targets: what may never happen, whatever bytes arrive.
//!
//! A target is a plain function over bytes that panics when a rule is broken; what it compares with is made another
//! way than in the code under test. `make fuzz` runs the targets under libFuzzer (`libfuzzer/`); `tests/short.rs` feeds
//! them the seeds, the kept regressions and seeded mutations on every test run.
//! Nothing in this repository is `unsafe`, so targets run without a sanitizer, which is several times faster.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a target panics when a rule is broken"
)]

mod sources;
mod admit;
mod reading;
mod snapshot;
mod canonical_json;
mod view;
mod http;
mod secret;
mod row_decompress;
mod stream_record;
mod queue_record;
mod samples;
mod seeds;
mod mutation;

pub use admit::admit;
pub use canonical_json::canonical_json;
pub use http::http;
pub use mutation::Mutator;
pub use queue_record::queue_record;
pub use reading::{read_scalapay, read_scalev, read_selldone, read_shopline};
pub use row_decompress::row_decompress;
pub use secret::secret;
pub use seeds::dictionary;
pub use snapshot::snapshot;
pub use stream_record::stream_record;
pub use view::view;

/// A target and what it starts from.
#[derive(Debug, Clone, Copy)]
pub struct FuzzTarget {
    /// Its name, which is that of its function and of its libFuzzer binary.
    pub name: &'static str,
    /// Panics when a rule is broken.
    pub run: fn(&[u8]),
    /// Longer inputs are not tried.
    pub bytes_max: usize,
    /// Inputs to start from, made of the sample deliveries.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// Every target.
pub const TARGETS: [FuzzTarget; 13] = [
    FuzzTarget { name: "admit", run: admit, bytes_max: 65_536, seeds: seeds::admit },
    FuzzTarget { name: "read_scalapay", run: read_scalapay, bytes_max: 4_096, seeds: seeds::read_scalapay },
    FuzzTarget { name: "read_scalev", run: read_scalev, bytes_max: 4_096, seeds: seeds::read_scalev },
    FuzzTarget { name: "read_selldone", run: read_selldone, bytes_max: 4_096, seeds: seeds::read_selldone },
    FuzzTarget { name: "read_shopline", run: read_shopline, bytes_max: 4_096, seeds: seeds::read_shopline },
    FuzzTarget { name: "snapshot", run: snapshot, bytes_max: 4_096, seeds: seeds::snapshot },
    FuzzTarget { name: "canonical_json", run: canonical_json, bytes_max: 8_192, seeds: seeds::canonical_json },
    FuzzTarget { name: "view", run: view, bytes_max: 16_384, seeds: seeds::view },
    FuzzTarget { name: "http", run: http, bytes_max: 16_384, seeds: seeds::http },
    FuzzTarget { name: "secret", run: secret, bytes_max: 4_096, seeds: seeds::secret },
    FuzzTarget { name: "row_decompress", run: row_decompress, bytes_max: 65_536, seeds: seeds::row_decompress },
    FuzzTarget { name: "stream_record", run: stream_record, bytes_max: 32_768, seeds: seeds::stream_record },
    FuzzTarget { name: "queue_record", run: queue_record, bytes_max: 32_768, seeds: seeds::queue_record },
];
