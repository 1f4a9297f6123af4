//! `/api/admin/accounts`: who may sign in, and what for.

use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::base::Pii;
use crate::store::{Access, Account, AccountChange, Role};
use crate::web::Web;
use crate::web::accounts::{AccountsError, NewAccount};
use crate::web::auth::Admin;
use crate::web::error::{ApiError, ErrorBody, ForBodies, ForSignedIn, ForWhatMayBeOver};
use crate::web::input::{JsonBody, PathPart};
use crate::web::passwords::check_new;
use crate::web::secret::readable_password;

pub(in crate::web) fn router() -> OpenApiRouter<Web> {
    OpenApiRouter::new()
        .routes(routes!(list_accounts, add_account))
        .routes(routes!(change_account, remove_account))
}

/// Somebody who may sign in.
#[derive(Serialize, ToSchema)]
pub(super) struct AccountView {
    /// Names them everywhere.
    name: String,
    /// As colleagues and callers know them.
    display_name: String,
    /// `agent`, `supervisor`, `operations` or `admin`.
    role: &'static str,
    /// The password is to be changed at the next sign-in.
    must_change: bool,
    /// Skills with their levels: 1 (a beginner) to 5 (an expert).
    skills: BTreeMap<String, u8>,
    /// Language tags; any language if there are none.
    languages: BTreeSet<String>,
    /// When the account was made.
    created_at: String,
    /// Since when they may not sign in.
    disabled_at: Option<String>,
}

impl AccountView {
    pub(super) fn of(account: &Account) -> Self {
        Self {
            name: account.name.clone(),
            display_name: account.display_name.clone(),
            role: account.role.as_str(),
            must_change: account.must_change,
            skills: account.skills.clone(),
            languages: account.languages.clone(),
            created_at: account.created_at.to_string(),
            disabled_at: account.disabled_at.map(|at| at.to_string()),
        }
    }
}

#[derive(Serialize, ToSchema)]
struct AccountList {
    /// By name.
    accounts: Vec<AccountView>,
}

/// What somebody may do.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum RoleWord {
    /// Takes calls at a desk.
    Agent,
    /// The same, and directs queues and agents.
    Supervisor,
    /// Sees calls and their records; has no desk.
    Operations,
    /// Everything.
    Admin,
}

impl From<RoleWord> for Role {
    fn from(word: RoleWord) -> Self {
        match word {
            RoleWord::Agent => Self::Agent,
            RoleWord::Supervisor => Self::Supervisor,
            RoleWord::Operations => Self::Operations,
            RoleWord::Admin => Self::Admin,
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewAccountWanted {
    /// 1 to 64 of `a-z`, `0-9`, `.`, `_`, `-`; never changes.
    #[schema(example = "anna.b")]
    name: String,
    /// As colleagues and callers know them.
    #[schema(example = "Anna")]
    display_name: String,
    /// What they may do.
    role: RoleWord,
    /// Ten characters or more; one is made if none is given. It is to be changed at the first
    /// sign-in.
    #[schema(format = Password)]
    password: Option<String>,
    /// Skills with their levels, 1 to 5.
    #[serde(default)]
    skills: BTreeMap<String, u8>,
    /// Language tags.
    #[serde(default)]
    languages: BTreeSet<String>,
}

#[derive(Serialize, ToSchema)]
struct AddedAccount {
    /// The account.
    account: AccountView,
    /// The password, if one was made; it is not to be had again.
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<String>,
}

/// What is to be different; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangeWanted {
    /// As colleagues and callers know them.
    display_name: Option<String>,
    /// What they may do; another role ends their sessions.
    role: Option<RoleWord>,
    /// Another password, which they have to change; ends their sessions.
    #[schema(format = Password)]
    password: Option<String>,
    /// Skills with their levels, 1 to 5.
    skills: Option<BTreeMap<String, u8>>,
    /// Language tags.
    languages: Option<BTreeSet<String>>,
    /// Whether they may not sign in; a change ends their sessions.
    disabled: Option<bool>,
}

/// Lists accounts
#[utoipa::path(
    get,
    path = "/api/admin/accounts",
    tag = "admin",
    responses((status = 200, description = "All of them.", body = AccountList), ForSignedIn),
    security(("session" = ["admin"]))
)]
async fn list_accounts(_: Admin, State(web): State<Web>) -> Result<Json<AccountList>, ApiError> {
    let accounts = web.store().accounts().await?;
    Ok(Json(AccountList { accounts: accounts.iter().map(AccountView::of).collect() }))
}

/// Makes an account
#[utoipa::path(
    post,
    path = "/api/admin/accounts",
    tag = "admin",
    request_body = NewAccountWanted,
    responses(
        (status = 201, description = "Made.", body = AddedAccount),
        (status = 409, description = "The name is taken.", body = ErrorBody),
        ForSignedIn,
        ForBodies,
    ),
    security(("session" = ["admin"]))
)]
async fn add_account(
    admin: Admin,
    State(web): State<Web>,
    JsonBody(wanted): JsonBody<NewAccountWanted>,
) -> Result<(StatusCode, Json<AddedAccount>), ApiError> {
    let given = wanted.password.map(Pii::new);
    let is_given = given.is_some();
    let password = given.unwrap_or_else(readable_password);
    let new = NewAccount {
        name: wanted.name,
        display_name: wanted.display_name,
        role: wanted.role.into(),
        skills: wanted.skills,
        languages: wanted.languages,
    };
    let account = web.accounts().add(&admin.actor(), new, &password, web.now().at).await?;
    let password = (!is_given).then(|| password.into_inner());
    let added = AddedAccount { account: AccountView::of(&account), password };
    Ok((StatusCode::CREATED, Json(added)))
}

/// Changes an account
#[utoipa::path(
    patch,
    path = "/api/admin/accounts/{name}",
    tag = "admin",
    params(("name" = String, Path, description = "The account.")),
    request_body = ChangeWanted,
    responses(
        (status = 200, description = "Changed.", body = AccountView),
        ForSignedIn,
        ForBodies,
        ForWhatMayBeOver,
    ),
    security(("session" = ["admin"]))
)]
async fn change_account(
    admin: Admin,
    State(web): State<Web>,
    PathPart(name): PathPart<String>,
    JsonBody(wanted): JsonBody<ChangeWanted>,
) -> Result<Json<AccountView>, ApiError> {
    let now = web.now().at;
    let change = AccountChange {
        display_name: wanted.display_name,
        role: wanted.role.map(Role::from),
        skills: wanted.skills,
        languages: wanted.languages,
        access: wanted.disabled.map(|disabled| match disabled {
            true => Access::Closed(now),
            false => Access::Open,
        }),
    };
    // Whatever may be refused comes before anything is done.
    let password = wanted.password.map(Pii::new);
    if let Some(password) = &password {
        check_new(&name, password).map_err(AccountsError::from)?;
    }
    if change != AccountChange::default() {
        web.accounts().change(&admin.actor(), &name, &change, now).await?;
    }
    if let Some(password) = &password {
        web.accounts().set_password(&admin.actor(), &name, password, now).await?;
    }
    let account = web.store().account(&name).await?;
    let account = account.ok_or_else(|| ApiError::not_found("there is no such account"))?;
    Ok(Json(AccountView::of(&account)))
}

/// Removes an account
#[utoipa::path(
    delete,
    path = "/api/admin/accounts/{name}",
    tag = "admin",
    params(("name" = String, Path, description = "The account.")),
    responses((status = 204, description = "Removed."), ForSignedIn, ForWhatMayBeOver),
    security(("session" = ["admin"]))
)]
async fn remove_account(
    admin: Admin,
    State(web): State<Web>,
    PathPart(name): PathPart<String>,
) -> Result<StatusCode, ApiError> {
    web.accounts().remove(&admin.actor(), &name, web.now().at).await?;
    Ok(StatusCode::NO_CONTENT)
}
