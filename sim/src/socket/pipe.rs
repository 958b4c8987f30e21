//! One direction of a connection: packets on their way, each with the moment of its arrival.

use super::Trouble;
use std::collections::VecDeque;
use std::task::Waker;
use std::time::Duration;
use tokio::io::ReadBuf;
use tokio::time::Instant;

/// Bytes on their way at most: more wait with their sender.
const CAPACITY: usize = 64 << 10;

/// Bytes of a packet at most.
const PACKET_LEN_MAX: usize = 16 << 10;

struct Packet {
    arrival: Instant,
    bytes: Vec<u8>,
    /// Bytes of it that were read.
    read_len: usize,
}

#[derive(Default)]
pub(super) struct Pipe {
    packets: VecDeque<Packet>,
    /// Bytes on their way.
    len: usize,
    /// Bytes that were ever sent.
    pub(super) written: u64,
    /// Nothing arrives before.
    held_until: Option<Instant>,
    pub(super) trouble: Option<(u64, Trouble)>,
    pub(super) latency_ms_max: u64,
    /// Bytes a second, if there is a limit.
    pub(super) rate: Option<u64>,
    /// Nothing more is sent.
    pub(super) is_closed: bool,
    /// Nobody reads any more.
    pub(super) is_abandoned: bool,
    pub(super) reader: Option<Waker>,
    pub(super) writer: Option<Waker>,
}

impl Pipe {
    /// Bytes that may be sent in one packet now.
    pub(super) fn room(&self) -> usize {
        (CAPACITY - self.len).min(PACKET_LEN_MAX)
    }

    /// Nothing more arrives for so long.
    pub(super) fn hold(&mut self, time: Duration) {
        let until = Instant::now() + time;
        self.held_until = Some(self.held_until.map_or(until, |held| held.max(until)));
    }

    /// Sends a packet; packets keep their order.
    pub(super) fn send(&mut self, bytes: Vec<u8>, latency: Duration) {
        self.written += bytes.len() as u64;
        self.len += bytes.len();
        let begin = self.held_until.map_or(Instant::now(), |held| held.max(Instant::now()));
        let ms = self.rate.map_or(0, |rate| bytes.len() as u64 * 1000 / rate.max(1));
        let arrival = begin + latency + Duration::from_millis(ms);
        self.held_until = Some(arrival);
        self.packets.push_back(Packet { arrival, bytes, read_len: 0 });
        self.reader.take().into_iter().for_each(Waker::wake);
    }

    /// When the next packet arrives.
    pub(super) fn arrival(&self) -> Option<Instant> {
        self.packets.front().map(|packet| packet.arrival)
    }

    /// Takes what fits of the next packet.
    pub(super) fn receive(&mut self, buffer: &mut ReadBuf<'_>) {
        let Some(packet) = self.packets.front_mut() else { return };
        let rest = &packet.bytes[packet.read_len..];
        let len = rest.len().min(buffer.remaining());
        buffer.put_slice(&rest[..len]);
        packet.read_len += len;
        self.len -= len;
        if packet.read_len == packet.bytes.len() {
            self.packets.pop_front();
        }
        self.writer.take().into_iter().for_each(Waker::wake);
    }

    pub(super) fn close(&mut self) {
        self.is_closed = true;
        self.reader.take().into_iter().for_each(Waker::wake);
    }

    pub(super) fn abandon(&mut self) {
        self.is_abandoned = true;
        self.writer.take().into_iter().for_each(Waker::wake);
    }

    /// Whoever waits looks again.
    pub(super) fn wake(&mut self) {
        let waiting = [self.reader.take(), self.writer.take()];
        waiting.into_iter().flatten().for_each(Waker::wake);
    }
}
