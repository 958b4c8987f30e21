//! What a seed draws: which requests, sizes and faults its sequence has at all, and how wild they
//! are. Some classes are off completely, the others differ by orders of magnitude.

use super::plan::{BucketNumber, Request};
use crate::disk::Timing;
use crate::random::Random;
use crate::socket::Weather;
use cluster::NodeConfig;
use engine::heal::HealConfig;
use engine::journal::JournalConfig;
use engine::meta::MetaConfig;
use engine::volume::VolumeConfig;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Room that is never taken from outside: a quarter of it and a new volume's room fit.
const RESERVE_LEN: u64 = 8 << 20;

/// How many faults there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Budget {
    /// Never more bad disks than the advertised margin: nothing may be lost, no read may fail.
    Strict,
    /// More than that: the store must fail closed.
    Over,
}

/// What a sequence runs on; what is not said is drawn by its seed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// Disks.
    pub disk_count: Option<usize>,
    /// How many faults there may be.
    pub budget: Option<Budget>,
}

impl Shape {
    /// Disks and budget of a seed.
    pub fn of(self, seed: u64) -> (usize, Budget) {
        let random = &mut Random::new(seed, "shape");
        let disk_count = *random.pick(&[1, 1, 1, 2, 2, 3, 4, 4, 4, 6, 8]);
        let budget = if random.chance(250) { Budget::Over } else { Budget::Strict };
        (self.disk_count.unwrap_or(disk_count), self.budget.unwrap_or(budget))
    }
}

/// Weights of requests.
#[derive(Clone, Copy, Debug)]
pub struct Requests {
    /// Writes.
    pub put: u32,
    /// Whole reads.
    pub get: u32,
    /// Ranges.
    pub range: u32,
    /// Lookups.
    pub head: u32,
    /// Deletions.
    pub delete: u32,
    /// Listings.
    pub list: u32,
    /// Anything about uploads.
    pub upload: u32,
    /// Buckets made and deleted.
    pub bucket: u32,
    /// Objects kept open.
    pub hold: u32,
    /// Appends.
    pub append: u32,
    /// Anything about annotations.
    pub annotation: u32,
}

/// Weights of what is no request.
#[derive(Clone, Copy, Debug)]
pub struct Events {
    /// Requests, for comparison.
    pub requests: u32,
    /// Time.
    pub wait: u32,
    /// Crashes.
    pub crash: u32,
    /// Orderly stops.
    pub stop: u32,
    /// Room that goes and comes.
    pub room: u32,
    /// Broken disks.
    pub damage: u32,
    /// Disks made good.
    pub mend: u32,
    /// Jumps of the wall clock.
    pub jump: u32,
    /// Reads of everything.
    pub verify: u32,
    /// Requests that meet on one key.
    pub race: u32,
    /// A process that is stopped and goes on.
    pub pause: u32,
    /// Time without any request, with a look at what the store makes of it.
    pub rest: u32,
}

/// What a seed draws.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Disks.
    pub disk_count: usize,
    /// Disks whose loss the store promises to survive.
    pub margin: usize,
    /// How many faults there may be.
    pub budget: Budget,
    /// Steps before the end.
    pub step_count: usize,
    /// Buckets.
    pub bucket_count: u8,
    /// Keys of a bucket.
    pub key_count: u16,
    /// Longest body in bytes.
    pub body_len_max: u32,
    /// Conditional writes, of a thousand.
    pub condition_per_mille: u32,
    /// Whether requests come through S3.
    pub is_s3: bool,
    /// Whether some objects are encrypted there.
    pub is_sealed: bool,
    /// Requests at once at most.
    pub burst_max: usize,
    /// Requests whose client goes away, of a thousand.
    pub impatient_per_mille: u32,
    /// Answers to writes that get lost, of a thousand.
    pub lost_per_mille: u32,
    /// Bodies that break off, of a thousand.
    pub broken_per_mille: u32,
    /// Power losses, of a thousand crashes.
    pub power_per_mille: u32,
    /// Starts that are cut off, of a thousand, each.
    pub cut_per_mille: u32,
    /// Requests.
    pub requests: Requests,
    /// Everything else.
    pub events: Events,
    /// Operations of disks that take turns, of a thousand.
    pub yield_per_mille: u32,
    /// How long they take.
    pub timing: Timing,
    /// The node.
    pub config: NodeConfig,
    /// Connections that requests through S3 come by; `None` for calls.
    pub weather: Option<Weather>,
    /// Which year it is.
    pub epoch: usize,
    /// How much faster the wall clock goes than time, of a million; slower below 0.
    pub drift_ppm: i64,
    /// Weight of times in which all disks fail.
    pub storm: u32,
    /// Weight of ends after which the rows are compared.
    pub replay: u32,
    /// Weight of times in which no files can be opened.
    pub short: u32,
    /// Requests about versions in the first bucket, of a thousand; 0 where it keeps none.
    pub versions_per_mille: u32,
    /// Requests that change whether it keeps them, of a thousand; 0 where it always does.
    pub change_per_mille: u32,
    /// Requests that change what the first bucket gives to what says nothing itself, of a thousand.
    pub defaults_per_mille: u32,
}

/// Disks whose loss a node of so many survives by default: DESIGN.md, section 3.
pub fn margin_of(disk_count: usize) -> usize {
    match disk_count {
        0 | 1 => 0,
        2 | 3 => 1,
        4 | 5 => 2,
        6 | 7 => 3,
        _ => 4,
    }
}

/// A weight: off, or anything over two orders of magnitude.
fn swarm(random: &mut Random, usual: u32) -> u32 {
    match random.below(8) {
        0 => 0,
        1 => usual * 8,
        2 => usual.div_ceil(8),
        _ => usual,
    }
}

/// As [`swarm`], more often off.
fn rare(random: &mut Random, usual: u32) -> u32 {
    if random.chance(500) { 0 } else { swarm(random, usual) }
}

impl Profile {
    /// What written sequences run on: small sizes, nothing drawn.
    pub fn plain(disk_count: usize) -> Self {
        let mut profile = Self::draw(0, disk_count, Budget::Strict);
        (profile.timing, profile.yield_per_mille) = (Timing::default(), 0);
        (profile.is_s3, profile.lost_per_mille, profile.weather) = (false, 0, None);
        profile.is_sealed = false;
        (profile.epoch, profile.drift_ppm, profile.short) = (1, 0, 0);
        (profile.storm, profile.replay) = (0, 0);
        (profile.versions_per_mille, profile.change_per_mille) = (0, 0);
        profile.defaults_per_mille = 0;
        let tiny = NodeConfig::tiny();
        profile.config = NodeConfig {
            meta: MetaConfig {
                journal: JournalConfig { file_len: 68 << 10, file_count_max: 3 },
                volume: VolumeConfig { volume_len_max: 32 << 10, ..VolumeConfig::default() },
                memtable_len_max: 2 << 10,
                cache_len_max: 4 << 10,
                reserve_len: RESERVE_LEN,
            },
            inline_len_max: 1024,
            reclaim_interval: Duration::from_millis(700),
            heal: HealConfig { scrub_rate_min: 4 << 20, ..tiny.heal },
            ..tiny
        };
        profile
    }

    /// How a bucket is made: the first one may keep versions from the beginning.
    pub fn creation(&self, bucket: BucketNumber) -> Request {
        match bucket == 0 && self.can_lock() {
            true => Request::CreateVersioned(bucket),
            false => Request::CreateBucket(bucket),
        }
    }

    /// Whether versions of the first bucket can be locked.
    pub fn can_lock(&self) -> bool {
        self.versions_per_mille > 0 && self.change_per_mille == 0
    }

    /// Whether operations of disks take time.
    pub fn is_slow(&self) -> bool {
        let Timing { slow_per_mille, slow_name_per_mille, slow_sync_per_mille, .. } = self.timing;
        slow_per_mille + slow_name_per_mille + slow_sync_per_mille > 0
    }

    /// What a seed draws for a node of so many disks.
    pub fn draw(seed: u64, disk_count: usize, budget: Budget) -> Self {
        let random = &mut Random::new(seed, "profile");
        let is_over = budget == Budget::Over;
        let margin = margin_of(disk_count);
        let can_break = is_over || margin > 0;
        let is_crowded = random.chance(15);
        let mut profile = Self {
            disk_count,
            margin,
            budget,
            step_count: random.size(50..90),
            bucket_count: 1 + u8::from(random.chance(200)),
            key_count: if is_crowded { 3000 } else { *random.pick(&[1, 3, 8, 20, 60]) },
            body_len_max: *random.pick(&[900, 3000, 10_000, 40_000]),
            condition_per_mille: rare(random, 150).min(900),
            is_s3: random.chance(300),
            is_sealed: false,
            burst_max: if is_crowded { 60 } else { *random.pick(&[1, 1, 2, 6]) },
            impatient_per_mille: rare(random, 20),
            lost_per_mille: rare(random, 20),
            broken_per_mille: rare(random, 30),
            power_per_mille: *random.pick(&[0, 500, 500, 1000]),
            cut_per_mille: *random.pick(&[0, 0, 300, 700]),
            requests: Requests {
                put: 30,
                get: swarm(random, 12),
                range: rare(random, 5),
                head: rare(random, 3),
                delete: swarm(random, 10),
                list: swarm(random, 3),
                upload: rare(random, 15),
                bucket: rare(random, 1),
                hold: rare(random, 3),
                append: 0,
                annotation: 0,
            },
            events: Events {
                requests: 80,
                wait: swarm(random, 6),
                crash: random.range(2..7) as u32,
                stop: rare(random, 2),
                room: rare(random, 3),
                damage: if can_break { 2 + swarm(random, 4) } else { 0 },
                mend: if can_break { swarm(random, 4) } else { 0 },
                jump: rare(random, 1),
                verify: swarm(random, 1),
                rest: u32::from(random.chance(200)),
                race: rare(random, 6),
                pause: rare(random, 1),
            },
            yield_per_mille: *random.pick(&[0, 0, 100, 500]),
            timing: draw_timing(random),
            config: draw_config(random),
            short: if random.chance(200) { 1 + random.below(4) as u32 } else { 0 },
            storm: if random.chance(150) { 1 + random.below(3) as u32 } else { 0 },
            replay: if random.chance(250) { 2 } else { 0 },
            epoch: random.index(4),
            drift_ppm: *random.pick(&[0, 0, 200, -200, 50_000, -50_000, 900_000]),
            weather: random.chance(400).then(|| draw_weather(random)),
            versions_per_mille: 0,
            change_per_mille: 0,
            defaults_per_mille: 0,
        };
        profile.config.meta.volume.open_files_max = *random.pick(&[2, 64, 1024]);
        profile.draw_versions(random);
        profile.draw_later_kinds(random);
        profile
    }

    fn draw_versions(&mut self, random: &mut Random) {
        self.versions_per_mille = *random.pick(&[0, 0, 0, 100, 300]);
        if self.versions_per_mille > 0 {
            self.change_per_mille = *random.pick(&[0, 20, 100]);
            // Clocks end retentions.
            self.events.jump = self.events.jump.max(1);
            // Changes and versions meet in races.
            self.events.race = self.events.race.max(4);
        }
    }

    /// What came to be drawn after everything else was: so the rest of a seed stayed as it was.
    fn draw_later_kinds(&mut self, random: &mut Random) {
        self.requests.append = *random.pick(&[0, 0, 8, 25]);
        self.is_sealed = random.chance(500) && self.is_s3;
        self.requests.annotation = *random.pick(&[0, 0, 8, 25]);
        if self.can_lock() || self.is_sealed {
            self.defaults_per_mille = *random.pick(&[0, 20, 100]);
        }
    }
}

fn draw_weather(random: &mut Random) -> Weather {
    Weather {
        latency_ms_max: *random.pick(&[0, 0, 5, 300]),
        trouble_per_mille: *random.pick(&[0, 20, 100, 400]),
        slow_per_mille: *random.pick(&[0, 0, 50]),
        refused_per_mille: *random.pick(&[0, 0, 50]),
    }
}

fn draw_timing(random: &mut Random) -> Timing {
    if random.chance(800) {
        return Timing::default();
    }
    Timing {
        slow_per_mille: rare(random, 10),
        slow_name_per_mille: rare(random, 10),
        slow_sync_per_mille: swarm(random, 30),
        slow_ms_max: *random.pick(&[2, 50, 3000]),
        burst_len: *random.pick(&[0, 5, 50]),
    }
}

/// Sizes so small that fifty steps go through checkpoints, full rings, merges and reclaim.
fn draw_config(random: &mut Random) -> NodeConfig {
    let tiny = NodeConfig::tiny();
    let file_len = *random.pick(&[68 << 10, 68 << 10, 72 << 10, 128 << 10]);
    NodeConfig {
        meta: MetaConfig {
            journal: JournalConfig { file_len, file_count_max: random.size(2..4) },
            volume: VolumeConfig {
                volume_len_max: *random.pick(&[32 << 10, 64 << 10, 256 << 10]),
                ..VolumeConfig::default()
            },
            memtable_len_max: *random.pick(&[2 << 10, 6 << 10, 16 << 10, 64 << 10]),
            cache_len_max: *random.pick(&[0, 4 << 10, 64 << 10]),
            reserve_len: RESERVE_LEN,
        },
        inline_len_max: *random.pick(&[0, 256, 1024, 2048]),
        reclaim_interval: Duration::from_millis(*random.pick(&[100, 700, 3000])),
        heal: HealConfig {
            watch_interval: Duration::from_millis(*random.pick(&[200, 1000, 5000])),
            repair_rate: 64 << 20,
            scrub_interval: Duration::from_secs(*random.pick(&[2, 20])),
            scrub_rate_min: *random.pick(&[64 << 10, 4 << 20]),
        },
        ..tiny
    }
}
