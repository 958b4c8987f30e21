//! Segments whose files lost their names: whoever has them open still reads them, the next start
//! would not.

use super::member::Member;
use super::{VOLUME_DIR, Volume, VolumeSet};
use crate::disks::Slot;
use crate::mark::{self, Mark};
use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

impl VolumeSet {
    /// Looks for members on a disk that have no file by their name; they count as damaged from now
    /// on. Returns how many there are.
    pub async fn find_nameless(&self, slot: &Slot) -> u64 {
        let mut expected = Vec::new();
        for volume in self.all() {
            for member in volume.members() {
                if member.entry.disk == slot.number {
                    expected.push((volume.clone(), member));
                }
            }
        }
        // What was expected before the look is there during it, unless it was given up meanwhile.
        let Ok(names) = slot.disk.list(VOLUME_DIR).await else { return 0 };
        let names: BTreeSet<String> =
            names.into_iter().map(|name| format!("{VOLUME_DIR}/{name}")).collect();
        let mut count = 0;
        for (volume, member) in expected {
            if names.contains(&member.path()) {
                continue;
            }
            let opened = slot.disk.open(&member.path()).await;
            let is_gone = opened.is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
            if is_gone && self.is_current(&volume, &member) {
                mark::hit(Mark::NamelessMember);
                tracing::error!(path = member.path(), disk = slot.place, "a segment vanished");
                count += 1;
                self.doubt_nameless(&volume, &member);
            }
        }
        count
    }

    fn is_current(&self, volume: &Volume, member: &Arc<Member>) -> bool {
        self.get(volume.id).is_ok() && volume.members().iter().any(|it| Arc::ptr_eq(it, member))
    }

    fn doubt_nameless(&self, volume: &Volume, member: &Member) {
        // Without parity the open file is all there is.
        if volume.geometry.parity > 0 {
            member.close();
            member.doubt();
            self.shared.unwell.notify_one();
        }
    }
}
