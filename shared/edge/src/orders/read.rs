//! One event or one order, for consumers in any language.

use lambda_runtime::Diagnostic;
use serde::Deserialize;
use serde_json::{Value, json};
use webhook::claim::EventKey;
use webhook::event::corrected;
use webhook::providers::Provider;

use crate::aws::client::{BACKGROUND, sdk_config};
use crate::aws::config::ViewConfig;
use crate::aws::serve::Handler;
use crate::keep::error::StoreError;
use crate::keep::item::KeptBody;
use crate::keep::store::Store;
use crate::orders::views::Views;

/// Answers `{"id": "<event id>"}` with the canonical event and `{"order": "<provider>/<source>/<subject>"}` with the
/// order's view; `"body": true` beside it asks for the kept bodies too.
#[derive(Debug)]
pub struct Reader {
    store: Store,
    views: Views,
}

/// The payload of the reader.
#[derive(Debug, Deserialize)]
pub struct Question {
    /// Its name.
    #[serde(flatten)]
    pub name: ReadKey,
    /// With the bodies that were received, secrets redacted.
    #[serde(default)]
    pub body: bool,
}

/// The name of what is asked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadKey {
    /// An event, by its id.
    Id(String),
    /// An order's view, by its partition key.
    Order(String),
}

/// Most bytes of bodies in one answer: a function's answer has 6 MB, and its text may be escaped.
const BODIES_BYTES_MAX: usize = 2 * 1024 * 1024;

/// A reason why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The id is malformed.
    #[error("an event id has five parts: provider, source, subject, word, identity")]
    Form,
    /// Nothing is kept under that name.
    #[error("nothing is kept under this name")]
    Unknown,
    /// It was kept, and its body was erased by age or on request.
    #[error("it was erased on {0}")]
    Erased(String),
    /// It was disowned: it came by a key that had leaked.
    #[error("it was disowned on {0}")]
    Disowned(String),
    /// The table could not be read.
    #[error("the table cannot be read: {0}")]
    Store(String),
}

impl From<ReadError> for Diagnostic {
    /// The types that a caller can distinguish: `Form`, `Unknown`, `Erased`, `Disowned`, `Store`.
    fn from(error: ReadError) -> Self {
        let error_type = match &error {
            ReadError::Form => "Form",
            ReadError::Unknown => "Unknown",
            ReadError::Erased(_) => "Erased",
            ReadError::Disowned(_) => "Disowned",
            ReadError::Store(_) => "Store",
        };
        Diagnostic { error_type: error_type.to_owned(), error_message: error.to_string() }
    }
}

impl Handler for Reader {
    type Payload = Question;
    type Answer = Value;
    type Error = ReadError;

    async fn handle(&self, question: Question) -> Result<Value, ReadError> {
        self.answer(question).await
    }
}

impl Reader {
    /// A reader configured from the environment.
    pub async fn from_config(config: ViewConfig) -> Self {
        let client = aws_sdk_dynamodb::Client::new(&sdk_config(BACKGROUND).await);
        Reader::new(config, client)
    }

    /// A reader with this client.
    pub fn new(config: ViewConfig, client: aws_sdk_dynamodb::Client) -> Self {
        Reader {
            store: Store::new(client.clone(), config.events_table),
            views: Views::new(client, config.orders_table),
        }
    }

    /// Answers one question.
    pub async fn answer(&self, question: Question) -> Result<Value, ReadError> {
        match question.name {
            ReadKey::Id(id) => self.event(&id, question.body).await,
            ReadKey::Order(pk) => self.order(&pk, question.body).await,
        }
    }

    async fn event(&self, id: &str, with_body: bool) -> Result<Value, ReadError> {
        // A correction has no row of its own: it is this build's reading of the row of the event that it corrects.
        let correction = corrected(id);
        let key = EventKey::from_id(correction.map_or(id, |(event, _)| event)).ok_or(ReadError::Form)?;
        let provider = Provider::of(&key).ok_or(ReadError::Unknown)?;
        let stored = self.store.load(&key).await.map_err(|error| ReadError::Store(error.chain()))?;
        let stored = stored.ok_or(ReadError::Unknown)?;
        if let KeptBody::Erased(erased) = stored.body {
            return Err(ReadError::Erased(erased.at));
        }
        if let Some(at) = stored.disowned_at {
            return Err(ReadError::Disowned(at));
        }
        let event = provider.read(&stored.row);
        let event = if with_body && !stored.is_bodiless() { event.with_body(&stored.row.body) } else { event };
        Ok(json!(if correction.is_some() { event.into_correction() } else { event }))
    }

    async fn order(&self, pk: &str, with_bodies: bool) -> Result<Value, ReadError> {
        let view = self.views.view(pk).await.map_err(|error| ReadError::Store(error.chain()))?;
        // One that is empty only says which events are disowned.
        let view = view.filter(|view| !view.is_empty()).ok_or(ReadError::Unknown)?;
        let mut answer = json!({"order": pk, "summary": view.summary(), "view": view.render()});
        if let Some(members) = answer.as_object_mut().filter(|_| with_bodies) {
            members.insert("events".to_owned(), self.bodies(pk).await?);
        }
        Ok(answer)
    }

    /// The events of an order with their bodies, as far as an answer can carry them; the others have a reference.
    async fn bodies(&self, pk: &str) -> Result<Value, ReadError> {
        let failed = |error: StoreError| ReadError::Store(error.chain());
        let mut events = Vec::new();
        let mut bytes = 0;
        for row in self.store.partition(pk).await.map_err(failed)? {
            // A row that cannot be read has nothing to hand over, and holds nothing else up.
            let Ok(mut stored) = row else { continue };
            if stored.is_disowned() {
                continue;
            }
            let id = stored.row.key.id();
            match self.store.load_body(&mut stored).await {
                Ok(()) => {}
                Err(error) if error.is_outage() => return Err(failed(error)),
                Err(_) => continue,
            }
            if stored.is_bodiless() || stored.is_erased() {
                continue;
            }
            let length = stored.row.body.len();
            let fits = bytes + length <= BODIES_BYTES_MAX;
            events.push(if fits {
                bytes += length;
                json!({"id": id, "body": String::from_utf8_lossy(&stored.row.body)})
            } else {
                json!({"id": id, "bodyref": id})
            });
        }
        Ok(json!(events))
    }
}
