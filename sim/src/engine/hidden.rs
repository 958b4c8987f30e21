//! What disks may not hold.
//!
//! - K26: no disk holds plain bytes of a body that is encrypted, nor a key of a client's. Looked
//!   for are the first 16 bytes of each, which nobody meets by chance: bodies are drawn word by
//!   word from 2^64, keys are digests.

use super::gateway::{NEEDLE_LEN, Tags};
use crate::disk::SimDisk;
use std::collections::BTreeSet;

/// Bits of the first bytes of what is looked for.
const FILTER_BITS: u32 = 16;

/// Looks through all files of the disks.
///
/// # Errors
/// The broken promise.
pub(super) fn search(tags: &Tags, disks: &[SimDisk]) -> Result<(), String> {
    let needles = tags.hidden();
    if needles.is_empty() {
        return Ok(());
    }
    let mut filter = vec![false; 1 << FILTER_BITS];
    needles.iter().for_each(|needle| filter[beginning(needle)] = true);
    for (index, disk) in disks.iter().enumerate() {
        for path in disk.files("").into_keys() {
            let Ok(content) = disk.content(&path) else { continue };
            if let Some(offset) = find(&content, &needles, &filter) {
                return Err(format!(
                    "K26: disk {index} tells of what is encrypted: {path}, {offset}"
                ));
            }
        }
    }
    Ok(())
}

fn beginning(bytes: &[u8]) -> usize {
    usize::from(bytes[0]) << 8 | usize::from(bytes[1])
}

fn find(content: &[u8], needles: &BTreeSet<[u8; NEEDLE_LEN]>, filter: &[bool]) -> Option<usize> {
    let is_it = |window: &[u8]| filter[beginning(window)] && needles.contains(window);
    content.windows(NEEDLE_LEN).position(is_it)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_is_found_anywhere() {
        let needles = BTreeSet::from([*b"attack at dawn, "]);
        let mut filter = vec![false; 1 << FILTER_BITS];
        filter[beginning(b"at")] = true;
        let at = |text: &[u8]| find(text, &needles, &filter);
        assert_eq!(at(b"we attack at dawn, they said"), Some(3));
        assert_eq!(at(b"attack at noon, they said"), None);
        assert_eq!(at(b"at"), None);
    }
}
