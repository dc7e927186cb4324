//! The machine's card at one place, and the client that asks it.

use core::time::Duration;

use pnet_base::MacAddr;
use stp::PortNumber;

use crate::sim::{Outbox, Station, frame};

/// The machine.
pub(super) const VM: MacAddr = MacAddr(0x52, 0x54, 0, 0, 0, 5);
/// Its client.
pub(super) const CLIENT: MacAddr = MacAddr(0x52, 0x54, 0, 0, 0, 0x64);

const QUESTION: u8 = b'?';
const ANSWER: u8 = b'!';
const PAYLOAD: usize = 46;
/// Where the payload begins, and how a question's number follows the word.
const WORD: usize = 14;
const NUMBER: core::ops::Range<usize> = 15..19;

fn spoken(to: MacAddr, from: MacAddr, word: u8, number: u32) -> std::rc::Rc<[u8]> {
    let mut payload = [0; PAYLOAD];
    payload[0] = word;
    payload[1..5].copy_from_slice(&number.to_be_bytes());
    frame::with_payload(to, from, frame::EXPERIMENTAL, &payload)
}

/// The word of a frame to `me` and its number, if it is one of ours.
fn heard(frame: &[u8], me: MacAddr) -> Option<(u8, u32)> {
    let is_mine = frame.get(..6)? == me.octets();
    let number = frame.get(NUMBER)?.try_into().ok()?;
    is_mine.then_some((*frame.get(WORD)?, u32::from_be_bytes(number)))
}

/// A card of the machine, which answers while the machine runs there.
#[derive(Debug)]
pub(super) struct Card {
    /// From when to when.
    pub(super) runs: (Duration, Duration),
}

impl Station for Card {
    fn receive(&mut self, now: Duration, port: PortNumber, frame: &[u8], out: &mut Outbox<'_>) {
        let runs = (self.runs.0..self.runs.1).contains(&now);
        if let Some((QUESTION, number)) = heard(frame, VM).filter(|_| runs) {
            out.send(port, &spoken(CLIENT, VM, ANSWER, number));
        }
    }
}

/// Asks the machine every so often, and keeps a record of the answers.
#[derive(Debug)]
pub(super) struct Client {
    period: Duration,
    next: Option<Duration>,
    /// When each question was asked, and whether it was answered; its number is its place.
    pub(super) questions: Vec<(Duration, bool)>,
}

impl Client {
    /// One that asks from `first` on.
    pub(super) fn new(first: Duration, period: Duration) -> Self {
        Self {
            period,
            next: Some(first),
            questions: Vec::new(),
        }
    }

    /// It asks no more.
    pub(super) fn stop(&mut self) {
        self.next = None;
    }

    fn ask(&mut self, now: Duration, out: &mut Outbox<'_>) {
        let number = u32::try_from(self.questions.len()).unwrap_or(u32::MAX);
        self.questions.push((now, false));
        out.send(PortNumber::MIN, &spoken(VM, CLIENT, QUESTION, number));
    }
}

impl Station for Client {
    fn receive(&mut self, _: Duration, _: PortNumber, frame: &[u8], _: &mut Outbox<'_>) {
        if let Some((ANSWER, number)) = heard(frame, CLIENT) {
            let place = usize::try_from(number).ok();
            if let Some(question) = place.and_then(|place| self.questions.get_mut(place)) {
                question.1 = true;
            }
        }
    }

    fn deadline(&self) -> Option<Duration> {
        self.next
    }

    fn timeout(&mut self, now: Duration, out: &mut Outbox<'_>) {
        if self.next.is_some_and(|at| at <= now) {
            self.ask(now, out);
            self.next = self.next.map(|at| at + self.period);
        }
    }
}
