//! A wire whose far end is in the test's hand: a tap, to which the switch has a packet port.

use std::cell::OnceCell;
use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::{Receiver, unbounded};
use tun_tap::{Iface, Mode};

use super::{Namespace, PATIENCE};

pub(crate) struct Wire {
    tap: Arc<Iface>,
    frames: OnceCell<Receiver<Vec<u8>>>,
}

impl Wire {
    /// A tap called `name` in `namespace`, down. Nobody reads it until the first [`Self::receive`].
    pub(crate) fn new(namespace: &Namespace, name: &str) -> Self {
        let tap = namespace.run(|| Iface::without_packet_info(name, Mode::Tap).unwrap());
        Self {
            tap: Arc::new(tap),
            frames: OnceCell::new(),
        }
    }

    /// The end in our hand, for a thread that only sends.
    pub(crate) fn end(&self) -> Arc<Iface> {
        Arc::clone(&self.tap)
    }

    /// Puts a frame on the wire, towards the switch.
    pub(crate) fn send(&self, frame: &[u8]) {
        assert_eq!(self.end().send(frame).unwrap(), frame.len());
    }

    /// The next frame from the switch for which `wanted` holds.
    #[track_caller]
    pub(crate) fn receive(&self, what: &str, wanted: impl Fn(&[u8]) -> bool) -> Vec<u8> {
        let end = Instant::now() + PATIENCE;
        let frames = self.frames.get_or_init(|| read(Arc::clone(&self.tap)));
        loop {
            let frame = frames.recv_deadline(end);
            let frame = frame.unwrap_or_else(|_| panic!("never received: {what}"));
            if wanted(&frame) {
                return frame;
            }
        }
    }
}

/// Reads on a thread of its own, which ends with the process.
fn read(tap: Arc<Iface>) -> Receiver<Vec<u8>> {
    let (sender, frames) = unbounded();
    std::thread::spawn(move || {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(len) = tap.recv(&mut buffer) {
            if sender.send(buffer[..len].to_vec()).is_err() {
                return;
            }
        }
    });
    frames
}

/// A frame of EtherType 0x88b5, the first of the two for local experiments.
pub(crate) fn frame(destination: [u8; 6], source: [u8; 6], payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::from(destination);
    frame.extend(source);
    frame.extend([0x88, 0xb5]);
    frame.extend(payload);
    frame
}

/// The same frame with a tag put in.
pub(crate) fn tagged(frame: &[u8], tag: [u8; 4]) -> Vec<u8> {
    let mut tagged = Vec::from(&frame[..12]);
    tagged.extend(tag);
    tagged.extend(&frame[12..]);
    tagged
}
