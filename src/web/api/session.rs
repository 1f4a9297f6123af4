//! `/api/session`: signing in and out, and one's own password.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum_extra::extract::cookie::CookieJar;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::base::Pii;
use crate::web::Web;
use crate::web::accounts::{AccountsError, Session};
use crate::web::auth::{SignedIn, check_origin, no_session_cookie, session_cookie, session_secret};
use crate::web::error::{ApiError, ErrorBody, ForBodies, ForLimited, ForSignedIn};
use crate::web::input::JsonBody;
use crate::web::source::Source;

pub(in crate::web) fn router() -> OpenApiRouter<Web> {
    OpenApiRouter::new().routes(routes!(sign_in, who, sign_out)).routes(routes!(change_password))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SignIn {
    /// The account.
    name: String,
    /// Its password.
    #[schema(value_type = String, format = Password)]
    password: Secret,
}

/// Text that is not printed.
#[derive(Deserialize)]
#[serde(transparent)]
struct Secret(String);

impl Secret {
    fn into_pii(self) -> Pii<String> {
        Pii::new(self.0)
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangePassword {
    /// The password so far.
    #[schema(value_type = String, format = Password)]
    old: Secret,
    /// Ten characters or more.
    #[schema(value_type = String, format = Password)]
    new: Secret,
}

/// Who is signed in.
#[derive(Serialize, ToSchema)]
struct SessionView {
    /// The account.
    name: String,
    /// As colleagues know them.
    display_name: String,
    /// `agent`, `supervisor`, `operations` or `admin`.
    role: &'static str,
    /// What goes along as `X-CSRF-Token` with whatever changes something.
    csrf: String,
    /// Nothing else is done before the password is changed.
    must_change_password: bool,
}

impl SessionView {
    fn of(session: Session) -> Json<Self> {
        let Session { account, csrf, .. } = session;
        Json(Self {
            name: account.name,
            display_name: account.display_name,
            role: account.role.as_str(),
            csrf,
            must_change_password: account.must_change,
        })
    }
}

/// Signs in
///
/// The answer sets the cookie `frontdoor_session`. A session in which nothing is done for 30
/// minutes is over, and so is every session after 12 hours. Ten wrong passwords lock an account for
/// a while.
#[utoipa::path(
    post,
    path = "/api/session",
    tag = "session",
    request_body = SignIn,
    responses(
        (status = 200, description = "Signed in.", body = SessionView),
        (status = 401, description = "Name or password is wrong.", body = ErrorBody),
        (status = 403, description = "The page is of another site.", body = ErrorBody),
        (status = 503, description = "It cannot be done at present.", body = ErrorBody),
        ForBodies,
        ForLimited,
    )
)]
async fn sign_in(
    State(web): State<Web>,
    Source(source): Source,
    headers: HeaderMap,
    jar: CookieJar,
    JsonBody(SignIn { name, password }): JsonBody<SignIn>,
) -> Result<(CookieJar, Json<SessionView>), ApiError> {
    check_origin(&headers, web.config())?;
    let former = session_secret(&headers);
    let password = password.into_pii();
    let begun =
        web.accounts().sign_in(&name, &password, former.as_deref(), source, web.now()).await?;
    let jar = jar.add(session_cookie(&begun.secret, web.config()));
    Ok((jar, SessionView::of(begun.session)))
}

/// Says who is signed in
#[utoipa::path(
    get,
    path = "/api/session",
    tag = "session",
    responses(
        (status = 200, description = "Who is signed in.", body = SessionView),
        ForSignedIn,
    ),
    security(("session" = []))
)]
async fn who(signed_in: SignedIn) -> Json<SessionView> {
    SessionView::of(signed_in.session)
}

/// Signs out
#[utoipa::path(
    delete,
    path = "/api/session",
    tag = "session",
    responses((status = 204, description = "Signed out."), ForSignedIn),
    security(("session" = []))
)]
async fn sign_out(
    signed_in: SignedIn,
    State(web): State<Web>,
    jar: CookieJar,
) -> Result<(StatusCode, CookieJar), ApiError> {
    let SignedIn { session, source } = signed_in;
    web.accounts().sign_out(&session, source, web.now().at).await?;
    Ok((StatusCode::NO_CONTENT, jar.remove(no_session_cookie())))
}

/// Changes one's own password
///
/// All other sessions of the account are over, and this one has a new cookie and a new `csrf`.
#[utoipa::path(
    post,
    path = "/api/session/password",
    tag = "session",
    request_body = ChangePassword,
    responses(
        (status = 200, description = "Changed.", body = SessionView),
        ForSignedIn,
        ForBodies,
        ForLimited,
    ),
    security(("session" = []))
)]
async fn change_password(
    signed_in: SignedIn,
    State(web): State<Web>,
    jar: CookieJar,
    JsonBody(ChangePassword { old, new }): JsonBody<ChangePassword>,
) -> Result<(CookieJar, Json<SessionView>), ApiError> {
    let SignedIn { session, source } = signed_in;
    let (old, new) = (old.into_pii(), new.into_pii());
    let changed = web.accounts().choose_password(&session, &old, &new, source, web.now()).await;
    let begun = changed.map_err(|error| match error {
        // They are signed in all the same.
        AccountsError::Wrong => ApiError::forbidden("the old password is wrong"),
        error => error.into(),
    })?;
    let jar = jar.add(session_cookie(&begun.secret, web.config()));
    Ok((jar, SessionView::of(begun.session)))
}
