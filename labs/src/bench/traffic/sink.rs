//! The sink: a thread that reads what arrives of a stream.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use switchd::{TRAFFIC_BATCH, TrafficSocket};

use super::frame::{ETHER_TYPE, SEQUENCE_LOW};
use super::{Header, Tally, now};
use crate::netns::Namespace;

/// Octets read of each frame: the header is in them.
const STRIDE: usize = 64;
/// How long the sink may take to notice that it is to stop, in milliseconds.
const PATIENCE_MS: u8 = 10;
/// How often a sink that takes samples looks.
const NOW_AND_THEN: Duration = Duration::from_millis(5);

/// Which frames a sink reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// All, as they come: latencies are right.
    All,
    /// One of so many, a power of two, by sequence number, now and then: the kernel throws the others away before they
    /// cost much, and nobody is woken. Latencies are wrong.
    OneOf(u32),
}

/// A running sink.
#[derive(Debug)]
pub struct Sink {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Tally>>,
}

impl Sink {
    /// Starts reading frames of stream `number` at interface `index` of `namespace`.
    ///
    /// # Errors
    /// When there is no such interface or no socket to be had.
    pub fn start(
        namespace: &Namespace,
        index: u32,
        number: u32,
        reading: Reading,
    ) -> io::Result<Self> {
        let opened = namespace.run(|| TrafficSocket::receiver(index, ETHER_TYPE));
        let socket = opened.map_err(|error| error.source)??;
        if let Reading::OneOf(step) = reading {
            socket.sample(SEQUENCE_LOW, step.max(1).next_power_of_two() - 1)?;
        }
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("sink".to_owned())
            .spawn(move || read(&socket, number, reading, &told))?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }

    /// Lets it stop once nothing is left to read: for several at once, before each is [finished](Self::finish).
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Stops once nothing is left to read; what came.
    ///
    /// # Panics
    /// When the thread did.
    #[must_use]
    pub fn finish(mut self) -> Tally {
        self.stop();
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(tally)) => tally,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => Tally::new(),
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.stop();
    }
}

fn read(socket: &TrafficSocket, number: u32, reading: Reading, stop: &AtomicBool) -> Tally {
    let mut tally = Tally::new();
    let mut places = vec![0; STRIDE * TRAFFIC_BATCH];
    let mut lengths = [0; TRAFFIC_BATCH];
    loop {
        let last = stop.load(Ordering::Relaxed);
        match socket.receive(&mut places, STRIDE, &mut lengths) {
            Ok(count) => {
                let time = now();
                for (frame, length) in places.chunks_exact(STRIDE).zip(&lengths).take(count) {
                    let header = Header::read(&frame[..STRIDE.min(*length)]);
                    if let Some(header) = header.filter(|header| header.stream == number) {
                        tally.take(&header, time);
                    }
                }
            }
            Err(_) if last => return tally,
            // Nothing there yet, or the interface is down for a moment.
            Err(_) if reading == Reading::All => {
                let mut ready = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
                let _ = poll(&mut ready, PollTimeout::from(PATIENCE_MS));
            }
            Err(_) => std::thread::sleep(NOW_AND_THEN),
        }
    }
}
