//! Writes one structured line for each occurrence to standard output, where CloudWatch reads logs and embedded metrics.
//!
//! Lines carry names, kinds, counts and times; never bodies, headers, tokens or personal data.

use std::io::Write;
use std::sync::OnceLock;

use serde_json::{Map, Value, json};

use crate::aws::config::stack_name;

/// The CloudWatch namespace of every metric.
pub const NAMESPACE: &str = "hookmill";

/// The metric that `template.yaml` has an alarm for.
pub const ATTENTION: &str = "Attention";

/// The stack of a function that was deployed without the variable `STACK`. A metric's dimension may not be empty.
const UNNAMED: &str = "hookmill";

/// The stack's name, once lines are written.
static STACK: OnceLock<String> = OnceLock::new();

/// Starts writing lines, with metrics of the stack that `STACK` names. Until a function's `main` calls this nothing is
/// written, so that whatever else links this crate keeps its standard output to itself.
pub fn start_logging() {
    STACK.get_or_init(|| stack_name().unwrap_or_else(|| UNNAMED.to_owned()));
}

/// A line and the metrics in it.
#[derive(Debug)]
pub struct LogLine {
    fields: Map<String, Value>,
    metrics: Vec<(&'static str, &'static str)>,
    counts: Vec<&'static str>,
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
            counts: Vec::new(),
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

    /// Adds a count that is also a metric, of the whole stack.
    pub fn count(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.fields.insert(name.to_owned(), value.into());
        self.counts.push(name);
        self
    }

    /// Counts the line in the metric that an alarm watches: something genuine could not be received or read.
    pub fn attention(self) -> Self {
        self.count(ATTENTION, 1)
    }

    /// Returns the line as JSON, with its metrics as those of a stack: another one in the same account has its own.
    pub fn render(mut self, stack: &str, now_ms: i64) -> String {
        let directive = |dimensions: &[&str], metrics: Vec<Value>| json!({"Namespace": NAMESPACE, "Dimensions": [dimensions], "Metrics": metrics});
        let mut directives = Vec::new();
        if !self.metrics.is_empty() {
            let metrics = self.metrics.iter().map(|(name, unit)| json!({"Name": name, "Unit": unit})).collect();
            // No dimension for the source or the kind: that would cost more than the rest of the deployment.
            directives.push(directive(&["stack", "provider", "outcome"], metrics));
        }
        if !self.counts.is_empty() {
            let metrics = self.counts.iter().map(|name| json!({"Name": name, "Unit": "Count"})).collect();
            directives.push(directive(&["stack"], metrics));
        }
        // Lambda takes a JSON line without a time for INFO, whatever its level is.
        self.fields.insert("timestamp".to_owned(), json!(time(now_ms)));
        if !directives.is_empty() {
            self.fields.insert("stack".to_owned(), json!(stack));
            self.fields.insert("_aws".to_owned(), json!({"Timestamp": now_ms, "CloudWatchMetrics": directives}));
        }
        Value::Object(self.fields).to_string()
    }

    /// Writes the line, once [`start_logging`] was called.
    pub fn write(self, now_ms: i64) {
        let Some(stack) = STACK.get() else { return };
        let line = self.render(stack, now_ms);
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
    fn metrics_are_of_their_stack() {
        let rendered = |line: LogLine, now_ms| serde_json::from_str::<Value>(&line.render("shop", now_ms)).unwrap();
        let line = LogLine::info("kept").with("provider", "scalev").with("outcome", "kept");
        let line = rendered(line.metric("Deliveries", "Count", 1).attention(), 5);
        let directives = json!([
            {"Namespace": NAMESPACE, "Dimensions": [["stack", "provider", "outcome"]], "Metrics": [{"Name": "Deliveries", "Unit": "Count"}]},
            {"Namespace": NAMESPACE, "Dimensions": [["stack"]], "Metrics": [{"Name": "Attention", "Unit": "Count"}]},
        ]);
        assert_eq!(line["_aws"], json!({"Timestamp": 5, "CloudWatchMetrics": directives}));
        assert_eq!((&line["Deliveries"], &line["Attention"], &line["stack"]), (&json!(1), &json!(1), &json!("shop")));
        let line = rendered(LogLine::info("x").count("Silence", 0), 5);
        let directive = json!({"Namespace": NAMESPACE, "Dimensions": [["stack"]], "Metrics": [{"Name": "Silence", "Unit": "Count"}]});
        assert_eq!((&line["_aws"]["CloudWatchMetrics"], &line["Silence"]), (&json!([directive]), &json!(0)));
    }

    #[test]
    fn a_line_without_metrics_has_its_level_message_and_time() {
        let line: Value = serde_json::from_str(&LogLine::warn("x").render("shop", 1_767_225_600_040)).unwrap();
        assert_eq!(line, json!({"level": "WARN", "message": "x", "timestamp": "2026-01-01T00:00:00.040Z"}));
    }
}
