//! How requests are asked: all at once, on different keys or on one, some after others.

use super::asked::is_write;
use super::client::{Answer, Call, perform};
use super::life::ANSWER_MAX;
use super::model::Model;
use super::plan::{Request, Slot};
use super::race::RACE_MAX;
use super::run::{Flight, Run};
use crate::disk::Fault;
use cluster::Node;
use futures_util::future::{join, join_all};
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

/// Requests, each with the turns after which its client goes away.
pub(super) type Requests = Vec<(Request, Option<u32>)>;

impl Run {
    /// Asks all at once, on one key, others once the last of those is answered, and judges the
    /// answers together.
    pub(super) async fn race(
        &mut self,
        node: &Node,
        (requests, after): (Requests, Requests),
    ) -> Result<(), String> {
        let first_count = requests.len();
        let requests: Requests = requests.into_iter().chain(after).take(RACE_MAX).collect();
        let Some(slot) = slot_of(&requests, &self.model) else { return Ok(()) };
        let (mut flights, mut late_count) = (Vec::new(), 0);
        for (number, (request, patience)) in requests.into_iter().enumerate() {
            if let Some(call) = Call::new(request, patience, &self.model) {
                late_count += usize::from(number >= first_count);
                flights.push(Flight::new(call));
            }
        }
        self.race = Some(slot);
        self.ask_in_turn(node, flights, late_count).await.map(drop)
    }

    pub(super) async fn ask_all(
        &mut self,
        node: &Node,
        flights: Vec<Flight>,
    ) -> Result<Vec<Answer>, String> {
        self.ask_in_turn(node, flights, 0).await
    }

    /// Asks all at once, but for the last ones: those are asked when the one before them is
    /// answered.
    async fn ask_in_turn(
        &mut self,
        node: &Node,
        flights: Vec<Flight>,
        late_count: usize,
    ) -> Result<Vec<Answer>, String> {
        self.begin_asking();
        let flights = Rc::new(flights);
        self.in_flight = flights.clone();
        let (store, seed) = (self.store(node), self.seed);
        let moment = Cell::new(0);
        let next_moment = || {
            moment.set(moment.get() + 1);
            moment.get()
        };
        let asks = flights.iter().map(|flight| async {
            flight.begin.set(next_moment());
            let ask = pin!(perform(&store, seed, &flight.call));
            let answer = match flight.call.patience {
                None => ask.await,
                Some(turns) => impatient(ask, turns).await.unwrap_or(Answer::Dropped),
            };
            flight.end.set(next_moment());
            *flight.answer.borrow_mut() = Some(answer);
        });
        let process = self.world.machine.incarnation();
        let asking = in_turn(asks.collect(), late_count);
        let is_answered = tokio::time::timeout(ANSWER_MAX, asking).await.is_ok();
        if self.world.machine.incarnation() != process {
            std::future::pending::<()>().await;
        }
        self.in_flight = Rc::default();
        let answers = flights.iter().map(|flight| flight.answer.borrow_mut().take());
        let mut answers: Vec<Answer> =
            answers.map(|answer| answer.unwrap_or(Answer::Hung)).collect();
        let is_told = answers.iter().any(|answer| matches!(answer, Answer::Died));
        assert!(is_answered || !is_told, "only the judge says so");
        self.lose_answers(&flights, &mut answers);
        self.judge_all(&flights, &answers)?;
        Ok(answers)
    }

    /// Some answers to writes never arrive.
    fn lose_answers(&mut self, flights: &[Flight], answers: &mut [Answer]) {
        for (flight, answer) in flights.iter().zip(answers) {
            let is_lost = self.nemesis.random.chance(self.profile.lost_per_mille);
            if is_lost && is_write(&flight.call.request) && !matches!(answer, Answer::Hung) {
                *answer = Answer::Lost;
                self.nemesis.counts.strike(Fault::AnswerLost);
            }
        }
    }
}

/// The key that all those requests are about.
fn slot_of(requests: &[(Request, Option<u32>)], model: &Model) -> Option<Slot> {
    requests.iter().find_map(|(request, _)| match request {
        Request::Put { slot, .. }
        | Request::Append { slot, .. }
        | Request::Annotation { slot, .. }
        | Request::Delete { slot, .. }
        | Request::Get { slot, .. }
        | Request::GetVersion(slot, _)
        | Request::DeleteVersion(slot, _)
        | Request::Head(slot) => Some(*slot),
        Request::Complete { upload, .. }
        | Request::Abort(upload)
        | Request::PutPart { upload, .. } => model.uploads.get(*upload).map(|upload| upload.slot),
        _ => None,
    })
}

/// All at once, but for the last ones, which wait for the one before them.
async fn in_turn(mut asks: Vec<impl Future<Output = ()>>, late_count: usize) {
    if late_count == 0 {
        join_all(asks).await;
        return;
    }
    let late = asks.split_off(asks.len() - late_count);
    let last = asks.pop();
    let last_then_late = async {
        join_all(last).await;
        join_all(late).await;
    };
    join(join_all(asks), last_then_late).await;
}

/// Polls so many times at most.
async fn impatient<T>(
    mut future: std::pin::Pin<&mut impl Future<Output = T>>,
    turns: u32,
) -> Option<T> {
    let mut left = turns;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}
