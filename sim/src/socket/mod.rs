//! Connections without a network: two ends that pass bytes to each other on the clock of `tokio`,
//! as TCP would, and what goes wrong with them.
//!
//! - T1: bytes arrive whole and in order, or the connection breaks; only a corrupt byte is worse,
//!   and is told apart ([`Link::is_troubled`]).
//! - T2: a connection that was never troubled never breaks by itself: whoever meets an error on one
//!   has found a bug.
//! - T3: an end that is dropped closes its direction and abandons the other one.

mod pipe;

use crate::disk::{Fault, FaultCounts};
use crate::random::Random;
use pipe::Pipe;
use serde::{Deserialize, Serialize};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// A retransmission after the first loss of a packet.
const RETRANSMISSION_MS: u64 = 200;

/// Stillness that nobody has to bear.
const STILL_MS_MAX: u64 = 30_000;

/// What connections are like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weather {
    /// Longest usual time of a packet in milliseconds.
    pub latency_ms_max: u64,
    /// Exchanges, of a thousand, that something happens to.
    pub trouble_per_mille: u32,
    /// Exchanges, of a thousand, that go by a few thousand bytes a second.
    pub slow_per_mille: u32,
    /// Connections, of a thousand, that are refused.
    pub refused_per_mille: u32,
}

/// What happens when a certain byte passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    /// Its packet is lost so many times, and sent again.
    Loss(u32),
    /// Nothing passes in this direction for so many milliseconds.
    Clog(u64),
    /// Nothing passes any more, in either direction, and nobody is told.
    Sever,
    /// Both ends are told that the connection is gone, at once.
    Reset,
    /// One of its bits is another one.
    Corrupt(u8),
}

impl Trouble {
    fn fault(self) -> Fault {
        match self {
            Self::Loss(_) => Fault::PacketLost,
            Self::Clog(_) => Fault::Clogged,
            Self::Sever => Fault::Severed,
            Self::Reset => Fault::Reset,
            Self::Corrupt(_) => Fault::Corrupted,
        }
    }

    /// Whether whoever meets it may give up.
    fn is_excuse(self) -> bool {
        match self {
            Self::Loss(_) => false,
            Self::Clog(ms) => ms > STILL_MS_MAX,
            Self::Sever | Self::Reset | Self::Corrupt(_) => true,
        }
    }
}

struct Inner {
    random: Random,
    weather: Weather,
    /// Whether anything may happen just now.
    is_wild: bool,
    counts: FaultCounts,
}

/// Where connections are made.
#[derive(Clone)]
pub struct Network(Arc<Mutex<Inner>>);

impl Network {
    /// A calm one.
    pub fn new(weather: Weather) -> Self {
        let (random, counts) = (Random::new(0, "network"), FaultCounts::default());
        Self(Arc::new(Mutex::new(Inner { random, weather, is_wild: false, counts })))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is drawn from now on, and whether anything may happen.
    pub fn reseed(&self, random: Random, is_wild: bool) {
        let mut inner = self.inner();
        (inner.random, inner.is_wild) = (random, is_wild);
    }

    /// What happened so far.
    pub fn counts(&self) -> FaultCounts {
        self.inner().counts
    }

    /// Connects: the client's end, the server's, and what both share.
    ///
    /// # Errors
    /// `ConnectionRefused`, now and then.
    pub fn connect(&self) -> io::Result<(Socket, Socket, Link)> {
        let mut inner = self.inner();
        let refused = inner.weather.refused_per_mille;
        if inner.is_wild && inner.random.chance(refused) {
            inner.counts.strike(Fault::Refused);
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        drop(inner);
        let shared = Shared { pipes: Default::default(), state: State::Open, is_troubled: false };
        let link = Link { shared: Arc::new(Mutex::new(shared)), network: self.clone() };
        let end = |side| Socket { link: link.clone(), side, sleep: None };
        Ok((end(Side::Client), end(Side::Server), link))
    }
}

/// An end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Client = 0,
    Server = 1,
}

impl Side {
    fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Severed,
    Reset,
}

struct Shared {
    /// What each side sends.
    pipes: [Pipe; 2],
    state: State,
    is_troubled: bool,
}

/// A connection, as seen by whoever makes trouble.
#[derive(Clone)]
pub struct Link {
    shared: Arc<Mutex<Shared>>,
    network: Network,
}

impl Link {
    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether something happened that excuses every error on this connection.
    pub fn is_troubled(&self) -> bool {
        self.shared().is_troubled
    }

    /// Whether the server read everything that the client sent.
    pub fn is_taken(&self) -> bool {
        self.shared().pipes[Side::Client as usize].arrival().is_none()
    }

    /// A request begins: draws what happens to it. Bits of it change only if it `is_signed` as a
    /// whole: nobody else would notice.
    pub fn begin_exchange(&self, is_signed: bool) {
        let mut inner = self.network.inner();
        let Inner { random, weather, is_wild, .. } = &mut *inner;
        let mut shared = self.shared();
        for pipe in &mut shared.pipes {
            pipe.trouble = None;
            pipe.latency_ms_max = weather.latency_ms_max;
            pipe.rate = None;
        }
        if !*is_wild {
            return;
        }
        if random.chance(weather.slow_per_mille) {
            shared.pipes[random.index(2)].rate = Some(random.range(2000..20_000));
            inner.counts.strike(Fault::SlowPeer);
        } else if random.chance(weather.trouble_per_mille) {
            let side = random.index(2);
            let trouble = match random.below(10) {
                0 | 1 => Trouble::Loss(random.range(1..5) as u32),
                2 | 3 => Trouble::Clog(random.skewed(90_000)),
                4 | 5 => Trouble::Sever,
                6 if is_signed && side == Side::Client as usize => {
                    Trouble::Corrupt(random.below(8) as u8)
                }
                _ => Trouble::Reset,
            };
            let at = random.skewed(8000) - 1;
            let pipe = &mut shared.pipes[side];
            pipe.trouble = Some((pipe.written + at, trouble));
        }
    }
}

/// One end.
pub struct Socket {
    link: Link,
    side: Side,
    /// Until the next packet arrives.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Socket {
    /// The trouble of a piece that is being sent, if it is due in it; with its place.
    fn meet(&self, shared: &mut Shared, len: usize) -> Option<(usize, Trouble)> {
        let pipe = &mut shared.pipes[self.side as usize];
        let (at, trouble) = pipe.trouble?;
        let place = usize::try_from(at.saturating_sub(pipe.written)).ok()?;
        if place >= len {
            return None;
        }
        pipe.trouble = None;
        shared.is_troubled |= trouble.is_excuse();
        self.link.network.inner().counts.strike(trouble.fault());
        Some((place, trouble))
    }

    fn latency(&self, ms_max: u64) -> Duration {
        if ms_max == 0 {
            return Duration::ZERO;
        }
        let mut inner = self.link.network.inner();
        inner.counts.strike(Fault::Delayed);
        Duration::from_millis(inner.random.skewed(ms_max))
    }

    fn send(&self, shared: &mut Shared, mut bytes: Vec<u8>) -> io::Result<()> {
        let met = self.meet(shared, bytes.len());
        let pipe = &mut shared.pipes[self.side as usize];
        match met {
            None => {}
            Some((_, Trouble::Loss(times))) => {
                let ms = RETRANSMISSION_MS * ((1 << times) - 1);
                pipe.hold(Duration::from_millis(ms));
            }
            Some((_, Trouble::Clog(ms))) => pipe.hold(Duration::from_millis(ms)),
            Some((place, Trouble::Corrupt(bit))) => bytes[place] ^= 1 << bit,
            Some((_, Trouble::Sever)) => shared.state = State::Severed,
            Some((_, Trouble::Reset)) => {
                shared.state = State::Reset;
                shared.pipes.iter_mut().for_each(Pipe::wake);
                return Err(io::ErrorKind::ConnectionReset.into());
            }
        }
        let pipe = &mut shared.pipes[self.side as usize];
        let latency = self.latency(pipe.latency_ms_max);
        pipe.send(bytes, latency);
        Ok(())
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let link = self.link.clone();
        loop {
            let mut shared = link.shared();
            match shared.state {
                State::Open => {}
                State::Severed => return Poll::Pending,
                State::Reset => return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            }
            let pipe = &mut shared.pipes[self.side.other() as usize];
            let arrival = match pipe.arrival() {
                Some(arrival) if arrival <= Instant::now() => {
                    pipe.receive(buffer);
                    self.sleep = None;
                    return Poll::Ready(Ok(()));
                }
                Some(arrival) => arrival,
                None if pipe.is_closed => return Poll::Ready(Ok(())),
                None => {
                    pipe.reader = Some(context.waker().clone());
                    return Poll::Pending;
                }
            };
            drop(shared);
            let sleep =
                self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(arrival)));
            if sleep.deadline() != arrival {
                sleep.as_mut().reset(arrival);
            }
            if sleep.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            self.sleep = None;
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut shared = self.link.shared();
        if shared.state == State::Reset {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let pipe = &mut shared.pipes[self.side as usize];
        if pipe.is_abandoned {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let len = bytes.len().min(pipe.room());
        if len == 0 && !bytes.is_empty() {
            pipe.writer = Some(context.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(self.send(&mut shared, bytes[..len].to_vec()).map(|()| len))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.link.shared().pipes[self.side as usize].close();
        Poll::Ready(Ok(()))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let mut shared = self.link.shared();
        shared.pipes[self.side as usize].close();
        shared.pipes[self.side.other() as usize].abandon();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    const CALM: Weather = Weather {
        latency_ms_max: 0,
        trouble_per_mille: 0,
        slow_per_mille: 0,
        refused_per_mille: 0,
    };

    /// Ends of a connection on which that happens with the fourth byte from the client.
    fn troubled(trouble: Trouble) -> (Socket, Socket, Link) {
        let (client, server, link) = Network::new(CALM).connect().unwrap();
        link.shared().pipes[0].trouble = Some((3, trouble));
        (client, server, link)
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_arrive_in_order_after_their_time() {
        let network = Network::new(Weather { latency_ms_max: 900, ..CALM });
        let (mut client, mut server, link) = network.connect().unwrap();
        link.begin_exchange(true);
        let begin = Instant::now();
        let sent: Vec<u8> = (0..200_000u32).map(|number| number as u8).collect();
        let copy = sent.clone();
        let sending = tokio::spawn(async move { client.write_all(&copy).await });
        let mut received = Vec::new();
        server.read_to_end(&mut received).await.unwrap();
        sending.await.unwrap().unwrap();
        assert!(received == sent && begin.elapsed() > Duration::ZERO && !link.is_troubled());
        assert!(network.counts().effective[Fault::Delayed as usize] > 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reset_is_told_to_both_and_a_cut_to_nobody() {
        let (mut client, mut server, link) = troubled(Trouble::Reset);
        assert_eq!(client.write(b"abcdef").await.unwrap_err().kind(), reset());
        assert_eq!(server.read(&mut [0; 9]).await.unwrap_err().kind(), reset());
        assert!(link.is_troubled());
        let (mut client, mut server, link) = troubled(Trouble::Sever);
        client.write_all(b"abcdef").await.unwrap();
        let waiting = tokio::time::timeout(Duration::from_secs(999), server.read_u8()).await;
        assert!(waiting.is_err() && link.is_troubled());
    }

    fn reset() -> io::ErrorKind {
        io::ErrorKind::ConnectionReset
    }

    #[tokio::test(start_paused = true)]
    async fn loss_and_clogs_cost_time_and_a_corrupt_byte_is_told_apart() {
        let begin = Instant::now();
        let (mut client, mut server, link) = troubled(Trouble::Loss(2));
        client.write_all(b"abcdef").await.unwrap();
        assert_eq!(server.read_u8().await.unwrap(), b'a');
        assert_eq!(begin.elapsed().as_millis(), 600);
        assert!(!link.is_troubled());
        let (mut client, mut server, _) = troubled(Trouble::Clog(7000));
        client.write_all(b"abcdef").await.unwrap();
        assert_eq!(server.read_u8().await.unwrap(), b'a');
        assert_eq!(begin.elapsed().as_millis(), 7600);
        let (mut client, mut server, link) = troubled(Trouble::Corrupt(0));
        client.write_all(b"abcdef").await.unwrap();
        let mut bytes = [0; 6];
        server.read_exact(&mut bytes).await.unwrap();
        assert!(bytes == *b"abceef" && link.is_troubled());
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_sent_is_taken_once_it_is_read_to_its_end() {
        let (mut client, mut server, link) = Network::new(CALM).connect().unwrap();
        assert!(link.is_taken());
        client.write_all(b"ab").await.unwrap();
        assert_eq!(server.read_u8().await.unwrap(), b'a');
        assert!(!link.is_taken());
        assert_eq!(server.read_u8().await.unwrap(), b'b');
        assert!(link.is_taken());
    }

    #[tokio::test(start_paused = true)]
    async fn an_end_that_is_dropped_is_noticed() {
        let (mut client, server, _) = Network::new(CALM).connect().unwrap();
        drop(server);
        assert_eq!(client.write(b"a").await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(client.read(&mut [0; 9]).await.unwrap(), 0);
    }
}
