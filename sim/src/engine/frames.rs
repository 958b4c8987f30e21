//! What a run looks like after every step, for a page that shows it.

use super::run::Run;
use cluster::Node;
use engine::object::DiskStatus;

/// A disk after a step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiskFrame {
    /// How the store says that it is.
    pub state: &'static str,
    /// Whether it holds the metadata.
    pub is_leg: bool,
    /// Whether the simulator broke it and nothing has healed it yet.
    pub is_bad: bool,
    /// Sectors of it whose content is not what it should be.
    pub damaged: usize,
}

/// Everything after a step, or after the end of a life.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// Steps so far, this one included.
    pub step: usize,
    /// Lives of the store before this one.
    pub life: usize,
    /// Virtual milliseconds since the beginning of the run.
    pub at_ms: u64,
    /// What was said of the step: the first line is the step itself.
    pub lines: Vec<String>,
    /// The last operations of the disks while it went on, in order.
    pub operations: Vec<String>,
    /// The disks by place; empty after the end of a life.
    pub disks: Vec<DiskFrame>,
    /// Volumes by how many more members they may lose; `None`: beyond repair.
    pub volumes: Vec<(Option<u32>, u64)>,
    /// Whether a life ended here.
    pub is_end: bool,
    /// The promise that was broken here.
    pub violation: Option<String>,
}

impl Run {
    fn begin_frame(&self) -> Frame {
        let known: usize = self.frames.iter().map(|frame| frame.lines.len()).sum();
        let life = self.frames.iter().filter(|frame| frame.is_end).count();
        let at_ms = self.counts.virtual_ms + self.life_ms;
        let operations = self.world.machine.notes();
        let step = self.counts.steps as usize;
        let lines = self.log.lines_from(known);
        Frame { step, life, at_ms, lines, operations, ..Frame::default() }
    }

    /// A step is over.
    pub(super) fn frame(&mut self, node: &Node) {
        if !self.log.has_frames() {
            return;
        }
        let mut frame = self.begin_frame();
        let (disks, volumes) = node.glance();
        frame.disks = self.disk_frames(&disks);
        frame.volumes = volumes.iter().map(|at| (at.margin, at.count)).collect();
        self.frames.push(frame);
    }

    /// A life is over.
    pub(super) fn frame_end(&mut self, violation: Option<String>) {
        if self.log.has_frames() {
            let frame = self.begin_frame();
            self.frames.push(Frame { is_end: true, violation, ..frame });
        }
    }

    fn disk_frames(&self, told: &[DiskStatus]) -> Vec<DiskFrame> {
        let disks = self.world.disks.iter().enumerate();
        let frame = |(index, disk): (usize, &crate::disk::SimDisk)| {
            let place = format!("/disk{index}");
            let told = told.iter().find(|disk| disk.place == place);
            DiskFrame {
                state: told.map_or("unknown", |disk| disk.state.word()),
                is_leg: told.is_some_and(|disk| disk.is_leg),
                is_bad: self.nemesis.bad.contains_key(&index),
                damaged: disk.damaged_count(),
            }
        };
        disks.map(frame).collect()
    }

    /// How the disks are now, in a few words.
    pub(super) fn situation(&self) -> String {
        format!("{}{}", self.disks_in_words(), self.shards)
    }

    /// A promise was broken: how many members the volumes may still lose, as the store sees it.
    pub(super) fn note_shards(&mut self, node: &Node) {
        for at in node.glance().1 {
            let members = match at.margin {
                Some(margin) => format!("may lose {margin} more members"),
                None => "have too few members".to_owned(),
            };
            self.shards += &format!("; {} volumes {members}", at.count);
        }
    }

    fn disks_in_words(&self) -> String {
        let seconds = (self.counts.virtual_ms + self.life_ms) as f64 / 1000.0;
        let mut situation = format!(
            "at {seconds:.1} s, step {}: {} of {} disks are bad, {} may be",
            self.counts.steps,
            self.nemesis.bad.len(),
            self.world.disks.len(),
            self.nemesis.margin
        );
        for (index, disk) in self.world.disks.iter().enumerate() {
            let damage = self.nemesis.bad.get(&index).map(|bad| &bad.lasting);
            let sectors = disk.damaged_count();
            if damage.is_some() || sectors > 0 {
                let lasting = damage.map(|damage| format!("{damage:?}")).unwrap_or_default();
                situation += &format!("; disk {index}: {sectors} damaged sectors {lasting}");
            }
        }
        situation
    }
}
