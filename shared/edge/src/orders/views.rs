//! The order views' table: one row for each order, written on condition that no other writer came between.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;
use sha2::{Digest, Sha256};
use webhook::claim::EventKey;
use webhook::view::{Refunded, Summary, View};

use crate::aws::clock::Clock;
use crate::aws::log::LogLine;
use crate::keep::compression;
use crate::keep::error::{StoreError, condition_held};
use crate::keep::item::{Item, bytes, text};
use crate::keep::store::Store;

/// Most bytes of a view as it is stored, the attributes beside it left out: an item holds 400 KB in all.
pub const VIEW_BYTES_MAX: usize = 380 * 1024;

/// Most bytes of a view as JSON: nothing longer is decompressed.
const JSON_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Attempts at a view that other writers keep writing to.
pub(super) const ATTEMPTS_MAX: u32 = 8;

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

    /// Returns a view and its etag.
    pub(super) async fn read(&self, pk: &str) -> Result<Option<(View, String)>, StoreError> {
        let Some(item) = self.item(pk).await? else { return Ok(None) };
        let missing = |reason: &'static str| move || StoreError::row(pk, reason);
        let compressed = item.get("view").and_then(|value| value.as_b().ok()).ok_or_else(missing("it has no view"))?;
        let json = compression::decompress(compressed.as_ref()).map_err(|error| StoreError::compressed(pk, error))?;
        let view = serde_json::from_slice(&json).map_err(|error| StoreError::row(pk, error))?;
        let etag = item.get("etag").and_then(|value| value.as_s().ok()).ok_or_else(missing("it has no etag"))?;
        Ok(Some((view, etag.clone())))
    }

    async fn item(&self, pk: &str) -> Result<Option<Item>, StoreError> {
        let request = self.client.get_item().table_name(&self.table).consistent_read(true).key("pk", text(pk));
        let output = request.send().await.map_err(|error| StoreError::service("get an order view", &error))?;
        Ok(output.item)
    }

    /// Returns a view and its etag for a rebuild, to which a damaged view is as good as none.
    pub(super) async fn read_for_rebuild(&self, pk: &str) -> Result<(Option<View>, Option<String>), StoreError> {
        match self.read(pk).await {
            Ok(found) => Ok(found.map_or((None, None), |(view, etag)| (Some(view), Some(etag)))),
            Err(error) if error.is_outage() => Err(error),
            Err(error) => {
                let item = self.item(pk).await?;
                let etag = item.and_then(|item| item.get("etag")?.as_s().ok().cloned()).ok_or(error)?;
                Ok((None, Some(etag)))
            }
        }
    }

    /// Joins events' views into the one that is there, but for those of events that were disowned on their way here.
    pub(super) async fn join(&self, store: &Store, pk: &str, news: &[View]) -> Result<(), StoreError> {
        for _ in 0..ATTEMPTS_MAX {
            let (mut view, etag) =
                self.read(pk).await?.map_or((View::default(), None), |(view, etag)| (view, Some(etag)));
            let mut changed = false;
            for news in news {
                // Few orders have such an event: the others cost no look at a row.
                if !view.has_disowned() || !is_disowned(store, news).await? {
                    changed |= view.merge(news.clone());
                }
            }
            if !changed {
                return Ok(());
            }
            note_shortened(pk, shorten(&mut view));
            if self.write(pk, &view, etag).await? {
                return Ok(());
            }
        }
        Err(StoreError::Contended)
    }

    /// Writes a view if the one in the table still has this etag, or if there still is none. Returns whether it did.
    pub(super) async fn write(&self, pk: &str, view: &View, read_etag: Option<String>) -> Result<bool, StoreError> {
        let request = self.client.put_item().table_name(&self.table).set_item(Some(view_item(pk, view)?));
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

/// Returns whether the event that made a view is disowned. A correction's registers name the event that it corrects.
async fn is_disowned(store: &Store, view: &View) -> Result<bool, StoreError> {
    let event = view.registers().next().and_then(|(_, register)| EventKey::from_id(&register.event));
    let Some(key) = event else { return Ok(false) };
    match store.row(&key).await {
        Err(error) if error.is_outage() => Err(error),
        // A row that cannot be read holds nothing up.
        row => Ok(row.ok().flatten().is_some_and(|stored| stored.is_disowned())),
    }
}

/// Makes a view's row: the view itself, and its states and sums for people and queries.
fn view_item(pk: &str, view: &View) -> Result<Item, StoreError> {
    let json = serde_json::to_vec(view).map_err(|error| StoreError::row(pk, error))?;
    let mut item = Item::from([
        ("pk".to_owned(), text(pk)),
        ("etag".to_owned(), text(&hex::encode(Sha256::digest(&json)))),
        ("view".to_owned(), bytes(compression::compress_view(&json).map_err(StoreError::Compression)?)),
    ]);
    if view.has_disowned() {
        item.insert("disowned".to_owned(), AttributeValue::Bool(true));
    }
    item.extend(summary_attributes(&view.summary()));
    Ok(item)
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
