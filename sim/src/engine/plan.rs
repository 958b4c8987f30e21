//! What a sequence does, step by step: requests of clients, time that passes, what breaks. A
//! sequence is a list of these, drawn or written by hand.

use super::body::{Delivery, Piece};
use crate::disk::{Fault, PowerLoss};
use serde::{Deserialize, Serialize};

/// Number of a bucket of the run.
pub type BucketNumber = u8;

/// Which object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Slot {
    /// Bucket.
    pub bucket: BucketNumber,
    /// Key within it.
    pub key: u16,
}

/// When a write may take effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Condition {
    /// Always.
    None,
    /// Where nothing is.
    Absent,
    /// Where something is.
    Exists,
    /// Where that body is.
    Matches(u32),
}

/// What is asked for of the annotations of an object. Where a value is named, the object must have
/// it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Annotating {
    /// Attaches a text, in the place of another one.
    Attach {
        /// To which value.
        of: Option<u32>,
        /// Number of the name.
        name: u8,
        /// What.
        piece: Piece,
    },
    /// Takes one away.
    Take {
        /// From which value.
        of: Option<u32>,
        /// Number of the name.
        name: u8,
    },
    /// Reads one.
    Read {
        /// Number of the name.
        name: u8,
    },
    /// Lists all.
    List,
}

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Creates a bucket.
    CreateBucket(BucketNumber),
    /// Deletes a bucket.
    DeleteBucket(BucketNumber),
    /// Lists all buckets.
    ListBuckets,
    /// Writes an object.
    Put {
        /// Where.
        slot: Slot,
        /// What.
        piece: Piece,
        /// When.
        condition: Condition,
        /// How the body comes.
        delivery: Delivery,
    },
    /// Reads an object, or a range: per mille of its size.
    Get {
        /// Which.
        slot: Slot,
        /// Beginning and end, per mille of the size; `None` for all of it.
        range: Option<(u16, u16)>,
    },
    /// Looks an object up.
    Head(Slot),
    /// Deletes an object.
    Delete {
        /// Which.
        slot: Slot,
        /// When.
        condition: Condition,
    },
    /// Lists a bucket, page by page.
    List {
        /// Which.
        bucket: BucketNumber,
        /// Entries of a page.
        limit: usize,
        /// Whether keys are rolled up at `/`.
        is_rolled: bool,
    },
    /// Begins an upload; its number is the order of beginning.
    CreateUpload(Slot),
    /// Writes a part.
    PutPart {
        /// Which upload.
        upload: usize,
        /// Part number.
        number: u16,
        /// What.
        piece: Piece,
        /// How the body comes.
        delivery: Delivery,
    },
    /// Makes an object of the parts that are known for sure.
    Complete {
        /// Which upload.
        upload: usize,
        /// When.
        condition: Condition,
        /// Number of the value that it makes.
        value: u32,
    },
    /// Drops an upload.
    Abort(usize),
    /// Lists an upload's parts.
    ListParts(usize),
    /// Lists a bucket's uploads.
    ListUploads(BucketNumber),
    /// Opens an object and keeps it open.
    Hold(Slot),
    /// Reads what was opened first.
    ReadHeld,
    /// Creates a bucket that keeps versions and can lock them.
    CreateVersioned(BucketNumber),
    /// Makes a bucket keep versions from now on, or no longer.
    SetVersioning {
        /// Which.
        bucket: BucketNumber,
        /// Whether versions are kept.
        is_on: bool,
    },
    /// Makes a bucket keep new versions that do not say so themselves, or no longer.
    SetRetention {
        /// Which.
        bucket: BucketNumber,
        /// For how long, in days; 0: not at all.
        days: u32,
    },
    /// Makes a bucket encrypt what does not say so itself, or no longer.
    SetEncryption {
        /// Which.
        bucket: BucketNumber,
        /// Whether it does.
        is_on: bool,
    },
    /// Lists all versions of a bucket.
    ListVersions(BucketNumber),
    /// Reads one version, chosen among those that are known.
    GetVersion(Slot, usize),
    /// Deletes one version for good.
    DeleteVersion(Slot, usize),
    /// Appends to an object.
    Append {
        /// Which.
        slot: Slot,
        /// The value that it goes on; `None`: it begins where nothing is.
        base: Option<u32>,
        /// Bytes by which the offset is beyond the end of that.
        beyond: u32,
        /// What.
        piece: Piece,
        /// Number of the value that it makes.
        value: u32,
        /// How the body comes.
        delivery: Delivery,
    },
    /// Anything about the annotations of an object.
    Annotation {
        /// Which.
        slot: Slot,
        /// What.
        what: Annotating,
    },
    /// Keeps a version, from what the wall clock showed when the step began.
    Retain {
        /// Of which object.
        slot: Slot,
        /// Which version, among those that are known.
        pick: usize,
        /// For how long.
        ms: u64,
    },
    /// Puts a version under legal hold, or takes it off.
    Protect {
        /// Of which object.
        slot: Slot,
        /// Which version, among those that are known.
        pick: usize,
        /// Whether it is put under.
        is_on: bool,
    },
}

/// A start that is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// Operations of the disks before the process dies.
    pub steps: u64,
    /// Whether the power goes with it, and what that takes.
    pub loss: Option<PowerLoss>,
}

/// What is done to disks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Damage {
    /// A flipped bit in a drawn file.
    Rot,
    /// An unreadable sector in a drawn file.
    Spoil,
    /// A file that vanishes.
    Vanish,
    /// The next sync fails, or loses or misplaces a write.
    Sync(Fault),
    /// Reads and writes fail now and then, of a thousand so many.
    Errors(u32),
    /// Reads give other places' bytes now and then, of a thousand so many.
    Elsewhere(u32),
    /// Listings miss entries now and then, of a thousand so many.
    Unlisted(u32),
    /// More and more sectors cannot be read.
    Dying,
    /// The same bit rots at the same place of the same file, on as many disks as may fail.
    Alike,
    /// Nothing works any more.
    Lost,
    /// Nothing can be written any more.
    ReadOnly,
    /// Somebody else filled it: so many bytes are left.
    Full(u64),
    /// The mount is gone; `true`: its directory as well.
    Absent(bool),
    /// The machine goes down and comes up with a blank disk here.
    Blank,
    /// The machine goes down and comes up with this disk and the next one exchanged.
    Swap,
    /// The machine goes down and comes up with the disk as it was when it was last remembered.
    Rollback,
    /// The machine goes down, comes up without the disk, and later gets it back.
    Away,
}

impl Damage {
    /// Whether a disk is not in its place.
    pub fn is_unmounted(self) -> bool {
        matches!(self, Self::Away | Self::Absent(_))
    }

    /// Whether damage goes on until somebody makes it good.
    pub fn is_lasting(self) -> bool {
        matches!(
            self,
            Self::Errors(_)
                | Self::Elsewhere(_)
                | Self::Unlisted(_)
                | Self::Dying
                | Self::Lost
                | Self::ReadOnly
                | Self::Full(_)
                | Self::Absent(_)
                | Self::Away
        )
    }

    /// Whether a store notices it only when it looks at everything.
    pub fn is_silent(self) -> bool {
        match self {
            Self::Rot
            | Self::Spoil
            | Self::Vanish
            | Self::Alike
            | Self::Errors(_)
            | Self::Elsewhere(_)
            | Self::Unlisted(_)
            | Self::Dying
            | Self::Rollback => true,
            Self::Sync(fault) => fault != Fault::SyncError,
            Self::Lost
            | Self::ReadOnly
            | Self::Full(_)
            | Self::Absent(_)
            | Self::Blank
            | Self::Swap
            | Self::Away => false,
        }
    }

    /// Whether a store that has nothing else can notice it.
    pub fn is_noticeable(self) -> bool {
        match self {
            Self::Sync(fault) => fault == Fault::SyncError,
            Self::Elsewhere(_)
            | Self::Unlisted(_)
            | Self::Vanish
            | Self::Blank
            // Empty directories in the places of all disks are those of a new store.
            | Self::Absent(_)
            | Self::Rollback => false,
            Self::Rot
            | Self::Spoil
            | Self::Alike
            | Self::Errors(_)
            | Self::Dying
            | Self::Lost
            | Self::ReadOnly
            | Self::Full(_)
            | Self::Swap
            | Self::Away => true,
        }
    }
}

/// A step with what decides all that is drawn while it is carried out: whatever comes before or
/// after it can be taken away without a change here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedStep {
    /// Seed of everything that is drawn.
    pub salt: u64,
    /// What is done.
    pub step: Step,
}

impl Step {
    /// Operations that it is: its requests, or one.
    pub fn operation_count(&self) -> usize {
        match self {
            Self::Requests(requests) | Self::Race(requests) => requests.len(),
            Self::Change { before, after, .. } => before.len() + 1 + after.len(),
            Self::Short { requests, .. } | Self::Storm { requests, .. } => 1 + requests.len(),
            _ => 1,
        }
    }
}

/// One step of a sequence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// Requests, all at once, on different keys; each may be dropped after so many turns.
    Requests(Vec<(Request, Option<u32>)>),
    /// Requests, all at once, on one key; each may be dropped after so many turns.
    Race(Vec<(Request, Option<u32>)>),
    /// A bucket is changed while requests are under way on one key; once the change is answered,
    /// others follow.
    Change {
        /// Requests that begin with the change.
        before: Vec<(Request, Option<u32>)>,
        /// The change.
        change: (Request, Option<u32>),
        /// Requests that begin after it.
        after: Vec<(Request, Option<u32>)>,
    },
    /// Time passes.
    Wait(u64),
    /// The process is stopped for so long and goes on, with all its timers due.
    Pause(u64),
    /// The process dies after so many more operations of the disks; then it starts again, perhaps
    /// cut off.
    Crash {
        /// When, and what the power takes.
        cut: Cut,
        /// Starts that are cut off, one after the other.
        restarts: Vec<Cut>,
    },
    /// The process stops in order and starts again; the power may go between.
    Stop {
        /// Whether the power goes.
        loss: Option<PowerLoss>,
    },
    /// For a while the process may open only so many more files, and is asked for something; then
    /// the store must heal.
    Short {
        /// Files that it may still open.
        handles: u64,
        /// For how long.
        ms: u64,
        /// What it is asked for.
        requests: Vec<(Request, Option<u32>)>,
    },
    /// For a while reads and writes of all disks fail, of a thousand so many, and the store is
    /// asked for something; then it must heal, if need be by a start that it asks for itself.
    Storm {
        /// Reads and writes that fail, of a thousand.
        per_mille: u32,
        /// For how long.
        ms: u64,
        /// What it is asked for.
        requests: Vec<(Request, Option<u32>)>,
    },
    /// Bytes that are left of every disk, or no limit.
    Room(Option<u64>),
    /// A disk breaks.
    Damage {
        /// Which disk.
        disk: usize,
        /// How.
        damage: Damage,
    },
    /// Every disk is remembered, so that it can come back as it is now.
    Remember,
    /// A bad disk is made good: the operator replaces it, or the fault goes.
    Mend {
        /// Which disk.
        disk: usize,
    },
    /// Waits until the store says that it is healed, as far as its disks permit.
    Heal,
    /// Takes the store at its word: as many disks are lost as it says that it survives.
    Prove,
    /// Loses disks for good, one after the other, as many as the store survives: it must go on.
    Core,
    /// Once scrub was everywhere: what cannot be read must show in the status.
    Confess,
    /// Nobody asks for anything: a store that stands still may not make volumes.
    Rest,
    /// Once nothing changes any more, the process dies, and the power may go: the rows that the
    /// next start finds must be those that there were.
    Replay {
        /// What the power takes, if it goes.
        loss: Option<PowerLoss>,
    },
    /// The wall clock jumps, in seconds.
    Jump(i64),
    /// Reads and compares everything.
    Verify,
    /// Faults end: disks are made good, there is room.
    Calm,
    /// Deletes all objects and uploads.
    Empty,
    /// Waits until nothing happens any more, then looks for what was left behind.
    Tidy,
}
