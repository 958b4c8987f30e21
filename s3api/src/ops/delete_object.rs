//! DeleteObject: `DELETE /bucket/key`.

use super::Done;
use crate::auth::{Authorized, Resource};
use crate::error::S3Result;
use crate::headers::{attributes, conditional, lock};
use crate::response::{self, S3Response, add_version};
use engine::object::{Bypass, DeleteRequest, ObjectKey, VersionId};
use http::StatusCode;
use http::header::HeaderValue;

pub(super) async fn answer(call: Done) -> S3Result<S3Response> {
    let authorized = &call.authorized;
    let headers = &authorized.head().headers;
    // A condition that is not understood would delete too much.
    attributes::refuse_unsupported(headers)?;
    let address = authorized.address()?;
    let request = DeleteRequest {
        condition: conditional::of_write(headers)?,
        bypass: bypass(authorized, &address.key, address.version).await?,
        address,
    };
    let outcome = authorized.store().delete(request).await?;
    let mut response = response::empty(StatusCode::NO_CONTENT);
    let headers = response.headers_mut();
    add_version(headers, outcome.version);
    if outcome.is_marker {
        headers.insert("x-amz-delete-marker", HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// Whether a retention of governance mode is bypassed: whoever asks for it must be allowed to, as
/// soon as there can be one.
pub(super) async fn bypass(
    authorized: &Authorized,
    key: &ObjectKey,
    version: Option<VersionId>,
) -> S3Result<Bypass> {
    let wanted = lock::bypass(&authorized.head().headers)?;
    if wanted == Bypass::No || !authorized.settings().state.rules.has_lock {
        return Ok(Bypass::No);
    }
    let bucket = authorized.bucket();
    let resource = Resource::Object(&bucket, key, version);
    authorized.authorize_also("s3:BypassGovernanceRetention", resource).await?;
    Ok(wanted)
}
