//! What a bucket gives to what says nothing itself: how long versions are kept (K25), and whether
//! objects are encrypted (K26, by [`super::gateway`]). It holds for everything that is asked for
//! once the change was acknowledged.

use super::client::{Answer, Store, bucket_name};
use super::judge::Judge;
use super::judge_race::Racer;
use super::model::Existence;
use super::plan::{BucketNumber, Request};
use super::retention::Kept;
use super::versions::Versions;
use engine::object::bucket::Period;
use engine::object::{BucketChange, DefaultRetention, RetentionMode, StoreError};
use std::collections::BTreeSet;

/// Name of the document that says how a bucket encrypts. Only what comes through S3 reads it.
pub const ENCRYPTION: &str = "encryption";

const DAY_NANOS: u64 = 24 * 3600 * 1_000_000_000;

/// Asks for a change.
pub async fn perform(store: &Store, request: &Request) -> Result<Answer, StoreError> {
    let (bucket, change) = match request {
        Request::SetRetention { bucket, days } => {
            let (mode, period) = (RetentionMode::Governance, Period::Days(*days));
            let retention = (*days > 0).then_some(DefaultRetention { mode, period });
            (*bucket, BucketChange::Lock(retention))
        }
        Request::SetEncryption { bucket, is_on } => {
            let text = is_on.then(|| "AES256".to_owned());
            (*bucket, BucketChange::Document { name: ENCRYPTION.to_owned(), text })
        }
        _ => return Ok(Answer::Done),
    };
    store.configure_bucket(bucket_name(bucket), change).await.map(|()| Answer::Done)
}

/// The days to which the retention was changed, in a race, before something else was asked for.
pub fn changed_before(racer: &Racer<'_>, racers: &[Racer<'_>]) -> Option<u32> {
    racers.iter().find_map(|other| match (&other.call.request, other.answer) {
        (Request::SetRetention { days, .. }, Answer::Done) if other.end < racer.begin => {
            Some(*days)
        }
        _ => None,
    })
}

impl Versions {
    /// How long a version is kept that was written by now and says nothing itself; `after`: it was
    /// asked for after the days were changed to those.
    pub fn kept_by_default(&self, bucket: BucketNumber, after: Option<u32>) -> Kept {
        let Some(days) = self.days.get(&bucket) else { return Kept::default() };
        let possible =
            after.map_or_else(|| days.possible(), |days_now| days.possible_after(days_now));
        let (earliest, latest) = self.times.asked.beginning(self.times.now);
        let until = |begin: u64, days: Option<&u32>| match days.map_or(0, |days| u64::from(*days)) {
            0 => 0,
            days => begin + days * DAY_NANOS,
        };
        Kept::between(until(earliest, possible.first()), until(latest, possible.last()))
    }
}

impl Judge<'_> {
    /// A change is asked for.
    pub(super) fn begin_default(&mut self, request: &Request) {
        if let Request::SetRetention { bucket, days } = request {
            let known = self.model.versions.days.get_mut(bucket);
            known.into_iter().for_each(|known| known.begin_change(*days));
        }
    }

    /// A change was acknowledged.
    pub(super) fn default_changed(&mut self, request: &Request) {
        if let Request::SetRetention { bucket, days } = request {
            let known = self.model.versions.days.get_mut(bucket);
            known.into_iter().for_each(|known| known.settle(BTreeSet::from([*days]), true));
        }
    }

    /// Nobody knows what came of a change, or of a bucket that begins without any.
    pub(super) fn leave_default_open(&mut self, request: &Request, is_late: bool) {
        let (bucket, days) = match request {
            Request::SetRetention { bucket, days } => (bucket, *days),
            Request::CreateVersioned(bucket) if self.model.bucket(*bucket) == Existence::Unsure => {
                (bucket, 0)
            }
            _ => return,
        };
        let known = self.model.versions.days.get_mut(bucket);
        known.into_iter().for_each(|known| known.leave_open(days, is_late));
    }
}

#[cfg(test)]
mod tests {
    use super::super::rules::RuleModel;
    use super::*;

    fn versions(days: RuleModel<u32>) -> Versions {
        let mut versions = Versions::default();
        versions.days.insert(0, days);
        (versions.times.asked.wall, versions.times.now.wall) = (10, 20);
        versions
    }

    #[test]
    fn a_version_is_kept_as_its_bucket_surely_says() {
        let kept = |days: &RuleModel<u32>, after| versions(days.clone()).kept_by_default(0, after);
        let mut days = RuleModel::of(2);
        let (one, two) = (DAY_NANOS, 2 * DAY_NANOS);
        assert_eq!(kept(&days, None), Kept::between(10 + two, 20 + two));
        days.begin_change(1);
        assert_eq!(kept(&days, None), Kept::between(10 + one, 20 + two), "under way");
        assert_eq!(kept(&days, Some(1)), Kept::between(10 + one, 20 + one), "after it");
        days.end_changes();
        days.leave_open(0, true);
        assert_eq!(kept(&days, None), Kept::between(0, 20 + two), "nobody knows");
        assert_eq!(kept(&days, Some(1)), Kept::between(0, 20 + one), "it may come late");
        days.settle(BTreeSet::from([0]), true);
        days.restart();
        assert_eq!(kept(&days, None), Kept::default());
    }
}
