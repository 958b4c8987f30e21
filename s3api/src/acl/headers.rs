//! The headers `x-amz-acl` and `x-amz-grant-*`.

use super::{
    Accounts, Acl, Canned, GRANTS_MAX, Grant, Grantee, Permission, account_with_email,
    account_with_id, group,
};
use crate::error::{S3Error, S3Result, codes};
use crate::headers::text;
use http::HeaderMap;

const GRANT_HEADERS: [(&str, Permission); 5] = [
    ("x-amz-grant-read", Permission::Read),
    ("x-amz-grant-write", Permission::Write),
    ("x-amz-grant-read-acp", Permission::ReadAcp),
    ("x-amz-grant-write-acp", Permission::WriteAcp),
    ("x-amz-grant-full-control", Permission::FullControl),
];

/// The canned list that a request names.
///
/// # Errors
/// `InvalidArgument` for one that there is not.
pub fn canned_of(headers: &HeaderMap) -> S3Result<Option<Canned>> {
    let Some(name) = text(headers, "x-amz-acl")? else {
        return Ok(None);
    };
    Canned::named(name).map(Some).ok_or_else(|| {
        S3Error::new(&codes::INVALID_ARGUMENT, "The canned ACL is not one that there is.")
            .with("ArgumentName", "x-amz-acl")
            .with("ArgumentValue", name)
    })
}

/// The list that the headers of a request ask for, where they ask for any.
///
/// # Errors
/// `InvalidRequest` for both kinds of headers at once, `InvalidArgument`,
/// `UnresolvableGrantByEmailAddress`.
pub fn of_headers(
    headers: &HeaderMap,
    owner: &str,
    bucket_owner: &str,
    accounts: &dyn Accounts,
) -> S3Result<Option<Acl>> {
    let canned = canned_of(headers)?;
    let mut grants = Vec::new();
    for (name, permission) in GRANT_HEADERS {
        let Some(value) = text(headers, name)? else {
            continue;
        };
        for part in value.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let grantee = grantee(part, accounts)?;
            grants.push(Grant { grantee, permission });
        }
    }
    if grants.len() > GRANTS_MAX {
        return Err((&codes::INVALID_ARGUMENT).into());
    }
    match (canned, grants.is_empty()) {
        (Some(_), false) => Err(S3Error::new(
            &codes::INVALID_REQUEST,
            "Specifying both Canned ACLs and Header Grants is not allowed",
        )),
        (Some(canned), true) => Ok(Some(canned.acl(owner, bucket_owner))),
        (None, false) => Ok(Some(Acl { owner: owner.to_owned(), grants })),
        (None, true) => Ok(None),
    }
}

/// One grantee: `id="..."`, `emailAddress=...` or `uri=...`.
fn grantee(text: &str, accounts: &dyn Accounts) -> S3Result<Grantee> {
    let malformed = || S3Error::new(&codes::INVALID_ARGUMENT, "Argument format not recognized");
    let (kind, value) = text.split_once('=').ok_or_else(malformed)?;
    let value = value.trim();
    let value = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value);
    match kind.trim() {
        "id" => account_with_id(accounts, value),
        "emailAddress" => account_with_email(accounts, value),
        "uri" => group(value),
        _ => Err(malformed()),
    }
}
