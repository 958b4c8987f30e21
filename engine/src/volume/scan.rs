//! The stripes of a sealed volume, one after the other, with the bodies in them.

use super::Volume;
use super::heal::Healed;
use crate::error::Result;
use crate::format::PAGE_LEN;
use crate::format::record::{Layout, Owner, Shape, decode_owners};
use crate::format::value::Extent;
use std::sync::Arc;

/// A body that was found in a stripe.
#[derive(Clone, Debug)]
pub struct ScannedBody {
    /// Whose it is.
    pub owner: Owner,
    /// Data column that holds it; `None` when the stripe is cut.
    pub column: Option<u8>,
    /// Where it begins in that column, or in the whole payload.
    pub start: u32,
}

impl ScannedBody {
    /// Whether an extent of the same volume is this body of the stripe at that offset.
    pub fn is_at(&self, offset: u64, extent: &Extent) -> bool {
        (extent.offset, extent.column, extent.start) == (offset, self.column, self.start)
    }
}

/// A stripe that was found in a volume.
#[derive(Clone, Debug)]
pub struct ScannedStripe {
    /// Where it lies.
    pub offset: u64,
    /// Its form.
    pub shape: Shape,
    /// Its bodies; empty where too few members have the table of owners.
    pub bodies: Vec<ScannedBody>,
}

/// Walks the stripes of a sealed volume. Pages where no member has an intact header (writes that a
/// crash cut off) are skipped.
pub struct StripeScan {
    volume: Arc<Volume>,
    offset: u64,
}

impl StripeScan {
    /// Begins at the first stripe.
    pub fn new(volume: Arc<Volume>) -> Self {
        Self { volume, offset: PAGE_LEN }
    }

    /// The next stripe's place and form, `None` at the end of the volume.
    pub async fn next_shape(&mut self) -> Option<(u64, Shape)> {
        self.volume.next_shape(&mut self.offset).await
    }

    /// The next stripe, as [`StripeScan::next_shape`]; counts the pages before it where members
    /// that were not read may have another one (N1).
    pub(super) async fn next_to_heal(&mut self, healed: &mut Healed) -> Option<(u64, Shape)> {
        let begin = self.offset;
        let found = self.next_shape().await;
        let end = found.as_ref().map_or(self.volume.len(), |(offset, _)| *offset);
        for offset in (begin..end).step_by(PAGE_LEN as usize) {
            if self.volume.is_patient() && self.volume.may_hide(offset).await {
                healed.unread += 1;
            }
        }
        found
    }

    /// The next stripe with its bodies, `None` at the end of the volume.
    ///
    /// # Errors
    /// Never today; reads that fail leave bodies out.
    pub async fn next_stripe(&mut self) -> Result<Option<ScannedStripe>> {
        let Some((offset, shape)) = self.next_shape().await else {
            return Ok(None);
        };
        let mut bodies = Vec::new();
        for column in 0..shape.columns.len() {
            if shape.columns[column].owners == 0 {
                continue;
            }
            match self.volume.owners(offset, &shape, column).await {
                Ok(owners) => push_bodies(&shape, column, owners, &mut bodies),
                Err(error) => {
                    let volume = self.volume.id.0;
                    tracing::warn!(%error, volume, offset, "a table of owners cannot be read");
                }
            }
        }
        Ok(Some(ScannedStripe { offset, shape, bodies }))
    }
}

fn push_bodies(shape: &Shape, column: usize, owners: Vec<Owner>, bodies: &mut Vec<ScannedBody>) {
    let place = match shape.layout {
        Layout::Rows => Some(column as u8),
        Layout::Cut => None,
    };
    let mut start = 0;
    for owner in owners {
        let len = owner.len;
        bodies.push(ScannedBody { owner, column: place, start });
        start += len;
    }
}

impl Volume {
    /// The first stripe at an offset or behind it, which then lies behind that stripe; `None` at
    /// the end of the volume.
    pub async fn next_shape(&self, next: &mut u64) -> Option<(u64, Shape)> {
        *next = (*next).max(PAGE_LEN);
        while *next < self.len() {
            let offset = *next;
            match self.shape(offset, None).await {
                Ok(shape) => {
                    *next += shape.stripe_len();
                    return Some((offset, shape));
                }
                Err(_) => *next += PAGE_LEN,
            }
            // Headers come from the page cache in the end, and a long torn tail has many pages.
            tokio::task::yield_now().await;
        }
        None
    }

    /// The owners of a data column's bodies, from its member or from the others.
    async fn owners(&self, offset: u64, shape: &Shape, column: usize) -> Result<Vec<Owner>> {
        let table = match self.read_owners(offset, shape, column).await {
            Ok(table) => table,
            Err(error) if self.geometry.parity == 0 => return Err(error),
            Err(_) => self.rebuild_owners(offset, shape, column).await?,
        };
        decode_owners(&table)
            .map_err(|_| crate::EngineError::corrupt("owners", &self.what(), offset))
    }
}
