//! The short form of fuzzing: the seeds, the kept regressions and a few thousand seeded mutations of every target.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use fuzz::{FuzzTarget, Mutator, TARGETS};

/// Inputs made a target. They are the same in every run: other ones are what `make fuzz` is for.
const MUTATIONS: usize = 2_000;

fn target(name: &str) -> FuzzTarget {
    TARGETS.into_iter().find(|target| target.name == name).unwrap()
}

fn short(name: &str) {
    let target = target(name);
    let mut inputs = (target.seeds)();
    assert!(!inputs.is_empty());
    inputs.extend(regressions(name));
    inputs.iter().for_each(|input| run(&target, input));
    let tokens = fuzz::dictionary();
    let mut mutator = Mutator::new(1, &inputs, &tokens);
    (0..MUTATIONS).for_each(|_| run(&target, &mutator.input(target.bytes_max)));
}

/// Inputs that once broke a rule.
fn regressions(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions").join(name);
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// Keeps the input that breaks a rule where it can be looked at.
fn run(target: &FuzzTarget, input: &[u8]) {
    if std::panic::catch_unwind(|| (target.run)(input)).is_err() {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("finding-{}", target.name));
        fs::write(&path, input).unwrap();
        panic!("the target {} broke over {}; keep it in tests/fuzz/regressions/{0}/", target.name, path.display());
    }
}

/// A lock file's packages: name and version.
fn packages(lock: &'static str) -> BTreeSet<(&'static str, &'static str)> {
    let package = |stanza: &'static str| {
        let mut quoted = stanza.split('"').skip(1).step_by(2);
        (quoted.next().unwrap(), quoted.next().unwrap())
    };
    lock.split("[[package]]").skip(1).map(package).collect()
}

/// The binaries have a lock file of their own, which must not go its own way.
#[test]
fn what_is_fuzzed_is_what_is_deployed() {
    let fuzzed = packages(include_str!("../libfuzzer/Cargo.lock"));
    let deployed = packages(include_str!("../../../Cargo.lock"));
    let other: Vec<_> = fuzzed.difference(&deployed).map(|(name, _)| *name).collect();
    assert_eq!(other, ["arbitrary", "libfuzzer", "libfuzzer-sys"]);
}

macro_rules! shorts {
    ($($name:ident)*) => {
        $(#[test] fn $name() { short(stringify!($name)); })*

        #[test]
        fn every_target_is_tried_and_has_its_binary() {
            let tried = [$(stringify!($name)),*];
            assert_eq!(TARGETS.map(|target| target.name), tried);
            let manifest = include_str!("../libfuzzer/Cargo.toml");
            for name in tried {
                assert!(manifest.contains(&format!("name = \"{name}\"\npath = \"targets/{name}.rs\"")), "{name}");
            }
        }
    };
}

shorts! {
    admit read_scalapay read_scalev read_selldone read_shopline snapshot canonical_json view http secret row_decompress
    stream_record queue_record
}
