//! Rules that no compiler holds: the purpose of each is in ARCHITECTURE.md.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn files(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, ending, found);
        } else if path.to_str().unwrap().ends_with(ending) {
            found.push(path);
        }
    }
}

pub(crate) fn rust_files(folders: &[&str]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    folders.iter().for_each(|folder| files(&root().join(folder), ".rs", &mut found));
    found.sort();
    let name = |path: &Path| path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
    found.iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect()
}

#[track_caller]
fn nothing(found: Vec<String>) {
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn files_stay_readable() {
    let long = |(name, text): &(String, String)| (text.lines().count() > 500).then(|| name.clone());
    nothing(rust_files(&["shared", "functions", "cli"]).iter().filter_map(long).collect());
}

/// A type of a file's own may have any name; one that others see has a name that no other file gives.
#[test]
fn a_type_name_is_given_once() {
    let mut places: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut seen_by_others = BTreeSet::new();
    for (file, text) in rust_files(&["shared", "functions", "cli"]) {
        if file.contains("/tests/") || file.ends_with("/tests.rs") {
            continue;
        }
        let code = text.split("#[cfg(test)]\nmod ").next().unwrap();
        for (is_public, name) in code.lines().filter_map(type_name) {
            places.entry(name.to_owned()).or_default().insert(file.clone());
            if is_public {
                seen_by_others.insert(name.to_owned());
            }
        }
    }
    assert!(places.len() > 300, "{}", places.len());
    let several = |(name, files): &(&String, &BTreeSet<String>)| files.len() > 1 && seen_by_others.contains(*name);
    nothing(places.iter().filter(several).map(|(name, files)| format!("{name}: {files:?}")).collect());
}

/// The type that a line declares, also inside a macro, and whether other files see it.
fn type_name(line: &str) -> Option<(bool, &str)> {
    let is_indented = line.starts_with(' ');
    let mut line = line.trim_start();
    let is_public = line.starts_with("pub");
    if is_public {
        line = line.split_once(' ')?.1;
    }
    let keywords: &[&str] = if is_indented { &["struct ", "enum "] } else { &["struct ", "enum ", "trait ", "type "] };
    let rest = keywords.iter().find_map(|keyword| line.strip_prefix(keyword))?;
    rest.split(|character: char| !character.is_alphanumeric() && character != '_')
        .next()
        .filter(|name| !name.is_empty())
        .map(|name| (is_public, name))
}

#[test]
fn functions_are_wiring_only() {
    let long = |(name, text): &(String, String)| (text.lines().count() > 20).then(|| name.clone());
    nothing(rust_files(&["functions"]).iter().filter_map(long).collect());
}

#[test]
fn no_function_reveals_a_secret() {
    // The signer is behind a feature that no function is built with.
    let signer = "shared/webhook/src/receive/signing.rs";
    let reveals = |(name, text): &(String, String)| (name != signer && text.contains(".reveal(")).then(|| name.clone());
    nothing(rust_files(&["shared/webhook/src", "shared/edge/src", "functions"]).iter().filter_map(reveals).collect());
}

#[test]
fn no_function_can_sign() {
    let mut manifests = Vec::new();
    ["shared", "functions"].iter().for_each(|folder| files(&root().join(folder), "Cargo.toml", &mut manifests));
    let asks = |path: &PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        let built = text.split("[dependencies]").nth(1).unwrap().split("[dev-dependencies]").next().unwrap();
        built.contains("\"signing\"").then(|| path.display().to_string())
    };
    assert!(manifests.len() > 8, "{manifests:?}");
    nothing(manifests.iter().filter_map(asks).collect());
}

#[test]
fn only_the_quarantine_admits_by_a_digest() {
    let admits = |(name, text): &(String, String)| {
        let code = text.split("#[cfg(test)]").next().unwrap();
        let allowed = ["shared/webhook/src/receive/signature.rs", "shared/edge/src/receive/refused.rs"];
        (code.contains("admit_again") && !allowed.contains(&name.as_str())).then(|| name.clone())
    };
    nothing(rust_files(&["shared/webhook/src", "shared/edge/src", "functions"]).iter().filter_map(admits).collect());
    // The reader of refused deliveries is the tool's: no function and nothing that receives calls it.
    let reads = |(name, text): &(String, String)| {
        let elsewhere = name != "shared/edge/src/receive/refused.rs";
        (elsewhere && text.contains("Refused::from_item")).then(|| name.clone())
    };
    nothing(rust_files(&["shared/edge/src", "functions"]).iter().filter_map(reads).collect());
}

#[test]
fn one_module_reads_the_environment() {
    let reads = |(name, text): &(String, String)| {
        let elsewhere = name != "shared/edge/src/aws/config.rs" && !name.contains("/tests/");
        (elsewhere && text.contains("env::var")).then(|| name.clone())
    };
    nothing(rust_files(&["shared", "functions"]).iter().filter_map(reads).collect());
}

#[test]
fn one_module_knows_statuses() {
    let statuses = ["200", "401", "405", "413", "503"];
    let knows = |(name, text): &(String, String)| {
        let code = text.split("#[cfg(test)]").next().unwrap();
        let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        let said = lines
            .flat_map(|line| line.split(|c: char| !c.is_ascii_alphanumeric()))
            .any(|word| statuses.contains(&word));
        (name.starts_with("shared/edge/src") && name != "shared/edge/src/receive/http.rs" && said).then(|| name.clone())
    };
    nothing(rust_files(&["shared/edge/src", "functions"]).iter().filter_map(knows).collect());
}

#[test]
fn the_pure_crate_has_no_aws_and_one_float() {
    let manifest = fs::read_to_string(root().join("shared/webhook/Cargo.toml")).unwrap();
    for forbidden in ["aws", "tokio", "lambda", "reqwest", "hyper"] {
        assert!(!manifest.contains(forbidden), "{forbidden}");
    }
    let floats = |(name, text): &(String, String)| {
        let elsewhere = name != "shared/webhook/src/json/canonical.rs";
        (elsewhere && (text.contains("f64") || text.contains("f32"))).then(|| name.clone())
    };
    nothing(rust_files(&["shared/webhook/src"]).iter().filter_map(floats).collect());
}

#[test]
fn a_providers_words_stay_in_its_file() {
    let words = ["x-scalev", "x-scalapay", "x-shopline", "orderToken", "unique_id", "trace_id", "merchantReference"];
    let says = |(name, text): &(String, String)| {
        let code = text.split("#[cfg(test)]").next().unwrap();
        let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        let said = lines.flat_map(|line| words.iter().filter(|word| line.contains(**word)));
        let elsewhere = ["/providers/", "/tests/", "/fuzz/", "/benches/"].iter().all(|folder| !name.contains(folder));
        said.filter(|_| elsewhere).map(|word| format!("{name} says {word}")).next()
    };
    nothing(rust_files(&["shared"]).iter().filter_map(says).collect());
}

/// A provider's own is in its value: neither the tool's code nor its help asks for a name.
#[test]
fn the_tool_names_no_provider() {
    let names = |(name, text): &(String, String)| {
        let code = text.split("#[cfg(test)]").next().unwrap().to_lowercase();
        let named = webhook::providers::PROVIDERS.iter().find(|provider| code.contains(provider.name))?;
        (!name.ends_with("/tests.rs")).then(|| format!("{name}: {}", named.name))
    };
    nothing(rust_files(&["cli/src"]).iter().filter_map(names).collect());
}

#[test]
fn a_provider_has_all_its_parts() {
    let template = fs::read_to_string(root().join("template.yaml")).unwrap();
    for provider in webhook::providers::PROVIDERS {
        let name = provider.name;
        assert!(root().join(format!("functions/{name}/src/main.rs")).exists(), "functions/{name} is missing");
        assert!(root().join(format!("events/{name}")).is_dir(), "events/{name} is missing");
        assert!(template.contains(&format!("functions/{name}/")), "template.yaml has no block for {name}");
        let samples = fs::read_dir(root().join("events").join(name)).unwrap().count();
        assert!(samples >= 4, "events/{name} has too few samples");
        assert!(!provider.admission.schemes.is_empty() && provider.horizon_ms > 0);
        let topics: BTreeSet<_> = (provider.topics)().into_iter().collect();
        assert_eq!(topics.len(), (provider.topics)().len(), "{name} names a topic twice");
        assert!(topics.len() >= 5, "{name} names no topics");
    }
}

#[test]
fn names_in_prose_are_sentences_a_line() {
    for name in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"] {
        let text = fs::read_to_string(root().join(name)).unwrap();
        let mut fenced = false;
        for (number, line) in text.lines().enumerate() {
            fenced ^= line.starts_with("```");
            let prose = !fenced && !line.starts_with(['|', '#', '`']);
            let two = line.match_indices(". ").any(|(at, _)| {
                let (before, after) = (&line[..at], &line[at + 2..]);
                let abbreviation = ["e.g", "i.e", "etc"].iter().any(|word| before.ends_with(word));
                let numbered = before.trim().bytes().all(|byte| byte.is_ascii_digit());
                !abbreviation && !numbered && after.starts_with(char::is_uppercase)
            });
            assert!(!(prose && two), "{name}:{} holds two sentences", number + 1);
        }
    }
}
