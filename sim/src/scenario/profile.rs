//! What a seed is like: which operations, sizes and faults it has at all, and how wild they are
//! (swarm testing).

use crate::disk::Timing;
use crate::random::Random;

/// Bodies up to this size travel in the journal.
const INLINE_LEN: usize = 16 << 10;
/// Bodies up to this size lie whole in one column.
const ROW_LEN: usize = 64 << 10;
/// Bytes of a journal's largest record.
const RECORD_LEN: usize = 1 << 20;

/// What a client may do; the order is that of [`Profile::actions`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Write an object.
    Put,
    /// Write one where there is none.
    PutIfAbsent,
    /// Replace one that was seen before.
    PutIfMatch,
    /// Begin to write one and go away.
    PutBroken,
    /// Read one.
    Get,
    /// Read a range of one.
    GetRange,
    /// Ask for its headers.
    Head,
    /// Delete one.
    Delete,
    /// Copy one to another key.
    Copy,
    /// Write one in parts.
    Multipart,
    /// List the bucket or part of it.
    List,
}

/// All of them.
pub const ACTIONS: [Action; 11] = [
    Action::Put,
    Action::PutIfAbsent,
    Action::PutIfMatch,
    Action::PutBroken,
    Action::Get,
    Action::GetRange,
    Action::Head,
    Action::Delete,
    Action::Copy,
    Action::Multipart,
    Action::List,
];

/// What the nemesis may do; the order is that of [`Profile::faults`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The process dies and comes back.
    Kill,
    /// The power goes and comes back.
    PowerLoss,
    /// The process dies; before it is back, the power goes.
    KillThenPowerLoss,
    /// The process dies and comes back, serves, then the power goes.
    KillServePowerLoss,
    /// Dies or loses power again while it recovers.
    FaultInRecovery,
    /// Told to stop; stops; then the power goes.
    StopThenPowerLoss,
    /// Nothing reaches it for a while, or nothing leaves it, or both.
    Cut,
    /// It stands still for a while, and goes on.
    StandStill,
}

/// All of them.
pub const FAULTS: [Fault; 8] = [
    Fault::Kill,
    Fault::PowerLoss,
    Fault::KillThenPowerLoss,
    Fault::KillServePowerLoss,
    Fault::FaultInRecovery,
    Fault::StopThenPowerLoss,
    Fault::Cut,
    Fault::StandStill,
];

/// A seed's character.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Clients at work.
    pub client_count: usize,
    /// Operations of each.
    pub operations_per_client: usize,
    /// Longest pause between a client's operations, in milliseconds.
    pub pause_ms_max: u64,
    /// Keys in play.
    pub keys: Vec<String>,
    /// Weight of each of [`ACTIONS`].
    pub actions: Vec<u32>,
    /// Weight of each of the size classes of [`Profile::draw_len`].
    pub sizes: Vec<u32>,
    /// Weight of each of [`FAULTS`].
    pub faults: Vec<u32>,
    /// Longest quiet time between faults, in milliseconds.
    pub quiet_ms_max: u64,
    /// How slow the disk is.
    pub timing: Timing,
    /// Packets, of a thousand, that are sent again.
    pub packet_loss_per_mille: u32,
    /// Least and greatest latency of a packet, in microseconds.
    pub latency_us: (u64, u64),
    /// How far the server's clock may be off after a restart, in seconds.
    pub clock_skew_s: u64,
}

/// Weights: each choice is off in a third of the seeds, else its usual weight times 1 to 16.
fn swarm(random: &mut Random, usual: &[u32]) -> Vec<u32> {
    let mut draw = |weight: &u32| match random.below(3) {
        0 => 0,
        _ => weight << random.below(5),
    };
    let weights: Vec<u32> = usual.iter().map(&mut draw).collect();
    if weights.iter().any(|weight| *weight > 0) { weights } else { usual.to_vec() }
}

impl Profile {
    /// The character of a seed.
    pub fn draw(seed: u64) -> Self {
        let random = &mut Random::new(seed, "profile");
        let mut profile = Self::draw_usual(random);
        if random.chance(120) {
            profile.make_stormy(random);
        }
        profile
    }

    /// Inline bodies without a pause where names are slow: a checkpoint is always under way, the
    /// journal's ring full.
    fn make_stormy(&mut self, random: &mut Random) {
        self.client_count = 8;
        self.operations_per_client = random.size(30..80);
        self.pause_ms_max = 1;
        self.actions = vec![20, 1, 1, 0, 4, 0, 0, 2, 0, 0, 1];
        self.sizes = vec![0, 1, 4, 12, 0, 0, 0, 0];
        self.quiet_ms_max = *random.pick(&[300, 1000]);
        self.timing = Timing {
            slow_per_mille: 10,
            slow_name_per_mille: *random.pick(&[100, 700]),
            slow_sync_per_mille: *random.pick(&[10, 100]),
            slow_ms_max: *random.pick(&[20, 200]),
            burst_len: 0,
        };
    }

    fn draw_usual(random: &mut Random) -> Self {
        let client_count = random.size(2..5);
        let total = random.size(60..300);
        let mut actions = swarm(random, &[12, 3, 3, 1, 10, 4, 3, 5, 3, 3, 4]);
        // Without writes and reads there is nothing to check.
        actions[0] = actions[0].max(8);
        actions[4] = actions[4].max(8);
        Self {
            client_count,
            operations_per_client: total / client_count,
            pause_ms_max: *random.pick(&[1, 5, 20, 100]),
            keys: draw_keys(random),
            actions,
            sizes: swarm(random, &[2, 8, 8, 6, 3, 2, 2, 1]),
            faults: swarm(random, &[3, 5, 3, 5, 3, 1, 3, 2]),
            quiet_ms_max: *random.pick(&[50, 300, 1000, 3000]),
            timing: Timing {
                slow_per_mille: *random.pick(&[0, 10, 100, 500]),
                slow_name_per_mille: *random.pick(&[0, 10, 100, 500]),
                slow_sync_per_mille: *random.pick(&[0, 100, 500, 1000]),
                slow_ms_max: *random.pick(&[1, 5, 20, 100]),
                burst_len: 0,
            },
            packet_loss_per_mille: *random.pick(&[0, 0, 1, 5]),
            latency_us: (100, *random.pick(&[200, 1000, 5000])),
            clock_skew_s: *random.pick(&[0, 1, 300]),
        }
    }

    /// Draws a body's size: nothing, a few bytes, and around every boundary.
    pub fn draw_len(&self, random: &mut Random) -> usize {
        let around = |random: &mut Random, len: usize| len - 1 + random.index(3);
        match random.weighted(&self.sizes) {
            0 => 0,
            1 => random.size(1..200),
            2 => random.size(200..INLINE_LEN),
            3 => around(random, INLINE_LEN),
            4 => random.size(INLINE_LEN..ROW_LEN),
            5 => around(random, ROW_LEN),
            6 => random.size(ROW_LEN..200 << 10),
            _ => around(random, RECORD_LEN),
        }
    }

    /// Draws a key, the first ones much more often.
    pub fn draw_key(&self, random: &mut Random) -> String {
        let index = random.skewed(self.keys.len() as u64) - 1;
        self.keys[index as usize].clone()
    }
}

/// Some dozens of keys: nested, one the prefix of another, long, with everything that must be
/// encoded.
fn draw_keys(random: &mut Random) -> Vec<String> {
    let special = ["a", "a/b", "a/b/c", "a b+c&d<e>", "\u{e9}t\u{e9}/\u{4e16}", "a/", "~tilde"];
    let mut keys: Vec<String> = special.iter().map(|key| (*key).to_owned()).collect();
    keys.push("long/".to_owned() + &"k".repeat(1000));
    keys.extend((0..random.size(4..30)).map(|index| format!("dir{}/k{index:02}", index % 3)));
    // A shuffle, so that any of them may be the hot one.
    for index in (1..keys.len()).rev() {
        keys.swap(index, random.index(index + 1));
    }
    let count = random.size(4..keys.len() + 1);
    keys.truncate(count);
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_of_size_is_drawn() {
        let mut profile = Profile::draw(1);
        profile.sizes = vec![1; 8];
        let mut random = Random::new(1, "sizes");
        let sizes: std::collections::BTreeSet<usize> =
            (0..2000).map(|_| profile.draw_len(&mut random)).collect();
        for len in [0, INLINE_LEN - 1, INLINE_LEN, INLINE_LEN + 1, RECORD_LEN + 1] {
            assert!(sizes.contains(&len), "{len}");
        }
    }

    #[test]
    fn a_profile_is_a_function_of_its_seed() {
        for seed in 0..50 {
            let text = |profile: Profile| format!("{profile:?}");
            assert_eq!(text(Profile::draw(seed)), text(Profile::draw(seed)));
        }
    }
}
