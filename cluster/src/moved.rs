//! Bodies whose row moved.
//!
//! A body names in its volume the row that it was written for. For an object that is the row of the
//! current version, or that of an older one when its body was inline until it was one. When a newer
//! version comes, the row's value moves to that of an older one, and back when that is deleted. So
//! whoever looks for the row of a body by what the volume says must look at all versions of the
//! key; the row of the current one tells whether there are any others.
//!
//! An append makes a plain object one of parts: the value that its row had is then that of part 1
//! under the same write. That part may outlive the object's row, as long as a reader holds it.
//!
//! - M1: a body's value is under the row that its volume names, or that of another version of the
//!   same key, or of the first part of its own write, or it is dead.

use crate::rows::{self, BodyRows, ObjectRow};
use bytes::Bytes;
use engine::format::value::Value;
use engine::mark::{self, Mark};
use engine::meta::MetaStore;
use engine::object::UploadId;
use engine::{EngineError, Result};

/// Rows of older versions that one scan reads.
const SCAN_ROWS: usize = 256;

/// The row and value of a write by the row that its volume names (M1); none when it is dead.
///
/// # Errors
/// What reading rows fails with.
pub(crate) async fn find(
    store: &MetaStore,
    named: Bytes,
    write_id: u128,
) -> Result<Option<(Bytes, Value)>> {
    let incarnation = rows::incarnation(&named);
    let found = find_version(store, named, write_id).await?;
    let (None, Some(incarnation)) = (&found, incarnation) else { return Ok(found) };
    let part = rows::part(incarnation, UploadId(write_id), 1);
    let value = store.get(&part).await?.filter(|value| value.write_id == write_id);
    Ok(value.map(|value| (part, value)))
}

/// The same, by the rows of the object's versions.
async fn find_version(
    store: &MetaStore,
    named: Bytes,
    write_id: u128,
) -> Result<Option<(Bytes, Value)>> {
    let is_sought = |value: &Value| value.write_id == write_id;
    let Some(current) = rows::current_version(&named) else {
        return Ok(store.get(&named).await?.filter(is_sought).map(|value| (named, value)));
    };
    if named != current
        && let Some(value) = store.get(&named).await?.filter(is_sought)
    {
        return with_bytes(store, named, value).await;
    }
    let Some(value) = store.get(&current).await? else {
        return Ok(None);
    };
    if is_sought(&value) {
        return with_bytes(store, current, value).await;
    }
    if !has_older(&value)? {
        return Ok(None);
    }
    let (mut start, end) = rows::older_versions(&current);
    loop {
        let page = store.scan(&start, &end, SCAN_ROWS).await?;
        let found = page.rows.into_iter().find(|(_, value)| is_sought(value));
        match (found, page.resume) {
            (Some((row, value)), _) => return with_bytes(store, row, value).await,
            (None, Some(resume)) => start = resume,
            (None, None) => return Ok(None),
        }
        tokio::task::yield_now().await;
    }
}

/// The row of a write's object, or that of its first part when the bytes are there since an append.
async fn with_bytes(store: &MetaStore, row: Bytes, value: Value) -> Result<Option<(Bytes, Value)>> {
    let BodyRows::Parts(id) = object(&value)?.body else {
        return Ok(Some((row, value)));
    };
    let Some(incarnation) = rows::incarnation(&row) else {
        return Ok(None);
    };
    mark::hit(Mark::FirstPartMet);
    let part = rows::part(incarnation, id, 1);
    let is_sought = |part: &Value| part.write_id == value.write_id;
    Ok(store.get(&part).await?.filter(is_sought).map(|value| (part, value)))
}

fn object(value: &Value) -> Result<ObjectRow> {
    rows::decode(&value.attributes).map_err(|_| EngineError::corrupt("row", "index", 0))
}

fn has_older(current: &Value) -> Result<bool> {
    Ok(object(current)?.older.may_exist)
}
