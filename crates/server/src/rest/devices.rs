//! Devices: where a person is signed in, and ending that.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, patch};
use stonechat_store::device;
use stonechat_wire::{ChangeDevice, DeviceId, DevicesPage};

use super::{Error, Json, Path, Result, SignedIn};
use crate::app::App;
use crate::auth::naming;

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/devices", get(list).post(register))
        .route("/devices/{id}", patch(rename).delete(revoke))
}

async fn list(State(app): State<App>, SignedIn(device): SignedIn) -> Result<Json<DevicesPage>> {
    let actor = device.actor;
    let devices = app.readers.read(move |sql| device::devices(sql, &actor)).await?;
    Ok(Json(DevicesPage { devices }))
}

/// Registers the calling device's push target.
async fn register(
    State(app): State<App>,
    SignedIn(device): SignedIn,
    Json(change): Json<ChangeDevice>,
) -> Result<StatusCode> {
    let token = change.push_token.filter(|token| !token.is_empty() && token.len() <= 4_096);
    let token = token.ok_or_else(|| Error::invalid("push_token", "1 to 4,096 bytes"))?;
    app.writer.set_push_token(device.actor, token).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn rename(
    State(app): State<App>,
    SignedIn(device): SignedIn,
    Path(id): Path<DeviceId>,
    Json(change): Json<ChangeDevice>,
) -> Result<StatusCode> {
    let name = change.name.ok_or_else(|| Error::invalid("name", "missing"))?;
    app.writer.rename_device(device.actor, id, naming::device(&name)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn revoke(
    State(app): State<App>,
    SignedIn(device): SignedIn,
    Path(id): Path<DeviceId>,
) -> Result<StatusCode> {
    app.writer.revoke_device(device.actor, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
