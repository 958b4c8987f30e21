//! Deliberate bugs of this crate, to prove that the simulator would notice them. Built only under
//! `--cfg mutants`.

/// One deliberate bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Mutant {
    /// Bodies stay as they are, in packages.
    SealNothing = 1,
}

#[cfg(mutants)]
static CHOSEN: std::sync::atomic::AtomicU8 = std::sync::atomic::AtomicU8::new(0);

/// Chooses the bug that this process has from now on, or none.
#[cfg(mutants)]
pub fn set(mutant: Option<Mutant>) {
    let chosen = mutant.map_or(0, |mutant| mutant as u8);
    CHOSEN.store(chosen, std::sync::atomic::Ordering::Relaxed);
}

/// Whether this process has that bug.
#[cfg(mutants)]
pub(crate) fn is(mutant: Mutant) -> bool {
    CHOSEN.load(std::sync::atomic::Ordering::Relaxed) == mutant as u8
}

/// Whether this process has that bug: never, in this build.
#[cfg(not(mutants))]
pub(crate) const fn is(_mutant: Mutant) -> bool {
    false
}
