//! What a request says of an object that it begins: attributes, tags, grants, lock. Put, copy and
//! multipart upload share it.

use crate::acl::{self, Acl, Canned};
use crate::auth::Authorized;
use crate::auth::settings::BucketSettings;
use crate::config::S3Config;
use crate::error::{S3Error, S3Result, codes};
use crate::headers::attributes::{self, WRITE_OFFSET};
use crate::headers::{lock, text};
use crate::route::Operation;
use crate::sse::{self, Seal};
use crate::xml::settings::Ownership;
use crate::{notes, tags};
use engine::object::{Lock, ObjectAttributes, StoreError};

/// What the headers say of the object, its tags and grants included.
pub(super) fn describe(authorized: &Authorized, config: &S3Config) -> S3Result<ObjectAttributes> {
    let headers = &authorized.head().headers;
    let appends = authorized.route().operation == Operation::PutObject;
    attributes::refuse_unsupported_but(headers, appends.then_some(WRITE_OFFSET))?;
    let mut described = attributes::parse(headers, config.limits.metadata_len_max)?;
    if let Some(tagging) = text(headers, "x-amz-tagging")? {
        described.tags = tags::parse_header(tagging)?;
    }
    grant(authorized, &mut described)?;
    Ok(described)
}

/// The seal of the object, noted with it, where it is to be encrypted.
pub(super) async fn seal(
    authorized: &Authorized,
    described: &mut ObjectAttributes,
) -> S3Result<Option<Seal>> {
    let seal = sse::of_new(authorized).await?;
    if let Some(seal) = &seal {
        seal.note_in(described);
    }
    Ok(seal)
}

/// Notes who owns the object and who else may do something with it, where that counts.
pub(super) fn grant(authorized: &Authorized, described: &mut ObjectAttributes) -> S3Result<()> {
    let settings = authorized.settings();
    let headers = &authorized.head().headers;
    let writer = match authorized.caller_id() {
        "" => settings.owner(),
        id => id,
    };
    let canned = acl::canned_of(headers)?;
    let owner = owner_of_new(settings, writer, canned);
    let asked = acl::of_headers(headers, owner, settings.owner(), authorized.accounts())?;
    if !settings.has_acls() {
        return refuse_acl(canned, asked.as_ref());
    }
    let acl = asked.unwrap_or_else(|| Acl::private(owner));
    check_public(settings, &acl)?;
    described.set_note(notes::ACL, Some(acl.to_note()));
    Ok(())
}

fn owner_of_new<'a>(
    settings: &'a BucketSettings,
    writer: &'a str,
    canned: Option<Canned>,
) -> &'a str {
    match settings.ownership {
        Some(Ownership::BucketOwnerEnforced) => settings.owner(),
        Some(Ownership::BucketOwnerPreferred) if canned == Some(Canned::BucketOwnerFullControl) => {
            settings.owner()
        }
        Some(Ownership::BucketOwnerPreferred | Ownership::ObjectWriter) | None => writer,
    }
}

/// Where no lists count, those are taken that say what holds anyway.
fn refuse_acl(canned: Option<Canned>, asked: Option<&Acl>) -> S3Result<()> {
    let holds = matches!(
        canned,
        Some(Canned::Private | Canned::BucketOwnerFullControl | Canned::BucketOwnerRead)
    );
    if holds || asked.is_none() { Ok(()) } else { Err((&codes::ACL_NOT_SUPPORTED).into()) }
}

/// Refuses a list that gives something to everybody, where the bucket blocks those.
pub(super) fn check_public(settings: &BucketSettings, acl: &Acl) -> S3Result<()> {
    if settings.block.blocks_acls && acl.is_public() {
        let message = "Access Denied: public ACLs are blocked by the BlockPublicAcls setting.";
        return Err(S3Error::new(&codes::ACCESS_DENIED, message));
    }
    Ok(())
}

/// The lock that the headers ask for.
pub(super) fn lock(authorized: &Authorized) -> S3Result<Lock> {
    lock::of_write(&authorized.head().headers, authorized.now())
}

/// A lock was asked for where there can be none.
pub(super) fn without_lock(error: StoreError) -> S3Error {
    match error {
        StoreError::BucketConflict => {
            S3Error::new(&codes::INVALID_REQUEST, "Bucket is missing Object Lock Configuration")
        }
        error => error.into(),
    }
}
