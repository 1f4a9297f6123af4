//! The table itself: that it names tests which are there, and leaves none of them out.

use std::collections::BTreeSet;
use std::process::Command;

use super::super::front_door::{read, root};

/// The tests of this harness, by name.
fn tests() -> BTreeSet<String> {
    let this = std::env::current_exe().expect("a program");
    let listed = Command::new(this).args(["--list", "--format", "terse"]).output().expect("runs");
    let listed = String::from_utf8(listed.stdout).expect("text");
    listed.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect()
}

/// Whether the library has a test of this name, by its source: its own harness is another program,
/// which need not have been built.
fn is_test_of_the_library(name: &str) -> bool {
    let Some((module, function)) = name.rsplit_once("::") else { return false };
    // A module has a file, or a folder, of its own, or stands at the end of the one around it.
    let around = module.strip_suffix("::tests");
    [Some(module), around].into_iter().flatten().any(|module| {
        let place = root().join("src").join(module.replace("::", "/"));
        [place.with_extension("rs"), place.join("mod.rs")].iter().any(|file| {
            std::fs::read_to_string(file).is_ok_and(|source| has_test(&source, function))
        })
    })
}

/// Whether a function of this name stands in the source, below the word that makes it a test.
fn has_test(source: &str, function: &str) -> bool {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let head = format!("fn {function}()");
    lines.iter().enumerate().any(|(at, line)| {
        let is_it = line.trim_start_matches("async ").starts_with(&head);
        let mut attributes = lines[..at].iter().rev().take_while(|line| line.starts_with("#["));
        is_it && attributes.any(|line| ["#[test]", "#[tokio::test]"].contains(line))
    })
}

#[test]
fn a_test_of_the_library_is_known_by_its_name() {
    let name =
        "net::sip::tests::transports::a_browser_calls_and_is_reached_over_its_own_connection";
    assert!(is_test_of_the_library(name));
    for wrong in [
        "net::sip::tests::transports::a_browser_calls_and_is_reached",
        "net::sip::tests::a_browser_calls_and_is_reached_over_its_own_connection",
        "net::sip::tests::endpoint",
        "a_browser_calls_and_is_reached_over_its_own_connection",
    ] {
        assert!(!is_test_of_the_library(wrong), "{wrong}");
    }
    assert!(has_test("#[test]\n#[ignore]\nfn a() {", "a"));
    assert!(!has_test("#[test]\nfn b() {}\nfn a() {", "a"));
}

#[test]
fn every_cell_is_a_test_or_says_why_there_is_none() {
    let path = root().join("tests/fixtures/interop.toml");
    let table: toml::Table = read(&path).parse().expect("TOML");
    let peers: Vec<&str> =
        table["peers"].as_array().expect("peers").iter().filter_map(toml::Value::as_str).collect();
    let tests = tests();
    let mut named = BTreeSet::new();
    for row in table["row"].as_array().expect("rows") {
        let row = row.as_table().expect("a row");
        let name = row["name"].as_str().expect("its name");
        for key in row.keys() {
            let is_known =
                ["name", "quick", "ours"].contains(&key.as_str()) || peers.contains(&&**key);
            assert!(is_known, "{name}: {key} is no peer");
        }
        if let Some(test) = row.get("ours") {
            let test = test.as_str().expect("a test's name");
            assert!(is_test_of_the_library(test), "{name}, ours: there is no test {test}");
        }
        for peer in &peers {
            let Some(cell) = row.get(*peer) else {
                assert!(row.contains_key("ours"), "{name}: nothing about {peer}");
                continue;
            };
            match (cell.get("test"), cell.get("lacks"), cell.get("open")) {
                (Some(test), None, None) => {
                    let test = test.as_str().expect("a test's name");
                    assert!(tests.contains(test), "{name}, {peer}: there is no test {test}");
                    named.insert(test.to_owned());
                }
                (None, Some(reason), None) | (None, None, Some(reason)) => {
                    assert!(reason.as_str().is_some_and(|reason| !reason.is_empty()));
                }
                _ => panic!("{name}, {peer}: one of test, lacks and open"),
            }
        }
    }
    let of_peers = tests.iter().filter(|test| {
        let rest = test.strip_prefix("phone::interop::").unwrap_or_default();
        peers.iter().any(|peer| rest.starts_with(&format!("{peer}::")))
    });
    let forgotten: Vec<&String> = of_peers.filter(|test| !named.contains(*test)).collect();
    assert!(forgotten.is_empty(), "in no cell of {}: {forgotten:?}", path.display());
}
