//! The target's side: memory comes, then the machine, then the word to run it.

use core::time::Duration;

use super::protocol::{Message, ProtocolError, encode};
use crate::guest::memory::Digest;
use crate::guest::{Checkpoint, Machine, Memory, ThawError};

/// Why a migration ends at the target. The source keeps the guest.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The stream is not the protocol's.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// A message where another was due.
    #[error("a message came out of turn")]
    Turn,
    /// More memory than this target takes.
    #[error("{asked} pages, this host takes {limit}")]
    TooLarge {
        /// Pages the machine has.
        asked: u32,
        /// Pages allowed.
        limit: u32,
    },
    /// A page beyond the end of memory.
    #[error("page {0} does not exist")]
    Page(u32),
    /// The memory is not what the source has.
    #[error("memory digest {found:016x}, the source has {expected:016x}")]
    Digest {
        /// Digest here.
        found: u64,
        /// Digest there.
        expected: u64,
    },
    /// The checkpoint cannot be read.
    #[error("checkpoint: {0}")]
    Checkpoint(#[from] serde_json::Error),
    /// The checkpoint makes no machine.
    #[error(transparent)]
    Thaw(#[from] ThawError),
}

#[derive(Debug)]
enum Phase {
    Greeting,
    Loading { memory: Memory, digest: Digest },
    Ready { machine: Box<Machine> },
    Over,
}

/// One migration, seen from where the guest is going.
#[derive(Debug)]
pub struct Target {
    pages_max: u32,
    phase: Phase,
}

impl Target {
    /// Waits for a machine of at most `pages_max` pages.
    #[must_use]
    pub fn new(pages_max: u32) -> Self {
        Self {
            pages_max,
            phase: Phase::Greeting,
        }
    }

    /// Takes in a message of the source's; answers go to `out`. The machine, when it is to run: it
    /// will announce itself with its first poll.
    ///
    /// # Errors
    ///
    /// The migration is over then; a refusal for the source stands in `out`.
    pub fn handle(
        &mut self,
        now: Duration,
        message: &Message<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Option<Machine>, TargetError> {
        let phase = core::mem::replace(&mut self.phase, Phase::Over);
        match self.step(now, phase, message, out) {
            Ok(machine) => Ok(machine),
            Err(error) => {
                let reason = &error.to_string();
                encode(&Message::Refused { reason }, out);
                Err(error)
            }
        }
    }

    fn step(
        &mut self,
        now: Duration,
        phase: Phase,
        message: &Message<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Option<Machine>, TargetError> {
        self.phase = match (phase, *message) {
            (Phase::Greeting, Message::Hello { pages }) => {
                self.check_size(pages)?;
                encode(&Message::Accept, out);
                Phase::Loading {
                    memory: Memory::zeroed(pages),
                    digest: Digest::new(pages),
                }
            }
            (
                Phase::Loading {
                    mut memory,
                    mut digest,
                },
                Message::Pages(pages),
            ) => {
                for (index, content) in pages.iter() {
                    install(&mut memory, &mut digest, index, content)?;
                }
                Phase::Loading { memory, digest }
            }
            (loading @ Phase::Loading { .. }, Message::RoundEnd { round }) => {
                encode(&Message::RoundDone { round }, out);
                loading
            }
            (
                Phase::Loading { memory, digest },
                Message::State {
                    digest: expected,
                    checkpoint,
                },
            ) => build(now, memory, &digest, expected, checkpoint, out)?,
            (Phase::Ready { mut machine }, Message::Go) => {
                machine.announce(now);
                let time_ns = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
                encode(&Message::Resumed { time_ns }, out);
                return Ok(Some(*machine));
            }
            (
                Phase::Greeting | Phase::Loading { .. } | Phase::Ready { .. } | Phase::Over,
                Message::Hello { .. }
                | Message::Accept
                | Message::Pages(_)
                | Message::RoundEnd { .. }
                | Message::RoundDone { .. }
                | Message::State { .. }
                | Message::Ready { .. }
                | Message::Go
                | Message::Resumed { .. }
                | Message::Refused { .. },
            ) => return Err(TargetError::Turn),
        };
        Ok(None)
    }

    fn check_size(&self, asked: u32) -> Result<(), TargetError> {
        let limit = self.pages_max;
        if asked > limit {
            return Err(TargetError::TooLarge { asked, limit });
        }
        Ok(())
    }
}

/// The machine, if the memory is the source's and the checkpoint makes one.
fn build(
    now: Duration,
    memory: Memory,
    digest: &Digest,
    expected: u64,
    checkpoint: &[u8],
    out: &mut Vec<u8>,
) -> Result<Phase, TargetError> {
    let found = digest.value();
    if found != expected {
        return Err(TargetError::Digest { found, expected });
    }
    let checkpoint: Checkpoint = serde_json::from_slice(checkpoint)?;
    let machine = Machine::thaw(now, checkpoint, memory)?;
    encode(&Message::Ready { digest: found }, out);
    Ok(Phase::Ready {
        machine: Box::new(machine),
    })
}

/// Installs a page and hashes what is in memory afterwards, not what came over the wire.
fn install(
    memory: &mut Memory,
    digest: &mut Digest,
    index: u32,
    content: &[u8],
) -> Result<(), TargetError> {
    if !memory.install(index, content) {
        return Err(TargetError::Page(index));
    }
    let page = memory.page(index).ok_or(TargetError::Page(index))?;
    digest.set(index as usize, page);
    Ok(())
}
