//! An event on its way to the queues.

use webhook::event::Event;

use crate::aws::queue::QueueMessage;

/// A canonical event and the queue group that it belongs to.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) event: Event,
    pub(crate) pk: String,
    /// The body that it was read from; `None` if that cannot be had, or if no queue takes bodies.
    pub(crate) body: Option<Vec<u8>>,
    /// Time of receipt, as its row has it.
    pub(crate) received_at: Option<String>,
}

impl Outgoing {
    /// Returns its message, with its body if that is wanted and can be had.
    pub(crate) fn message(&self, with_body: bool) -> QueueMessage {
        match self.body.as_deref().filter(|_| with_body) {
            Some(body) => QueueMessage::with_body(&self.event, body, &self.pk),
            None => QueueMessage::of(&self.event, &self.pk),
        }
    }
}
