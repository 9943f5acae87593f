//! A deployed stack, and what it can be asked: its outputs and secrets, kept events and orders' histories, refused
//! deliveries and dead letters.
//!
//! [`connection`] is the account and the clock, [`deployment`] the stack's outputs. [`sources`] and [`secret`] read and
//! change who may send, [`known`] selects among them; [`history`], [`reader`], [`following`], [`provenance`] and
//! [`timeline`] read kept events; [`kept`] and [`quarantine`] what became of deliveries; [`deployed_reader`] and [`difference`] another build's reading of an event;
//! [`destination`] and [`dead_letters`] the queues. [`error`] and [`aws`] put failures into words.
//! Knows no command line and no terminal: whoever asks prints.

pub mod error;
pub mod time;
pub mod aws;
pub mod connection;
pub mod deployment;
pub mod sources;
pub mod secret;
pub mod history;
pub mod reader;
pub mod following;
pub mod known;
pub mod provenance;
pub mod timeline;
pub mod kept;
pub mod quarantine;
pub mod destination;
pub mod difference;
pub mod deployed_reader;
pub mod dead_letters;

pub use connection::{Access, Stack};
pub use error::{Error, Exit};
