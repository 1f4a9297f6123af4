//! Who may ask what: every route that the description has, for everybody.

use serde_json::json;

use super::*;

/// What each part of the API is for, written down a second time.
const FOR: &[(&str, &[&str])] = &[
    ("/api/admin/", &["admin"]),
    ("/api/desk/", &["agent", "supervisor", "admin"]),
    ("/api/floor", &["supervisor", "admin"]),
    ("/api/ops/", &["operations", "admin"]),
    ("/api/handoffs/", &["agent", "supervisor", "operations", "admin"]),
    ("/api/call", &[]),
    ("/api/session", &[]),
    ("/api/openapi.json", &[]),
    ("/api/schemas/", &[]),
];

/// Whom a route lets in.
#[derive(Debug, PartialEq, Eq)]
enum LetsIn {
    Everybody,
    /// Who has one of these roles; any role, if none is named.
    People(Vec<String>),
    /// Programs only.
    Tokens,
}

struct Route {
    method: Method,
    path: String,
    lets_in: LetsIn,
    answers: BTreeSet<String>,
    takes_body: bool,
}

fn routes(description: &Value) -> Vec<Route> {
    let mut routes = Vec::new();
    for (path, item) in description["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let answers = operation["responses"].as_object().expect("answers");
            routes.push(Route {
                method: method.to_uppercase().parse().expect("a method"),
                path: path.clone(),
                lets_in: lets_in(&operation["security"]),
                answers: answers.keys().cloned().collect(),
                takes_body: operation.get("requestBody").is_some(),
            });
        }
    }
    routes
}

fn lets_in(security: &Value) -> LetsIn {
    let Some(ways) = security.as_array() else { return LetsIn::Everybody };
    if ways.iter().any(|way| way.as_object().is_some_and(|way| way.is_empty())) {
        return LetsIn::Everybody;
    }
    let session = ways.iter().find_map(|way| way.get("session"));
    session.map_or(LetsIn::Tokens, |roles| {
        let roles = roles.as_array().expect("roles");
        LetsIn::People(roles.iter().map(|role| role.as_str().expect("a word").to_owned()).collect())
    })
}

impl Route {
    fn request(&self) -> Asking {
        let path = self.path.replace("{name}", "zoe").replace("{id}", "7");
        let path = path.replace("{secret}", "none").replace("{call_id}", "none");
        let path = path.replace("{reference}", "none");
        let body = if self.takes_body { json!({}) } else { Value::Null };
        asking(self.method.clone(), &path).json(&body)
    }

    fn lets(&self, role: &str) -> bool {
        match &self.lets_in {
            LetsIn::Everybody => true,
            LetsIn::People(roles) => roles.is_empty() || roles.iter().any(|known| known == role),
            LetsIn::Tokens => false,
        }
    }
}

#[tokio::test]
async fn every_route_lets_in_whom_its_description_says_and_nobody_else() {
    let place = Place::open().await;
    let routes = routes(&place.description);
    assert!(routes.len() >= 35, "{} routes are described", routes.len());
    for route in &routes {
        let Route { method, path, .. } = route;
        let signed_out = place.answer(route.request().into()).await.status();
        let expects_session = route.lets_in != LetsIn::Everybody;
        let is_out = signed_out == StatusCode::UNAUTHORIZED;
        assert_eq!(is_out, expects_session, "{method} {path} signed out: {signed_out}");
        assert_ne!(signed_out, StatusCode::FORBIDDEN, "{method} {path}");
        for role in Role::ALL {
            let secret = place.session_of(role.as_str()).await;
            let request = route.request().session(&secret).csrf(&secret);
            let status = place.answer(request.into()).await.status();
            let told = status.as_str();
            assert!(route.answers.contains(told), "{method} {path} is silent about {told}");
            let is_out = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&status);
            assert_eq!(!is_out, route.lets(role.as_str()), "{method} {path} for {role}: {told}");
        }
    }
}

#[tokio::test]
async fn the_description_says_what_each_part_is_for() {
    let place = Place::open().await;
    let mut names = BTreeSet::new();
    for route in routes(&place.description) {
        let Route { method, path, lets_in, answers, takes_body } = route;
        let (_, roles) = FOR
            .iter()
            .find(|(beginning, _)| path.starts_with(beginning))
            .unwrap_or_else(|| panic!("whom is {path} for?"));
        if !path.starts_with("/api/session") {
            let described = match &lets_in {
                LetsIn::People(roles) => roles.as_slice(),
                LetsIn::Everybody | LetsIn::Tokens => &[],
            };
            assert_eq!(described, *roles, "{method} {path}");
        }
        let says = |status: &str| answers.contains(status);
        if matches!(lets_in, LetsIn::People(_)) {
            assert!(says("401") && says("403"), "{method} {path}");
        }
        if takes_body {
            assert!(says("400") && says("413") && says("415"), "{method} {path}");
        }
        let operation = &place.description["paths"][&path][method.as_str().to_lowercase()];
        let name = operation["operationId"].as_str().expect("a name").to_owned();
        assert!(operation["summary"].is_string(), "{method} {path} has no summary");
        assert!(names.insert(name.clone()), "{name} is there twice");
    }
}

#[tokio::test]
async fn what_changes_something_needs_the_csrf_token_of_its_session() {
    let place = Place::open().await;
    let (mine, other) = (place.session_of("agent").await, place.session_of("agent").await);
    for route in routes(&place.description) {
        if !matches!(route.lets_in, LetsIn::People(_)) || route.method.is_safe() {
            continue;
        }
        let Route { method, path, .. } = &route;
        let without = place.ask(route.request().session(&mine).into()).await;
        assert_eq!(without.status, StatusCode::FORBIDDEN, "{method} {path}");
        assert!(without.error().contains("X-CSRF-Token"), "{method} {path}");
        let wrong = place.ask(route.request().session(&mine).csrf(&other).into()).await;
        assert_eq!(wrong.status, StatusCode::FORBIDDEN, "{method} {path}");
    }
}

#[tokio::test]
async fn a_page_of_another_site_can_do_nothing() {
    let place = Place::open_with("public_url = \"https://calls.example\"").await;
    let secret = place.session_of("agent").await;
    for (origin, expected) in [
        ("http://127.0.0.1:9090", StatusCode::NO_CONTENT),
        ("https://calls.example", StatusCode::NO_CONTENT),
        ("https://evil.example", StatusCode::FORBIDDEN),
        ("http://127.0.0.1:9090.evil.example", StatusCode::FORBIDDEN),
        ("null", StatusCode::FORBIDDEN),
    ] {
        let asking = asking(Method::POST, "/api/desk/call/hold").session(&secret).csrf(&secret);
        let answer = place.ask(asking.header("origin", origin).into()).await;
        assert_eq!(answer.status, expected, "{origin}");
    }
    let sign_in = json!({"name": "agent", "password": "some password"});
    let theirs = asking(Method::POST, "/api/session").json(&sign_in);
    let answer = place.ask(theirs.header("origin", "https://evil.example").into()).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    let call = asking(Method::POST, "/api/call").body("application/sdp", "v=0");
    let answer = place.ask(call.header("origin", "https://evil.example").into()).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn what_is_nowhere_or_not_in_this_way_is_told_so() {
    let place = Place::open().await;
    let nowhere = place.ask(asking(Method::GET, "/api/nowhere").into()).await;
    assert_eq!(nowhere.status, StatusCode::NOT_FOUND);
    assert!(nowhere.json()["fix"].as_str().is_some_and(|fix| fix.contains("openapi.json")));
    let page = place.ask(asking(Method::GET, "/nowhere").into()).await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    assert!(page.headers["content-security-policy"].to_str().expect("text").contains("'self'"));
    let wrong = place.ask(asking(Method::PUT, "/api/session").into()).await;
    assert_eq!(wrong.status, StatusCode::METHOD_NOT_ALLOWED);
    let allow = wrong.headers["allow"].to_str().expect("text");
    for method in ["GET", "POST", "DELETE"] {
        assert!(allow.contains(method), "{allow}");
    }
    assert!(wrong.error().contains("PUT"));
    let head = place.ask(asking(Method::HEAD, "/api/openapi.json").into()).await;
    assert_eq!((head.status, head.body.as_str()), (StatusCode::OK, ""));
    let document = place.ask(asking(Method::GET, "/api/openapi.json").into()).await;
    assert_eq!(document.json(), place.description);
    assert_eq!(document.headers["cache-control"], "no-store");
    assert_eq!(document.headers["x-content-type-options"], "nosniff");
    assert!(!document.headers.contains_key("strict-transport-security"));
}

#[tokio::test]
async fn bodies_that_make_no_sense_are_told_so() {
    let place = Place::open().await;
    let secret = place.session_of("agent").await;
    let path = "/api/desk/state";
    let long = format!("{{\"state\": \"{}\"}}", "x".repeat(70_000));
    let sdp = "x".repeat(140_000);
    for (path, content_type, body, status, word) in [
        (path, "application/json", "{\"state\":", StatusCode::BAD_REQUEST, "JSON"),
        (path, "application/json", "{\"state\":\"asleep\"}", StatusCode::BAD_REQUEST, "asleep"),
        (path, "application/json", "{\"stat\":\"away\"}", StatusCode::BAD_REQUEST, "stat"),
        (path, "application/json", "{}", StatusCode::BAD_REQUEST, "state"),
        (path, "application/json", &long, StatusCode::PAYLOAD_TOO_LARGE, "too long"),
        (path, "text/plain", "{}", StatusCode::UNSUPPORTED_MEDIA_TYPE, "application/json"),
        ("/api/call", "text/plain", "v=0", StatusCode::UNSUPPORTED_MEDIA_TYPE, "application/sdp"),
        ("/api/call", "application/sdp", &sdp, StatusCode::PAYLOAD_TOO_LARGE, "too long"),
    ] {
        let asking = asking(Method::POST, path).session(&secret).csrf(&secret);
        let answer = place.ask(asking.body(content_type, body.to_owned()).into()).await;
        assert_eq!(answer.status, status, "{path} {content_type} {word}");
        assert!(answer.error().contains(word), "{}", answer.error());
    }
    let number = asking(Method::POST, "/api/desk/offers/seven/shown").session(&secret);
    let answer = place.ask(number.csrf(&secret).into()).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert!(place.asked().is_empty(), "{:?}", place.asked());
}

#[tokio::test]
async fn behind_tls_browsers_are_told_to_stay_there() {
    let place = Place::open_with("public_url = \"https://calls.example\"").await;
    let answer = place.ask(asking(Method::GET, "/api/openapi.json").into()).await;
    assert_eq!(answer.headers["strict-transport-security"], "max-age=31536000");
}
