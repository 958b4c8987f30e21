//! Steps that take long: a store that loses one disk after the other, that stands still, that was
//! emptied.

use super::body::Piece;
use super::client::{Answer, Call, perform};
use super::life::ANSWER_MAX;
use super::plan::{Condition, Request, Slot};
use super::run::End;
use super::run::Run;
use super::workloads::WHOLE;
use crate::disk::{DiskFaults, Fault};
use cluster::Node;
use engine::object::{StoreError, StoreStatus};
use std::time::Duration;

/// Virtual time that a store stands still.
const REST: Duration = Duration::from_secs(30);

/// Volumes that a store may make of those it has while it stands still, beside one of each: what it
/// still had to move, and the next ones.
const REST_VOLUMES_MAX: u64 = 6;

/// Looks at the room of a disk while a store stands still: so many, and so many more with each of
/// its looks at the disks and each of its rounds of reclaim, however many volumes it has.
const ROOM_LOOKS_MAX: u64 = 200;
const ROOM_LOOKS_EACH: u64 = 8;

/// Time in which slow disks take a new roster: two disks lost within it may be lost at once.
const DEMOTION_MAX: Duration = Duration::from_secs(40);

/// Bodies that are written once a disk was lost for good: their numbers begin here.
const CORE_BODY: u32 = 1 << 30;

/// Time in which a store finds out that only a start helps it.
const STUCK_MAX: Duration = Duration::from_secs(60);

/// Time between two looks.
const PAUSE: Duration = Duration::from_secs(2);

impl Run {
    /// The wall clock is set.
    pub(super) fn jump(&mut self, seconds: i64) {
        self.nemesis.counts.strike(Fault::ClockOff);
        self.world.clock.jump(seconds);
    }

    /// The process stands still; its timers are all due when it goes on.
    pub(super) async fn pause(&mut self, ms: u64) {
        self.nemesis.counts.strike(Fault::Paused);
        tokio::time::advance(Duration::from_millis(ms)).await;
    }

    /// For a while files cannot be opened, on no disk: nothing that was acknowledged goes, and the
    /// store becomes whole by itself.
    pub(super) async fn short(
        &mut self,
        node: &Node,
        (handles, ms): (u64, u64),
        requests: Vec<(Request, Option<u32>)>,
    ) -> Result<(), String> {
        if !self.nemesis.begin_shortage(&self.world) {
            return Ok(());
        }
        let machine = self.world.machine.clone();
        machine.limit_handles(Some(handles));
        let shortage = async {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            machine.limit_handles(None);
        };
        let (asked, ()) = futures_util::future::join(self.requests(node, requests), shortage).await;
        asked?;
        self.heal(node).await?;
        self.nemesis.end_shortage();
        Ok(())
    }

    /// All disks fail for a while: nothing that was acknowledged goes, and the store becomes whole
    /// without anybody's help, though perhaps by a start.
    pub(super) async fn storm(
        &mut self,
        node: &Node,
        (per_mille, ms): (u32, u64),
        requests: Vec<(Request, Option<u32>)>,
    ) -> Result<Option<End>, String> {
        if !self.nemesis.begin_shortage(&self.world) {
            return Ok(None);
        }
        self.is_stormy = true;
        let disks = self.world.disks.clone();
        disks.iter().for_each(|disk| disk.set_faults(storm_of(disk.faults(), per_mille)));
        let storm = async {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            disks.iter().for_each(|disk| disk.set_faults(storm_of(disk.faults(), 0)));
        };
        let (asked, ()) = futures_util::future::join(self.requests(node, requests), storm).await;
        asked?;
        let begin = tokio::time::Instant::now();
        while begin.elapsed() < STUCK_MAX {
            if node.wants_start().await {
                return Ok(Some(End::Stopped));
            }
            tokio::time::sleep(PAUSE).await;
        }
        self.end_storm(node).await.map(|()| None)
    }

    /// Disks answer again.
    pub(super) fn calm_storm(&self) {
        for disk in self.world.disks.iter().filter(|_| self.is_stormy) {
            disk.set_faults(storm_of(disk.faults(), 0));
        }
    }

    /// It is over: the store heals.
    pub(super) async fn end_storm(&mut self, node: &Node) -> Result<(), String> {
        if !std::mem::take(&mut self.is_stormy) {
            return Ok(());
        }
        self.heal(node).await?;
        self.nemesis.end_shortage();
        Ok(())
    }

    /// K10: the disks that are left are a store that reads, and writes while they are two.
    pub(super) async fn core(&mut self, node: &Node) -> Result<(), String> {
        for lost in 0..self.profile.margin {
            self.nemesis.lose_one(&self.world);
            let is_last = lost + 1 == self.profile.margin;
            let takes_writes = self.world.disks.len() - lost > 2;
            self.await_core(node, u32::from(!is_last), takes_writes).await?;
            self.verify(node).await?;
            if takes_writes {
                self.put_for_certain(node, CORE_BODY + lost as u32).await?;
            }
        }
        Ok(())
    }

    /// Waits until the store takes writes again, if it should, and survives so many more losses.
    async fn await_core(
        &mut self,
        node: &Node,
        margin: u32,
        takes_writes: bool,
    ) -> Result<(), String> {
        let begin = tokio::time::Instant::now();
        loop {
            tokio::time::sleep(PAUSE).await;
            let status = node.store().status().await;
            let status = status.map_err(|error| format!("K10: no status: {error}"))?;
            let is_ready = (status.writable || !takes_writes)
                && status.margin.is_some_and(|now| now >= margin);
            if is_ready && self.nemesis.is_noticed() && begin.elapsed() > DEMOTION_MAX {
                return Ok(());
            }
            if begin.elapsed() > self.heal_max() {
                let all = self.nemesis.describe(&status);
                return Err(format!("K10: the disks that are left are no store: {all}"));
            }
        }
    }

    /// Writes an object; nothing excuses a failure.
    async fn put_for_certain(&mut self, node: &Node, body: u32) -> Result<(), String> {
        let Some(bucket) = self.live_buckets().first().copied() else { return Ok(()) };
        let piece = Piece { body, len: 5000 };
        let (slot, condition) = (Slot { bucket, key: 0 }, Condition::None);
        let request = Request::Put { slot, piece, condition, delivery: WHOLE };
        let Some(call) = Call::new(request, None, &self.model) else { return Ok(()) };
        let store = self.store(node);
        let begin = tokio::time::Instant::now();
        loop {
            let asking = tokio::time::timeout(ANSWER_MAX, perform(&store, self.seed, &call));
            let answer = asking.await.unwrap_or(Answer::Hung);
            match &answer {
                // The loss of a copy of the metadata may be noticed only now.
                Answer::Error(StoreError::Unavailable(_)) if begin.elapsed() < self.heal_max() => {
                    tokio::time::sleep(PAUSE).await;
                }
                Answer::Error(error) => {
                    return Err(format!("K10: the disks that are left take no writes: {error}"));
                }
                _ => return self.judge(&call, &answer),
            }
        }
    }

    /// K21: a store that cannot read what it should have does not say that it is well.
    pub(super) async fn confess(&mut self, node: &Node) -> Result<(), String> {
        if !self.await_rounds(node).await {
            return Ok(());
        }
        let store = self.store(node);
        let mut unread = Vec::new();
        let slots: Vec<Slot> = self.model.objects.keys().copied().collect();
        for slot in slots {
            let request = Request::Get { slot, range: None };
            let Some(call) = Call::new(request, None, &self.model) else { continue };
            if let Answer::Error(error @ (StoreError::Unavailable(_) | StoreError::Corrupt(_))) =
                perform(&store, self.seed, &call).await
            {
                unread.push(format!("{slot} {error}"));
            }
        }
        let status = store.status().await.unwrap_or_default();
        self.log.event(&[7, unread.len() as u64, status.scrub.missing], || {
            format!("{} objects cannot be read, margin {:?}", unread.len(), status.margin)
        });
        let is_steady = self.world.disks.iter().all(|disk| !disk.faults().is_wild());
        if unread.is_empty() || status.margin.is_none() || !is_steady {
            return Ok(());
        }
        let all = self.nemesis.describe(&status);
        Err(format!("K21: {unread:?} cannot be read and the store says that it is well: {all}"))
    }

    /// Waits for two more rounds of scrub, or until it is clear that none come.
    async fn await_rounds(&mut self, node: &Node) -> bool {
        let begin = tokio::time::Instant::now();
        let mut first = None;
        while begin.elapsed() < self.heal_max() {
            let Ok(status) = node.store().status().await else { return false };
            let rounds = status.scrub.rounds;
            if rounds >= *first.get_or_insert(rounds) + 2 && self.nemesis.is_noticed() {
                return true;
            }
            tokio::time::sleep(PAUSE).await;
        }
        false
    }

    /// K18: a store that nobody asks for anything makes no volumes for ever, nor does it ask its
    /// disks the same again and again.
    pub(super) async fn rest(&mut self, node: &Node) -> Result<(), String> {
        let (before, count) = volumes_of(node).await?;
        let looks_before = self.room_looks();
        tokio::time::sleep(REST).await;
        if !self.nemesis.is_steady(&self.world) {
            return Ok(());
        }
        let rounds = |interval: Duration| (REST.as_millis() / interval.as_millis().max(1)) as u64;
        let config = &self.profile.config;
        let turns = rounds(config.heal.watch_interval) + rounds(config.reclaim_interval);
        let most = ROOM_LOOKS_MAX + ROOM_LOOKS_EACH * turns;
        let (looks, disks) = (self.room_looks() - looks_before, self.world.disks.len() as u64);
        if looks > most * disks {
            return Err(format!("K18: a store stood still and asked {looks} times for room"));
        }
        let made = volumes_of(node).await?.0 - before;
        if made <= count + REST_VOLUMES_MAX {
            return Ok(());
        }
        let status = node.store().status().await.unwrap_or_default();
        let all = self.nemesis.describe(&status);
        let text = format!("K18: a store of {count} volumes stood still and made {made}");
        Err(format!("{text}: {all}"))
    }

    fn room_looks(&self) -> u64 {
        self.world.disks.iter().map(|disk| disk.statistics().room_looks).sum()
    }

    /// K11, K18: nothing is left behind of what was deleted.
    pub(super) async fn tidy(&mut self, node: &Node) -> Result<(), String> {
        let begin = tokio::time::Instant::now();
        loop {
            tokio::time::sleep(Duration::from_secs(10)).await;
            let status = node.store().status().await;
            let status = status.map_err(|error| format!("K11: no status: {error}"))?;
            match self.untidy(&status) {
                None => return Ok(()),
                Some(reason) if begin.elapsed() > self.heal_max() => return Err(reason),
                Some(_) => {}
            }
        }
    }

    fn untidy(&self, status: &StoreStatus) -> Option<String> {
        let live = figure(status, "stave_volume_live_bytes").unwrap_or(status.live_len);
        if live > 0 {
            return Some(format!("K11: {live} bytes of deleted bodies still count as live"));
        }
        let volumes: u64 = self.volume_lens().iter().sum();
        let limit = self.profile.config.meta.volume.volume_len_max.max(64 << 10) * 3;
        if volumes > limit * self.world.disks.len() as u64 {
            return Some(format!("K11: {volumes} bytes of volumes are left of nothing"));
        }
        let handles: usize = self.world.disks.iter().map(|disk| disk.open_count()).sum();
        if handles > 64 * self.world.disks.len() {
            return Some(format!("K18: {handles} handles are open"));
        }
        let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
        (tasks > 200).then(|| format!("K18: {tasks} tasks are alive"))
    }

    fn volume_lens(&self) -> Vec<u64> {
        let files = self.world.disks.iter().flat_map(|disk| disk.files("volumes/"));
        files.map(|(_, len)| len).collect()
    }
}

fn storm_of(faults: DiskFaults, per_mille: u32) -> DiskFaults {
    DiskFaults { read_error_per_mille: per_mille, write_error_per_mille: per_mille, ..faults }
}

/// One of the figures that a store tells.
fn figure(status: &StoreStatus, name: &str) -> Option<u64> {
    status.metrics.iter().find(|metric| metric.0 == name).map(|metric| metric.2)
}

/// Volumes that a store has begun since its start, and those that it has.
async fn volumes_of(node: &Node) -> Result<(u64, u64), String> {
    let status = node.store().status().await;
    let status = status.map_err(|error| format!("K18: no status: {error}"))?;
    let begun = figure(&status, "stave_volumes_begun_total");
    let count = figure(&status, "stave_volumes");
    begun.zip(count).ok_or_else(|| "K18: the store does not count its volumes".to_owned())
}
