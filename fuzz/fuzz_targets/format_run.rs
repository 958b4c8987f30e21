#![no_main]
//! Sorted runs: no bytes make the decoder of a frame, block, page, top or footer panic, and rows
//! that were read encode to the same bytes.

use bytes::{Bytes, BytesMut};
use engine::format::run::{
    Footer, FramePlace, Page, Rows, decode_frame, decode_top, encode_top, key_hash, put_frame,
    put_row,
};
use libfuzzer_sys::fuzz_target;
use stave_fuzz::{repaired, u32_at};

fuzz_target!(|data: &[u8]| {
    let content = Bytes::copy_from_slice(data);
    let place = FramePlace { run_id: 7, offset: 4096 };
    let _ = decode_frame(place, &content);
    let mut frame = BytesMut::new();
    put_frame(&mut frame, place, data);
    assert_eq!(decode_frame(place, &frame.freeze()).as_ref(), Ok(&content));
    rows(&content);
    pages(&content);
    tops(&content);
    footers(data);
});

fn rows(content: &Bytes) {
    let Ok(rows) = Rows::new(content.clone()).collect::<Result<Vec<_>, _>>() else { return };
    let mut block = BytesMut::new();
    rows.iter().for_each(|(key, value)| put_row(&mut block, key, value.as_deref()));
    assert_eq!(block, content);
}

fn pages(content: &Bytes) {
    let Ok(page) = Page::decode(content) else { return };
    for pointer in &page.blocks {
        let _ = page.may_contain(key_hash(&pointer.first_key));
    }
    let hashes: Vec<u64> = page.blocks.iter().map(|block| key_hash(&block.first_key)).collect();
    let again = Page::decode(&Page::encode(&page.blocks, &hashes)).expect("just encoded");
    assert_eq!(again.blocks, page.blocks);
    assert!(hashes.iter().all(|hash| again.may_contain(*hash)), "a filter forgets no key");
}

fn tops(content: &Bytes) {
    let count = u32_at(content, 0).unwrap_or_default() as usize % 1000;
    let _ = decode_top(content, usize::MAX);
    if let Ok(sections) = decode_top(content, count) {
        assert_eq!(encode_top(&sections), content);
    }
}

fn footers(data: &[u8]) {
    let _ = Footer::decode(data);
    let Some(bytes) = repaired(data, 8, &[], 12..data.len()) else { return };
    if let Ok(footer) = Footer::decode(&bytes) {
        assert_eq!(footer.encode(), bytes);
    }
}
