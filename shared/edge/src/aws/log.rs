//! Writes one structured line for each occurrence to standard output, where CloudWatch reads logs and embedded metrics.
//!
//! Lines carry names, kinds, counts and times; never bodies, headers, tokens or personal data.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Map, Value, json};

/// The CloudWatch namespace of every metric.
pub const NAMESPACE: &str = "hookmill";

/// The metric that `template.yaml` has an alarm for.
pub const ATTENTION: &str = "Attention";

static STARTED: AtomicBool = AtomicBool::new(false);

/// Starts writing lines. Until a function's `main` calls this nothing is written, so that whatever else links this
/// crate keeps its standard output to itself.
pub fn start_logging() {
    STARTED.store(true, Ordering::Relaxed);
}

/// A line and the metrics in it.
#[derive(Debug)]
pub struct LogLine {
    fields: Map<String, Value>,
    metrics: Vec<(&'static str, &'static str)>,
    stack_metrics: Vec<&'static str>,
    attention: bool,
}

impl LogLine {
    /// A line of level INFO: nothing is wrong.
    pub fn info(message: &str) -> Self {
        LogLine::new("INFO", message)
    }

    /// A line of level WARN: to be looked at.
    pub fn warn(message: &str) -> Self {
        LogLine::new("WARN", message)
    }

    /// A line of level ERROR: something failed.
    pub fn error(message: &str) -> Self {
        LogLine::new("ERROR", message)
    }

    fn new(level: &str, message: &str) -> Self {
        let fields = [("level", json!(level)), ("message", json!(message))];
        LogLine {
            fields: fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            metrics: Vec::new(),
            stack_metrics: Vec::new(),
            attention: false,
        }
    }

    /// Adds a field.
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(name.to_owned(), value.into());
        self
    }

    /// Adds a number that is also a metric, by provider and outcome.
    pub fn metric(mut self, name: &'static str, unit: &'static str, value: impl Into<Value>) -> Self {
        self.fields.insert(name.to_owned(), value.into());
        self.metrics.push((name, unit));
        self
    }

    /// Adds a count that is also a metric, by the line's field `stack`: its absence has a meaning too, which another
    /// deployment's number must not hide.
    pub fn stack_metric(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.fields.insert(name.to_owned(), value.into());
        self.stack_metrics.push(name);
        self
    }

    /// Counts the line in the metric that an alarm watches: something genuine could not be received or read.
    pub fn attention(mut self) -> Self {
        self.attention = true;
        self
    }

    /// Returns the line as JSON.
    pub fn render(mut self, now_ms: i64) -> String {
        let mut directives = Vec::new();
        if !self.metrics.is_empty() {
            let metrics: Vec<_> = self.metrics.iter().map(|(name, unit)| json!({"Name": name, "Unit": unit})).collect();
            // Two dimensions only: one for every source or kind would cost more than the rest of the deployment.
            directives
                .push(json!({"Namespace": NAMESPACE, "Dimensions": [["provider", "outcome"]], "Metrics": metrics}));
        }
        if !self.stack_metrics.is_empty() {
            let metrics: Vec<_> =
                self.stack_metrics.iter().map(|name| json!({"Name": name, "Unit": "Count"})).collect();
            directives.push(json!({"Namespace": NAMESPACE, "Dimensions": [["stack"]], "Metrics": metrics}));
        }
        if self.attention {
            self.fields.insert(ATTENTION.to_owned(), json!(1));
            let metrics = json!([{"Name": ATTENTION, "Unit": "Count"}]);
            // No dimension, so that one alarm covers all of it.
            directives.push(json!({"Namespace": NAMESPACE, "Dimensions": [[]], "Metrics": metrics}));
        }
        // Lambda takes a JSON line without a time for INFO, whatever its level is.
        self.fields.insert("timestamp".to_owned(), json!(time(now_ms)));
        if !directives.is_empty() {
            self.fields.insert("_aws".to_owned(), json!({"Timestamp": now_ms, "CloudWatchMetrics": directives}));
        }
        Value::Object(self.fields).to_string()
    }

    /// Writes the line, once [`start_logging`] was called.
    pub fn write(self, now_ms: i64) {
        if !STARTED.load(Ordering::Relaxed) {
            return;
        }
        let line = self.render(now_ms);
        // A log that cannot be written must not cost a delivery.
        let _ = writeln!(std::io::stdout().lock(), "{line}");
    }
}

/// Returns RFC 3339 with milliseconds, as Lambda reads it.
fn time(now_ms: i64) -> String {
    format!("{:.3}", jiff::Timestamp::from_millisecond(now_ms).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_have_two_dimensions() {
        let line =
            LogLine::info("kept").with("provider", "scalev").with("outcome", "kept").metric("Deliveries", "Count", 1);
        let line: Value = serde_json::from_str(&line.render(5)).unwrap();
        assert_eq!(line["_aws"]["CloudWatchMetrics"][0]["Dimensions"], json!([["provider", "outcome"]]));
        assert_eq!((&line["Deliveries"], &line["_aws"]["Timestamp"]), (&json!(1), &json!(5)));
        assert!(!LogLine::info("x").render(0).contains("_aws"));
        let plain: Value = serde_json::from_str(&LogLine::warn("x").render(1_767_225_600_040)).unwrap();
        assert_eq!(plain, json!({"level": "WARN", "message": "x", "timestamp": "2026-01-01T00:00:00.040Z"}));
        let line: Value = serde_json::from_str(&LogLine::error("x").attention().render(5)).unwrap();
        assert_eq!(line["_aws"]["CloudWatchMetrics"][0]["Dimensions"], json!([[]]));
        let line = LogLine::info("x").with("stack", "s").stack_metric("Silence", 0);
        let line: Value = serde_json::from_str(&line.render(5)).unwrap();
        let directive = json!({"Namespace": NAMESPACE, "Dimensions": [["stack"]], "Metrics": [{"Name": "Silence", "Unit": "Count"}]});
        assert_eq!((&line["_aws"]["CloudWatchMetrics"], &line["Silence"]), (&json!([directive]), &json!(0)));
    }
}
