//! The generator.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use switchd::{TRAFFIC_BATCH, TrafficSocket};

use super::{Addresses, Header, now};

/// How often a paced stream sends: frames due since the last time go as one burst.
const TICK: Duration = Duration::from_micros(50);

/// How fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// As fast as this machine makes frames.
    FlatOut,
    /// Frames a second.
    PerSecond(u64),
}

/// Frames to send.
#[derive(Clone, Copy, Debug)]
pub struct Stream {
    /// Its number.
    pub number: u32,
    /// Where from.
    pub source: Addresses,
    /// Where to; if there are several, frames go to each in turn.
    pub destination: Addresses,
    /// Octets of a frame.
    pub length: usize,
    /// How fast.
    pub rate: Rate,
    /// How long, at most.
    pub time: Duration,
    /// How many, at most.
    pub frames: u64,
}

/// What was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Frames offered: those sent, and those the device had no room for.
    pub offered: u64,
    /// Of those, frames the device had no room for.
    pub refused: u64,
    /// From the first to behind the last.
    pub elapsed: Duration,
}

impl Sent {
    /// Frames a second offered.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.offered as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }
}

/// Sends `stream` from this thread until it is done or `stop` says so.
///
/// # Errors
/// When the interface is down or gone, or frames are longer than its MTU.
pub fn send(socket: &TrafficSocket, stream: &Stream, stop: &AtomicBool) -> io::Result<Sent> {
    let mut frames = vec![0; stream.length * TRAFFIC_BATCH];
    let begin = Instant::now();
    let mut sent = Sent {
        offered: 0,
        refused: 0,
        elapsed: Duration::ZERO,
    };
    while sent.offered < stream.frames && !stop.load(Ordering::Relaxed) {
        let elapsed = begin.elapsed();
        if elapsed >= stream.time {
            break;
        }
        let due = stream.rate.due(elapsed).min(stream.frames) - sent.offered;
        let count = usize::try_from(due)
            .unwrap_or(usize::MAX)
            .min(TRAFFIC_BATCH);
        if count == 0 {
            std::thread::sleep(TICK);
            continue;
        }
        let batch = &mut frames[..count * stream.length];
        write(batch, stream, sent.offered);
        push(socket, batch, stream.length, &mut sent)?;
    }
    sent.elapsed = begin.elapsed();
    Ok(sent)
}

impl Rate {
    /// How many frames should have been sent by now; at a rate, the first is due at once.
    fn due(self, elapsed: Duration) -> u64 {
        match self {
            Self::FlatOut => u64::MAX,
            Self::PerSecond(rate) => {
                let due = elapsed.as_nanos() * u128::from(rate) / 1_000_000_000;
                u64::try_from(due).unwrap_or(u64::MAX).saturating_add(1)
            }
        }
    }
}

/// Writes frames from number `first` on.
fn write(batch: &mut [u8], stream: &Stream, first: u64) {
    let time = now();
    for (sequence, frame) in (first..).zip(batch.chunks_exact_mut(stream.length)) {
        let header = Header {
            stream: stream.number,
            sequence,
            time,
        };
        header.write(
            frame,
            stream.destination.nth(sequence),
            stream.source.nth(sequence),
        );
    }
}

fn push(
    socket: &TrafficSocket,
    mut batch: &[u8],
    length: usize,
    sent: &mut Sent,
) -> io::Result<()> {
    while !batch.is_empty() {
        let taken = match socket.send(batch, length) {
            Ok(taken) => taken.max(1),
            Err(error) if no_room(&error) => {
                sent.refused += 1;
                1
            }
            Err(error) => return Err(error),
        };
        sent.offered += taken as u64;
        batch = &batch[taken * length..];
    }
    Ok(())
}

/// The device's queue is full: this frame is lost, the next may not be.
fn no_room(error: &io::Error) -> bool {
    const ENOBUFS: i32 = nix::errno::Errno::ENOBUFS as i32;
    error.raw_os_error() == Some(ENOBUFS) || error.kind() == io::ErrorKind::WouldBlock
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paced_stream_is_never_ahead_of_its_rate() {
        let rate = Rate::PerSecond(20_000);
        assert_eq!(rate.due(Duration::ZERO), 1);
        assert_eq!(rate.due(Duration::from_micros(49)), 1);
        assert_eq!(rate.due(Duration::from_micros(50)), 2);
        assert_eq!(rate.due(Duration::from_secs(1)), 20_001);
    }

    #[test]
    fn frames_of_a_batch_are_numbered_and_addressed_in_turn() {
        let stream = Stream {
            number: 5,
            source: Addresses::many(1, 3),
            destination: Addresses::station(2),
            length: 64,
            rate: Rate::FlatOut,
            time: Duration::MAX,
            frames: u64::MAX,
        };
        let mut batch = [0; 128];
        write(&mut batch, &stream, 2);
        for (frame, sequence) in batch.chunks_exact(64).zip([2, 3]) {
            let header = Header::read(frame).unwrap();
            assert_eq!((header.stream, header.sequence), (5, sequence));
            assert_eq!(frame[6..12], stream.source.nth(sequence));
        }
    }
}
