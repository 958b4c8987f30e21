//! Draws the next step of a sequence, from the profile and from what the model knows.

use super::body::{Delivery, Piece};
use super::changes;
use super::model::{Existence, Model};
use super::plan::{Condition, Cut, Request, Slot, Step};
use super::profile::Profile;
use crate::disk::PowerLoss;
use crate::random::Random;

/// Parts of an upload at most.
const PARTS_MAX: u64 = 4;

/// Bytes that a body has at least where no two may be the same.
const S3_BODY_LEN_MIN: u32 = 16;

/// Longest time for which a version is kept: a sequence lasts about a minute.
const RETENTION_MS_MAX: u64 = 60_000;

/// The source of steps.
pub struct Generator {
    random: Random,
    next_body: u32,
    left: usize,
}

impl Generator {
    /// The steps of a seed.
    pub fn new(seed: u64, profile: &Profile) -> Self {
        let random = Random::new(seed, "steps");
        Self { random, next_body: 1, left: profile.step_count }
    }

    /// A body that nobody had before.
    pub(super) fn fresh(&mut self) -> u32 {
        self.next_body += 1;
        self.next_body - 1
    }

    /// The random stream, for whoever draws what only it can draw.
    pub fn random(&mut self) -> &mut Random {
        &mut self.random
    }

    /// The next step, `None` at the end. Damage and mending are drawn by the nemesis: they come as
    /// [`Drawn::Damage`] and [`Drawn::Mend`].
    pub fn next(&mut self, profile: &Profile, model: &Model) -> Option<Drawn> {
        self.left = self.left.checked_sub(1)?;
        let events = &profile.events;
        let weights = [
            events.requests,
            events.wait,
            events.crash,
            events.stop,
            events.room,
            events.damage,
            events.mend,
            events.jump,
            events.verify,
            events.rest,
            events.race,
            events.pause,
            profile.short,
            profile.storm,
            profile.replay,
            changes::weight(profile),
        ];
        Some(match self.random.weighted(&weights) {
            0 => Drawn::Step(Step::Requests(self.burst(profile, model))),
            1 => Drawn::Step(Step::Wait(self.random.skewed(5000))),
            2 => Drawn::Step(self.crash(profile)),
            3 => Drawn::Step(Step::Stop { loss: self.loss(profile) }),
            4 => {
                // Others never take the reserve.
                let room = profile.config.meta.reserve_len + 4096 * self.random.skewed(100);
                Drawn::Step(Step::Room(self.random.chance(600).then_some(room)))
            }
            5 => Drawn::Damage,
            6 => Drawn::Mend,
            7 => Drawn::Step(Step::Jump(self.random.below(2000) as i64 - 1000)),
            8 => Drawn::Step(Step::Verify),
            9 => Drawn::Step(Step::Rest),
            15 => Drawn::Step(self.change(profile, model)),
            14 => {
                let loss = self.random.chance(500).then_some(PowerLoss::Nothing);
                Drawn::Step(Step::Replay { loss })
            }
            13 => {
                let requests = self.burst(profile, model);
                let per_mille = *self.random.pick(&[1000, 1000, 500, 100]);
                let ms = self.random.skewed(20_000);
                Drawn::Step(Step::Storm { per_mille, ms, requests })
            }
            12 => {
                let requests = self.burst(profile, model);
                let handles = *self.random.pick(&[0, 0, 1, 3, 10]);
                Drawn::Step(Step::Short { handles, ms: self.random.skewed(20_000), requests })
            }
            11 => Drawn::Step(Step::Pause(self.random.skewed(60_000))),
            _ => Drawn::Step(Step::Race(self.race(profile, model))),
        })
    }

    fn loss(&mut self, profile: &Profile) -> Option<PowerLoss> {
        self.random.chance(profile.power_per_mille).then_some(PowerLoss::Drawn)
    }

    fn cut(&mut self, profile: &Profile) -> Cut {
        let steps = self.random.skewed(64) - 1;
        Cut { steps, loss: self.loss(profile) }
    }

    fn crash(&mut self, profile: &Profile) -> Step {
        let cut = self.cut(profile);
        let mut restarts = Vec::new();
        while restarts.len() < 3 && self.random.chance(profile.cut_per_mille) {
            restarts.push(self.cut(profile));
        }
        Step::Crash { cut, restarts }
    }

    fn burst(&mut self, profile: &Profile, model: &Model) -> Vec<(Request, Option<u32>)> {
        let count = self.random.size(1..profile.burst_max + 1);
        let mut requests: Vec<(Request, Option<u32>)> = Vec::new();
        let mut taken = Vec::new();
        for _ in 0..count {
            let request = self.request(profile, model);
            let place = place_of(&request, model);
            // Requests that run at once must not meet, or their order would be anybody's guess.
            let is_alone = place.is_none() && count > 1;
            if is_alone || place.is_some_and(|place| taken.contains(&place)) {
                continue;
            }
            taken.extend(place);
            requests.push((request, self.patience(profile)));
        }
        requests
    }

    /// Requests that meet on one key, writers more often than readers.
    fn race(&mut self, profile: &Profile, model: &Model) -> Vec<(Request, Option<u32>)> {
        let is_open = |upload: &super::model::UploadModel| {
            upload.existence == Existence::Live && upload.certain_parts().is_some()
        };
        let open = model.uploads.iter().position(is_open);
        let slot = match open {
            Some(upload) if self.random.chance(500) => model.uploads[upload].slot,
            _ => self.slot(profile),
        };
        let upload = open.filter(|upload| model.uploads[*upload].slot == slot);
        let mut racers = Vec::new();
        let (mut is_completed, mut is_dropped) = (false, false);
        for _ in 0..self.random.size(2..6) {
            if let Some(request) = self.version_in_race(model, slot) {
                racers.push((request, self.patience(profile)));
                continue;
            }
            if self.is_append_next(profile) {
                racers.push((self.append(profile, model, slot), self.patience(profile)));
                continue;
            }
            if self.is_annotation_next(profile) {
                racers.push((self.annotation(profile, model, slot), self.patience(profile)));
                continue;
            }
            let request = match (self.random.below(10), upload) {
                (0 | 1, Some(upload)) if !is_completed => {
                    is_completed = true;
                    let condition = self.condition_in_race(model, slot);
                    Request::Complete { upload, condition, value: self.fresh() }
                }
                (7, Some(upload)) => self.raced_part(profile, model, upload),
                (2, Some(upload)) if !is_dropped => {
                    is_dropped = true;
                    Request::Abort(upload)
                }
                (0..5, _) => {
                    let piece = self.piece(profile);
                    let condition = self.condition_in_race(model, slot);
                    let delivery = self.delivery(profile, piece.len);
                    Request::Put { slot, piece, condition, delivery }
                }
                (5 | 6, _) => match self.condition_in_race(model, slot) {
                    Condition::Absent => Request::Delete { slot, condition: Condition::None },
                    condition => Request::Delete { slot, condition },
                },
                (7, _) => Request::Head(slot),
                (8, _) => Request::List { bucket: slot.bucket, limit: 1000, is_rolled: false },
                _ => Request::Get { slot, range: None },
            };
            racers.push((request, self.patience(profile)));
        }
        racers
    }

    /// A part that replaces one which a completion in the same race names.
    fn raced_part(&mut self, profile: &Profile, model: &Model, upload: usize) -> Request {
        let number = model.uploads[upload].parts.keys().next().copied().unwrap_or(1);
        let piece = self.piece(profile);
        let delivery = self.delivery(profile, piece.len);
        Request::PutPart { upload, number, piece, delivery }
    }

    /// Half of the racing writes are bound to what was there, or to what another one writes.
    pub(super) fn condition_in_race(&mut self, model: &Model, slot: Slot) -> Condition {
        let known = model.objects.get(&slot).and_then(|object| object.certain()).flatten();
        match (self.random.below(8), known) {
            (0 | 1, _) => Condition::Absent,
            (2, _) => Condition::Exists,
            (3, Some(value)) => Condition::Matches(value),
            (4, _) => Condition::Matches(self.next_body - 1),
            _ => Condition::None,
        }
    }

    pub(super) fn slot(&mut self, profile: &Profile) -> Slot {
        let bucket = self.random.below(u64::from(profile.bucket_count)) as u8;
        // Few keys are hot.
        let key = match self.random.chance(300) {
            true => 0,
            false => self.random.below(u64::from(profile.key_count)) as u16,
        };
        Slot { bucket, key }
    }

    fn len(&mut self, profile: &Profile) -> u32 {
        let inline = profile.config.inline_len_max as u32;
        let len = match self.random.below(8) {
            0 => {
                *self.random.pick(&[0, 1, 63, 64, 65, 4095, 4096, 4097, 8191, 8193, 16_384, 16_385])
            }
            1 => (inline + self.random.below(3) as u32).saturating_sub(1),
            2 => self.random.skewed(u64::from(profile.body_len_max)) as u32,
            3 => profile.body_len_max,
            _ => self.random.below(900) as u32,
        };
        // By S3 a body is known by its digest only: no two may be the same.
        let least = if profile.is_s3 { S3_BODY_LEN_MIN } else { 0 };
        len.clamp(least, profile.body_len_max.max(4097))
    }

    pub(super) fn piece(&mut self, profile: &Profile) -> Piece {
        Piece { body: self.fresh(), len: self.len(profile) }
    }

    pub(super) fn delivery(&mut self, profile: &Profile, len: u32) -> Delivery {
        let is_broken = self.random.chance(profile.broken_per_mille);
        Delivery {
            chunk_len: *self.random.pick(&[1 << 20, 1 << 20, 5000, 777]),
            is_halting: self.random.chance(100),
            broken_at: is_broken.then(|| self.random.below(u64::from(len) + 1) as u32),
        }
    }

    fn condition(&mut self, profile: &Profile, model: &Model, slot: Slot) -> Condition {
        if !self.random.chance(profile.condition_per_mille) {
            return Condition::None;
        }
        let known = model.objects.get(&slot).and_then(|object| object.certain()).flatten();
        match (self.random.below(4), known) {
            (0, _) => Condition::Exists,
            (1, _) | (_, None) => Condition::Absent,
            (_, Some(value)) => Condition::Matches(value),
        }
    }

    fn request(&mut self, profile: &Profile, model: &Model) -> Request {
        let weights = &profile.requests;
        let weights = [
            weights.put,
            weights.get,
            weights.range,
            weights.head,
            weights.delete,
            weights.list,
            weights.upload,
            weights.bucket,
            weights.hold,
            weights.append,
            weights.annotation,
        ];
        let slot = self.slot(profile);
        if slot.bucket == 0 && self.random.chance(profile.change_per_mille) {
            return self.versioning();
        }
        let changes_defaults = slot.bucket == 0 && profile.defaults_per_mille > 0;
        if changes_defaults && self.random.chance(profile.defaults_per_mille) {
            return self.setting(profile);
        }
        let has_versions = model.versions.rules.contains_key(&slot.bucket);
        if has_versions && self.random.chance(profile.versions_per_mille) {
            return self.version(slot, model);
        }
        match self.random.weighted(&weights) {
            0 => {
                let piece = self.piece(profile);
                let condition = self.condition(profile, model, slot);
                let delivery = self.delivery(profile, piece.len);
                Request::Put { slot, piece, condition, delivery }
            }
            1 => Request::Get { slot, range: None },
            2 => {
                let (start, end) = (self.random.below(1001) as u16, self.random.below(1001) as u16);
                Request::Get { slot, range: Some((start.min(end), start.max(end))) }
            }
            3 => Request::Head(slot),
            4 => {
                let condition = self.condition(profile, model, slot);
                // A deletion where nothing may be is no condition of S3.
                let is_odd = condition == Condition::Absent;
                Request::Delete {
                    slot,
                    condition: if is_odd { Condition::None } else { condition },
                }
            }
            5 => {
                let limit = *self.random.pick(&[1000, 1000, 7, 2]);
                Request::List { bucket: slot.bucket, limit, is_rolled: self.random.chance(300) }
            }
            6 => self.upload(profile, model, slot),
            7 => self.bucket(profile, slot),
            9 => self.append(profile, model, slot),
            10 => self.annotation(profile, model, slot),
            _ if self.random.chance(500) => Request::Hold(slot),
            _ => Request::ReadHeld,
        }
    }

    /// Now and then a racer is about one version of the key, where versions are known.
    pub(super) fn version_in_race(&mut self, model: &Model, slot: Slot) -> Option<Request> {
        let has_versions = model.versions.rules.contains_key(&slot.bucket);
        if !has_versions || !self.random.chance(250) {
            return None;
        }
        // The newest ones are the last.
        let known = model.versions.count_of(slot).max(1);
        let pick = known - 1 - self.random.index(known.min(3));
        Some(match self.random.chance(300) {
            true => Request::GetVersion(slot, pick),
            false => Request::DeleteVersion(slot, pick),
        })
    }

    pub(super) fn patience(&mut self, profile: &Profile) -> Option<u32> {
        let is_impatient = self.random.chance(profile.impatient_per_mille);
        is_impatient.then(|| self.random.below(20) as u32)
    }

    fn version(&mut self, slot: Slot, model: &Model) -> Request {
        let pick = self.random.below(12) as usize;
        let can_lock = model.versions.lockable.contains(&slot.bucket);
        match self.random.below(10) {
            0 => Request::ListVersions(slot.bucket),
            1 | 2 => Request::GetVersion(slot, pick),
            3 | 4 if can_lock => {
                Request::Retain { slot, pick, ms: self.random.skewed(RETENTION_MS_MAX) }
            }
            5 if can_lock => Request::Protect { slot, pick, is_on: self.random.chance(600) },
            _ => Request::DeleteVersion(slot, pick),
        }
    }

    fn bucket(&mut self, profile: &Profile, slot: Slot) -> Request {
        match self.random.below(4) {
            0 => Request::DeleteBucket(slot.bucket),
            1 => Request::ListBuckets,
            _ => profile.creation(slot.bucket),
        }
    }

    fn upload(&mut self, profile: &Profile, model: &Model, slot: Slot) -> Request {
        let is_open = |upload: &super::model::UploadModel| upload.existence == Existence::Live;
        let open: Vec<usize> =
            (0..model.uploads.len()).filter(|index| is_open(&model.uploads[*index])).collect();
        if open.is_empty() || (open.len() < 3 && self.random.chance(150)) {
            return Request::CreateUpload(slot);
        }
        let any = self.random.chance(50).then(|| self.random.index(model.uploads.len()));
        let upload = any.unwrap_or_else(|| *self.random.pick(&open));
        match self.random.below(10) {
            0..6 => {
                let number = 1 + self.random.below(PARTS_MAX) as u16;
                let piece = self.piece(profile);
                let delivery = self.delivery(profile, piece.len);
                Request::PutPart { upload, number, piece, delivery }
            }
            6 | 7 => {
                let slot = model.uploads[upload].slot;
                let condition = self.condition(profile, model, slot);
                Request::Complete { upload, condition, value: self.fresh() }
            }
            8 if self.random.chance(500) => Request::ListUploads(slot.bucket),
            8 => Request::Abort(upload),
            _ => Request::ListParts(upload),
        }
    }
}

/// What was drawn.
pub enum Drawn {
    /// A step.
    Step(Step),
    /// Something breaks.
    Damage,
    /// Something is made good.
    Mend,
}

/// What a request changes or looks at, if it is one object or upload.
fn place_of(request: &Request, model: &Model) -> Option<Slot> {
    match request {
        Request::Put { slot, .. }
        | Request::Append { slot, .. }
        | Request::Annotation { slot, .. }
        | Request::Get { slot, .. }
        | Request::Head(slot)
        | Request::Delete { slot, .. }
        | Request::GetVersion(slot, _)
        | Request::DeleteVersion(slot, _)
        | Request::Retain { slot, .. }
        | Request::Protect { slot, .. } => Some(*slot),
        // One change of a bucket at once.
        Request::SetVersioning { bucket, .. }
        | Request::SetRetention { bucket, .. }
        | Request::SetEncryption { bucket, .. } => Some(Slot { bucket: *bucket, key: u16::MAX }),
        Request::PutPart { upload, .. } | Request::Complete { upload, .. } => {
            Some(model.uploads[*upload].slot)
        }
        _ => None,
    }
}
