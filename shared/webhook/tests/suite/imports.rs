//! Modules import each other in one direction: read from the source text of every crate of the workspace.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::tidy::{root, rust_files};

/// The rooms of the AWS side, and what each may import.
const ROOMS: [(&str, &[&str]); 5] = [
    ("receive", &["keep", "aws"]),
    ("relay", &["keep", "aws"]),
    ("orders", &["keep", "aws"]),
    ("keep", &["aws"]),
    ("aws", &[]),
];

/// A module's name, from the crate's root on.
type Name = Vec<String>;

/// A crate's modules, each with its `use` trees by the names that they bring in, and with all paths in it.
#[derive(Default)]
struct Crate {
    modules: BTreeMap<Name, Module>,
}

#[derive(Default)]
struct Module {
    brought_in: BTreeMap<String, Name>,
    paths: Vec<Name>,
}

impl Crate {
    /// Reads a crate's files, each with its path under `src`. Modules of tests may import what they test.
    fn of(files: &[(String, String)]) -> Self {
        let mut modules: BTreeMap<Name, Module> = BTreeMap::new();
        for (path, text) in files {
            let name = path.strip_suffix(".rs").unwrap().split('/').map(str::to_owned);
            let name: Name = name.filter(|part| part != "mod" && part != "lib").collect();
            if path == "main.rs" || path.starts_with("bin/") || name.iter().any(|part| part == "tests") {
                continue;
            }
            let text = text.split("#[cfg(test)]\nmod ").next().unwrap();
            modules.insert(name, Module::of(&tokens(text)));
        }
        Crate { modules }
    }

    /// The modules that each module imports.
    fn imports(&self) -> BTreeMap<Name, BTreeSet<Name>> {
        let of_module = |(name, module): (&Name, &Module)| {
            let all = module.paths.iter().chain(module.brought_in.values());
            let imported = all.filter_map(|path| self.resolve(name, path, 0)).filter(|imported| imported != name);
            (name.clone(), imported.collect())
        };
        self.modules.iter().map(of_module).collect()
    }

    /// The module in which the item at the end of a path is; `None` for a path out of the crate.
    fn resolve(&self, from: &Name, path: &[String], depth: u8) -> Option<Name> {
        let mut at = match path.first()?.as_str() {
            "crate" => Name::new(),
            "self" => from.clone(),
            "super" => from.split_last()?.1.to_vec(),
            first if self.modules.contains_key(&[&from[..], &[first.to_owned()]].concat()) => {
                return self.walk(from.clone(), path, depth);
            }
            _ => return None,
        };
        let mut rest = &path[1..];
        while let Some(above) = rest.strip_prefix(&["super".to_owned()]) {
            rest = above;
            at.pop()?;
        }
        self.walk(at, rest, depth)
    }

    fn walk(&self, mut at: Name, rest: &[String], depth: u8) -> Option<Name> {
        for (index, next) in rest.iter().enumerate() {
            let child = [&at[..], std::slice::from_ref(next)].concat();
            if self.modules.contains_key(&child) {
                at = child;
                continue;
            }
            // An item that this module only hands on belongs to where it comes from.
            let elsewhere = self.modules.get(&at).and_then(|module| module.brought_in.get(next));
            if let Some(elsewhere) = elsewhere.filter(|_| depth < 8) {
                let whole = [&elsewhere[..], &rest[index + 1..]].concat();
                return self.resolve(&at, &whole, depth + 1).or(Some(at));
            }
            break;
        }
        Some(at)
    }
}

impl Module {
    fn of(tokens: &[String]) -> Self {
        let mut module = Module::default();
        let mut index = 0;
        while index < tokens.len() {
            let is_path = ["crate", "super", "self"].contains(&tokens[index].as_str())
                && tokens.get(index + 1).is_some_and(|next| next == "::")
                && (index == 0 || tokens[index - 1] != "::");
            let mut found = Vec::new();
            if tokens[index] == "use" {
                index = tree(tokens, index + 1, &[], &mut found);
                for (path, name) in found {
                    module.paths.push(path.clone());
                    module.brought_in.insert(name, path);
                }
            } else if is_path {
                index = tree(tokens, index, &[], &mut found);
                module.paths.extend(found.into_iter().map(|(path, _)| path));
            } else {
                index += 1;
            }
        }
        module
    }
}

/// Reads a path or a tree of paths, each with the name that it brings in. Returns the index behind it.
fn tree(tokens: &[String], mut index: usize, before: &[String], found: &mut Vec<(Name, String)>) -> usize {
    let is = |index: usize, text: &str| tokens.get(index).is_some_and(|token| token == text);
    if is(index, "{") {
        index += 1;
        while index < tokens.len() && !is(index, "}") {
            index = tree(tokens, index, before, found);
            index += usize::from(is(index, ","));
        }
        return index + 1;
    }
    let Some(token) = tokens.get(index) else { return index + 1 };
    let repeated = token == "self" && !before.is_empty();
    let path = if repeated { before.to_vec() } else { [before, std::slice::from_ref(token)].concat() };
    let starts = |token: &String| token.starts_with(|first: char| first.is_alphanumeric() || "_{*".contains(first));
    if is(index + 1, "::") && tokens.get(index + 2).is_some_and(starts) {
        return tree(tokens, index + 2, &path, found);
    }
    let renamed = is(index + 1, "as");
    let name = if renamed { tokens.get(index + 2) } else { path.last() };
    found.push((path.clone(), name.cloned().unwrap_or_default()));
    index + if renamed { 3 } else { 1 }
}

/// Names, `::` and single signs, without comments, strings and characters.
fn tokens(text: &str) -> Vec<String> {
    let is_name = |sign: char| sign.is_alphanumeric() || sign == '_';
    let mut tokens: Vec<String> = Vec::new();
    let mut rest = text;
    while let Some(sign) = rest.chars().next() {
        let raw = rest.trim_start_matches('b').strip_prefix('r').map(|rest| rest.trim_start_matches('#'));
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(raw) = raw.filter(|raw| raw.starts_with('"')) {
            let opening = rest.len() - raw.len() + 1;
            let closing = format!("\"{}", "#".repeat(rest[..opening].matches('#').count()));
            rest[opening..].find(&closing).map_or(rest.len(), |end| opening + end + closing.len())
        } else if sign == '"' {
            let mut escaped = true;
            let ends = |sign: char| {
                let ends = sign == '"' && !escaped;
                escaped = sign == '\\' && !escaped;
                ends
            };
            rest.find(ends).map_or(rest.len(), |end| end + 1)
        } else if sign == '\'' {
            // A character, or else a lifetime.
            let escape = rest.starts_with("'\\").then(|| rest[3..].find('\'').map_or(1, |end| end + 4));
            let plain = rest.chars().nth(2).filter(|third| *third == '\'').and(rest.chars().nth(1));
            escape.or(plain.map(|plain| plain.len_utf8() + 2)).unwrap_or(1)
        } else if is_name(sign) {
            let length = rest.find(|sign| !is_name(sign)).unwrap_or(rest.len());
            tokens.push(rest[..length].to_owned());
            length
        } else {
            let length = if rest.starts_with("::") { 2 } else { sign.len_utf8() };
            tokens.extend((!sign.is_whitespace()).then(|| rest[..length].to_owned()));
            length
        };
        rest = &rest[length..];
    }
    tokens
}

/// The imports that are part of a circle, or between two of them.
fn circles(mut imports: BTreeMap<Name, BTreeSet<Name>>) -> Vec<String> {
    loop {
        let importing: BTreeSet<Name> =
            imports.iter().filter(|(_, to)| !to.is_empty()).map(|(from, _)| from.clone()).collect();
        let imported: BTreeSet<Name> = imports.values().flatten().cloned().collect();
        let before = imports.len();
        imports.retain(|name, _| importing.contains(name) && imported.contains(name));
        let left: BTreeSet<Name> = imports.keys().cloned().collect();
        imports.values_mut().for_each(|to| to.retain(|name| left.contains(name)));
        if imports.len() == before {
            break;
        }
    }
    let shown = |name: &Name| if name.is_empty() { "crate".to_owned() } else { name.join("::") };
    let of_module = |(from, to): (&Name, &BTreeSet<Name>)| {
        let mut line = format!("{} imports", shown(from));
        to.iter().for_each(|to| write!(line, " {}", shown(to)).unwrap());
        line
    };
    imports.iter().map(of_module).collect()
}

/// The same between folders: a module counts as the first part of its name.
fn of_folders(imports: &BTreeMap<Name, BTreeSet<Name>>) -> BTreeMap<Name, BTreeSet<Name>> {
    let folder = |name: &Name| name.iter().take(1).cloned().collect::<Name>();
    let mut folders: BTreeMap<Name, BTreeSet<Name>> = BTreeMap::new();
    for (from, to) in imports {
        let from = folder(from);
        let to = to.iter().map(folder).filter(|to| *to != from).collect::<Vec<_>>();
        folders.entry(from).or_default().extend(to);
    }
    folders
}

fn crates() -> BTreeMap<String, Crate> {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let members = manifest.lines().find_map(|line| line.strip_prefix("members = [")).unwrap();
    let members = members.trim_end_matches(']').split(", ").map(|member| member.trim_matches('"'));
    let with_library = members.filter(|member| root().join(member).join("src/lib.rs").exists());
    let of_member = |member: &str| {
        let folder = format!("{member}/src");
        let under = |(path, text): (String, String)| (path[folder.len() + 1..].to_owned(), text);
        (member.to_owned(), Crate::of(&rust_files(&[&folder]).into_iter().map(under).collect::<Vec<_>>()))
    };
    with_library.map(of_member).collect()
}

#[test]
fn modules_import_each_other_in_one_direction() {
    let mut found = BTreeMap::new();
    for (member, read) in crates() {
        let imports = read.imports();
        let is_read = imports.values().any(|imports| !imports.is_empty());
        assert!(is_read || member == "tests/features", "no import found in {member}");
        found.insert(member.clone(), [circles(imports.clone()), circles(of_folders(&imports))].concat());
    }
    assert!(["shared/webhook", "shared/edge", "cli"].iter().all(|member| found.contains_key(*member)));
    found.retain(|_, circles| !circles.is_empty());
    assert_eq!(found, BTreeMap::new());
}

#[test]
fn rooms_import_downwards() {
    let folders = of_folders(&crates()["shared/edge"].imports());
    let expected: BTreeSet<Name> = ROOMS.iter().map(|(room, _)| vec![(*room).to_owned()]).collect();
    assert_eq!(folders.keys().filter(|name| !name.is_empty()).cloned().collect::<BTreeSet<_>>(), expected);
    for (room, allowed) in ROOMS {
        let imported: Vec<&str> =
            folders[&vec![room.to_owned()]].iter().map(|name| name.first().unwrap().as_str()).collect();
        let others: Vec<&&str> = imported.iter().filter(|imported| !allowed.contains(imported)).collect();
        assert!(others.is_empty(), "{room} imports {others:?}");
    }
}

#[test]
fn commands_of_the_tool_share_through_work() {
    let imports = crates()["cli"].imports();
    let group = |name: &Name| (name.first()? == "commands").then(|| name.get(1).cloned()).flatten();
    let groups: BTreeSet<String> = imports.keys().filter_map(group).collect();
    assert!(groups.len() > 10, "{groups:?}");
    for (from, to) in imports.iter().filter_map(|(from, to)| Some((group(from)?, to))) {
        let others: Vec<String> = to.iter().filter_map(group).filter(|other| *other != from).collect();
        assert_eq!(others, Vec::<String>::new(), "the command {from} imports other commands");
    }
}

#[test]
fn a_planted_circle_is_found_however_it_is_written() {
    let found = |files: &[(&str, &str)]| {
        let files: Vec<_> = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        circles(Crate::of(&files).imports())
    };
    let lib = ("lib.rs", "pub mod a; pub mod b; pub use b::c::C;");
    let (a, c) = (("a.rs", "use crate::b::c::{C, d::D as E};"), ("b/c.rs", "pub struct C;"));
    let empty: Vec<String> = Vec::new();
    assert_eq!(found(&[lib, a, c, ("b/mod.rs", "pub mod c;")]), empty);
    for back in [
        "use crate::a::A;",
        "use crate::{b::c::C, a::{self, A}};",
        "use super::super::a;",
        "fn f(x: &'static str) -> char { crate::a::f::<u8>(\"\\\"\", 'x', r#\"\"\"#); '\\'' }",
        "const A: usize = 1 + crate::a::A;",
    ] {
        let found = found(&[lib, a, ("b/mod.rs", "pub mod c;"), ("b/c.rs", back)]);
        assert_eq!(found, ["a imports b::c", "b::c imports a"], "{back}");
    }
    // Through what another module hands on.
    let through = [lib, ("a.rs", "use crate::C;"), ("b/mod.rs", "pub mod c;"), ("b/c.rs", "use crate::a;")];
    assert_eq!(found(&through), ["a imports b::c", "b::c imports a"]);
    for none in [
        "// use crate::a;",
        "/* crate::a::A */",
        "const A: &str = \"crate::a::A\";",
        "#[cfg(test)]\nmod tests { use crate::a; }",
    ] {
        assert_eq!(found(&[lib, a, ("b/mod.rs", "pub mod c;"), ("b/c.rs", none)]), empty, "{none}");
    }
}
