//! Retention and legal hold of a version: `/bucket/key?retention`, `/bucket/key?legal-hold`.

use super::delete_object::bypass;
use super::{Done, amend, find};
use crate::auth::context::insert_retention;
use crate::error::{S3Error, S3Result, codes};
use crate::response::{self, S3Response};
use crate::xml::lock::{parse_legal_hold, parse_retention, write_legal_hold, write_retention};
use bytes::Bytes;
use engine::object::{Amendment, LegalHold, StoreError};
use http::StatusCode;
use iam::Context;

pub(super) async fn get_retention(call: Done) -> S3Result<S3Response> {
    check_bucket(&call)?;
    match find(&call).await?.lock.retention {
        Some(retention) => Ok(response::xml(write_retention(retention))),
        None => Err((&codes::NO_SUCH_LOCK).into()),
    }
}

pub(super) async fn put_retention(call: Done, document: Bytes) -> S3Result<S3Response> {
    let now = call.authorized.now();
    let retention = parse_retention(&document, now);
    let told = retention.as_ref().ok().copied().flatten();
    let told = |context: &mut Context| {
        told.into_iter().for_each(|retention| insert_retention(context, retention, now));
    };
    call.authorized.authorize_route(&told).await?;
    check_bucket(&call)?;
    let retention = retention?;
    let address = call.authorized.address()?;
    let bypass = bypass(&call.authorized, &address.key, address.version).await?;
    let amended = amend(&call, Amendment::Retention { retention, bypass }).await;
    amended.map_err(without_lock)?;
    Ok(response::empty(StatusCode::OK))
}

pub(super) async fn get_legal_hold(call: Done) -> S3Result<S3Response> {
    check_bucket(&call)?;
    match find(&call).await?.lock.hold {
        LegalHold::Never => Err((&codes::NO_SUCH_LOCK).into()),
        hold => Ok(response::xml(write_legal_hold(hold))),
    }
}

pub(super) async fn put_legal_hold(call: Done, document: Bytes) -> S3Result<S3Response> {
    let hold = parse_legal_hold(&document);
    let told = match hold {
        Ok(LegalHold::On) => Some("ON"),
        Ok(LegalHold::Off | LegalHold::Never) => Some("OFF"),
        Err(_) => None,
    };
    let told = |context: &mut Context| {
        told.into_iter().for_each(|hold| context.insert("s3:object-lock-legal-hold", hold));
    };
    call.authorized.authorize_route(&told).await?;
    check_bucket(&call)?;
    let hold = hold?;
    amend(&call, Amendment::Hold(hold)).await.map_err(without_lock)?;
    Ok(response::empty(StatusCode::OK))
}

fn check_bucket(call: &Done) -> S3Result<()> {
    match call.authorized.settings().state.rules.has_lock {
        true => Ok(()),
        false => Err(without_lock(StoreError::BucketConflict.into())),
    }
}

/// The bucket has no locks.
fn without_lock(error: S3Error) -> S3Error {
    match error.code == &codes::INVALID_BUCKET_STATE {
        true => {
            S3Error::new(&codes::INVALID_REQUEST, "Bucket is missing Object Lock Configuration")
        }
        false => error,
    }
}
