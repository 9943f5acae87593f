//! The types that every provider's value and claim are made of.

pub(super) use crate::json::Value;
pub(super) use crate::keep::claim::{Claim, OtherBody, Part, Strength};
pub(super) use crate::provider::Provider;
pub(super) use crate::read::mapping::{Mapped, MappingInput};
pub(super) use crate::read::snapshot::{SnapshotContext, SnapshotMapping};
pub(super) use crate::read::status::Table;
pub(super) use crate::receive::scheme::{Admission, Scheme, SchemeName};
pub(super) use crate::receive::signature::Verified;

pub(super) const HOUR_MS: i64 = 60 * 60 * 1_000;

/// The provider's words of a table.
pub(super) fn words<T>(table: Table<T>) -> Vec<&'static str> {
    table.iter().map(|(word, _)| *word).collect()
}
