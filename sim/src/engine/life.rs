//! One life of the store: it starts, serves steps, and dies or stops.

use super::annotations;
use super::client::{Answer, Call, Store, read};
use super::gateway::Gateway;
use super::generator::Drawn;
use super::model::Existence;
use super::plan::{Condition, PlannedStep, Request, Slot, Step};
use super::profile::Budget;
use super::run::{CRASH_PATIENCE, End, Flight, Run};
use crate::random::{Random, mix};
use cluster::Node;
use engine::disks::TRIAL_LOOKS_MAX;
use engine::object::StoreError;
use std::sync::Arc;
use std::time::Duration;

/// Virtual time after which an answer is missing.
pub(super) const ANSWER_MAX: Duration = Duration::from_secs(300);

/// Virtual time in which a store heals, on disks that answer at once.
const HEAL_MAX: Duration = Duration::from_secs(300);

/// How many times longer it may take on disks that are slow most of the time.
const SLOW_FACTOR: u32 = 4;

/// Virtual time in which a store notices that there is room again.
const ROOM_LIFE: Duration = Duration::from_millis(600);

/// Operations of disks that a sequence has at most, beside those for its time.
const OPERATIONS_MAX: u64 = 5_000_000;

/// And for each second of virtual time: scrub alone does 2400 where thousands of keys lie on eight
/// disks and 4 MiB are read a second, and connections that hang make an hour of a sequence.
const OPERATIONS_EACH: u64 = 3000;

/// Objects that a check reads at once.
const VERIFY_BURST: usize = 4;

impl Run {
    /// Starts the store and does steps until it dies, stops, or nothing is left to do.
    pub(super) async fn serve(&mut self) -> Result<End, String> {
        let begin = tokio::time::Instant::now();
        if let Some(cut) = self.cuts.pop_front() {
            self.loss = cut.loss;
            self.crash_patience = Some(0);
            self.world.machine.kill_after(Some(cut.steps));
            self.log.event(&[cut.steps], || format!("the start is cut off: {cut}"));
        }
        let (wall, _) = self.world.clock.show();
        let opening = tokio::time::timeout(ANSWER_MAX, self.world.open(&self.profile)).await;
        let node = match opening {
            Err(_) => return Err("K9: the store does not start".to_owned()),
            Ok(Err(error)) => return self.refused(&error),
            Ok(Ok(node)) => node,
        };
        self.log.event(&[2], || "started".to_owned());
        self.begin_clocks(wall);
        if self.profile.is_s3 {
            let (env, network) = (self.world.env(), self.network.clone());
            network.iter().for_each(|network| network.reseed(Random::new(0, "calm"), false));
            let tags = (self.tags.clone(), self.profile.is_sealed);
            let gateway = Gateway::new(node.store(), env, tags, network);
            self.gateway = Some(Arc::new(gateway));
        }
        self.nemesis.begin_life();
        self.check_replay(&node).await?;
        self.unanswered_before = self.counts.unanswered;
        if self.crash_patience == Some(0) {
            self.world.machine.kill();
        }
        self.settle(&node).await?;
        self.await_writable(&node).await;
        self.end_storm(&node).await?;
        loop {
            let Some(planned) = self.next_step() else { return Ok(End::Over) };
            self.begin_step(&planned);
            self.life_ms = begin.elapsed().as_millis() as u64;
            self.limit_operations();
            let end = self.step(&node, planned.step).await;
            let end = end.inspect_err(|_| self.note_shards(&node))?;
            self.frame(&node);
            if let Some(end) = end {
                return Ok(end);
            }
            if let Some(text) = super::panics::take() {
                return Err(format!("K17: {text}"));
            }
            if let Some(text) = self.world.machine.take_broken() {
                return Err(text);
            }
            self.lose_patience();
        }
    }

    /// Virtual time in which this store heals: a disk that failed often waits for its trial first.
    pub(super) fn heal_max(&self) -> Duration {
        let is_slow = self.profile.is_slow() && self.profile.timing.slow_ms_max >= 1000;
        let trial = self.profile.config.heal.watch_interval * TRIAL_LOOKS_MAX as u32;
        trial + HEAL_MAX * if is_slow { SLOW_FACTOR } else { 1 }
    }

    /// K18: whatever a store does again and again ends, unless time goes on meanwhile. A sequence
    /// that is cut off ends where it is to.
    pub(super) fn limit_operations(&self) {
        let seconds = (self.counts.virtual_ms + self.life_ms) / 1000;
        let most = OPERATIONS_MAX + OPERATIONS_EACH * seconds;
        self.world.machine.kill_at(self.planned.as_ref().map_or(most, |planned| planned.at));
    }

    /// What requests go to: the store, or what is before it.
    pub(super) fn store(&self, node: &Node) -> Store {
        match &self.gateway {
            Some(gateway) => gateway.clone(),
            None => node.store(),
        }
    }

    fn refused(&mut self, error: &StoreError) -> Result<End, String> {
        self.log.event(&[4], || format!("the store does not start: {error}"));
        if self.profile.budget == Budget::Over && self.nemesis.is_over {
            return Ok(End::Refused);
        }
        Err(format!("K14: the store does not start: {error}"))
    }

    /// A crash that no operation triggered comes by itself.
    fn lose_patience(&mut self) {
        match &mut self.crash_patience {
            Some(0) => self.world.machine.kill(),
            Some(left) => *left -= 1,
            None => {}
        }
    }

    fn next_step(&mut self) -> Option<PlannedStep> {
        if let Some(planned) = self.plan.pop_front() {
            return Some(planned);
        }
        let step = self.draw_step()?;
        Some(PlannedStep { salt: mix(self.seed ^ mix(self.counts.steps + 1)), step })
    }

    fn draw_step(&mut self) -> Option<Step> {
        if let Some(step) = self.queue.pop_front() {
            return Some(step);
        }
        let drawn = match &mut self.generator {
            Some(generator) => generator.next(&self.profile, &self.model),
            None => None,
        };
        match drawn {
            Some(Drawn::Step(step)) => Some(step),
            Some(Drawn::Damage) => Some(self.nemesis.draw_damage(&self.profile)),
            Some(Drawn::Mend) => Some(self.nemesis.draw_mend()),
            None => self.ending.pop_front(),
        }
    }

    async fn step(&mut self, node: &Node, step: Step) -> Result<Option<End>, String> {
        match step {
            Step::Requests(requests) => self.requests(node, requests).await?,
            Step::Race(requests) => self.race(node, (requests, Vec::new())).await?,
            Step::Change { before, change, after } => {
                let first = before.into_iter().chain([change]).collect();
                self.race(node, (first, after)).await?;
            }
            Step::Pause(ms) => self.pause(ms).await,
            Step::Wait(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
            Step::Crash { cut, restarts } => {
                self.loss = cut.loss;
                self.cuts = restarts.into();
                self.crash_patience = Some(CRASH_PATIENCE);
                if cut.steps == 0 {
                    self.world.machine.kill();
                    std::future::pending::<()>().await;
                }
                self.world.machine.kill_after(Some(cut.steps));
            }
            Step::Stop { loss } => {
                let stop = tokio::time::timeout(ANSWER_MAX, node.shutdown()).await;
                stop.map_err(|_| "K9: the store does not stop".to_owned())?;
                self.loss = loss;
                return Ok(Some(End::Stopped));
            }
            Step::Short { handles, ms, requests } => {
                self.short(node, (handles, ms), requests).await?
            }
            Step::Storm { per_mille, ms, requests } => {
                return self.storm(node, (per_mille, ms), requests).await;
            }
            Step::Room(room) => {
                self.nemesis.set_room(&self.world, room);
                if room.is_none() {
                    self.notice_room().await;
                }
            }
            Step::Damage { disk, damage } => {
                let status = node.store().status().await.ok();
                self.nemesis.look(&self.world, status.as_ref());
                let must_stop = self.nemesis.break_disk(&mut self.world, disk, damage);
                if must_stop {
                    return Ok(Some(self.stop_for_nemesis()));
                }
            }
            Step::Remember => self.nemesis.remember(&self.world),
            Step::Mend { disk } => {
                let must_stop = self.nemesis.mend(&mut self.world, disk);
                if self.nemesis.is_emptied() {
                    self.notice_room().await;
                }
                if must_stop {
                    return Ok(Some(self.stop_for_nemesis()));
                }
            }
            Step::Calm => return Ok(self.calm().await),
            Step::Heal => self.heal(node).await?,
            Step::Prove => self.nemesis.lose_margin(&self.world),
            Step::Core => self.core(node).await?,
            Step::Rest => self.rest(node).await?,
            Step::Replay { loss } => return Ok(self.replay(node, loss).await),
            Step::Confess => self.confess(node).await?,
            Step::Jump(seconds) => self.jump(seconds),
            Step::Verify => self.verify(node).await?,
            Step::Empty => self.empty(node).await?,
            Step::Tidy => self.tidy(node).await?,
        }
        Ok(None)
    }

    /// Everything is made good.
    async fn calm(&mut self) -> Option<End> {
        let must_stop = self.nemesis.calm(&mut self.world);
        self.notice_room().await;
        must_stop.then(|| self.stop_for_nemesis())
    }

    /// A store looks for room now and then.
    async fn notice_room(&mut self) {
        tokio::time::sleep(ROOM_LIFE).await;
        self.nemesis.room_is_noticed();
    }

    /// The machine goes down, for a change of its disks.
    fn stop_for_nemesis(&mut self) -> End {
        self.loss = None;
        End::Stopped
    }

    /// Asks all at once and judges each answer.
    pub(super) async fn requests(
        &mut self,
        node: &Node,
        requests: Vec<(Request, Option<u32>)>,
    ) -> Result<(), String> {
        let mut flights = Vec::with_capacity(requests.len());
        for (request, patience) in requests {
            if request == Request::ReadHeld {
                self.read_held().await?;
            } else if let Some(call) = Call::new(request, patience, &self.model) {
                flights.push(Flight::new(call));
            }
        }
        let answers = self.ask_all(node, flights).await?;
        for answer in answers {
            if let Answer::Held(reader) = answer {
                self.held.push_back(reader);
            }
        }
        Ok(())
    }

    /// An object that was opened is what it was, whatever happened since.
    async fn read_held(&mut self) -> Result<(), String> {
        let Some(reader) = self.held.pop_front() else { return Ok(()) };
        let size = reader.info().size;
        let reading = tokio::time::timeout(ANSWER_MAX, read(reader, 0, size)).await;
        let tolerance = self.tolerance();
        match reading {
            Err(_) => Err("K9: an open object gives no bytes".to_owned()),
            Ok(Ok(Answer::Object(info, offset, bytes))) => {
                self.log.event(&[5, bytes.len() as u64], || format!("held {}", info.etag.0));
                let judge =
                    super::judge::Judge { model: &mut self.model, seed: self.seed, tolerance };
                judge.bytes(&info, offset, &bytes)?;
                if bytes.len() as u64 == size { Ok(()) } else { Err("K5: a short body".to_owned()) }
            }
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) if tolerance.reads_fail || self.network.is_some() => Ok(()),
            Ok(Err(error)) => Err(format!("K5: an open object broke off: {error}")),
        }
    }

    pub(super) async fn ask(&mut self, node: &Node, requests: Vec<Request>) -> Result<(), String> {
        let requests = requests.into_iter().map(|request| (request, None)).collect();
        self.requests(node, requests).await
    }

    /// Reads everything.
    pub(super) async fn verify(&mut self, node: &Node) -> Result<(), String> {
        self.ask(node, vec![Request::ListBuckets]).await?;
        let buckets: Vec<u8> = self.live_buckets();
        for bucket in &buckets {
            let list = Request::List { bucket: *bucket, limit: 1000, is_rolled: false };
            self.ask(node, vec![list]).await?;
            self.ask(node, vec![Request::ListUploads(*bucket)]).await?;
        }
        self.verify_versions(node, &buckets).await?;
        let is_live = |slot: &&Slot| buckets.contains(&slot.bucket);
        let slots: Vec<Slot> = self.model.objects.keys().filter(is_live).copied().collect();
        for slots in slots.chunks(VERIFY_BURST) {
            let get = |slot: &Slot| Request::Get { slot: *slot, range: None };
            self.ask(node, slots.iter().map(get).collect()).await?;
        }
        for slot in slots {
            for reading in annotations::readings(&self.model, slot) {
                self.ask(node, vec![reading]).await?;
            }
        }
        for upload in self.live_uploads() {
            self.ask(node, vec![Request::ListParts(upload)]).await?;
        }
        Ok(())
    }

    pub(super) fn live_buckets(&self) -> Vec<u8> {
        let live = self.model.buckets.iter().filter(|it| it.1.existence == Existence::Live);
        live.map(|(number, _)| *number).collect()
    }

    fn live_uploads(&self) -> Vec<usize> {
        let uploads = self.model.uploads.iter().enumerate();
        let live = uploads.filter(|(_, upload)| upload.existence == Existence::Live);
        live.map(|(index, _)| index).collect()
    }

    /// Deletes everything.
    async fn empty(&mut self, node: &Node) -> Result<(), String> {
        for bucket in self.live_buckets() {
            self.ask(node, vec![Request::ListUploads(bucket)]).await?;
        }
        for upload in self.live_uploads() {
            self.ask(node, vec![Request::Abort(upload)]).await?;
        }
        let buckets = self.live_buckets();
        let is_live = |slot: &&Slot| buckets.contains(&slot.bucket);
        let slots: Vec<Slot> = self.model.objects.keys().filter(is_live).copied().collect();
        for slot in slots {
            let delete = Request::Delete { slot, condition: Condition::None };
            self.ask(node, vec![delete]).await?;
        }
        self.empty_versions(node).await
    }

    /// Waits until the store says that it is healed. Where damage lasts, it cannot be: plans that
    /// were made smaller come here without having made it good.
    pub(super) async fn heal(&mut self, node: &Node) -> Result<(), String> {
        if self.nemesis.bad.values().any(|bad| !bad.lasting.is_empty()) {
            return Ok(());
        }
        let begin = tokio::time::Instant::now();
        let mut is_looked_after = false;
        loop {
            if begin.elapsed() > self.heal_max() / 3 && !is_looked_after {
                is_looked_after = true;
                self.nemesis.replace_unknown(&mut self.world);
            }
            let status = node.store().status().await;
            let status = status.map_err(|error| format!("K9: no status: {error}"))?;
            self.nemesis.look(&self.world, Some(&status));
            match self.nemesis.unhealed(&status) {
                None if self.check_copies(node).await? => return Ok(()),
                None => tokio::time::sleep(Duration::from_secs(2)).await,
                Some(reason) if begin.elapsed() > self.heal_max() => {
                    let all = self.nemesis.describe(&status);
                    return Err(format!("K9: not healed in time: {reason}: {all}"));
                }
                Some(_) => tokio::time::sleep(Duration::from_secs(2)).await,
            }
        }
    }
}
