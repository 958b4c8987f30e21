//! GET and HEAD: look the object up, hold the volumes that its bytes are in, stream them verified.
//!
//! A row and the volumes that it names are taken together: when a volume is gone in between, the
//! row was relocated and is read again. From then on reclaim may remove the volume; whoever holds
//! it goes on reading. Rows of long bodies are taken one after the other while the body streams;
//! the purge leaves them alone until the reader is done.

use super::budget::Download;
use super::{Coordinator, Result, VersionRow, attributes};
use crate::error::{damaged_row, from_engine};
use crate::meta::command::Target;
use crate::reading::Reading;
use crate::rows::{self, BodyRows, GROUP_LEN, Incarnation, ObjectRow, PartRow};
use bytes::Bytes;
use engine::EngineError;
use engine::format::record::SUB_BLOCK_LEN;
use engine::format::value::{Extent, Location, Value, VolumeId};
use engine::object::{
    Address, ByteStream, ObjectInfo, ObjectReader, PartInfo, PartPage, PartPlace, Reply,
    StoreError, UploadId, VersionId,
};
use engine::volume::Volume;
use futures_util::{TryStreamExt as _, stream};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Reads that are ready while the client takes one.
const READ_AHEAD: usize = 2;

/// How often a row is read again because a volume that it named was reclaimed.
const LOOKUP_COUNT_MAX: usize = 16;

/// Parts whose rows are read at once.
const PART_SCAN_ROWS: usize = 64;

type Held = BTreeMap<VolumeId, Arc<Volume>>;

/// A row with the volumes that it names.
pub(super) struct HeldRow {
    pub(super) value: Value,
    volumes: Held,
}

impl Coordinator {
    pub(super) async fn object_head(&self, address: Address) -> Result<ObjectInfo> {
        self.linearize().await?;
        let target = self.target(address.bucket, address.key).await?;
        let object = self.version_row(&target, address.version).await?.object;
        Ok(object.info(target.key, target.versioning))
    }

    pub(super) async fn object_get(&self, address: Address) -> Result<Box<dyn ObjectReader>> {
        self.linearize().await?;
        let target = self.target(address.bucket, address.key).await?;
        let (held, object, reading) = self.open_version(&target, address.version).await?;
        let body = object.body;
        let info = object.info(target.key, target.versioning);
        let (coordinator, incarnation) = (self.clone(), target.incarnation);
        Ok(Box::new(Reader { coordinator, incarnation, info, body, held, _reading: reading }))
    }

    /// Reads a version's row and keeps what belongs to it: the volumes that it names, and the rows
    /// of a long body. Those are kept first and the row is looked at again, because the purge may
    /// have come between. A version that moved meanwhile is looked up again.
    async fn open_version(
        &self,
        target: &Target,
        version: Option<VersionId>,
    ) -> Result<(HeldRow, ObjectRow, Option<Reading>)> {
        let current = rows::object(target.incarnation, &target.key);
        for _ in 0..LOOKUP_COUNT_MAX {
            // What is current is found by its row at once, without a first look at its version.
            let row = match version {
                None => current.clone(),
                Some(_) => self.version_row(target, version).await?.row,
            };
            let Some(held) = self.held_row(&row).await? else {
                match version {
                    None => return Err(StoreError::NoSuchKey),
                    Some(_) => continue,
                }
            };
            let object: ObjectRow = attributes(&held.value)?;
            if version.is_some_and(|id| object.version != id) {
                continue;
            }
            let found = VersionRow { row, write_id: held.value.write_id, object };
            let VersionRow { row, object, .. } = found.visible(version, target)?;
            let Some(garbage) = object.body.garbage(held.value.write_id) else {
                return Ok((held, object, None));
            };
            let reading = self.readings.begin(garbage);
            let again = self.row(&row).await?;
            if again.is_some_and(|again| again.write_id == held.value.write_id) {
                return Ok((held, object, Some(reading)));
            }
        }
        Err(StoreError::Unavailable("the object is being replaced".into()))
    }

    /// Reads a row and takes hold of every volume that it names.
    pub(super) async fn held_row(&self, key: &[u8]) -> Result<Option<HeldRow>> {
        for _ in 0..LOOKUP_COUNT_MAX {
            let Some(value) = self.row(key).await? else {
                return Ok(None);
            };
            match self.hold(value.extents()) {
                Ok(volumes) => return Ok(Some(HeldRow { value, volumes })),
                Err(EngineError::VolumeGone(_)) => tokio::task::yield_now().await,
                Err(error) => return Err(from_engine(error)),
            }
        }
        Err(StoreError::Unavailable("the object is being moved".into()))
    }

    fn hold(&self, extents: &[Extent]) -> engine::Result<Held> {
        let volumes = self.store.volumes();
        extents.iter().map(|extent| Ok((extent.volume, volumes.get(extent.volume)?))).collect()
    }
}

/// One state of an object, held open.
struct Reader {
    coordinator: Coordinator,
    incarnation: Incarnation,
    info: ObjectInfo,
    body: BodyRows,
    held: HeldRow,
    /// Keeps the rows of a long body from the purge.
    _reading: Option<Reading>,
}

impl Coordinator {
    /// Streams all bytes of a row that has its body itself.
    pub(super) fn read_row(&self, held: HeldRow, info: ObjectInfo, len: u64) -> ByteStream {
        let info = ObjectInfo { stored_len: len, ..info };
        let (coordinator, body) = (self.clone(), BodyRows::Own);
        // It would name rows besides this one, and there are none.
        let incarnation = Incarnation(0);
        let reader = Reader { coordinator, incarnation, info, body, held, _reading: None };
        Box::new(reader).read(0..len)
    }
}

impl ObjectReader for Reader {
    fn info(&self) -> &ObjectInfo {
        &self.info
    }

    fn part(&self, number: u16) -> Reply<'_, Option<PartPlace>> {
        Box::pin(self.part_numbered(number))
    }

    fn part_at(&self, position: u64) -> Reply<'_, Option<PartPlace>> {
        Box::pin(async move {
            let BodyRows::Parts(upload_id) = self.body else {
                return Ok(None);
            };
            let number = self.number_at(upload_id, position, |part| part.start).await?;
            self.part_numbered(number).await
        })
    }

    fn parts(&self, page: PartPage) -> Reply<'_, (Vec<PartInfo>, bool)> {
        Box::pin(async move {
            match self.body {
                BodyRows::Parts(id) => {
                    let parts = (id, self.info.size);
                    self.coordinator.part_page(self.incarnation, parts, page).await
                }
                BodyRows::Own | BodyRows::Extents => Ok((Vec::new(), false)),
            }
        })
    }

    fn read(self: Box<Self>, range: Range<u64>) -> ByteStream {
        assert!(range.start <= range.end && range.end <= self.info.stored_len, "within the object");
        if let Location::Inline(body) = &self.held.value.location {
            let piece = body.slice(range.start as usize..range.end as usize);
            return Box::pin(stream::iter([Ok(piece)]));
        }
        if let Some((volume, extent, cut)) = self.single_read(&range) {
            let download = self.coordinator.downloads.begin();
            let read = async move {
                let pieces = volume.read(&extent, cut).await.map_err(from_engine)?;
                let pieces = pieces.into_iter().map(move |piece| Ok(download.pass(piece)));
                Ok::<_, StoreError>(stream::iter(pieces))
            };
            return Box::pin(stream::once(read).try_flatten());
        }
        let (sender, receiver) = mpsc::channel(READ_AHEAD);
        tokio::spawn(async move {
            let output = Output { sender, download: self.coordinator.downloads.begin() };
            if let Err(Stop::Failed(error)) = self.send(range, &output).await {
                // Nobody listens any more: then nobody needs the error.
                let _ = output.sender.send(Err(error)).await;
            }
        });
        Box::pin(stream::unfold(receiver, |mut receiver| async move {
            receiver.recv().await.map(|piece| (piece, receiver))
        }))
    }
}

/// Why a stream ends early.
enum Stop {
    /// The client went away.
    Gone,
    /// The body cannot be completed.
    Failed(StoreError),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

struct Output {
    sender: mpsc::Sender<Result<Bytes>>,
    download: Download,
}

impl Output {
    async fn send(&self, piece: Bytes) -> std::result::Result<(), Stop> {
        self.sender.send(Ok(piece)).await.map_err(|_| Stop::Gone)
    }

    /// Sends a range of the bytes that a row's location names, in reads of its share
    /// of memory.
    async fn send_row(&self, row: &HeldRow, range: Range<u64>) -> std::result::Result<(), Stop> {
        if let Location::Inline(body) = &row.value.location {
            return self.send(body.slice(range.start as usize..range.end as usize)).await;
        }
        let mut extent_start = 0;
        for extent in row.value.extents() {
            let extent_end = extent_start + u64::from(extent.len);
            let start = range.start.max(extent_start);
            let end = range.end.min(extent_end);
            if start < end {
                let cut = (start - extent_start) as u32..(end - extent_start) as u32;
                self.send_extent(&row.volumes[&extent.volume], extent, cut).await?;
            }
            extent_start = extent_end;
        }
        if extent_start < range.end { Err(damaged_row().into()) } else { Ok(()) }
    }

    /// Where a read that begins at `position` ends: with a sub-block, so that none is read twice.
    fn read_end(&self, extent: &Extent, position: u32) -> u32 {
        let end = extent.start + position + self.download.read_len();
        end - end % SUB_BLOCK_LEN as u32 - extent.start
    }

    async fn send_extent(
        &self,
        volume: &Volume,
        extent: &Extent,
        cut: Range<u32>,
    ) -> std::result::Result<(), Stop> {
        let mut position = cut.start;
        while position < cut.end {
            let next = self.read_end(extent, position).min(cut.end);
            for piece in volume.read(extent, position..next).await.map_err(from_engine)? {
                self.send(piece).await?;
            }
            position = next;
        }
        Ok(())
    }
}

impl Reader {
    /// The one read that gives the whole range, where one is enough: then nothing runs ahead.
    fn single_read(&self, range: &Range<u64>) -> Option<(Arc<Volume>, Extent, Range<u32>)> {
        let [extent] = self.held.value.extents() else {
            return None;
        };
        let read_len = self.coordinator.downloads.read_len();
        let is_short = range.end - range.start <= read_len.into() && range.end <= extent.len.into();
        let volume = self.held.volumes.get(&extent.volume)?.clone();
        let is_own = self.body == BodyRows::Own;
        (is_own && is_short).then_some((volume, *extent, range.start as u32..range.end as u32))
    }

    async fn send(&self, range: Range<u64>, output: &Output) -> std::result::Result<(), Stop> {
        match self.body {
            BodyRows::Own => output.send_row(&self.held, range).await,
            BodyRows::Extents => self.send_groups(self.held.value.write_id, range, output).await,
            BodyRows::Parts(upload_id) => self.send_parts(upload_id, range, output).await,
        }
    }

    /// Sends a range of a body whose extents have rows of their own.
    async fn send_groups(
        &self,
        write_id: u128,
        range: Range<u64>,
        output: &Output,
    ) -> std::result::Result<(), Stop> {
        let mut position = range.start;
        while position < range.end {
            let group = position / GROUP_LEN;
            let group_start = group * GROUP_LEN;
            let end = range.end.min(group_start + GROUP_LEN);
            let key = rows::extents(self.incarnation, write_id, group as u32);
            let row = self.coordinator.held_row(&key).await?.ok_or_else(replaced)?;
            output.send_row(&row, position - group_start..end - group_start).await?;
            position = end;
        }
        Ok(())
    }

    /// Sends a range of an object that was uploaded in parts.
    async fn send_parts(
        &self,
        upload_id: UploadId,
        range: Range<u64>,
        output: &Output,
    ) -> std::result::Result<(), Stop> {
        if range.is_empty() {
            return Ok(());
        }
        let mut position = range.start;
        let mut number = self.number_at(upload_id, range.start, |part| part.stored_start).await?;
        while position < range.end {
            let (start, end) = rows::parts_from(self.incarnation, upload_id, number);
            let store = &self.coordinator.store;
            let page = store.scan(&start, &end, PART_SCAN_ROWS).await.map_err(from_engine)?;
            for (key, _) in page.rows {
                number = rows::part_number(&key).ok_or_else(damaged_row)?.saturating_add(1);
                if position < range.end {
                    position = self.send_part(&key, position..range.end, output).await?;
                }
            }
            if position < range.end && page.resume.is_none() {
                return Err(replaced().into());
            }
        }
        Ok(())
    }

    /// Sends what of the range lies in one part; returns where the next part goes on.
    async fn send_part(
        &self,
        key: &[u8],
        range: Range<u64>,
        output: &Output,
    ) -> std::result::Result<u64, Stop> {
        let row = self.coordinator.held_row(key).await?.ok_or_else(replaced)?;
        let part: PartRow = attributes(&row.value)?;
        let part_start = part.stored_start;
        if part_start > range.start {
            return Err(damaged_row().into());
        }
        let end = range.end.min(part_start + part.stored_len);
        let cut = range.start - part_start..end.saturating_sub(part_start);
        if cut.start < cut.end {
            match part.body {
                BodyRows::Extents => self.send_groups(row.value.write_id, cut, output).await?,
                BodyRows::Own | BodyRows::Parts(_) => output.send_row(&row, cut).await?,
            }
        }
        Ok(end.max(range.start))
    }

    async fn part_numbered(&self, number: u16) -> Result<Option<PartPlace>> {
        let BodyRows::Parts(upload_id) = self.body else {
            return Ok(None);
        };
        let key = rows::part(self.incarnation, upload_id, number);
        let Some(value) = self.coordinator.row(&key).await? else {
            return Ok(None);
        };
        let part: PartRow = attributes(&value)?;
        // What was appended since is not of this state.
        Ok((part.end() <= self.info.size).then(|| part.place(number)))
    }

    /// Number of the part that holds the byte at `position`: the last one that begins at or before
    /// it, where `start_of` tells the beginnings.
    async fn number_at(
        &self,
        upload_id: UploadId,
        position: u64,
        start_of: impl Fn(&PartRow) -> u64 + Send,
    ) -> Result<u16> {
        let (mut low, mut high) = (0, engine::object::upload::PART_NUMBER_MAX);
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            match self.first_part_from(upload_id, middle).await? {
                Some((number, part)) if start_of(&part) <= position => low = number.max(middle),
                _ => high = middle - 1,
            }
        }
        Ok(low)
    }

    async fn first_part_from(
        &self,
        upload_id: UploadId,
        number: u16,
    ) -> Result<Option<(u16, PartRow)>> {
        let (mut start, end) = rows::parts_from(self.incarnation, upload_id, number);
        loop {
            let page = self.coordinator.store.scan(&start, &end, 1).await.map_err(from_engine)?;
            if let Some((key, value)) = page.rows.first() {
                let part: PartRow = attributes(value)?;
                let number = rows::part_number(key).ok_or_else(damaged_row)?;
                return Ok(Some((number, part)));
            }
            match page.resume {
                Some(resume) => start = resume,
                None => return Ok(None),
            }
        }
    }
}

/// The rows of a body went while it was read: the object was overwritten or deleted.
fn replaced() -> StoreError {
    StoreError::Unavailable("the object was replaced while it was read".into())
}
