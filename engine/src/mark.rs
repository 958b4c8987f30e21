//! Coverage marks: places that a simulation must reach, or it proves less than it seems to. They
//! are counted only under `--cfg mutants`, the build of the simulator; in every other build [`hit`]
//! does nothing and is compiled away.
//!
//! - M1: a mark stands where something rare happens that a promise depends on.
//! - M2: a required mark that no run of a large batch hits fails the batch.

/// A place that is rarely reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Mark {
    /// The journal's ring grew by a file.
    RingGrew,
    /// The journal's ring could not grow and waited for a checkpoint.
    RingStuck,
    /// The journal failed and a new generation of it began.
    JournalRevived,
    /// A start met a batch that is not whole, and read past it.
    TornBatch,
    /// A start refused: the newest batch may hide where nothing can be read.
    HiddenTail,
    /// A start dropped a leg that lacks files.
    LameLegAtStart,
    /// A leg was dropped because a file of it vanished while the store ran.
    VanishedFile,
    /// A leg failed and was left out.
    LegDropped,
    /// A leg without room was left out.
    FullLegDropped,
    /// A disk was filled and became a leg.
    LegFilled,
    /// A disk failed while it was being filled with the metadata.
    FillingFailed,
    /// A bad copy of metadata was written again from another one.
    CopyRepaired,
    /// A roster could not be changed: too few disks took it.
    RosterRefused,
    /// A start refused: too few disks of the newest roster.
    QuorumRefused,
    /// A disk that missed changes came back.
    StaleReturned,
    /// A disk that was replaced came back under its old number.
    ReplacedReturned,
    /// A blank disk was taken in.
    DiskJoined,
    /// A lost identity was written again.
    IdentityRestored,
    /// A failed disk waited for its next trial.
    TrialDeferred,
    /// A disk passed its trial.
    TrialPassed,
    /// A commit was refused: too few members had it durably.
    BelowFloor,
    /// A member failed in the middle of a write; the stripe went into another volume.
    StripeElsewhere,
    /// A volume with fewer columns than there could be was begun.
    Narrower,
    /// A standby volume took over.
    StandbyUsed,
    /// A standby volume was given up.
    StandbyUnfit,
    /// A read was answered from other members.
    Reconstructed,
    /// A record was healed in place.
    RecordHealed,
    /// One member of a volume was made anew on another disk.
    MemberAnew,
    /// Several members of one volume were made anew in one pass.
    MembersAnewAtOnce,
    /// Members that could not be read were waited for.
    UnreadAwaited,
    /// A member lost its name and was found to have.
    NamelessMember,
    /// A volume was moved because it was narrower than it could be.
    Restriped,
    /// Reclaim met a row that was overwritten while its body was copied.
    RelocateRaced,
    /// A volume was fenced and removed.
    VolumeReclaimed,
    /// A checkpoint moved bodies to another volume than it began with.
    DestageAgain,
    /// Bodies stayed in their rows: there was no volume for them.
    DestageRefused,
    /// A merge dropped a tombstone.
    TombstoneDropped,
    /// A checkpoint waited for merges.
    CheckpointPaused,
    /// Something was refused before it began: no room for it.
    NoRoom,
    /// Short bodies that waited became one stripe.
    Gathered,
    /// A scrub found damage in a volume.
    ScrubFound,
    /// A scrub found a bad copy of the manifest.
    ScrubManifest,
    /// A row names a body that no volume gives any more.
    MissingFound,
    /// The process could open no more files, and somebody waited.
    HandlesAwaited,
    /// A store that no disk could help any more asked for a start.
    StartWanted,
    /// Appends to a full ring waited once more: there was room again.
    RoomReturned,
    /// The rules of a bucket changed while something that follows them was on its way.
    RulesChanged,
    /// A version became the current one while it was looked for.
    VersionMoved,
    /// An object in one piece became one of parts: something was appended.
    MadeParts,
    /// Reclaim or destaging met a body that an append had made a first part.
    FirstPartMet,
    /// An append was refused where it would have taken effect: something else had come between.
    AppendRefused,
}

/// A mark and how often it was hit.
#[derive(Clone, Copy, Debug)]
pub struct Hit {
    /// Its name in reports.
    pub name: &'static str,
    /// Whether a large batch must hit it.
    pub is_required: bool,
    /// How often.
    pub count: u64,
}

impl Mark {
    /// Every mark, its name, and whether a large batch must hit it.
    pub const ALL: [(Self, &'static str, bool); 51] = [
        (Self::RingGrew, "ring-grew", true),
        (Self::RingStuck, "ring-stuck", true),
        (Self::JournalRevived, "journal-revived", true),
        (Self::TornBatch, "torn-batch", true),
        (Self::HiddenTail, "hidden-tail", false),
        (Self::LameLegAtStart, "lame-leg-at-start", true),
        (Self::VanishedFile, "vanished-file", true),
        (Self::LegDropped, "leg-dropped", true),
        (Self::FullLegDropped, "full-leg-dropped", true),
        (Self::LegFilled, "leg-filled", true),
        (Self::FillingFailed, "filling-failed", true),
        (Self::CopyRepaired, "copy-repaired", true),
        (Self::RosterRefused, "roster-refused", true),
        (Self::QuorumRefused, "quorum-refused", true),
        (Self::StaleReturned, "stale-returned", true),
        (Self::ReplacedReturned, "replaced-returned", false),
        (Self::DiskJoined, "disk-joined", true),
        (Self::IdentityRestored, "identity-restored", true),
        (Self::TrialDeferred, "trial-deferred", true),
        (Self::TrialPassed, "trial-passed", true),
        (Self::BelowFloor, "below-floor", true),
        (Self::StripeElsewhere, "stripe-elsewhere", true),
        (Self::Narrower, "narrower", true),
        (Self::StandbyUsed, "standby-used", true),
        (Self::StandbyUnfit, "standby-unfit", true),
        (Self::Reconstructed, "reconstructed", true),
        (Self::RecordHealed, "record-healed", true),
        (Self::MemberAnew, "member-anew", true),
        (Self::MembersAnewAtOnce, "members-anew-at-once", true),
        (Self::UnreadAwaited, "unread-awaited", true),
        (Self::NamelessMember, "nameless-member", true),
        (Self::Restriped, "restriped", true),
        (Self::RelocateRaced, "relocate-raced", true),
        (Self::VolumeReclaimed, "volume-reclaimed", true),
        (Self::DestageAgain, "destage-again", true),
        (Self::DestageRefused, "destage-refused", true),
        (Self::TombstoneDropped, "tombstone-dropped", true),
        (Self::CheckpointPaused, "checkpoint-paused", false),
        (Self::NoRoom, "no-room", true),
        (Self::Gathered, "gathered", true),
        (Self::ScrubFound, "scrub-found", true),
        (Self::ScrubManifest, "scrub-manifest", true),
        (Self::MissingFound, "missing-found", true),
        (Self::HandlesAwaited, "handles-awaited", true),
        (Self::StartWanted, "start-wanted", true),
        (Self::RoomReturned, "room-returned", false),
        (Self::RulesChanged, "rules-changed", true),
        (Self::VersionMoved, "version-moved", false),
        (Self::MadeParts, "made-parts", true),
        (Self::FirstPartMet, "first-part-met", true),
        (Self::AppendRefused, "append-refused", true),
    ];
}

#[cfg(mutants)]
static HITS: [std::sync::atomic::AtomicU64; Mark::ALL.len()] =
    [const { std::sync::atomic::AtomicU64::new(0) }; Mark::ALL.len()];

/// The place is reached.
#[cfg(mutants)]
pub fn hit(mark: Mark) {
    HITS[mark as usize].fetch_add(1, std::sync::atomic::Ordering::Relaxed);
}

/// The place is reached: nobody counts, in this build.
#[cfg(not(mutants))]
pub const fn hit(_mark: Mark) {}

/// How often this process hit each mark; empty in builds that do not count.
pub fn hits() -> Vec<Hit> {
    #[cfg(mutants)]
    let count = |mark: Mark| HITS[mark as usize].load(std::sync::atomic::Ordering::Relaxed);
    #[cfg(not(mutants))]
    let count = |_: Mark| 0;
    let all = Mark::ALL.iter().filter(|_| cfg!(mutants));
    all.map(|(mark, name, is_required)| Hit {
        name,
        is_required: *is_required,
        count: count(*mark),
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mark_has_its_place_in_the_list() {
        for (index, (mark, name, _)) in Mark::ALL.iter().enumerate() {
            assert_eq!(*mark as usize, index, "{name}");
        }
    }
}
