//! AdminListKeys, AdminCreateKey, AdminRotateKey: `/_stave/admin/v1/keys`, the keys that those of
//! objects are sealed under, as JSON. What is listed are names, never keys.

use super::Done;
use crate::error::S3Result;
use crate::json;
use crate::response::{self, S3Response};
use http::StatusCode;

pub(super) async fn list(call: Done) -> S3Result<S3Response> {
    let keys = call.authorized.encryption().keys()?;
    let listed = keys.list().await?;
    Ok(response::json(json::document(|json| {
        json.number("version", 1);
        json.text("default", keys.default_key());
        json.list("keys", &listed, |json, key| {
            json.text("name", &key.name);
            json.number("key_version", key.version.into());
            json.number_if("created_ms", key.created_ms);
        });
    })))
}

pub(super) async fn create(call: Done) -> S3Result<S3Response> {
    call.authorized.encryption().keys()?.create(key(&call)).await?;
    Ok(response::empty(StatusCode::CREATED))
}

pub(super) async fn rotate(call: Done) -> S3Result<S3Response> {
    call.authorized.encryption().keys()?.rotate(key(&call)).await?;
    Ok(response::empty(StatusCode::NO_CONTENT))
}

fn key(call: &Done) -> &str {
    call.query("key").unwrap_or("")
}
