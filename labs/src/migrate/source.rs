//! The source's side: which pages when, when to stop, and who owns the guest.

use core::time::Duration;

use super::happening::{Happening, Limits, Outcome};
use super::protocol::{Message, encode, encode_pages};
use crate::guest::Machine;
use crate::guest::memory::{Digest, PAGE};

/// Bytes kept ready for the socket, about: enough to keep it busy, little enough to stay prompt.
const READY_MAX: usize = 256 * 1024;
/// What one page costs on the wire.
const PAGE_COST: u64 = PAGE as u64 + 4;
/// The bandwidth limit is kept over spans of this length.
const BURST: Duration = Duration::from_millis(2);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Greeting,
    Copying,
    RoundEnding,
    Rest,
    AwaitReady,
    AwaitResumed,
    Moved,
    Doubt,
    Failed,
}

/// One migration, seen from where the guest runs.
#[derive(Debug)]
pub struct Source {
    limits: Limits,
    phase: Phase,
    /// Last progress, for patience.
    heard: Duration,
    round: u32,
    round_start: Duration,
    round_pages: u32,
    cursor: u32,
    rate: u64,
    sent: u64,
    /// The bandwidth limit counts from here.
    paced_since: Duration,
    paced: u64,
    digest: Digest,
    target_digest: u64,
    happenings: Vec<(Duration, Happening)>,
}

impl Source {
    /// Begins to move `machine`; the first bytes come with [`fill`](Self::fill).
    pub fn new(now: Duration, limits: Limits, machine: &mut Machine, out: &mut Vec<u8>) -> Self {
        let memory = machine.memory_mut();
        memory.mark_all();
        let pages = memory.pages();
        encode(&Message::Hello { pages }, out);
        Self {
            rate: limits.bandwidth,
            limits,
            phase: Phase::Greeting,
            heard: now,
            round: 1,
            round_start: now,
            round_pages: 0,
            cursor: 0,
            sent: 0,
            paced_since: now,
            paced: 0,
            digest: Digest::new(pages),
            target_digest: 0,
            happenings: Vec::new(),
        }
    }

    /// Where it stands: whether the guest may be polled here.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self.phase {
            Phase::Greeting | Phase::Copying | Phase::RoundEnding => Outcome::Copying,
            Phase::Rest | Phase::AwaitReady | Phase::AwaitResumed => Outcome::Stopped,
            Phase::Moved => Outcome::Moved,
            Phase::Doubt => Outcome::Doubt,
            Phase::Failed => Outcome::Failed,
        }
    }

    /// Octets of memory sent so far.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Digest of the memory as the target has it.
    #[must_use]
    pub fn target_digest(&self) -> u64 {
        self.target_digest
    }

    /// What happened since the last call, with its time.
    pub fn take_happenings(&mut self) -> Vec<(Duration, Happening)> {
        core::mem::take(&mut self.happenings)
    }

    /// When to call [`fill`](Self::fill) or [`expire`](Self::expire) next without other cause.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        let patience = self.heard + Duration::from_millis(self.limits.patience_ms);
        match self.phase {
            Phase::Copying => Some(self.pace_deadline().min(patience)),
            Phase::Greeting
            | Phase::RoundEnding
            | Phase::Rest
            | Phase::AwaitReady
            | Phase::AwaitResumed => Some(patience),
            Phase::Moved | Phase::Doubt | Phase::Failed => None,
        }
    }

    /// Appends what may be sent now to `out`, which is what the socket has not taken yet. At most
    /// about 256 KiB stand ready at a time.
    pub fn fill(&mut self, now: Duration, machine: &mut Machine, out: &mut Vec<u8>) {
        while out.len() < READY_MAX {
            match self.phase {
                Phase::Copying => {
                    if now < self.pace_deadline() {
                        return;
                    }
                    self.restart_pace(now);
                    if self.send_pages(machine, out) == 0 {
                        encode(&Message::RoundEnd { round: self.round }, out);
                        self.phase = Phase::RoundEnding;
                    }
                    self.heard = now;
                }
                Phase::Rest => {
                    if self.send_pages(machine, out) == 0 {
                        self.send_state(now, machine, out);
                    }
                }
                Phase::Greeting
                | Phase::RoundEnding
                | Phase::AwaitReady
                | Phase::AwaitResumed
                | Phase::Moved
                | Phase::Doubt
                | Phase::Failed => return,
            }
        }
    }

    /// Takes in a message of the target's; answers go to `out`.
    pub fn handle(
        &mut self,
        now: Duration,
        message: &Message<'_>,
        machine: &mut Machine,
        out: &mut Vec<u8>,
    ) {
        self.heard = now;
        match (*message, self.phase) {
            (Message::Accept, Phase::Greeting) => self.start_round(now),
            (Message::RoundDone { round }, Phase::RoundEnding) if round == self.round => {
                self.finish_round(now, machine);
            }
            (Message::Ready { digest }, Phase::AwaitReady) => {
                self.target_digest = digest;
                let digest = format!("{digest:016x}");
                self.happenings.push((now, Happening::Ready { digest }));
                encode(&Message::Go, out);
                self.phase = Phase::AwaitResumed;
            }
            (Message::Resumed { time_ns }, Phase::AwaitResumed | Phase::Doubt) => {
                self.moved(now, time_ns);
            }
            (Message::Refused { reason }, _) => self.refused(now, reason),
            (
                Message::Hello { .. }
                | Message::Accept
                | Message::Pages(_)
                | Message::RoundEnd { .. }
                | Message::RoundDone { .. }
                | Message::State { .. }
                | Message::Ready { .. }
                | Message::Go
                | Message::Resumed { .. },
                _,
            ) => self.lost(now, "the target sent a message out of turn"),
        }
    }

    /// The connection ended, or what came over it was not the protocol.
    pub fn lost(&mut self, now: Duration, reason: &str) {
        match self.phase {
            Phase::AwaitResumed => self.phase = Phase::Doubt,
            Phase::Moved | Phase::Doubt | Phase::Failed => {}
            Phase::Greeting
            | Phase::Copying
            | Phase::RoundEnding
            | Phase::Rest
            | Phase::AwaitReady => self.fail(now, reason),
        }
    }

    /// Gives up when the target was silent for too long.
    pub fn expire(&mut self, now: Duration) {
        if now >= self.heard + Duration::from_millis(self.limits.patience_ms) {
            self.lost(now, "the target does not answer");
        }
    }

    /// Settles a doubt: `heard` tells whether the target was heard announcing the guest.
    pub fn settle(&mut self, now: Duration, heard: bool) {
        if self.phase != Phase::Doubt {
            return;
        }
        if heard {
            self.moved(now, u64::try_from(now.as_nanos()).unwrap_or(u64::MAX));
        } else {
            self.fail(now, "the target was lost after the handover and is silent");
        }
    }

    /// A refusal before the handover ends it; after `Go` the target cannot refuse any more.
    fn refused(&mut self, now: Duration, reason: &str) {
        let reason = format!("the target refused: {reason}");
        self.lost(now, &reason);
    }

    fn moved(&mut self, now: Duration, resumed_ns: u64) {
        self.phase = Phase::Moved;
        self.happenings
            .push((now, Happening::Resumed { resumed_ns }));
    }

    fn fail(&mut self, now: Duration, reason: &str) {
        self.phase = Phase::Failed;
        let reason = reason.to_owned();
        self.happenings.push((now, Happening::Failed { reason }));
    }

    fn start_round(&mut self, now: Duration) {
        self.phase = Phase::Copying;
        self.round_start = now;
        self.round_pages = 0;
        self.cursor = 0;
        self.paced_since = now;
        self.paced = 0;
    }

    fn finish_round(&mut self, now: Duration, machine: &Machine) {
        let elapsed = now.saturating_sub(self.round_start).as_nanos().max(1);
        let octets = u64::from(self.round_pages) * PAGE_COST;
        let rate = u128::from(octets) * 1_000_000_000 / elapsed;
        let rate = u64::try_from(rate).unwrap_or(u64::MAX);
        // A few pages measure the round trip, not the rate.
        if octets > 64 * PAGE_COST {
            self.rate = rate.max(1);
        }
        let dirty = machine.memory().dirty_pages();
        self.happenings.push((
            now,
            Happening::Round {
                round: self.round,
                pages: self.round_pages,
                dirty,
                rate,
            },
        ));
        let rest_ms = u64::from(dirty) * PAGE_COST * 1000 / self.rate;
        let converged = rest_ms < self.limits.downtime_ms;
        if converged || self.round >= self.limits.rounds {
            let pages = dirty;
            self.happenings
                .push((now, Happening::Stop { pages, converged }));
            self.phase = Phase::Rest;
            self.cursor = 0;
        } else {
            self.round += 1;
            self.start_round(now);
        }
    }

    fn send_pages(&mut self, machine: &mut Machine, out: &mut Vec<u8>) -> usize {
        let mut indexes = [0; super::protocol::PAGES_PER_MESSAGE];
        let mut taken = 0;
        while taken < indexes.len() {
            let Some(index) = machine.memory_mut().take_dirty(self.cursor) else {
                break;
            };
            indexes[taken] = index;
            taken += 1;
            self.cursor = index + 1;
        }
        let memory = machine.memory();
        let digest = &mut self.digest;
        let mut pages = indexes[..taken].iter().filter_map(|&index| {
            let content = memory.page(index)?;
            digest.set(index as usize, content);
            Some((index, content))
        });
        let count = encode_pages(|| pages.next(), out);
        let octets = count as u64 * PAGE_COST;
        self.round_pages += u32::try_from(count).expect("at most a message's worth");
        self.sent += octets;
        self.paced += octets;
        count
    }

    fn send_state(&mut self, now: Duration, machine: &Machine, out: &mut Vec<u8>) {
        let Ok(checkpoint) = serde_json::to_vec(&machine.freeze()) else {
            self.fail(now, "the machine's state cannot be written");
            return;
        };
        let digest = self.digest.value();
        let checkpoint = &checkpoint[..];
        encode(&Message::State { digest, checkpoint }, out);
        self.heard = now;
        self.phase = Phase::AwaitReady;
    }

    /// When the bandwidth limit allows the next message.
    fn pace_deadline(&self) -> Duration {
        let nanos =
            u128::from(self.paced) * 1_000_000_000 / u128::from(self.limits.bandwidth.max(1));
        let spent = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        self.paced_since.saturating_add(spent).saturating_sub(BURST)
    }

    /// Time in which nothing could be sent is not saved up.
    fn restart_pace(&mut self, now: Duration) {
        if now > self.pace_deadline() + 2 * BURST {
            self.paced_since = now;
            self.paced = 0;
        }
    }
}
