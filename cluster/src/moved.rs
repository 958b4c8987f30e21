//! Bodies whose row moved.
//!
//! A body names in its volume the row that it was written for, which for an object is that of the
//! current version. When a newer version comes, the row's value moves to that of an older one. So
//! whoever looks for the row of a body by what the volume says must look among the older versions,
//! too; the row of the current version tells whether there are any.
//!
//! - M1: a body's value is under the row that its volume names, or among the older versions of that
//!   row's key, or it is dead.

use crate::rows::{self, ObjectRow};
use bytes::Bytes;
use engine::format::value::Value;
use engine::meta::MetaStore;
use engine::{EngineError, Result};

/// Rows of older versions that one scan reads.
const SCAN_ROWS: usize = 256;

/// The row and value of a write by the row that its volume names (M1). What is found under that row
/// instead is told as it is.
///
/// # Errors
/// What reading rows fails with.
pub(crate) async fn find(
    store: &MetaStore,
    named: Bytes,
    write_id: u128,
) -> Result<Option<(Bytes, Value)>> {
    let Some(value) = store.get(&named).await? else {
        return Ok(None);
    };
    if value.write_id == write_id || !has_older(&named, &value)? {
        return Ok(Some((named, value)));
    }
    let Some((mut start, end)) = rows::older_versions(&named) else {
        return Ok(None);
    };
    loop {
        let page = store.scan(&start, &end, SCAN_ROWS).await?;
        let found = page.rows.into_iter().find(|(_, value)| value.write_id == write_id);
        match (found, page.resume) {
            (Some(found), _) => return Ok(Some(found)),
            (None, Some(resume)) => start = resume,
            (None, None) => return Ok(None),
        }
        tokio::task::yield_now().await;
    }
}

fn has_older(row: &[u8], value: &Value) -> Result<bool> {
    if rows::older_versions(row).is_none() {
        return Ok(false);
    }
    let object: ObjectRow =
        rows::decode(&value.attributes).map_err(|_| EngineError::corrupt("row", "index", 0))?;
    Ok(object.older.may_exist)
}
