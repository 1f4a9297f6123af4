//! Signing in, and what it is worth.

use serde_json::json;

use super::*;

async fn sign_in(place: &Place, name: &str, password: &str) -> Answer {
    let body = json!({"name": name, "password": password});
    place.ask(asking(Method::POST, "/api/session").json(&body).into()).await
}

/// The secret in the cookie that an answer sets.
fn cookie(answer: &Answer) -> String {
    let set = answer.headers["set-cookie"].to_str().expect("text");
    let rest = set.strip_prefix("frontdoor_session=").expect("our cookie");
    rest.split(';').next().expect("a value").to_owned()
}

#[tokio::test]
async fn somebody_new_signs_in_and_has_to_choose_a_password_first() {
    let place = Place::open().await;
    let admin = place.session_of("admin").await;
    let anna = json!({"name": "anna", "display_name": "Anna", "role": "agent"});
    let made = place.page(Method::POST, "/api/admin/accounts", &admin, anna).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    let password = made.json()["password"].as_str().expect("it was made").to_owned();
    let wrong = sign_in(&place, "anna", "not the password").await;
    assert_eq!(
        (wrong.status, wrong.error().as_str()),
        (StatusCode::UNAUTHORIZED, "name or password is wrong")
    );
    let begun = sign_in(&place, "anna", &password).await;
    assert_eq!(begun.status, StatusCode::OK, "{}", begun.body);
    let set = begun.headers["set-cookie"].to_str().expect("text");
    assert!(set.contains("HttpOnly; SameSite=Strict; Path=/"), "{set}");
    assert!(!set.contains("Secure") && !set.contains("Max-Age"), "{set}");
    let secret = cookie(&begun);
    let view = begun.json();
    assert_eq!(view["csrf"], csrf_of(&secret));
    assert_eq!((&view["role"], &view["must_change_password"]), (&json!("agent"), &json!(true)));
    let early = place.get("/api/desk/options", &secret).await;
    assert_eq!(early.status, StatusCode::FORBIDDEN);
    assert_eq!(early.error(), "the password is to be changed first");
    assert_eq!(place.get("/api/session", &secret).await.json(), view);
    let wrong = json!({"old": "not the password", "new": "a new password"});
    let refused = place.page(Method::POST, "/api/session/password", &secret, wrong).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let change = json!({"old": password, "new": "a new password"});
    let changed = place.page(Method::POST, "/api/session/password", &secret, change).await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.body);
    let next = cookie(&changed);
    assert_ne!(next, secret);
    assert_eq!(changed.json()["csrf"], csrf_of(&next));
    assert_eq!(place.get("/api/session", &secret).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(place.get("/api/desk/options", &next).await.status, StatusCode::OK);
    let out = place.page(Method::DELETE, "/api/session", &next, Value::Null).await;
    assert_eq!(out.status, StatusCode::NO_CONTENT);
    assert!(out.headers["set-cookie"].to_str().expect("text").contains("Max-Age=0"));
    assert_eq!(place.get("/api/session", &next).await.status, StatusCode::UNAUTHORIZED);
    let audit = place.audited().await;
    let expected = [
        "anna signed_out  192.0.2.7",
        "anna password_changed anna 192.0.2.7",
        "anna signed_in  192.0.2.7",
        " sign_in_refused anna 192.0.2.7",
        "admin account_added anna as agent 192.0.2.7",
    ];
    assert_eq!(audit, expected);
}

#[tokio::test]
async fn too_many_wrong_passwords_are_waited_out() {
    let place = Place::open().await;
    for _ in 0..10 {
        let wrong = sign_in(&place, "nobody", "not the password").await;
        assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
        assert_eq!(wrong.headers["www-authenticate"], "Bearer realm=\"frontdoor\"");
    }
    let locked = sign_in(&place, "nobody", "not the password").await;
    assert_eq!(locked.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(locked.headers["retry-after"], "90");
    place.pass_time(90);
    let wrong = sign_in(&place, "nobody", "not the password").await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn under_tls_the_cookie_goes_nowhere_else() {
    let place = Place::open_with("public_url = \"https://calls.example\"").await;
    let by = Actor::command_line();
    let (password, now) = (Pii::new("agent's password".to_owned()), place.web.now().at);
    place.web.accounts().set_password(&by, "agent", &password, now).await.expect("sets");
    let begun = sign_in(&place, "agent", "agent's password").await;
    assert!(begun.headers["set-cookie"].to_str().expect("text").contains("; Secure"));
}

#[tokio::test]
async fn a_session_is_over_when_its_time_is() {
    let place = Place::open().await;
    let secret = place.session_of("agent").await;
    assert_eq!(place.get("/api/session", &secret).await.status, StatusCode::OK);
    place.pass_time(29 * 60);
    assert_eq!(place.get("/api/session", &secret).await.status, StatusCode::OK);
    place.pass_time(30 * 60);
    let over = place.get("/api/session", &secret).await;
    assert_eq!(over.status, StatusCode::UNAUTHORIZED);
    assert_eq!(over.json()["fix"], "sign in with POST /api/session");
}

#[tokio::test]
async fn accounts_are_looked_after_by_admins() {
    let place = Place::open().await;
    let admin = place.session_of("admin").await;
    let anna = json!({
        "name": "anna", "display_name": "Anna", "role": "agent",
        "password": "anna's password", "skills": {"cards": 4}, "languages": ["en"],
    });
    let path = "/api/admin/accounts";
    let made = place.page(Method::POST, path, &admin, anna.clone()).await;
    assert_eq!(made.status, StatusCode::CREATED);
    assert!(made.json()["password"].is_null(), "what was given is not given back");
    let again = place.page(Method::POST, path, &admin, anna).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    let unfit = json!({"name": "ben", "display_name": "Ben", "role": "agent", "skills": {"a": 9}});
    let refused = place.page(Method::POST, path, &admin, unfit).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    let session = place.session_of("anna").await;
    let path = "/api/admin/accounts/anna";
    // A form sends back what has not been changed.
    let same = json!({"role": "agent", "disabled": false, "skills": {"cards": 4}});
    let changed = place.page(Method::PATCH, path, &admin, same).await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.body);
    assert_eq!(place.get("/api/session", &session).await.status, StatusCode::OK);
    let own = json!({"role": "admin", "disabled": false, "display_name": "Root"});
    let own = place.page(Method::PATCH, "/api/admin/accounts/admin", &admin, own).await;
    assert_eq!(own.json()["display_name"], "Root", "{}", own.body);
    let own = json!({"role": "agent"});
    let own = place.page(Method::PATCH, "/api/admin/accounts/admin", &admin, own).await;
    assert_eq!(own.status, StatusCode::CONFLICT);
    // All of it or nothing: their session would be over.
    for half in [
        json!({"password": "another password", "display_name": ""}),
        json!({"password": "short", "role": "supervisor"}),
    ] {
        let refused = place.page(Method::PATCH, path, &admin, half).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{}", refused.body);
    }
    assert_eq!(place.get("/api/session", &session).await.status, StatusCode::OK);
    let change = json!({"role": "supervisor", "display_name": "Anna B."});
    let changed = place.page(Method::PATCH, path, &admin, change).await;
    assert_eq!(changed.json()["role"], "supervisor", "{}", changed.body);
    assert_eq!(changed.json()["skills"], json!({"cards": 4}));
    assert_eq!(place.get("/api/session", &session).await.status, StatusCode::UNAUTHORIZED);
    let disabled = place.page(Method::PATCH, path, &admin, json!({"disabled": true})).await;
    assert_eq!(disabled.json()["disabled_at"], "2026-03-31T23:33:20Z");
    let listed = place.get("/api/admin/accounts", &admin).await.json();
    assert_eq!(listed["accounts"].as_array().map(Vec::len), Some(5));
    let own = place.page(Method::DELETE, "/api/admin/accounts/admin", &admin, Value::Null).await;
    assert_eq!(own.status, StatusCode::CONFLICT);
    let gone = place.page(Method::DELETE, path, &admin, Value::Null).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    let gone = place.page(Method::DELETE, path, &admin, Value::Null).await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_audit_is_read_page_by_page() {
    let place = Place::open().await;
    let admin = place.session_of("admin").await;
    for number in 0..3 {
        let token = json!({"name": format!("token {number}"), "scopes": ["handoffs"]});
        let made = place.page(Method::POST, "/api/admin/tokens", &admin, token).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    }
    let page = place.get("/api/admin/audit?limit=2", &admin).await.json();
    let subjects = |page: &Value| -> Vec<String> {
        let entries = page["entries"].as_array().expect("entries");
        entries.iter().map(|entry| entry["about"].as_str().expect("text").to_owned()).collect()
    };
    assert_eq!(subjects(&page), ["3 token 2", "2 token 1"]);
    let rest = format!("/api/admin/audit?limit=2&before={}", page["next"]);
    let rest = place.get(&rest, &admin).await.json();
    assert_eq!((subjects(&rest), &rest["next"]), (vec!["1 token 0".to_owned()], &Value::Null));
    for query in ["limit=0", "limit=1001", "limit=x", "page=2"] {
        let refused = place.get(&format!("/api/admin/audit?{query}"), &admin).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{query}");
    }
    let listed = place.get("/api/admin/tokens", &admin).await;
    assert!(!listed.body.contains("fd_"), "a token is shown once");
    let gone = place.page(Method::DELETE, "/api/admin/tokens/2", &admin, Value::Null).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    let gone = place.page(Method::DELETE, "/api/admin/tokens/2", &admin, Value::Null).await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
}
