//! Documents that configure a bucket and are kept as such: tags, public access block, ownership,
//! CORS, encryption. Each is read to its end before it is kept, and written anew from what was
//! understood.

use super::Done;
use crate::auth::settings::document;
use crate::cors::CorsRules;
use crate::error::{S3Result, codes};
use crate::response::{self, S3Response};
use crate::sse::headers::{Wish, key_name};
use crate::tags::{self, BUCKET_TAGS_MAX};
use crate::xml::encryption::BucketEncryption;
use crate::xml::settings::{Ownership, PublicAccessBlock};
use crate::{error::S3Error, error::codes::ErrorCode};
use bytes::Bytes;
use engine::object::BucketChange;
use http::StatusCode;
use sealing::Secret;

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

pub(super) const ENCRYPTION: Kind = Kind {
    name: document::ENCRYPTION,
    absence: &codes::NO_SUCH_ENCRYPTION,
    parse: |bytes| Ok(BucketEncryption::parse(bytes)?.write()),
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
    if kind.name == document::ENCRYPTION {
        check_encryption(&call, &BucketEncryption::parse(text.as_bytes())?).await?;
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

/// A default that no object could be written by is refused: the key is asked to seal something.
async fn check_encryption(call: &Done, rule: &BucketEncryption) -> S3Result<()> {
    match rule.wish() {
        Wish::None | Wish::Customer(_) => Ok(()),
        Wish::S3 => call.authorized.encryption().keys().map(|_| ()),
        Wish::Kms(wish) => {
            let keys = call.authorized.encryption().keys()?;
            let name = wish.key_id.as_deref().and_then(key_name).unwrap_or(keys.default_key());
            let probe = Secret::new([0; sealing::secret::KEY_LEN]);
            keys.seal(name, &probe, b"probe").await?;
            Ok(())
        }
    }
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
