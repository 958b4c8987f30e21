//! Documents that configure a bucket and are kept as such: tags, public access block, ownership,
//! CORS. Each is read to its end before it is kept, and written anew from what was understood.

use super::Done;
use crate::auth::settings::document;
use crate::cors::CorsRules;
use crate::error::{S3Result, codes};
use crate::response::{self, S3Response};
use crate::tags::{self, BUCKET_TAGS_MAX};
use crate::xml::settings::{Ownership, PublicAccessBlock};
use crate::{error::S3Error, error::codes::ErrorCode};
use bytes::Bytes;
use engine::object::BucketChange;
use http::StatusCode;

/// One kind of document.
pub(super) struct Kind {
    /// Its name in the store.
    name: &'static str,
    /// What its absence is.
    absence: &'static ErrorCode,
    /// Reads it and writes it anew.
    parse: fn(&[u8]) -> S3Result<String>,
}

pub(super) const TAGGING: Kind = Kind {
    name: document::TAGGING,
    absence: &codes::NO_SUCH_TAG_SET,
    parse: |bytes| Ok(tags::write_document(&tags::parse_document(bytes, BUCKET_TAGS_MAX)?)),
};

pub(super) const PUBLIC_ACCESS_BLOCK: Kind = Kind {
    name: document::PUBLIC_ACCESS_BLOCK,
    absence: &codes::NO_SUCH_PUBLIC_ACCESS_BLOCK,
    parse: |bytes| Ok(PublicAccessBlock::parse(bytes)?.write()),
};

pub(super) const OWNERSHIP: Kind = Kind {
    name: document::OWNERSHIP,
    absence: &codes::NO_SUCH_OWNERSHIP,
    parse: |bytes| Ok(Ownership::parse(bytes)?.write()),
};

pub(super) const CORS: Kind = Kind {
    name: document::CORS,
    absence: &codes::NO_SUCH_CORS,
    parse: |bytes| Ok(CorsRules::parse(bytes)?.write()),
};

pub(super) async fn get(call: Done, kind: &'static Kind) -> S3Result<S3Response> {
    match call.authorized.settings().state.document(kind.name) {
        Some(text) => Ok(response::xml(text.to_owned())),
        None => Err(kind.absence.into()),
    }
}

pub(super) async fn put(call: Done, document: Bytes, kind: &'static Kind) -> S3Result<S3Response> {
    let text = (kind.parse)(&document)?;
    if kind.name == document::OWNERSHIP {
        check_ownership(&call, Ownership::parse(text.as_bytes())?)?;
    }
    set(&call, kind.name, Some(text)).await?;
    // As AWS has it for tags alone.
    let is_tagging = kind.name == document::TAGGING;
    Ok(response::empty(if is_tagging { StatusCode::NO_CONTENT } else { StatusCode::OK }))
}

pub(super) async fn delete(call: Done, kind: &'static Kind) -> S3Result<S3Response> {
    set(&call, kind.name, None).await?;
    Ok(response::empty(StatusCode::NO_CONTENT))
}

/// Keeps a document of the bucket, or removes it.
pub(super) async fn set(call: &Done, name: &str, text: Option<String>) -> S3Result<()> {
    let change = BucketChange::Document { name: name.to_owned(), text };
    Ok(call.authorized.store().configure_bucket(call.authorized.bucket(), change).await?)
}

/// Lists of grants that say something are taken away before they stop to count.
fn check_ownership(call: &Done, ownership: Ownership) -> S3Result<()> {
    let settings = call.authorized.settings();
    let owner = settings.owner();
    let is_private = settings.acl == crate::acl::Acl::private(owner);
    if ownership == Ownership::BucketOwnerEnforced && !is_private {
        return Err(S3Error::from(&codes::INVALID_BUCKET_ACL));
    }
    Ok(())
}
