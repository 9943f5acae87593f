//! Times in which a service is down.

/// A service that can be down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// DynamoDB's events table.
    Events,
    /// DynamoDB's table of order views.
    Views,
    /// SQS.
    Queues,
    /// Secrets Manager.
    Secrets,
}

/// A time in which a service is down.
#[derive(Debug, Clone, Copy)]
pub struct Outage {
    /// The service.
    pub service: Service,
    /// The beginning, in milliseconds.
    pub from_ms: u64,
    /// The end, in milliseconds.
    pub to_ms: u64,
}
