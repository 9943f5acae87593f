//! Deliveries: request events that `bench/deliveries.py` made of the providers' samples.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;

/// A sample of one way in which deliveries prove themselves.
#[derive(Debug, Clone)]
pub struct BenchTarget {
    /// Its name in tables and JSON.
    pub name: &'static str,
    /// The provider.
    pub provider: String,
    /// The provider's secret, as the receivers load it.
    pub secret: String,
    deliveries: BTreeMap<String, Vec<Vec<u8>>>,
}

/// The kind of a delivery to its receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryKind {
    /// Genuine, and never seen.
    New,
    /// Genuine, and kept already.
    Repeat,
    /// Signed with another key.
    Forged,
}

impl DeliveryKind {
    /// Every kind, in the order of measuring.
    pub const ALL: [DeliveryKind; 3] = [DeliveryKind::New, DeliveryKind::Repeat, DeliveryKind::Forged];

    /// The kind's name.
    pub fn name(self) -> &'static str {
        match self {
            DeliveryKind::New => "new",
            DeliveryKind::Repeat => "repeat",
            DeliveryKind::Forged => "forged",
        }
    }

    /// Returns the status that a receiver answers.
    pub fn status(self) -> u16 {
        match self {
            DeliveryKind::New | DeliveryKind::Repeat => 200,
            DeliveryKind::Forged => 401,
        }
    }

    fn file(self) -> &'static str {
        match self {
            DeliveryKind::New | DeliveryKind::Repeat => "new",
            DeliveryKind::Forged => "forged",
        }
    }
}

#[derive(Deserialize)]
struct SourceAbout {
    provider: String,
    secret: String,
}

/// The targets, in the order of their turns.
const NAMES: [&str; 5] = ["scalev", "scalapay", "shopline-signed", "shopline-token", "selldone"];

/// Every target, or those of these names, from the folder that the deliveries were written to.
pub fn targets(folder: &Path, only: &[String]) -> Vec<BenchTarget> {
    let wanted = NAMES.into_iter().filter(|name| only.is_empty() || only.iter().any(|one| one == name));
    wanted.map(|name| target(&folder.join(name), name)).collect()
}

fn target(folder: &Path, name: &'static str) -> BenchTarget {
    let about = fs::read(folder.join("target.json")).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let about: SourceAbout = serde_json::from_slice(&about).unwrap();
    let mut deliveries = BTreeMap::new();
    for file in fs::read_dir(folder).unwrap().flatten().map(|file| file.path()) {
        if file.extension().is_some_and(|extension| extension == "jsonl") {
            let text = fs::read_to_string(&file).unwrap();
            let lines = text.lines().map(|line| line.as_bytes().to_vec()).collect();
            deliveries.insert(file.file_stem().unwrap().to_string_lossy().into_owned(), lines);
        }
    }
    BenchTarget { name, provider: about.provider, secret: about.secret, deliveries }
}

impl BenchTarget {
    /// The delivery of this number and kind.
    pub fn delivery(&self, number: usize, kind: DeliveryKind) -> Vec<u8> {
        self.file(kind.file())[number].clone()
    }

    /// Returns true if there are the deliveries that growth is measured with.
    pub fn can_grow(&self) -> bool {
        self.deliveries.contains_key("order")
    }

    /// Returns all deliveries whose bodies are longer by a number of bytes.
    pub fn grown(&self, more_bytes: usize) -> &[Vec<u8>] {
        self.file(&format!("body-{more_bytes}"))
    }

    /// Many events of one order.
    pub fn of_one_order(&self) -> &[Vec<u8>] {
        self.file("order")
    }

    /// Bodies with a random value in every leaf.
    pub fn of_random_leaves(&self) -> &[Vec<u8>] {
        self.file("random-leaf")
    }

    fn file(&self, name: &str) -> &[Vec<u8>] {
        self.deliveries.get(name).unwrap_or_else(|| panic!("{} has no deliveries called {name}", self.name))
    }
}
