//! What a seed is like: workload, faults, and the timing of everything (swarm testing).

use crate::disk::Timing;
use crate::random::Random;
use openraft::{Config, SnapshotPolicy};
use std::sync::Arc;
use std::time::Duration;

/// What a client may do; the order is that of [`Profile::actions`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Write a register.
    Set,
    /// Empty one.
    Clear,
    /// Replace what is expected there.
    Swap,
    /// Read one.
    Read,
    /// Ask a leader to hand over.
    Move,
}

/// All of them.
pub const ACTIONS: [Action; 5] =
    [Action::Set, Action::Clear, Action::Swap, Action::Read, Action::Move];

/// A deliberate bug of this scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// A leader that restarts leads on without an election: what openraft does by default.
    LeaderRestore,
    /// A write that is sent again takes effect again.
    WriteTwice,
}

impl Bug {
    /// All of them, with their names on the command line.
    pub const ALL: [(Self, &'static str); 2] =
        [(Self::LeaderRestore, "leader-restore"), (Self::WriteTwice, "write-twice")];

    /// The bug of that name, if it is one of this scenario.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(bug, _)| *bug)
    }
}

/// Timing of elections, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Elections {
    /// Between heartbeats.
    pub heartbeat_ms: u64,
    /// Least and greatest time without a leader before a node campaigns.
    pub timeout_ms: (u64, u64),
}

const ELECTIONS: [Elections; 3] = [
    Elections { heartbeat_ms: 50, timeout_ms: (150, 300) },
    Elections { heartbeat_ms: 100, timeout_ms: (300, 600) },
    Elections { heartbeat_ms: 250, timeout_ms: (1000, 1500) },
];

/// A seed's character.
#[derive(Clone, Debug)]
pub struct Profile {
    /// The deliberate bug.
    pub bug: Option<Bug>,
    /// Whether the commit position is kept, so that a restart applies the log at once.
    pub is_committed_kept: bool,
    /// Groups.
    pub group_count: u32,
    /// Registers of each.
    pub register_count: u8,
    /// Clients at work.
    pub client_count: usize,
    /// How long they work.
    pub work_time: Duration,
    /// Longest pause between a client's operations, in milliseconds.
    pub pause_ms_max: u64,
    /// How long a client tries an operation before it gives up.
    pub patience: Duration,
    /// Weight of each of [`ACTIONS`].
    pub actions: Vec<u32>,
    /// Timing of elections.
    pub elections: Elections,
    /// Entries between snapshots.
    pub snapshot_interval: u64,
    /// Entries that stay in the log behind a snapshot.
    pub kept_entries: u64,
    /// Longest quiet time between faults of processes, in milliseconds; `None` without any.
    pub process_quiet_ms_max: Option<u64>,
    /// Longest quiet time between cuts of the network, in milliseconds; `None` without any.
    pub network_quiet_ms_max: Option<u64>,
    /// Strikes, of a thousand, that hit all nodes at once.
    pub all_per_mille: u32,
    /// Strikes, of a thousand, that are power losses.
    pub power_loss_per_mille: u32,
    /// How slow the disks are.
    pub timing: Timing,
    /// Packets, of a thousand, that are sent again.
    pub packet_loss_per_mille: u32,
    /// Least and greatest latency of a packet, in microseconds.
    pub latency_us: (u64, u64),
}

impl Profile {
    /// The character of a seed.
    pub fn draw(seed: u64, bug: Option<Bug>) -> Self {
        let random = &mut Random::new(seed, "profile");
        // Bursts and calms: most pauses are far below their maximum.
        let quiet =
            |random: &mut Random| *random.pick(&[Some(1000), Some(4000), Some(12_000), None]);
        let elections = *random.pick(&ELECTIONS);
        Self {
            bug,
            is_committed_kept: random.chance(500),
            group_count: 1 + u32::from(random.chance(300)),
            register_count: random.range(1..4) as u8,
            client_count: random.size(2..6),
            work_time: Duration::from_secs(random.range(8..20)),
            pause_ms_max: *random.pick(&[10, 50, 200]),
            patience: Duration::from_millis(*random.pick(&[1000, 4000, 15_000])),
            actions: vec![8, 1, random.range(0..8) as u32, 10, random.range(0..2) as u32],
            elections,
            snapshot_interval: *random.pick(&[20, 100, 1000]),
            kept_entries: *random.pick(&[0, 10, 100]),
            process_quiet_ms_max: quiet(random),
            network_quiet_ms_max: quiet(random),
            all_per_mille: *random.pick(&[0, 200, 500]),
            power_loss_per_mille: *random.pick(&[100, 500, 900]),
            timing: Timing {
                slow_per_mille: *random.pick(&[0, 10, 100]),
                slow_name_per_mille: *random.pick(&[0, 10, 100]),
                slow_sync_per_mille: *random.pick(&[0, 100, 500, 1000]),
                // A disk slower than that lets every call of openraft miss its deadline.
                slow_ms_max: *random.pick(&[1, 5, elections.heartbeat_ms / 5]),
                burst_len: 0,
            },
            packet_loss_per_mille: *random.pick(&[0, 1, 5]),
            latency_us: (100, *random.pick(&[200, 1000, 5000])),
        }
    }

    /// openraft's configuration.
    ///
    /// # Panics
    /// When openraft refuses it.
    pub fn to_config(&self) -> Arc<Config> {
        let (low, high) = self.elections.timeout_ms;
        let config = Config {
            heartbeat_interval: self.elections.heartbeat_ms,
            election_timeout_min: low,
            election_timeout_max: high,
            install_snapshot_timeout: 2000,
            max_payload_entries: 64,
            replication_lag_threshold: 50,
            snapshot_policy: SnapshotPolicy::LogsSinceLast(self.snapshot_interval),
            max_in_snapshot_log_to_keep: self.kept_entries,
            purge_batch_size: 10,
            backoff: "50ms 100ms ...500ms".to_owned(),
            enable_pre_vote: Some(true),
            enable_leader_restore: Some(self.bug == Some(Bug::LeaderRestore)),
            ..Config::default()
        };
        Arc::new(config.validate().expect("the configuration is legal"))
    }
}
