//! Holds the table of rooms: who may import whom, and that pure rooms stay pure.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};

/// A room and the rooms it may import. `ARCHITECTURE.md` carries the same table.
const ROOMS: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("audio", &["base"]),
    ("rtp", &["base", "audio"]),
    ("speech", &["base", "audio"]),
    ("nlu", &["base"]),
    ("prompts", &["base", "nlu"]),
    ("acd", &["base", "nlu"]),
    ("conversation", &["base", "nlu", "prompts", "acd"]),
    ("call", &["base", "audio", "rtp", "speech", "nlu", "prompts", "acd", "conversation"]),
    ("engine", &["base", "audio", "speech", "nlu"]),
    ("config", &["base", "audio"]),
    ("actions", &["base", "config"]),
    ("net", &["base", "audio", "rtp", "config"]),
    ("store", &["base", "acd", "config"]),
    ("web", &["base", "acd", "store", "config"]),
];

/// Rooms that hold everything together and may import any other.
const SHELL: &[&str] = &["server", "cli", "sim"];

const PURE: &[&str] =
    &["base", "audio", "rtp", "speech", "nlu", "prompts", "acd", "conversation", "call"];

/// What a pure room may not name: clocks, files, sockets, threads, runtimes, ambient randomness.
const IMPURE: &[&str] = &[
    "std::fs",
    "std::net::TcpStream",
    "std::net::TcpListener",
    "std::net::UdpSocket",
    "std::thread",
    "std::process",
    "std::env",
    "Instant::now",
    "SystemTime",
    "Timestamp::now",
    "Zoned::now",
    "tokio",
    "reqwest",
    "sqlx",
    "rand::rng",
    "rand::random",
    "thread_rng",
];

/// Every path that is named in a file outside its tests.
#[derive(Default)]
struct Paths(Vec<String>);

impl Paths {
    fn use_tree(&mut self, prefix: &str, tree: &syn::UseTree) {
        let join = |name: String| {
            if prefix.is_empty() { name } else { format!("{prefix}::{name}") }
        };
        match tree {
            syn::UseTree::Path(path) => {
                self.use_tree(&join(path.ident.to_string()), &path.tree);
            }
            syn::UseTree::Name(name) => self.0.push(join(name.ident.to_string())),
            syn::UseTree::Rename(rename) => self.0.push(join(rename.ident.to_string())),
            syn::UseTree::Glob(_) => self.0.push(join("*".to_owned())),
            syn::UseTree::Group(group) => {
                for item in &group.items {
                    self.use_tree(prefix, item);
                }
            }
        }
    }
}

fn is_test_only(attrs: &[syn::Attribute]) -> bool {
    attrs.iter().any(|attr| {
        attr.path().is_ident("cfg")
            && attr.parse_args::<syn::Ident>().is_ok_and(|ident| ident == "test")
    })
}

impl<'ast> Visit<'ast> for Paths {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_test_only(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if !is_test_only(&item.attrs) {
            self.use_tree("", &item.tree);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<String> = path.segments.iter().map(|s| s.ident.to_string()).collect();
        self.0.push(names.join("::"));
        visit::visit_path(self, path);
    }
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = fs::read_dir(folder)
        .expect("a folder of the source")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|ext| ext == "rs")
            && path.file_name().is_some_and(|name| name != "tests.rs")
        {
            found.push(path);
        }
    }
}

fn paths_in(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).expect("readable source");
    let syntax = syn::parse_file(&text).expect("valid Rust");
    let mut paths = Paths::default();
    paths.visit_file(&syntax);
    paths.0
}

/// Paths named per file, per room.
fn rooms() -> BTreeMap<String, Vec<(PathBuf, Vec<String>)>> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut rooms = BTreeMap::new();
    for entry in fs::read_dir(&src).expect("src") {
        let folder = entry.expect("an entry").path();
        if !folder.is_dir() {
            continue;
        }
        let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
        let mut files = Vec::new();
        rust_files(&folder, &mut files);
        let named = files.into_iter().map(|file| (file.clone(), paths_in(&file))).collect();
        rooms.insert(name, named);
    }
    rooms
}

#[test]
fn every_room_is_in_the_table() {
    for name in rooms().keys() {
        let known = ROOMS.iter().any(|(room, _)| room == name) || SHELL.contains(&name.as_str());
        assert!(known, "src/{name}/ is not in the table of rooms");
    }
}

#[test]
fn rooms_import_only_what_the_table_allows() {
    let mut breaches = Vec::new();
    for (room, files) in rooms() {
        let Some((_, allowed)) = ROOMS.iter().find(|(name, _)| *name == room) else { continue };
        for (file, paths) in files {
            for path in paths {
                let Some(rest) = path.strip_prefix("crate::") else { continue };
                let target = rest.split("::").next().unwrap_or_default();
                if target != room && !allowed.contains(&target) {
                    breaches.push(format!("{}: {path}", file.display()));
                }
            }
        }
    }
    assert!(breaches.is_empty(), "imports the table does not allow:\n{}", breaches.join("\n"));
}

#[test]
fn pure_rooms_name_no_clock_socket_file_or_runtime() {
    let mut breaches = Vec::new();
    for (room, files) in rooms() {
        if !PURE.contains(&room.as_str()) {
            continue;
        }
        for (file, paths) in files {
            for path in paths {
                let impure = IMPURE.iter().any(|bad| {
                    path == *bad
                        || path.starts_with(&format!("{bad}::"))
                        || path.ends_with(&format!("::{bad}"))
                });
                if impure {
                    breaches.push(format!("{}: {path}", file.display()));
                }
            }
        }
    }
    assert!(breaches.is_empty(), "pure rooms must not name:\n{}", breaches.join("\n"));
}

#[test]
fn the_check_itself_sees_a_breach() {
    let syntax = syn::parse_file(
        "use crate::server::Run; fn f() { let t = std::time::Instant::now(); }
         #[cfg(test)] mod tests { use std::fs; }",
    )
    .expect("valid");
    let mut paths = Paths::default();
    paths.visit_file(&syntax);
    assert!(paths.0.contains(&"crate::server::Run".to_owned()));
    assert!(paths.0.iter().any(|path| path.ends_with("Instant::now")));
    assert!(!paths.0.contains(&"std::fs".to_owned()));
}

#[test]
fn no_profile_is_named_in_rust() {
    let prompts = Path::new(env!("CARGO_MANIFEST_DIR")).join("prompts");
    let profiles: Vec<String> = fs::read_dir(prompts)
        .expect("prompts")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .map(|name| format!("prompts/{name}"))
        .collect();
    assert!(profiles.len() >= 2, "{profiles:?}");
    for (room, files) in rooms() {
        for (file, _) in files {
            let text = fs::read_to_string(&file).expect("readable source");
            let code: String = text
                .split("#[cfg(test)]")
                .next()
                .unwrap_or_default()
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"))
                .collect();
            let named = profiles.iter().any(|profile| code.contains(profile.as_str()));
            assert!(!named || room == "config", "{} names a profile", file.display());
        }
    }
}
