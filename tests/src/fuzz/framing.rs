//! Streams of frames, each behind its length: however a stream is cut, what comes out is what stands in it.

use switchd::port::framing::{Decoder, LEN_MAX, LENGTH_LEN};

use super::Octets;

/// An octet how many cuts there are, the sizes of the pieces between them, and the stream.
pub(super) fn run(octets: &[u8]) {
    let mut octets = Octets(octets);
    let cuts = octets.octet() % 8;
    let pieces: Vec<usize> = (0..=cuts)
        .map(|_| usize::from(octets.octet()) + 1)
        .collect();
    let stream = octets.0;
    let (frames, in_step) = frames(stream);
    let mut decoder = Decoder::default();
    let (mut rest, mut came) = (stream, 0);
    for piece in pieces.iter().cycle() {
        let room = decoder.room();
        assert!(!room.is_empty(), "there is always room for more");
        let taken = (*piece).min(rest.len()).min(room.len());
        room[..taken].copy_from_slice(&rest[..taken]);
        decoder.filled(taken);
        rest = &rest[taken..];
        loop {
            assert!(came <= frames.len(), "more frames than there are");
            let has_next = decoder.has_next();
            match decoder.frame() {
                Ok(Some(frame)) => {
                    assert!(has_next);
                    assert_eq!(Some(&frame), frames.get(came));
                    came += 1;
                }
                Ok(None) => {
                    assert!(!has_next);
                    break;
                }
                Err(_) => {
                    assert!(has_next && !in_step, "out of step at frame {came}");
                    assert!(decoder.frame().is_err(), "and it stays so");
                    assert_eq!(came, frames.len());
                    return;
                }
            }
        }
        if rest.is_empty() {
            break;
        }
    }
    assert_eq!((came, in_step), (frames.len(), true));
    let taken: usize = frames.iter().map(|frame| LENGTH_LEN + frame.len()).sum();
    assert_eq!(decoder.is_in_frame(), taken < stream.len());
}

/// The whole frames of a stream, and whether it ends before a length that none has.
fn frames(mut stream: &[u8]) -> (Vec<&[u8]>, bool) {
    let mut frames = Vec::new();
    while let Some((length, rest)) = stream.split_first_chunk() {
        let len = u32::from_be_bytes(*length) as usize;
        if len > LEN_MAX {
            return (frames, false);
        }
        let Some((frame, rest)) = rest.split_at_checked(len) else {
            break;
        };
        frames.push(frame);
        stream = rest;
    }
    (frames, true)
}
