//! Lists of grants of buckets and objects: `/bucket?acl`, `/bucket/key?acl`.

use super::bucket_documents::set;
use super::new_object::check_public;
use super::{Done, amend, find};
use crate::acl::{self, Acl};
use crate::auth::settings::document;
use crate::error::{S3Error, S3Result, codes};
use crate::notes;
use crate::response::{self, S3Response, add_version};
use bytes::Bytes;
use engine::object::Amendment;
use http::StatusCode;

pub(super) async fn get_bucket(call: Done) -> S3Result<S3Response> {
    let acl = &call.authorized.settings().acl;
    Ok(response::xml(acl::write_document(acl, call.authorized.accounts())))
}

pub(super) async fn put_bucket(call: Done, document: Bytes) -> S3Result<S3Response> {
    let owner = call.authorized.settings().owner().to_owned();
    let Some(acl) = asked(&call, &document, &owner)? else {
        return Ok(response::empty(StatusCode::OK));
    };
    set(&call, document::ACL, Some(acl.to_note())).await?;
    Ok(response::empty(StatusCode::OK))
}

pub(super) async fn get_object(call: Done) -> S3Result<S3Response> {
    let info = find(&call).await?;
    let settings = call.authorized.settings();
    let acl = match settings.has_acls() {
        true => notes::acl_of(&info, settings.owner())?,
        false => Acl::private(settings.owner()),
    };
    let document = acl::write_document(&acl, call.authorized.accounts());
    let mut response = response::xml(document);
    add_version(response.headers_mut(), info.version);
    Ok(response)
}

pub(super) async fn put_object(call: Done, document: Bytes) -> S3Result<S3Response> {
    let info = find(&call).await?;
    let owner = notes::acl_of(&info, call.authorized.settings().owner())?.owner;
    let mut response = response::empty(StatusCode::OK);
    if let Some(acl) = asked(&call, &document, &owner)? {
        let (name, value) = (notes::ACL.to_owned(), Some(acl.to_note()));
        amend(&call, Amendment::System { name, value }).await?;
    }
    add_version(response.headers_mut(), info.version);
    Ok(response)
}

/// The list that a request asks for, by headers or by a document; `None` where it may only say what
/// holds anyway.
fn asked(call: &Done, document: &[u8], owner: &str) -> S3Result<Option<Acl>> {
    let (settings, accounts) = (call.authorized.settings(), call.authorized.accounts());
    let headers = &call.authorized.head().headers;
    let by_headers = acl::of_headers(headers, owner, settings.owner(), accounts)?;
    let acl = match (by_headers, document.is_empty()) {
        (Some(acl), true) => acl,
        (None, false) => acl::parse_document(document, owner, accounts)?,
        (Some(_), false) => {
            let message = "The request has both a list of grants in its body and in its headers.";
            return Err(S3Error::new(&codes::UNEXPECTED_CONTENT, message));
        }
        (None, true) => {
            let message = "Your request was missing a required header: x-amz-acl";
            return Err(S3Error::new(&codes::MISSING_SECURITY_HEADER, message));
        }
    };
    if !settings.has_acls() {
        let holds = acl == Acl::private(settings.owner());
        return if holds { Ok(None) } else { Err((&codes::ACL_NOT_SUPPORTED).into()) };
    }
    check_public(settings, &acl)?;
    Ok(Some(acl))
}
