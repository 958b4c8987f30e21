//! What is told of sequences: kinds of failures, and sums.

use super::run::Counts;
use super::stored::check_of;
use crate::disk::Fault;

/// What kind of promise was broken; the exit code of the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// A class of faults, or a required coverage mark, that was never met: the runs say nothing.
    Coverage = 10,
    /// More of something than there may be: files, handles, tasks, space (K11, K18).
    Bounds = 11,
    /// The same seed did something else (K15).
    Determinism = 12,
    /// Something did not happen in time (K9, K10).
    Liveness = 13,
    /// A panic (K17).
    Panic = 14,
    /// A wrong answer, or something acknowledged that is gone: any other check.
    Correctness = 15,
}

impl Kind {
    /// The kind of a broken promise.
    pub fn of(violation: &str) -> Self {
        match check_of(violation) {
            "K9" | "K10" => Self::Liveness,
            "K11" | "K18" => Self::Bounds,
            "K15" => Self::Determinism,
            "K17" => Self::Panic,
            _ => Self::Correctness,
        }
    }
}

/// Prints sums, and each class of faults that was made. Returns whether each was also met.
pub fn print_counts(counts: &Counts) -> bool {
    println!(
        "  steps {}, answered {}, unanswered {}, crashes {}, power losses {}, disk operations {}, \
         virtual hours {:.1}, without an effective fault {}, refused to start {}",
        counts.steps,
        counts.answered,
        counts.unanswered,
        counts.crashes,
        counts.power_losses,
        counts.disk_operations,
        counts.virtual_hours(),
        counts.idle,
        counts.refused
    );
    let mut are_all_met = true;
    for (fault, name) in Fault::ALL {
        let injected = counts.faults.injected[fault as usize];
        let effective = counts.faults.effective[fault as usize];
        if injected > 0 {
            println!("  {name}: injected {injected}, effective {effective}");
        }
        // Few may miss by chance; a class that always does tests nothing.
        are_all_met &= injected < 100 || effective > 0;
    }
    are_all_met
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_has_its_kind() {
        let kinds = ["K4: gone", "K9: slow", "K11: left", "K15: differs", "K17: panicked", "odd"];
        let kinds = kinds.map(Kind::of);
        let expected = [
            Kind::Correctness,
            Kind::Liveness,
            Kind::Bounds,
            Kind::Determinism,
            Kind::Panic,
            Kind::Correctness,
        ];
        assert_eq!(kinds, expected);
    }
}
