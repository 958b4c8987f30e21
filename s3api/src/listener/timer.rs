//! Time as hyper and our own bodies need it, on the clock of `tokio`, which the simulator replaces.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use tokio::time::Sleep;

/// Monotonic now, for durations.
#[cfg_attr(
    madsim,
    expect(clippy::disallowed_methods, reason = "the simulator's Instant is the one of std")
)]
pub fn now() -> Instant {
    #[cfg(madsim)]
    return tokio::time::Instant::now();
    #[cfg(not(madsim))]
    return tokio::time::Instant::now().into_std();
}

/// Timers for hyper.
#[derive(Clone, Debug)]
pub struct HyperTimer;

struct HyperSleep(Pin<Box<Sleep>>);

impl Future for HyperSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(context)
    }
}

impl hyper::rt::Sleep for HyperSleep {}

impl hyper::rt::Timer for HyperTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn hyper::rt::Sleep>> {
        Box::pin(HyperSleep(Box::pin(tokio::time::sleep(duration))))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn hyper::rt::Sleep>> {
        self.sleep(deadline.saturating_duration_since(self.now()))
    }

    fn now(&self) -> Instant {
        now()
    }
}

/// Whether the current task may still go on; the simulator knows no budget.
fn has_budget() -> bool {
    #[cfg(madsim)]
    return true;
    #[cfg(not(madsim))]
    tokio::task::coop::has_budget_remaining()
}

/// Fires when a wait lasts too long. Costs nothing while things happen: a sleep is made at the
/// first wait and set again only when it ends.
pub struct IdleTimer {
    timeout: Duration,
    waiting_since: Option<Instant>,
    sleep: Option<(Pin<Box<Sleep>>, Option<Waker>)>,
}

impl IdleTimer {
    /// Fires after a wait of `timeout`.
    pub fn new(timeout: Duration) -> Self {
        Self { timeout, waiting_since: None, sleep: None }
    }

    /// The wait is over; returns how long it was.
    pub fn progress(&mut self) -> Duration {
        let since = self.waiting_since.take();
        since.map_or(Duration::ZERO, |since| now().saturating_duration_since(since))
    }

    /// Waits; ready when this wait lasted for the whole timeout.
    pub fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let since = *self.waiting_since.get_or_insert_with(now);
        let mut rest = self.timeout;
        loop {
            let (sleep, waker) =
                self.sleep.get_or_insert_with(|| (Box::pin(tokio::time::sleep(rest)), None));
            // Each poll of a simulated sleep adds an entry to the simulator's heap: one per waker
            // is enough.
            let is_known = waker.as_ref().is_some_and(|known| known.will_wake(context.waker()));
            if is_known && !sleep.is_elapsed() {
                return Poll::Pending;
            }
            let polled = sleep.as_mut().poll(context);
            if polled.is_pending() {
                // A task out of its budget is told to wait without being registered; it is polled
                // again at once, and must ask again then.
                *waker = has_budget().then(|| context.waker().clone());
                return Poll::Pending;
            }
            // The sleep may be left over from an earlier wait.
            self.sleep = None;
            rest = self.timeout.saturating_sub(now().saturating_duration_since(since));
            if rest.is_zero() {
                return Poll::Ready(());
            }
        }
    }
}
