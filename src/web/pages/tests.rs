use std::collections::BTreeSet;

use super::*;

/// All that the desk loads, uncompressed, in bytes.
const DESK_BYTES_MAX: usize = 120 * 1024;

fn text(asset: &Asset) -> &'static str {
    std::str::from_utf8(asset.bytes).expect("assets are text")
}

/// The names that stand between `before` and the next quotation mark.
fn names(text: &str, before: &str) -> BTreeSet<String> {
    text.split(before)
        .skip(1)
        .filter_map(|rest| rest.split(['"', '\'', '`', ')', '?', '#']).next())
        .map(str::to_owned)
        .collect()
}

/// What an asset loads by itself.
fn loads(asset: &Asset) -> BTreeSet<String> {
    let mut all = names(text(asset), "\"/assets/");
    all.extend(names(text(asset), "from './"));
    all
}

fn find(name: &str) -> &'static Asset {
    ASSETS.iter().find(|asset| asset.name == name).unwrap_or_else(|| panic!("no {name}"))
}

/// The page and all that it loads, directly or not.
fn closure(page: &str) -> BTreeSet<String> {
    let mut all = BTreeSet::from([page.to_owned()]);
    let mut open = vec![page.to_owned()];
    while let Some(name) = open.pop() {
        for loaded in loads(find(&name)) {
            if all.insert(loaded.clone()) {
                open.push(loaded);
            }
        }
    }
    all
}

#[test]
fn what_pages_load_is_there_and_nothing_else_is() {
    let pages =
        ["home.html", "call.html", "sign-in.html", "desk.html", "supervisor.html", "ops.html"];
    let mut used: BTreeSet<String> = pages.iter().flat_map(|page| closure(page)).collect();
    used.insert("widget.js".to_owned());
    let served: BTreeSet<String> = ASSETS.iter().map(|asset| asset.name.to_owned()).collect();
    assert_eq!(used, served);

    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/web/assets");
    let there: BTreeSet<String> = std::fs::read_dir(folder)
        .expect("the folder")
        .map(|entry| entry.expect("a file").file_name().into_string().expect("a name"))
        .collect();
    assert_eq!(there, served);
}

#[test]
fn the_desk_is_small() {
    let bytes: usize = closure("desk.html").iter().map(|name| find(name).bytes.len()).sum();
    assert!(bytes < DESK_BYTES_MAX, "{bytes} bytes");
}

#[test]
fn text_from_elsewhere_cannot_become_markup_or_script() {
    for asset in ASSETS {
        for word in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
            "createContextualFragment",
            "javascript:",
        ] {
            assert!(!text(asset).contains(word), "{}: {word}", asset.name);
        }
    }
}

#[test]
fn pages_hold_nothing_inline_and_load_nothing_from_elsewhere() {
    for asset in ASSETS {
        let text = text(asset);
        for scheme in ["http://", "https://"] {
            for address in names(text, scheme) {
                // The name of SVG's own language, and an example in a comment.
                let known = address.starts_with("www.w3.org/") || address.starts_with("HOST/");
                assert!(known, "{}: {scheme}{address}", asset.name);
            }
        }
        if asset.name.ends_with(".html") {
            for word in ["<style", " style=", " onclick=", " onload=", "<base", "<script>"] {
                assert!(!text.contains(word), "{}: {word}", asset.name);
            }
            assert!(text.contains("<html lang=\"en\">"), "{}", asset.name);
            assert!(text.contains("<title>"), "{}", asset.name);
            assert!(text.contains("<main"), "{}", asset.name);
        }
    }
}

#[test]
fn an_asset_is_sent_once_and_then_known() {
    let first = serve("desk.js", &HeaderMap::new());
    assert_eq!(first.status(), StatusCode::OK);
    assert_eq!(first.headers()[CONTENT_TYPE], "text/javascript; charset=utf-8");
    assert_eq!(first.headers()[CACHE_CONTROL], "no-cache");
    let tag = first.headers()[ETAG].to_str().expect("text").to_owned();

    for (given, status) in [
        (tag.clone(), StatusCode::NOT_MODIFIED),
        (format!("W/{tag}"), StatusCode::NOT_MODIFIED),
        (format!("\"old\", {tag}"), StatusCode::NOT_MODIFIED),
        ("*".to_owned(), StatusCode::NOT_MODIFIED),
        ("\"old\"".to_owned(), StatusCode::OK),
        (String::new(), StatusCode::OK),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert(IF_NONE_MATCH, HeaderValue::from_str(&given).expect("a value"));
        assert_eq!(serve("desk.js", &headers).status(), status, "{given}");
    }
    assert_ne!(SERVED["desk.js"].1, SERVED["ops.js"].1);
}

#[test]
fn nothing_but_the_assets_is_served() {
    for name in ["", "..", "../pages.rs", "desk", "DESK.JS", "assets/desk.js"] {
        assert_eq!(serve(name, &HeaderMap::new()).status(), StatusCode::NOT_FOUND, "{name}");
    }
}

#[test]
fn only_the_callers_page_may_be_framed() {
    assert!(POLICY_BY_ANYBODY.ends_with("frame-ancestors *"));
    assert!(POLICY_BY_NOBODY.ends_with("frame-ancestors 'none'"));
    for policy in [POLICY_BY_ANYBODY, POLICY_BY_NOBODY] {
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
    }
}
