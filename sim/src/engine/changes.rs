//! Draws changes of the first bucket, alone and in the midst of requests.

use super::body::Delivery;
use super::generator::Generator;
use super::model::Model;
use super::plan::{Condition, Request, Slot, Step};
use super::profile::Profile;

/// Weight of changes in the midst of requests, where there are any.
const CHANGE_WEIGHT: u32 = 8;

/// How often changes come in the midst of requests.
pub fn weight(profile: &Profile) -> u32 {
    let has_changes = profile.change_per_mille + profile.defaults_per_mille > 0;
    if has_changes { CHANGE_WEIGHT } else { 0 }
}

impl Generator {
    /// A change of any kind that the profile has.
    pub(super) fn setting(&mut self, profile: &Profile) -> Request {
        let has_defaults = profile.defaults_per_mille > 0;
        let weights = [
            u32::from(profile.change_per_mille > 0),
            u32::from(has_defaults && profile.can_lock()),
            u32::from(has_defaults && profile.is_sealed),
        ];
        match self.random().weighted(&weights) {
            0 => self.versioning(),
            1 => Request::SetRetention { bucket: 0, days: *self.random().pick(&[0, 0, 1, 2]) },
            _ => Request::SetEncryption { bucket: 0, is_on: self.random().chance(500) },
        }
    }

    pub(super) fn versioning(&mut self) -> Request {
        Request::SetVersioning { bucket: 0, is_on: self.random().chance(500) }
    }

    /// A change of the first bucket, slow writes to one of its keys at the same time, and others
    /// after it.
    pub(super) fn change(&mut self, profile: &Profile, model: &Model) -> Step {
        let slot = Slot { bucket: 0, ..self.slot(profile) };
        let some = |generator: &mut Self, count: usize, is_slow: bool| {
            let mut requests = Vec::new();
            for _ in 0..count {
                let mut request = generator.racer(profile, model, slot);
                if let Request::Put { delivery, piece, .. }
                | Request::Append { delivery, piece, .. } = &mut request
                    && is_slow
                {
                    let chunk_len = piece.len.div_ceil(1 + generator.random().skewed(64) as u32);
                    *delivery = Delivery { chunk_len, is_halting: true, ..*delivery };
                }
                requests.push((request, generator.patience(profile)));
            }
            requests
        };
        let (first, second) = (1 + self.random().index(2), self.random().index(3));
        let before = some(self, first, true);
        let after = some(self, second, false);
        let change = (self.setting(profile), self.patience(profile));
        Step::Change { before, change, after }
    }

    /// A request that may meet others on its key.
    fn racer(&mut self, profile: &Profile, model: &Model, slot: Slot) -> Request {
        if let Some(request) = self.version_in_race(model, slot) {
            return request;
        }
        if self.is_append_next(profile) {
            return self.append(profile, model, slot);
        }
        match self.random().below(10) {
            0..6 => {
                let piece = self.piece(profile);
                let condition = self.condition_in_race(model, slot);
                let delivery = self.delivery(profile, piece.len);
                Request::Put { slot, piece, condition, delivery }
            }
            6 | 7 => match self.condition_in_race(model, slot) {
                Condition::Absent => Request::Delete { slot, condition: Condition::None },
                condition => Request::Delete { slot, condition },
            },
            8 => Request::Head(slot),
            _ => Request::Get { slot, range: None },
        }
    }
}
