//! How frames leave by a port that takes one a call: by the ring of a thread, or by a socket.

use std::io;
use std::os::fd::BorrowedFd;

use super::batch::{Batch, Outgoing, Written};
use super::segment::Segmenter;
use super::{Sent, UNFINISHED};
use crate::sys::mmsg::{Messages, Sends};
use crate::sys::uring::{Target, Writes};

/// The form that frames leave in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    /// Octets of the virtio-net header before each, or none.
    pub(super) header_len: usize,
    /// Frames leave finished.
    pub(super) finishes: bool,
}

impl Way {
    /// Adds frames of the batch to `writes`; `done` hears of them when they are run.
    pub(super) fn push<'a>(
        self,
        target: Target<'_>,
        batch: &'a Batch,
        queue: &[Outgoing],
        segmenter: &mut Segmenter,
        writes: &mut Writes<'_, 'a>,
        mut done: impl FnMut(u16, usize, io::Result<usize>),
    ) {
        for outgoing in queue {
            let Some(offload) = batch.unfinished(outgoing).filter(|_| self.finishes) else {
                let written = batch.written(outgoing, self.header_len);
                let (head, octets) = (written.head(), written.octets);
                writes.push(target, head, written.body, octets, &mut done);
                continue;
            };
            let written = batch.written(outgoing, 0);
            match segmenter.finish(written.head(), written.body, &offload) {
                Ok(pieces) => {
                    let mut aside = writes.aside(&mut done);
                    for piece in pieces {
                        let finished = Written::finished(piece, self.header_len);
                        let (head, octets) = (finished.head(), finished.octets);
                        aside.push(target, head, piece, octets, &mut done);
                    }
                    aside.run(&mut done);
                }
                Err(_) => {
                    let error = io::Error::from_raw_os_error(UNFINISHED);
                    done(target.slot, written.octets, Err(error));
                }
            }
        }
    }

    /// Sends frames of the batch by `socket`.
    pub(super) fn transmit(
        self,
        socket: BorrowedFd<'_>,
        batch: &Batch,
        queue: &[Outgoing],
        segmenter: &mut Segmenter,
        messages: &mut Messages,
    ) -> Sent {
        let mut sends = messages.sends();
        let mut sent = Sent::default();
        for outgoing in queue {
            let unfinished = batch.unfinished(outgoing).filter(|_| self.finishes);
            if sends.is_full() || unfinished.is_some() {
                sent += send_all(socket, &mut sends);
            }
            let Some(offload) = unfinished else {
                let written = batch.written(outgoing, self.header_len);
                sends.push(written.head(), written.body, written.octets);
                continue;
            };
            let written = batch.written(outgoing, 0);
            sent += match segmenter.finish(written.head(), written.body, &offload) {
                Ok(pieces) => self.send_pieces(socket, pieces, sends.aside()),
                Err(_) => Sent::unfinished(),
            };
        }
        sent += send_all(socket, &mut sends);
        sent
    }

    /// Sends finished frames.
    fn send_pieces<'a>(
        self,
        socket: BorrowedFd<'_>,
        pieces: impl Iterator<Item = &'a [u8]>,
        mut sends: Sends<'_, 'a>,
    ) -> Sent {
        let mut sent = Sent::default();
        for piece in pieces {
            if sends.is_full() {
                sent += send_all(socket, &mut sends);
            }
            let written = Written::finished(piece, self.header_len);
            sends.push(written.head(), piece, written.octets);
        }
        sent += send_all(socket, &mut sends);
        sent
    }
}

/// Sends a frame of the switch itself.
pub(super) fn send_own(
    socket: BorrowedFd<'_>,
    header_len: usize,
    frame: &[u8],
    messages: &mut Messages,
) -> Sent {
    let own = Written::finished(frame, header_len);
    let mut sends = messages.sends();
    sends.push(own.head(), frame, own.octets);
    send_all(socket, &mut sends)
}

/// Sends at most a batch of frames, and forgets them.
fn send_all(socket: BorrowedFd<'_>, sends: &mut Sends<'_, '_>) -> Sent {
    let mut sent = Sent::default();
    let mut next = 0;
    while next < sends.len() {
        match sends.send(socket, next) {
            Ok(taken) => {
                let end = sends.len().min(next + taken.max(1));
                (next..end).for_each(|index| sent.count(sends.octets(index)));
                next = end;
            }
            Err(error) => {
                next += 1;
                // What stops one frame for lack of room or of an interface stops those behind it.
                if let Some(counter) = sent.refused(error) {
                    *counter += (sends.len() - next) as u64;
                    break;
                }
            }
        }
    }
    sends.clear();
    sent
}
