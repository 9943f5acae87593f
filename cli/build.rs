//! Builds the samples of `events/` into the tool, so that `hookmill trigger` needs no file: writes `samples.rs`, a list
//! of provider, case and text.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = |name: &str| env::var_os(name).map(PathBuf::from).ok_or_else(|| io::Error::other(format!("no {name}")));
    let events = root("CARGO_MANIFEST_DIR")?.join("..").join("events");
    println!("cargo::rerun-if-changed={}", events.display());
    let mut list = String::from("&[\n");
    for folder in sorted(&events)?.into_iter().filter(|path| path.is_dir()) {
        for file in sorted(&folder)? {
            // A reading lies beside its sample, answers of the provider's API in a folder of their own.
            let Some(case) = name(&file).strip_suffix(".json").filter(|case| !case.ends_with(".event")) else {
                continue;
            };
            let text = fs::canonicalize(&file)?;
            list += &format!("    ({:?}, {case:?}, include_str!({:?})),\n", name(&folder), text.display().to_string());
        }
    }
    list += "]\n";
    fs::write(root("OUT_DIR")?.join("samples.rs"), list)
}

fn sorted(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found: Vec<PathBuf> =
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    found.sort();
    Ok(found)
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}
