//! Me: the signed-in person: profile and settings.

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use stonechat_store::{Error as StoreError, account};
use stonechat_wire::{ChangeMe, Code, Me};

use super::{Json, Result, SignedIn};
use crate::app::App;
use crate::auth::{SignedInDevice, naming};

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/me", get(me).patch(change))
}

async fn me(State(app): State<App>, SignedIn(device): SignedIn) -> Result<Json<Me>> {
    read(&app, device).await
}

async fn change(
    State(app): State<App>,
    SignedIn(device): SignedIn,
    Json(change): Json<ChangeMe>,
) -> Result<Json<Me>> {
    let name = change.name.as_deref().map(naming::person).transpose()?;
    app.writer.change_me(device.actor, name, change.settings).await?;
    read(&app, device).await
}

async fn read(app: &App, device: SignedInDevice) -> Result<Json<Me>> {
    let key = device.actor.user;
    let (user, settings, blocked, server_name) = app
        .readers
        .read(move |sql| {
            let user = account::user(sql, key)?.ok_or_else(|| StoreError::refused(Code::NotFound))?;
            let settings = account::settings(sql, key)?;
            Ok((user, settings, account::blocked(sql, key)?, account::server_name(sql)?))
        })
        .await?;
    let (settings, must_change_password) = settings;
    let device_id = device.actor.device_id;
    Ok(Json(Me { user, device_id, settings, must_change_password, blocked, server_name }))
}
