//! Secrets Manager behind the SDK's HTTP seam, as AWS documents it: versions and their labels, a label in one place,
//! `AWSPREVIOUS` behind `AWSCURRENT`, and a refusal where a label is not where it was said to be.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use serde_json::{Value, json};

/// An action of another operator between two calls.
type Meanwhile = Box<dyn FnMut(&str, &mut Secrets) + Send>;

/// The secrets.
#[derive(Default)]
pub(crate) struct Vault {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    secrets: Secrets,
    meanwhile: Option<Meanwhile>,
    lose: Option<&'static str>,
    refuse: Option<(&'static str, &'static str)>,
    calls: Vec<String>,
}

/// Secrets by name; one that is not there has nothing put into it yet.
#[derive(Default)]
pub(crate) struct Secrets {
    versions: BTreeMap<String, Vec<Version>>,
    next: usize,
}

struct Version {
    id: String,
    text: String,
    labels: BTreeSet<String>,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Vault").finish_non_exhaustive()
    }
}

impl Secrets {
    /// Puts a value as anybody would who does not look what is there.
    pub(crate) fn put(&mut self, name: &str, text: &str) {
        self.add(name, text, &["AWSCURRENT".to_owned()]);
    }

    fn add(&mut self, name: &str, text: &str, labels: &[String]) -> (String, BTreeSet<String>) {
        self.next += 1;
        let id = format!("version-{:032}", self.next);
        let first = !self.versions.contains_key(name);
        let versions = self.versions.entry(name.to_owned()).or_default();
        versions.push(Version { id: id.clone(), text: text.to_owned(), labels: BTreeSet::new() });
        for label in labels {
            self.label(name, label, &id);
        }
        if first {
            self.label(name, "AWSCURRENT", &id);
        }
        let version = self.versions[name].iter().find(|version| version.id == id).unwrap();
        (id, version.labels.clone())
    }

    fn holder(&self, name: &str, label: &str) -> Option<String> {
        let versions = self.versions.get(name)?;
        versions.iter().find(|version| version.labels.contains(label)).map(|version| version.id.clone())
    }

    fn label(&mut self, name: &str, label: &str, id: &str) {
        let before = self.holder(name, label).filter(|before| before != id);
        for version in self.versions.get_mut(name).unwrap() {
            version.labels.remove(label);
            if version.id == id {
                version.labels.insert(label.to_owned());
            }
        }
        if let (Some(before), "AWSCURRENT") = (before, label) {
            self.label(name, "AWSPREVIOUS", &before);
        }
    }

    fn text(&self, name: &str, label: &str) -> Option<String> {
        let id = self.holder(name, label)?;
        self.versions[name].iter().find(|version| version.id == id).map(|version| version.text.clone())
    }
}

impl Vault {
    /// Fills a secret.
    pub(crate) fn put(&self, name: &str, value: &Value) {
        self.state.lock().unwrap().secrets.put(name, &value.to_string());
    }

    /// Fills a secret with a text that may be anything.
    pub(crate) fn put_text(&self, name: &str, text: &str) {
        self.state.lock().unwrap().secrets.put(name, text);
    }

    /// Returns the value under a label.
    pub(crate) fn under(&self, name: &str, label: &str) -> Option<Value> {
        let text = self.state.lock().unwrap().secrets.text(name, label)?;
        Some(serde_json::from_str(&text).unwrap())
    }

    /// The current value.
    pub(crate) fn current(&self, name: &str) -> Value {
        self.under(name, "AWSCURRENT").unwrap_or(Value::Null)
    }

    /// Every label but Secrets Manager's own.
    pub(crate) fn own_labels(&self, name: &str) -> Vec<String> {
        let state = self.state.lock().unwrap();
        let labels = state.secrets.versions.get(name).into_iter().flatten().flat_map(|version| version.labels.clone());
        labels.filter(|label| !label.starts_with("AWS")).collect()
    }

    /// Does something before each call of an action.
    pub(crate) fn meanwhile(&self, work: impl FnMut(&str, &mut Secrets) + Send + 'static) {
        self.state.lock().unwrap().meanwhile = Some(Box::new(work));
    }

    /// Loses the next answer of an action, behind its effect.
    pub(crate) fn lose(&self, action: &'static str) {
        self.state.lock().unwrap().lose = Some(action);
    }

    /// Refuses every call of an action by a code.
    pub(crate) fn refuse(&self, action: &'static str, code: &'static str) {
        self.state.lock().unwrap().refuse = Some((action, code));
    }

    /// Returns the number of calls of an action.
    pub(crate) fn calls(&self, action: &str) -> usize {
        self.state.lock().unwrap().calls.iter().filter(|called| *called == action).count()
    }

    pub(crate) fn answer(&self, action: &str, call: &Value) -> (u16, Value) {
        let mut state = self.state.lock().unwrap();
        state.calls.push(action.to_owned());
        if let Some((refused, code)) = state.refuse
            && refused == action
        {
            return (400, json!({"__type": code, "Message": "from a test"}));
        }
        if let Some(mut work) = state.meanwhile.take() {
            work(action, &mut state.secrets);
            state.meanwhile = Some(work);
        }
        let answer = state.secrets.answer(action, call);
        if state.lose.take_if(|lost| *lost == action).is_some() {
            return (500, json!({"__type": "InternalServiceError", "Message": "lost"}));
        }
        answer
    }
}

impl Secrets {
    fn answer(&mut self, action: &str, call: &Value) -> (u16, Value) {
        let name = call["SecretId"].as_str().unwrap();
        let text = |member: &str| call[member].as_str();
        match action {
            "GetSecretValue" => match self.holder(name, "AWSCURRENT") {
                Some(id) => {
                    let text = self.text(name, "AWSCURRENT").unwrap();
                    (200, json!({"ARN": name, "VersionId": id, "SecretString": text}))
                }
                None => refused("ResourceNotFoundException", "no value for staging label: AWSCURRENT"),
            },
            "PutSecretValue" => {
                let labels: Vec<String> = match call["VersionStages"].as_array() {
                    Some(labels) => labels.iter().map(|label| label.as_str().unwrap().to_owned()).collect(),
                    None => vec!["AWSCURRENT".to_owned()],
                };
                let (id, labels) = self.add(name, text("SecretString").unwrap(), &labels);
                (200, json!({"ARN": name, "VersionId": id, "VersionStages": labels}))
            }
            "UpdateSecretVersionStage" => {
                let label = text("VersionStage").unwrap();
                let (to, from) = (text("MoveToVersionId"), text("RemoveFromVersionId"));
                let holder = self.holder(name, label);
                if holder.as_deref() != from {
                    return refused("InvalidParameterException", "the staging label is attached to another version");
                }
                match to {
                    Some(to) => self.label(name, label, to),
                    None => {
                        for version in self.versions.get_mut(name).unwrap() {
                            version.labels.remove(label);
                        }
                    }
                }
                (200, json!({"ARN": name}))
            }
            other => refused("InvalidAction", other),
        }
    }
}

fn refused(code: &str, message: &str) -> (u16, Value) {
    (400, json!({"__type": code, "Message": message}))
}
