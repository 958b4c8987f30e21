//! GetObjectTagging, PutObjectTagging, DeleteObjectTagging: `/bucket/key?tagging`.

use super::{Done, amend, find};
use crate::auth::context::insert_request_tags;
use crate::error::S3Result;
use crate::response::{self, S3Response, add_version};
use crate::tags::{self, OBJECT_TAGS_MAX, Tags};
use bytes::Bytes;
use engine::object::Amendment;
use http::StatusCode;
use iam::Context;

pub(super) async fn get(call: Done) -> S3Result<S3Response> {
    let info = find(&call).await?;
    let mut response = response::xml(tags::write_document(&info.attributes.tags));
    add_version(response.headers_mut(), info.version);
    Ok(response)
}

pub(super) async fn put(call: Done, document: Bytes) -> S3Result<S3Response> {
    let tags = tags::parse_document(&document, OBJECT_TAGS_MAX);
    let told = tags.as_ref().ok();
    let told = |context: &mut Context| {
        told.into_iter().for_each(|tags| insert_request_tags(context, tags));
    };
    call.authorized.authorize_route(&told).await?;
    let tags = tags?;
    let info = amend(&call, Amendment::Tags(tags)).await?;
    let mut response = response::empty(StatusCode::OK);
    add_version(response.headers_mut(), info.version);
    Ok(response)
}

pub(super) async fn delete(call: Done) -> S3Result<S3Response> {
    let info = amend(&call, Amendment::Tags(Tags::new())).await?;
    let mut response = response::empty(StatusCode::NO_CONTENT);
    add_version(response.headers_mut(), info.version);
    Ok(response)
}
