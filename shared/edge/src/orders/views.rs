//! The order views' table: one row for each order, written on condition that no other writer came between.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;
use sha2::{Digest, Sha256};
use webhook::facts::announced::{self, Announced};
use webhook::view::{Refunded, Summary, View};

use crate::aws::clock::Clock;
use crate::aws::log::LogLine;
use crate::keep::compression;
use crate::keep::error::{StoreError, condition_held};
use crate::keep::item::{Item, bytes, text};

/// Most bytes of a view as it is stored, the attributes beside it left out: an item holds 400 KB in all.
pub const VIEW_BYTES_MAX: usize = 380 * 1024;

/// Most bytes of a view as JSON: nothing longer is decompressed.
const JSON_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Attempts at a view that other writers keep writing to.
pub(super) const ATTEMPTS_MAX: u32 = 8;

/// A view as the table has it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KeptView {
    /// The view; empty if there is none.
    pub view: View,
    /// Its announcements; `None` if there is no view, or if it is older than announcing.
    pub announced: Option<Announced>,
    /// Its etag, if there is a view.
    pub(super) etag: Option<String>,
}

impl KeptView {
    /// Returns whether there is a view.
    pub fn is_stored(&self) -> bool {
        self.etag.is_some()
    }
}

/// The order views.
#[derive(Debug, Clone)]
pub struct Views {
    client: Client,
    table: String,
}

impl Views {
    /// The views in the table of this name.
    pub fn new(client: Client, table: String) -> Self {
        Views { client, table }
    }

    /// Returns the current view of a subject.
    pub async fn view(&self, pk: &str) -> Result<Option<View>, StoreError> {
        Ok(self.read(pk).await?.map(|(view, _)| view))
    }

    /// Returns the row of a subject; an empty one if there is none.
    pub async fn kept(&self, pk: &str) -> Result<KeptView, StoreError> {
        let (view, announced, etag) = match self.row(pk).await? {
            Some((view, announced, etag)) => (view, announced, Some(etag)),
            None => Default::default(),
        };
        Ok(KeptView { view, announced, etag })
    }

    /// Returns a view and its etag.
    pub(super) async fn read(&self, pk: &str) -> Result<Option<(View, String)>, StoreError> {
        Ok(self.row(pk).await?.map(|(view, _, etag)| (view, etag)))
    }

    async fn row(&self, pk: &str) -> Result<Option<(View, Option<Announced>, String)>, StoreError> {
        let Some(item) = self.item(pk).await? else { return Ok(None) };
        let missing = |reason: &'static str| move || StoreError::row(pk, reason);
        let compressed = item.get("view").and_then(|value| value.as_b().ok()).ok_or_else(missing("it has no view"))?;
        let json = compression::decompress(compressed.as_ref()).map_err(|error| StoreError::compressed(pk, error))?;
        let (view, announced) = announced::from_json(&json).map_err(|error| StoreError::row(pk, error))?;
        let etag = item.get("etag").and_then(|value| value.as_s().ok()).ok_or_else(missing("it has no etag"))?;
        Ok(Some((view, announced, etag.clone())))
    }

    async fn item(&self, pk: &str) -> Result<Option<Item>, StoreError> {
        let request = self.client.get_item().table_name(&self.table).consistent_read(true).key("pk", text(pk));
        let output = request.send().await.map_err(|error| StoreError::service("get an order view", &error))?;
        Ok(output.item)
    }

    /// Returns a row for a rebuild, to which a damaged view is as good as none. Its record is then unknown, and the facts
    /// of the new view are adopted as those of a view that is older than announcing.
    pub(super) async fn read_for_rebuild(&self, pk: &str) -> Result<(KeptView, bool), StoreError> {
        match self.kept(pk).await {
            Ok(kept) => Ok((kept, false)),
            Err(error) if error.is_outage() => Err(error),
            Err(error) => {
                let item = self.item(pk).await?;
                let etag = item.and_then(|item| item.get("etag")?.as_s().ok().cloned()).ok_or(error)?;
                Ok((KeptView { etag: Some(etag), ..KeptView::default() }, true))
            }
        }
    }

    /// Writes a view if the one in the table still has this etag, or if there still is none. Returns whether it did.
    pub(super) async fn write(
        &self,
        pk: &str,
        view: &View,
        announced: Option<&Announced>,
        read_etag: Option<String>,
    ) -> Result<bool, StoreError> {
        let request = self.client.put_item().table_name(&self.table).set_item(Some(view_item(pk, view, announced)?));
        let request = match read_etag {
            None => request.condition_expression("attribute_not_exists(pk)"),
            Some(etag) => {
                request.condition_expression("etag = :etag").expression_attribute_values(":etag", text(&etag))
            }
        };
        condition_held("put an order view", request.send().await)
    }

    /// Deletes a view if it still has this etag. Returns whether it did.
    pub(super) async fn delete(&self, pk: &str, etag: &str) -> Result<bool, StoreError> {
        let request = self.client.delete_item().table_name(&self.table).key("pk", text(pk));
        let request = request.condition_expression("etag = :etag").expression_attribute_values(":etag", text(etag));
        condition_held("delete an order view", request.send().await)
    }
}

/// Leaves out of a view what has no place in its row, and returns how much that was: its events have it.
pub(super) fn shorten(view: &mut View) -> usize {
    view.shorten(|view| {
        let json = serde_json::to_vec(view).unwrap_or_default();
        let compressed = compression::compress_view(&json).map_or(usize::MAX, |compressed| compressed.len());
        json.len() <= JSON_BYTES_MAX && compressed <= VIEW_BYTES_MAX
    })
}

/// Logs that something was left out of a view.
pub(super) fn note_shortened(pk: &str, left_out: usize) {
    if left_out > 0 {
        LogLine::warn("an order view is too large for its row; what was left out is in its events")
            .attention()
            .with("order", pk)
            .with("left_out", left_out)
            .write(Clock::system().now_ms());
    }
}

/// Makes a view's row: the view itself with what was announced of it, and its states and sums for people and queries.
fn view_item(pk: &str, view: &View, announced: Option<&Announced>) -> Result<Item, StoreError> {
    let json = announced::to_json(view, announced).map_err(|error| StoreError::row(pk, error))?;
    let mut item = Item::from([
        ("pk".to_owned(), text(pk)),
        ("etag".to_owned(), text(&etag(&json))),
        ("view".to_owned(), bytes(compression::compress_view(&json).map_err(StoreError::Compression)?)),
    ]);
    if view.has_disowned() {
        item.insert("disowned".to_owned(), AttributeValue::Bool(true));
    }
    item.extend(summary_attributes(&view.summary()));
    Ok(item)
}

/// Half a hash distinguishes all versions that a row will ever have, and leaves room for the record of announcements.
fn etag(json: &[u8]) -> String {
    hex::encode(Sha256::digest(json).get(..16).unwrap_or_default())
}

fn summary_attributes(summary: &Summary) -> impl Iterator<Item = (String, AttributeValue)> {
    fn word(state: Option<&impl Serialize>) -> Option<String> {
        serde_json::to_value(state?).ok()?.as_str().map(str::to_owned)
    }
    let refunded = match summary.refunded {
        Refunded::Nothing => None,
        Refunded::Unknown => Some("unknown".to_owned()),
        Refunded::Amount(amount) => Some(amount.to_string()),
    };
    [
        ("order_state", word(summary.order_state.as_ref())),
        ("payment_state", word(summary.payment_state.as_ref())),
        ("fulfillment_state", word(summary.fulfillment_state.as_ref())),
        ("total", summary.total.map(|total| total.to_string())),
        ("currency", summary.currency.clone()),
        ("refunded", refunded),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name.to_owned(), text(&value?))))
}
