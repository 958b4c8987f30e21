//! Deliberate bugs, to prove that the simulator's oracles have teeth. Built only under `--cfg
//! mutants`; in every other build [`is`] is a constant `false` and the bugs are compiled away.

/// A deliberate bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Mutant {
    /// The journal acknowledges before `fdatasync`.
    AckBeforeSync = 1,
    /// Recovery serves the tail of the journal without making it durable first.
    ServeUnsyncedTail = 2,
    /// Bodies in volumes are committed without syncing the volume.
    SkipVolumeSync = 3,
    /// Reclaim deletes a volume without copying what lives in it.
    ReclaimWithoutCopy = 4,
    /// A new file is used before its directory entry is durable.
    SkipDirectorySync = 5,
    /// A checkpoint frees the journal before the manifest contains what was in it.
    ReleaseEarly = 6,
    /// A commit is acknowledged with as many members as there are data columns.
    FloorIsData = 7,
    /// A member that is made anew is sealed as the first column.
    WrongColumnOrder = 8,
    /// A failed leg of the metadata is written past without a new roster.
    KeepFailedLeg = 9,
    /// A start believes a leg that missed changes.
    BelieveStaleLeg = 10,
    /// A member that failed is declared whole without a look.
    ForgetDamage = 11,
    /// Bodies are served without their checksums.
    ServeUnverified = 12,
    /// A member that is made anew counts before it is durable.
    CountUnsyncedMember = 13,
    /// A merge drops tombstones that still hide older rows.
    DropTombstones = 14,
    /// A start cuts the journal at its first bad batch.
    CutAtBadBatch = 15,
    /// A sync that failed is tried again and believed.
    RetryFailedSync = 16,
    /// A batch is acknowledged although all copies but one were left out while it was written.
    AckLoneCopy = 17,
    /// Bodies that were written together get each other's extents.
    MixGathered = 18,
    /// A volume is used although no manifest names it.
    UnnamedVolume = 19,
    /// A volume is removed before a checkpoint contains its fence.
    RemoveBeforeCheckpoint = 20,
    /// Scrub does not look at the copies of runs.
    SkipRunScrub = 21,
    /// A disk that is filled anew counts as having the files that were open before.
    WriteUnnamed = 22,
    /// A disk without room counts as one that a wider volume could have.
    CountFullDisks = 23,
    /// Reclaim takes the room of a copy for that of the bodies in it.
    UnderestimateCopy = 24,
    /// Half of a stripe that a crash cut off is noted as damaged.
    NoteHalves = 25,
    /// A full leg makes every change of the metadata fail.
    KeepFullLeg = 26,
    /// Bodies that no volume gives are counted by nobody.
    HideMissing = 27,
    /// A ring that cannot grow tells nobody that it waits for a checkpoint.
    WaitInSilence = 28,
    /// The condition of a write is decided when it begins, not when it takes effect.
    DecideEarly = 29,
    /// A process that may open no more files takes its disks for broken.
    BlameTheDisk = 30,
    /// A store that lost every copy of its metadata at once waits for somebody to restart it.
    StayClosed = 31,
    /// A version that a newer one replaces is lost.
    LoseReplaced = 32,
    /// Versions are deleted whatever lock they are under.
    IgnoreLocks = 33,
    /// No older version takes the place of a current one that is deleted.
    PromoteNothing = 34,
    /// A ring that refuses appends tells nobody any more that it waits for a checkpoint.
    RefuseInSilence = 35,
    /// A ring that refuses appends does not look whether there is room again.
    MissRoom = 36,
    /// The healer asks every disk for its room, for every volume that waits for a disk.
    AskForEach = 37,
    /// What is written follows the rules that its bucket had when the request began.
    IgnoreFence = 38,
    /// A new null version leaves the older one where it is.
    KeepOldNull = 39,
    /// A retention ends when the wall clock says so.
    TrustWallClock = 40,
    /// A process counts the time of locks from the wall clock on, whatever was noted.
    ForgetLockTime = 41,
    /// A member that its disk fails to read for a moment is taken for one that is gone.
    GiveUpUnread = 42,
    /// Nobody looks whether what is appended to is still there when the append takes effect.
    AppendBlindly = 43,
    /// A part that was appended takes itself for the beginning of its object.
    BeginAtZero = 44,
    /// Bodies that are to be encrypted are kept as they are: `sealing` has it.
    SealNothing = 45,
    /// An annotation goes to whatever its object is by then.
    AnnotateBlindly = 46,
    /// Annotations stay when their version goes.
    LeaveAnnotations = 47,
    /// An annotation never takes the place of another one.
    KeepOldAnnotation = 48,
    /// A change of a bucket's settings leaves their revision as it was.
    StaleSettings = 49,
    /// A change of the store's own settings takes the place of one that came between.
    LoseSetting = 50,
    /// What uploads make is not kept as the bucket says.
    UploadUnkept = 51,
}

impl Mutant {
    /// Every mutant with its name on the command line.
    pub const ALL: [(Self, &'static str); 51] = [
        (Self::AckBeforeSync, "ack-before-sync"),
        (Self::ServeUnsyncedTail, "serve-unsynced-tail"),
        (Self::SkipVolumeSync, "skip-volume-sync"),
        (Self::ReclaimWithoutCopy, "reclaim-without-copy"),
        (Self::SkipDirectorySync, "skip-directory-sync"),
        (Self::ReleaseEarly, "release-early"),
        (Self::FloorIsData, "floor-is-data"),
        (Self::WrongColumnOrder, "wrong-column-order"),
        (Self::KeepFailedLeg, "keep-failed-leg"),
        (Self::BelieveStaleLeg, "believe-stale-leg"),
        (Self::ForgetDamage, "forget-damage"),
        (Self::ServeUnverified, "serve-unverified"),
        (Self::CountUnsyncedMember, "count-unsynced-member"),
        (Self::DropTombstones, "drop-tombstones"),
        (Self::CutAtBadBatch, "cut-at-bad-batch"),
        (Self::RetryFailedSync, "retry-failed-sync"),
        (Self::AckLoneCopy, "ack-lone-copy"),
        (Self::MixGathered, "mix-gathered"),
        (Self::UnnamedVolume, "unnamed-volume"),
        (Self::RemoveBeforeCheckpoint, "remove-before-checkpoint"),
        (Self::SkipRunScrub, "skip-run-scrub"),
        (Self::WriteUnnamed, "write-unnamed"),
        (Self::CountFullDisks, "count-full-disks"),
        (Self::UnderestimateCopy, "underestimate-copy"),
        (Self::NoteHalves, "note-halves"),
        (Self::KeepFullLeg, "keep-full-leg"),
        (Self::HideMissing, "hide-missing"),
        (Self::WaitInSilence, "wait-in-silence"),
        (Self::DecideEarly, "decide-early"),
        (Self::BlameTheDisk, "blame-the-disk"),
        (Self::StayClosed, "stay-closed"),
        (Self::LoseReplaced, "lose-replaced"),
        (Self::IgnoreLocks, "ignore-locks"),
        (Self::PromoteNothing, "promote-nothing"),
        (Self::RefuseInSilence, "refuse-in-silence"),
        (Self::MissRoom, "miss-room"),
        (Self::AskForEach, "ask-for-each"),
        (Self::IgnoreFence, "ignore-fence"),
        (Self::KeepOldNull, "keep-old-null"),
        (Self::TrustWallClock, "trust-wall-clock"),
        (Self::ForgetLockTime, "forget-lock-time"),
        (Self::GiveUpUnread, "give-up-unread"),
        (Self::AppendBlindly, "append-blindly"),
        (Self::BeginAtZero, "begin-at-zero"),
        (Self::SealNothing, "seal-nothing"),
        (Self::AnnotateBlindly, "annotate-blindly"),
        (Self::LeaveAnnotations, "leave-annotations"),
        (Self::KeepOldAnnotation, "keep-old-annotation"),
        (Self::StaleSettings, "stale-settings"),
        (Self::LoseSetting, "lose-setting"),
        (Self::UploadUnkept, "upload-unkept"),
    ];
}

#[cfg(mutants)]
static CHOSEN: std::sync::atomic::AtomicU8 = std::sync::atomic::AtomicU8::new(0);

/// Chooses the bug that this process has. Once, at its start.
#[cfg(mutants)]
pub fn set(mutant: Mutant) {
    CHOSEN.store(mutant as u8, std::sync::atomic::Ordering::Relaxed);
}

/// Whether this process has that bug.
#[cfg(mutants)]
pub fn is(mutant: Mutant) -> bool {
    CHOSEN.load(std::sync::atomic::Ordering::Relaxed) == mutant as u8
}

/// Whether this process has that bug: never, in this build.
#[cfg(not(mutants))]
pub const fn is(_mutant: Mutant) -> bool {
    false
}
