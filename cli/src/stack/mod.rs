//! A deployed stack: its outputs and secrets, and what its tables and queues hold.

pub mod aws;
pub mod context;
pub mod deployment;
pub mod sources;
pub mod secret;
pub mod index;
pub mod ids;
pub mod history;
pub mod provenance;
pub mod timeline;
pub mod kept;
pub mod quarantine;
pub mod destination;
pub mod difference;
pub mod deployed_reader;
pub mod dead_letters;
pub mod apis;
