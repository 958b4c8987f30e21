//! How an operation of a simulated disk runs: as a task of its own, or inside its caller.
//!
//! Either way it takes effect at one moment between its call and its answer, and it takes effect
//! also when its caller goes away. A task costs more, and its effect comes when the scheduler
//! pleases; inside the caller it comes at once, or after some turns of the caller, by seed.

use engine::env::IoFuture;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Sleep;

/// Where operations run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Manner {
    /// Each as a task of its own.
    #[default]
    Task,
    /// Inside the caller; of a thousand, so many only after some turns.
    Inline {
        /// Operations that take turns.
        yield_per_mille: u32,
    },
}

/// When an operation takes effect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delay {
    /// Turns of the caller first.
    pub turns: u32,
    /// Virtual time first.
    pub time: Option<Duration>,
}

type Effect<T> = Box<dyn FnOnce() -> io::Result<T> + Send>;

/// One step of an operation: what it waits for, then what it does.
pub(super) struct Step<T> {
    delay: Delay,
    effect: Effect<T>,
}

impl<T> Step<T> {
    pub(super) fn new(
        delay: Delay,
        effect: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Self {
        Self { delay, effect: Box::new(effect) }
    }
}

/// An operation that takes effect inside its caller, later: its steps, the next one last.
struct Later<T> {
    steps: Vec<Step<T>>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl<T> Future for Later<T> {
    type Output = io::Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let step = self.steps.last_mut().expect("an operation is polled until it is done");
            if step.delay.turns > 0 {
                step.delay.turns -= 1;
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            if let Some(time) = step.delay.time.take() {
                self.sleep = Some(Box::pin(tokio::time::sleep(time)));
            }
            if let Some(sleep) = &mut self.sleep
                && sleep.as_mut().poll(context).is_pending()
            {
                return Poll::Pending;
            }
            self.sleep = None;
            let step = self.steps.pop().expect("looked at just now");
            let result = (step.effect)();
            if result.is_err() || self.steps.is_empty() {
                self.steps.clear();
                return Poll::Ready(result);
            }
        }
    }
}

impl<T> Drop for Later<T> {
    /// What was asked of a disk happens.
    fn drop(&mut self) {
        while let Some(step) = self.steps.pop() {
            if (step.effect)().is_err() {
                return;
            }
        }
    }
}

/// Runs an operation of one step inside its caller.
pub(super) fn run_inline<T: Send + 'static>(
    delay: Delay,
    effect: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> IoFuture<T> {
    if delay == Delay::default() {
        return Box::pin(std::future::ready(effect()));
    }
    run_inline_steps(vec![Step::new(delay, effect)])
}

/// Runs an operation of several steps inside its caller.
pub(super) fn run_inline_steps<T: Send + 'static>(mut steps: Vec<Step<T>>) -> IoFuture<T> {
    steps.reverse();
    Box::pin(Later { steps, sleep: None })
}

/// Runs an operation as a task.
pub(super) fn run_task<T: Send + 'static>(
    steps: Vec<Step<T>>,
    dead: fn() -> io::Error,
) -> IoFuture<T> {
    let task = tokio::spawn(async move {
        let mut last = None;
        for step in steps {
            if let Some(time) = step.delay.time {
                tokio::time::sleep(time).await;
            }
            last = Some((step.effect)()?);
        }
        last.ok_or_else(dead)
    });
    Box::pin(async move { task.await.unwrap_or_else(|_| Err(dead())) })
}
