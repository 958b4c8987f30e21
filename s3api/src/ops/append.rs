//! Append: `PUT /bucket/key` with `x-amz-write-offset-bytes`, as S3 Express One Zone has it
//! ("Appending data to objects in directory buckets", S3 User Guide), on every bucket.
//!
//! Where no versions are kept the object stays the same one, and the body becomes a part of it: no
//! byte of the object is written again. A version never changes, so that where they are kept an
//! append writes a new one, with the bytes of the last.

use super::put_object::add_checksum;
use super::{Call, put_object};
use crate::auth::Authorized;
use crate::body::checksum as sums;
use crate::body::relay::RelayBody;
use crate::error::{S3Error, S3Result, codes};
use crate::headers::attributes::WRITE_OFFSET;
use crate::headers::{checksum, conditional, text};
use crate::response::{self, S3Response, add_version, etag_value, text_value};
use crate::sse::{self, Bearer, Seal};
use engine::object::upload::PART_NUMBER_MAX;
use engine::object::{
    Address, AppendBase, AppendRequest, Checksum, ChecksumAlgorithm, ChecksumKind, ETag, Join,
    Lock, ObjectInfo, ObjectReader, PartPage, PutOutcome, PutRequest, StoreError, VersionId,
    Versioning, WriteCondition,
};
use http::{HeaderMap, StatusCode};
use md5::{Digest, Md5};
use std::sync::Arc;

/// Parts that are asked for at once.
const PAGE_PARTS: usize = 1000;

/// Headers, by prefix, that say something of a new object: an append changes nothing but the bytes.
const FIXED: [&str; 5] =
    ["x-amz-meta-", "x-amz-tagging", "x-amz-object-lock-", "x-amz-acl", "x-amz-grant-"];

/// Where the body is to begin, when the request asks for an append.
///
/// # Errors
/// `InvalidArgument` for what is no number.
pub(super) fn offset(headers: &HeaderMap) -> S3Result<Option<u64>> {
    let Some(value) = text(headers, WRITE_OFFSET)? else {
        return Ok(None);
    };
    let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let offset = value.parse().ok().filter(|_| is_number);
    offset.map(Some).ok_or_else(|| {
        let error = S3Error::new(&codes::INVALID_ARGUMENT, "The write offset is not a number.");
        error.with("ArgumentName", WRITE_OFFSET).with("ArgumentValue", value)
    })
}

pub(super) async fn answer(call: Call, offset: u64) -> S3Result<S3Response> {
    let authorized = &call.authorized;
    let (bucket, key) = (authorized.bucket(), authorized.key());
    let address = Address { bucket: bucket.clone(), key: key.clone(), version: None };
    let reader = match authorized.store().get(address).await {
        Ok(reader) => reader,
        Err(StoreError::NoSuchKey | StoreError::DeleteMarker { .. }) => {
            return begin(call, offset).await;
        }
        Err(error) => return Err(error.into()),
    };
    let info = reader.info().clone();
    check(authorized, &info, offset)?;
    let seal =
        sse::of_stored(authorized, (&bucket, &key), &info.attributes, Bearer::Append).await?;
    let versioning = authorized.settings().state.rules.versioning;
    let is_null = info.version.is_none_or(|version| version == VersionId::Null);
    let (outcome, authorized) = match is_null && versioning != Versioning::Enabled {
        true => extend(call, &*reader, seal.as_ref()).await?,
        false => write_again(call, reader, seal.as_ref()).await?,
    };
    let mut response = response::empty(StatusCode::OK);
    let headers = response.headers_mut();
    headers.insert(http::header::ETAG, etag_value(&outcome.etag));
    headers.insert("x-amz-object-size", text_value(&outcome.size.to_string()));
    add_checksum(headers, outcome.checksum.as_ref());
    add_version(headers, outcome.version);
    sse::describe_stored(&info.attributes, headers);
    drop(authorized);
    Ok(response)
}

/// There is nothing to append to: at 0 an object begins.
async fn begin(call: Call, offset: u64) -> S3Result<S3Response> {
    if offset != 0 {
        return Err((&codes::NO_SUCH_KEY).into());
    }
    let condition = match conditional::of_write(&call.authorized.head().headers)? {
        WriteCondition::None => WriteCondition::Absent,
        asked => return put_object::write(call, asked).await,
    };
    let written = put_object::write(call, condition).await;
    written.map_err(|error| match error.code == &codes::PRECONDITION_FAILED {
        true => (&codes::INVALID_WRITE_OFFSET).into(),
        false => error,
    })
}

/// Holds conditions and offset against the object, and refuses what would change more than bytes.
fn check(authorized: &Authorized, info: &ObjectInfo, offset: u64) -> S3Result<()> {
    let headers = &authorized.head().headers;
    match conditional::of_write(headers)? {
        WriteCondition::Absent => return Err((&codes::PRECONDITION_FAILED).into()),
        WriteCondition::Matches(wanted) if wanted != info.etag => {
            return Err((&codes::PRECONDITION_FAILED).into());
        }
        _ => {}
    }
    let is_fixed =
        |name: &&http::HeaderName| FIXED.iter().any(|prefix| name.as_str().starts_with(prefix));
    if let Some(name) = headers.keys().find(is_fixed) {
        let message = format!("An append changes no {name}.");
        return Err(
            S3Error::new(&codes::INVALID_ARGUMENT, message).with("ArgumentName", name.as_str())
        );
    }
    sse::check_same(headers, &info.attributes)?;
    if info.size != offset { Err((&codes::INVALID_WRITE_OFFSET).into()) } else { Ok(()) }
}

/// The body becomes one more part of the object.
async fn extend(
    call: Call,
    reader: &dyn ObjectReader,
    seal: Option<&Seal>,
) -> S3Result<(PutOutcome, Authorized)> {
    let Call { authorized, config, mut plan, open, .. } = call;
    let info = reader.info();
    let last = last_number(reader).await?;
    if last >= PART_NUMBER_MAX {
        return Err((&codes::TOO_MANY_PARTS).into());
    }
    let number = last + 1;
    if let Some(algorithm) = joinable(info) {
        plan.want_checksum(algorithm);
    }
    let len = plan.object_len(config.limits.object_len_max)?;
    let (body, len) = sse::wrap(seal, &authorized, open(plan), (number, Some(len)));
    let (bucket, key, base) = (authorized.bucket(), authorized.key(), AppendBase::of(info));
    let join = join(info);
    let request = AppendRequest { bucket, key, base, number, len, join };
    match authorized.store().append(request, body).await {
        Ok(outcome) => Ok((outcome, authorized)),
        Err(error) => Err(changed(&authorized, info.size, error).await),
    }
}

/// A new version with the bytes of the last one and those of the body.
async fn write_again(
    call: Call,
    reader: Box<dyn ObjectReader>,
    seal: Option<&Seal>,
) -> S3Result<(PutOutcome, Authorized)> {
    let Call { authorized, config, plan, open, .. } = call;
    let info = reader.info().clone();
    let len = info.size.saturating_add(plan.object_len(config.limits.object_len_max)?);
    if len > config.limits.object_len_max {
        return Err((&codes::ENTITY_TOO_LARGE).into());
    }
    let wanted = info.checksum.as_ref().map(|sum| sum.algorithm).or(plan.checksum_algorithm());
    let base = sse::read(reader, seal, 0..info.size).await?;
    let body = Box::new(RelayBody::new(base, info.size, wanted).followed_by(open(plan)));
    let (body, len) = sse::wrap(seal, &authorized, body, (sse::WHOLE, Some(len)));
    let request = PutRequest {
        bucket: authorized.bucket(),
        key: authorized.key(),
        attributes: info.attributes,
        condition: WriteCondition::Matches(info.etag),
        lock: Lock::default(),
        len,
    };
    match authorized.store().put(request, body).await {
        Ok(outcome) => Ok((outcome, authorized)),
        Err(error) => Err(changed(&authorized, info.size, error).await),
    }
}

/// What to tell when the object was changed meanwhile.
async fn changed(authorized: &Authorized, size: u64, error: StoreError) -> S3Error {
    let is_changed = matches!(
        error,
        StoreError::PreconditionFailed
            | StoreError::InvalidPart { .. }
            | StoreError::BucketConflict
            | StoreError::NoSuchKey
    );
    if !is_changed {
        return error.into();
    }
    let (bucket, key) = (authorized.bucket(), authorized.key());
    match authorized.store().head(Address { bucket, key, version: None }).await {
        Ok(now) if now.size == size => (&codes::CONDITIONAL_CONFLICT).into(),
        Ok(_) => (&codes::INVALID_WRITE_OFFSET).into(),
        Err(error) => error.into(),
    }
}

/// The highest number of a part; a plain object is part 1.
async fn last_number(reader: &dyn ObjectReader) -> S3Result<u16> {
    let info = reader.info();
    if info.part_count == 0 {
        return Ok(sse::WHOLE);
    }
    // Behind the part with the last byte there are empty ones at most.
    let mut last = match info.size.checked_sub(1) {
        None => 0,
        Some(position) => reader.part_at(position).await?.map_or(0, |place| place.info.number),
    };
    loop {
        let page = PartPage { after: last, limit: PAGE_PARTS };
        let (parts, has_more) = reader.parts(page).await?;
        last = parts.last().map_or(last, |part| part.number);
        if !has_more {
            return Ok(last);
        }
    }
}

/// The algorithm of a checksum that goes on over what is appended.
fn joinable(info: &ObjectInfo) -> Option<ChecksumAlgorithm> {
    let sum = info.checksum.as_ref()?;
    let value = checksum::decode_value(sum.algorithm, &sum.value)?;
    let is_joinable = sum.kind == ChecksumKind::FullObject
        && sums::combine(sum.algorithm, &[(value, info.size)]).is_some();
    is_joinable.then_some(sum.algorithm)
}

/// Entity tag and checksum of the object afterwards. The tag follows from the one before, so that
/// nothing is read for it, and is that of an object of parts.
fn join(info: &ObjectInfo) -> Join {
    let count = info.part_count.max(1) + 1;
    let (base, sum, size) = (info.etag.clone(), info.checksum.clone(), info.size);
    let algorithm = joinable(info);
    Arc::new(move |etag: &ETag, appended: Option<&Checksum>, len: u64| {
        let digest = Md5::new().chain_update(&base.0).chain_update("+").chain_update(&etag.0);
        let etag = ETag(format!("{}-{count}", hex::encode(digest.finalize())));
        let joined = algorithm.and_then(|algorithm| {
            let values = [(sum.as_ref()?, size), (appended?, len)];
            let values: Vec<_> = values
                .into_iter()
                .filter(|(sum, _)| sum.algorithm == algorithm)
                .filter_map(|(sum, len)| {
                    Some((checksum::decode_value(algorithm, &sum.value)?, len))
                })
                .collect();
            let whole = sums::combine(algorithm, &values).filter(|_| values.len() == 2)?;
            let value = checksum::encode_value(&whole);
            Some(Checksum { algorithm, kind: ChecksumKind::FullObject, value })
        });
        (etag, joined)
    })
}
