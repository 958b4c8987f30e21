//! Short sequences written by hand, one per thing that a store does on its disks. Crash points are
//! enumerated over them.

use super::body::{Delivery, Piece};
use super::plan::{Condition, Damage, Request, Slot, Step};
use crate::disk::{Fault, PowerLoss};

/// A body that fits into the journal.
const SMALL: u32 = 300;
/// A body that goes into a volume at once.
pub(super) const LARGE: u32 = 9000;

/// Bytes whole and at once.
pub(super) const WHOLE: Delivery =
    Delivery { chunk_len: 1 << 20, is_halting: false, broken_at: None };

/// A written sequence.
#[derive(Clone, Debug)]
pub struct Workload {
    /// Its name.
    pub name: &'static str,
    /// Whether it needs more than one disk.
    pub needs_disks: bool,
    /// What it does.
    pub steps: Vec<Step>,
}

/// Writes a sequence down.
pub(super) struct Script {
    pub(super) steps: Vec<Step>,
    next_body: u32,
}

fn slot(key: u16) -> Slot {
    Slot { bucket: 0, key }
}

impl Script {
    pub(super) fn new() -> Self {
        Self { steps: Vec::new(), next_body: 1 }.ask(Request::CreateBucket(0))
    }

    /// Begins with a bucket that keeps versions and can lock them.
    pub(super) fn locked() -> Self {
        Self { steps: Vec::new(), next_body: 1 }.ask(Request::CreateVersioned(0))
    }

    pub(super) fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    pub(super) fn ask(self, request: Request) -> Self {
        self.step(Step::Requests(vec![(request, None)]))
    }

    fn piece(&mut self, len: u32) -> Piece {
        self.next_body += 1;
        Piece { body: self.next_body - 1, len }
    }

    fn put_if(mut self, key: u16, len: u32, condition: Condition) -> Self {
        let piece = self.piece(len);
        self.ask(Request::Put { slot: slot(key), piece, condition, delivery: WHOLE })
    }

    pub(super) fn put(self, key: u16, len: u32) -> Self {
        self.put_if(key, len, Condition::None)
    }

    pub(super) fn puts(self, keys: std::ops::Range<u16>, len: u32) -> Self {
        keys.fold(self, |script, key| script.put(key, len))
    }

    /// Writes that go on at once.
    pub(super) fn burst(mut self, keys: std::ops::Range<u16>, len: u32) -> Self {
        let mut requests = Vec::new();
        for key in keys {
            let (slot, piece) = (slot(key), self.piece(len));
            let condition = Condition::None;
            requests.push((Request::Put { slot, piece, condition, delivery: WHOLE }, None));
        }
        self.step(Step::Requests(requests))
    }

    pub(super) fn get(self, key: u16) -> Self {
        self.ask(Request::Get { slot: slot(key), range: None })
    }

    pub(super) fn delete(self, key: u16) -> Self {
        self.ask(Request::Delete { slot: slot(key), condition: Condition::None })
    }

    pub(super) fn deletes(self, keys: std::ops::Range<u16>) -> Self {
        keys.fold(self, Self::delete)
    }

    /// Appends to a value.
    pub(super) fn append(mut self, key: u16, base: u32, len: u32) -> Self {
        let (slot, piece, value) = (slot(key), self.piece(len), self.piece(0).body);
        let (base, beyond, delivery) = (Some(base), 0, WHOLE);
        self.ask(Request::Append { slot, base, beyond, piece, value, delivery })
    }

    pub(super) fn begin(self, key: u16) -> Self {
        self.ask(Request::CreateUpload(slot(key)))
    }

    pub(super) fn part(mut self, upload: usize, number: u16, len: u32) -> Self {
        let piece = self.piece(len);
        self.ask(Request::PutPart { upload, number, piece, delivery: WHOLE })
    }

    pub(super) fn complete(mut self, upload: usize) -> Self {
        let value = self.piece(0).body;
        self.ask(Request::Complete { upload, condition: Condition::None, value })
    }

    pub(super) fn wait(self, ms: u64) -> Self {
        self.step(Step::Wait(ms))
    }

    fn stop(self) -> Self {
        self.step(Step::Stop { loss: None })
    }

    fn power_cycle(self) -> Self {
        self.step(Step::Stop { loss: Some(PowerLoss::Nothing) })
    }

    pub(super) fn damage(self, disk: usize, damage: Damage) -> Self {
        self.step(Step::Damage { disk, damage })
    }

    pub(super) fn mend(self, disk: usize) -> Self {
        self.step(Step::Mend { disk })
    }

    pub(super) fn heal(self) -> Self {
        self.step(Step::Heal)
    }

    fn named(self, name: &'static str) -> Workload {
        Workload { name, needs_disks: false, steps: self.steps }
    }

    fn disks(self, name: &'static str) -> Workload {
        Workload { name, needs_disks: true, steps: self.steps }
    }
}

/// Every workload.
pub fn all() -> Vec<Workload> {
    let mut all = objects();
    all.extend(background());
    all.extend(uploads());
    all.extend(disks());
    all
}

fn objects() -> Vec<Workload> {
    let new = Script::new;
    let broken = Delivery { broken_at: Some(5000), ..WHOLE };
    let broken = |script: Script| {
        let piece = Piece { body: 900, len: LARGE };
        let condition = Condition::None;
        script.ask(Request::Put { slot: slot(1), piece, condition, delivery: broken })
    };
    vec![
        new().named("a bucket"),
        new().put(1, SMALL).named("put small"),
        new().put(1, 0).named("put nothing"),
        new().put(1, LARGE).named("put large"),
        new().put(1, 40_000).put(2, 40_000).named("put two volumes"),
        new().put(1, SMALL).put(1, SMALL).put(1, SMALL).named("overwrite small"),
        new().put(1, LARGE).put(1, SMALL).put(1, LARGE).named("overwrite small and large"),
        new().put(1, SMALL).delete(1).put(1, SMALL).named("delete small"),
        new().put(1, LARGE).delete(1).delete(1).named("delete large"),
        new().burst(1..8, SMALL).named("small at once"),
        new().burst(1..5, LARGE).named("large at once"),
        new()
            .put_if(1, SMALL, Condition::Absent)
            .put_if(1, SMALL, Condition::Absent)
            .put_if(1, SMALL, Condition::Matches(1))
            .named("conditions"),
        broken(new().put(1, SMALL)).put(2, SMALL).named("body breaks off"),
        new().ask(Request::DeleteBucket(0)).ask(Request::CreateBucket(0)).named("bucket anew"),
        new()
            .put(1, LARGE)
            .delete(1)
            .ask(Request::DeleteBucket(0))
            .ask(Request::CreateBucket(0))
            .put(1, SMALL)
            .named("bucket anew with objects"),
    ]
}

fn background() -> Vec<Workload> {
    let new = Script::new;
    vec![
        new().puts(1..12, SMALL).wait(50).named("checkpoint"),
        new().puts(1..12, SMALL).wait(50).puts(1..12, SMALL).wait(50).named("checkpoint twice"),
        new().puts(1..30, 900).wait(500).named("merge"),
        new().puts(1..12, SMALL).wait(50).deletes(1..12).wait(50).named("checkpoint of deletions"),
        new().puts(1..6, LARGE).deletes(1..5).wait(4000).named("reclaim"),
        new().puts(1..6, LARGE).deletes(1..6).wait(4000).named("reclaim all"),
        new().puts(1..6, LARGE).puts(1..4, LARGE).wait(4000).get(5).named("reclaim overwritten"),
        new().puts(1..24, 3500).named("ring goes round"),
        new().put(1, SMALL).stop().put(2, SMALL).named("restart"),
        new().put(1, LARGE).stop().put(2, LARGE).stop().named("restart twice"),
        new().put(1, SMALL).power_cycle().put(1, LARGE).named("power cycle"),
        new().put(1, LARGE).delete(1).wait(3000).stop().put(1, LARGE).named("number of a volume"),
    ]
}

fn uploads() -> Vec<Workload> {
    let new = Script::new;
    vec![
        new().begin(1).named("begin an upload"),
        new().begin(1).part(0, 1, SMALL).part(0, 2, LARGE).named("parts"),
        new().begin(1).part(0, 1, SMALL).part(0, 1, LARGE).complete(0).named("part overwritten"),
        new().begin(1).part(0, 1, LARGE).part(0, 2, SMALL).complete(0).named("complete"),
        new().put(1, LARGE).begin(1).part(0, 1, SMALL).complete(0).named("complete over an object"),
        new().put(1, SMALL).append(1, 1, SMALL).append(1, 3, LARGE).named("append to small"),
        new().put(1, LARGE).append(1, 1, SMALL).delete(1).wait(3000).named("append to large"),
        new()
            .begin(1)
            .part(0, 1, LARGE)
            .complete(0)
            .append(1, 2, SMALL)
            .put(1, SMALL)
            .named("append to parts"),
        new().begin(1).part(0, 1, LARGE).ask(Request::Abort(0)).wait(3000).named("abort"),
        new()
            .begin(1)
            .part(0, 1, LARGE)
            .complete(0)
            .delete(1)
            .wait(3000)
            .named("delete a composed object"),
        new()
            .begin(1)
            .part(0, 1, LARGE)
            .ask(Request::DeleteBucket(0))
            .ask(Request::CreateBucket(0))
            .wait(2000)
            .named("bucket deleted with an upload"),
    ]
}

fn disks() -> Vec<Workload> {
    let new = || Script::new().put(1, SMALL).put(2, LARGE);
    let sync = |fault| Damage::Sync(fault);
    vec![
        new().damage(0, Damage::Lost).put(3, SMALL).put(4, LARGE).disks("a disk is lost"),
        new().damage(0, Damage::ReadOnly).put(3, SMALL).put(4, LARGE).disks("a disk is read-only"),
        new().damage(0, Damage::Lost).put(3, LARGE).mend(0).heal().disks("a disk is replaced"),
        new().damage(0, Damage::Blank).put(3, LARGE).heal().disks("a disk is blank at a start"),
        new().damage(0, Damage::Swap).put(3, LARGE).disks("disks are swapped"),
        new()
            .damage(0, Damage::Away)
            .put(3, SMALL)
            .delete(1)
            .mend(0)
            .heal()
            .disks("a stale disk returns"),
        new()
            .damage(0, Damage::Rot)
            .damage(0, Damage::Rot)
            .wait(5000)
            .heal()
            .disks("rot is repaired"),
        new().damage(0, sync(Fault::SyncError)).put(3, SMALL).put(4, LARGE).disks("a sync fails"),
        new()
            .damage(0, sync(Fault::LostWrite))
            .put(3, SMALL)
            .put(4, LARGE)
            .wait(5000)
            .heal()
            .disks("a write is lost"),
        new()
            .step(Step::Remember)
            .put(1, LARGE)
            .damage(0, Damage::Rollback)
            .heal()
            .disks("rollback"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_enough_and_no_name_comes_twice() {
        let names: std::collections::BTreeSet<_> = all().iter().map(|it| it.name).collect();
        assert_eq!(names.len(), all().len());
        assert!(all().iter().filter(|it| !it.needs_disks).count() >= 30);
    }
}
