//! A run of the index: footer, top, pages, blocks, rows; and what can still be found where pointers
//! are damaged.

use super::key;
use super::report::{Field, Report, hex64, hex128};
use crate::config::Detail;
use bytes::Bytes;
use engine::format::run::{
    EncodedRow, FOOTER_LEN, FRAME_HEADER_LEN, Footer, FramePlace, Page, Pointer, Rows,
    decode_frame, decode_top, key_hash,
};
use engine::format::value::{Location, Value};

/// Most bytes of a frame that is looked for without a pointer to it. Blocks are about 16 KiB long.
const LOST_FRAME_LEN_MAX: usize = 1 << 20;

/// Id of a run, from its name.
pub fn parse_name(name: &str) -> Option<u64> {
    u64::from_str_radix(name, 16).ok().filter(|_| name.len() == 16)
}

/// Looks at a run; `name_id` is what its name says.
pub fn check(report: &mut Report<'_>, bytes: &Bytes, name_id: Option<u64>) {
    let footer_start = bytes.len().saturating_sub(FOOTER_LEN);
    let footer = Footer::decode(&bytes[footer_start..]);
    let run_id = match (footer, name_id) {
        (Ok(footer), name_id) => {
            if name_id.is_some_and(|name_id| name_id != footer.run_id) {
                report.damage(footer_start as u64, "it is another run than its name says");
            }
            footer.run_id
        }
        (Err(_), Some(name_id)) => {
            report.damage(footer_start as u64, "footer of the run");
            name_id
        }
        (Err(_), None) => {
            report.damage(footer_start as u64, "footer of the run; nothing else can be verified");
            return;
        }
    };
    let mut walk =
        Walk { report, bytes, run_id, row_count: 0, block_count: 0, first: None, last: None };
    match footer {
        Ok(footer) => walk.with_footer(&footer, footer_start),
        Err(_) => walk.salvage(0, footer_start),
    }
    walk.show();
}

struct Walk<'a, 'b> {
    report: &'a mut Report<'b>,
    bytes: &'a Bytes,
    run_id: u64,
    row_count: u64,
    block_count: u64,
    first: Option<Bytes>,
    last: Option<Bytes>,
}

impl Walk<'_, '_> {
    fn with_footer(&mut self, footer: &Footer, footer_start: usize) {
        let top = self.frame(footer.top_offset, footer.top_len);
        let sections = top.and_then(|top| decode_top(&top, footer.section_count as usize).ok());
        let before = self.report.damage_count();
        let Some(sections) = sections else {
            self.report.damage(footer.top_offset, "top of the run");
            self.salvage(0, (footer.top_offset as usize).min(footer_start));
            return;
        };
        let mut start = 0;
        for (index, section) in sections.iter().enumerate() {
            self.section(index, section, start);
            start = section.offset.saturating_add(section.len.into());
        }
        let end = footer.top_offset.saturating_add(footer.top_len.into());
        if start != footer.top_offset || end != footer_start as u64 {
            self.report.damage(start, "bytes between the frames");
        }
        // Rows of damaged blocks are not counted.
        if self.report.damage_count() == before && self.row_count != footer.row_count {
            let what = format!("{} rows where {} should be", self.row_count, footer.row_count);
            self.report.damage(footer_start as u64, &what);
        }
    }

    fn frame(&self, offset: u64, len: u32) -> Option<Bytes> {
        let end = usize::try_from(offset.checked_add(len.into())?).ok()?;
        let frame = (end <= self.bytes.len()).then(|| self.bytes.slice(offset as usize..end))?;
        decode_frame(FramePlace { run_id: self.run_id, offset }, &frame).ok()
    }

    /// One section; `start` is where its first block should begin.
    fn section(&mut self, index: usize, section: &Pointer, start: u64) {
        let page = self.frame(section.offset, section.len);
        let Some(page) = page.and_then(|content| Page::decode(&content).ok()) else {
            self.report.damage(section.offset, &format!("page of section {index}"));
            self.salvage(start as usize, section.offset as usize);
            return;
        };
        let fields = [
            ("offset", section.offset.into()),
            ("blocks", page.blocks.len().into()),
            ("first", key::escaped(&section.first_key).into()),
        ];
        self.report.item(Detail::Items, "section", &fields);
        let mut next = start;
        for block in &page.blocks {
            if block.offset != next {
                self.report.damage(next, "bytes between the frames");
            }
            next = block.offset.saturating_add(block.len.into());
            match self.frame(block.offset, block.len) {
                Some(content) => self.block(block.offset, content, Some((&page, block))),
                None => self.report.damage(block.offset, "block of rows"),
            }
        }
    }

    fn block(&mut self, offset: u64, content: Bytes, pointer: Option<(&Page, &Pointer)>) {
        self.block_count += 1;
        let mut is_first = true;
        for row in Rows::new(content) {
            let Ok(row) = row else {
                self.report.damage(offset, "rows that cannot be decoded in an intact block");
                return;
            };
            if let Some((page, block)) = pointer {
                if is_first && row.0 != block.first_key {
                    self.report.damage(offset, "a block that begins with another key");
                }
                if !page.may_contain(key_hash(&row.0)) {
                    self.report.damage(offset, "a key that the filter denies");
                }
            }
            is_first = false;
            self.row(offset, row);
        }
    }

    fn row(&mut self, offset: u64, (key, value): EncodedRow) {
        if self.last.as_ref().is_some_and(|last| *last >= key) {
            self.report.damage(offset, "rows out of order");
        }
        self.row_count += 1;
        self.first.get_or_insert_with(|| key.clone());
        self.last = Some(key.clone());
        let value = match value.as_ref().map(Value::decode) {
            Some(Err(error)) => return self.report.damage(offset, &error.to_string()),
            Some(Ok(value)) => Some(value),
            None => None,
        };
        if self.report.shows(Detail::Records) {
            let mut fields = key::shown(&key);
            fields.extend(value.as_ref().map_or(vec![("location", "deleted".into())], shown));
            self.report.item(Detail::Records, "row", &fields);
            let extents = value.as_ref().map(Value::extents).unwrap_or_default();
            for extent in extents {
                self.report.item(Detail::Records, "extent", &extent_fields(extent));
            }
        }
    }

    /// Shows the frames of rows between two offsets that no pointer leads to.
    fn salvage(&mut self, start: usize, end: usize) {
        let mut offset = start;
        let mut lost = 0;
        while offset + FRAME_HEADER_LEN < end.min(self.bytes.len()) {
            let head: [u8; 4] = self.bytes[offset..offset + 4].try_into().expect("four bytes");
            let len = FRAME_HEADER_LEN.saturating_add(u32::from_le_bytes(head) as usize);
            let is_short = len <= LOST_FRAME_LEN_MAX && offset + len <= end;
            match is_short.then(|| self.frame(offset as u64, len as u32)).flatten() {
                Some(content) if Page::decode(&content).is_ok() => offset += len,
                Some(content) => {
                    self.block(offset as u64, content, None);
                    offset += len;
                }
                None => {
                    lost += 1;
                    offset += 1;
                }
            }
        }
        if lost > 0 {
            self.report.damage(start as u64, &format!("{lost} bytes that are no intact frame"));
        }
    }

    fn show(&mut self) {
        let text = |key: &Option<Bytes>| key.as_ref().map(|key| key::escaped(key)).into();
        let fields = [
            ("run_id", hex64(self.run_id)),
            ("rows", self.row_count.into()),
            ("blocks", self.block_count.into()),
            ("first", text(&self.first)),
            ("last", text(&self.last)),
        ];
        self.report.item(Detail::Items, "run", &fields);
    }
}

fn shown(value: &Value) -> Vec<Field> {
    let (location, len) = match &value.location {
        Location::None => ("none", 0),
        Location::Inline(body) => ("inline", body.len() as u64),
        Location::Extents(extents) => {
            ("extents", extents.iter().map(|extent| u64::from(extent.len)).sum())
        }
    };
    vec![
        ("write_id", hex128(value.write_id)),
        ("location", location.into()),
        ("len", len.into()),
        ("attributes_len", value.attributes.len().into()),
    ]
}

fn extent_fields(extent: &engine::format::value::Extent) -> [Field; 6] {
    [
        ("volume", hex64(extent.volume.0)),
        ("offset", extent.offset.into()),
        ("column", extent.column.into()),
        ("start", extent.start.into()),
        ("len", extent.len.into()),
        ("crc64", hex64(extent.crc64)),
    ]
}
