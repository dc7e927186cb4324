//! One case, lived in virtual time.

use core::time::Duration;
use std::cell::RefCell;
use std::rc::Rc;

use stp::{Bpdu, BridgeId, RstBpdu};

use super::network::Network;
use super::{Case, OFFSETS, Record, millis};
use crate::sim::checks::cycle;
use crate::sim::{Map, Notice, Observer, WorldError};

/// By when the tree stands.
const SETTLED: Duration = Duration::from_secs(60);

/// What became of a case; milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Measured {
    /// From the root's death until nobody believed in it any more; `None`: somebody did in the end.
    pub(super) believed: Option<i64>,
    /// How long ports forwarded in a circle.
    pub(super) looped: i64,
    /// BPDUs sent until nobody believed in it.
    pub(super) bpdus: u64,
    /// The greatest message age with which the dead root was told of, seconds: a second a hop.
    pub(super) oldest: u64,
    /// Whether all believe in the best of those that are left, in the end.
    pub(super) agreed: bool,
}

/// A BPDU that was sent.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) at: Duration,
    pub(super) by: String,
    pub(super) rst: RstBpdu,
}

/// Hears every BPDU.
#[derive(Debug, Default)]
pub(super) struct Ear {
    pub(super) told: Vec<Told>,
}

impl Observer for Ear {
    fn notice(&mut self, now: Duration, map: &Map, notice: &Notice<'_>) {
        if let Notice::Transmitted { from, frame, .. } = notice
            && let Ok(Bpdu::Rst(rst)) = stp::llc::unframe(frame)
        {
            self.told.push(Told {
                at: now,
                by: map.label(*from),
                rst,
            });
        }
    }
}

/// Lives a case.
///
/// # Errors
/// The network could not be built.
pub(super) fn run(case: &Case) -> Result<Record, WorldError> {
    let (measured, _, _) = live(case)?;
    Ok(Record {
        case: *case,
        measured,
    })
}

/// Lives a case; also every BPDU from the root's death on, with the time since then, and the dead root.
pub(super) fn live(case: &Case) -> Result<(Measured, Vec<Told>, BridgeId), WorldError> {
    let mut network = Network::build(case)?;
    let hello = Duration::from_secs(super::HELLO.into());
    let death = SETTLED + hello * case.offset / OFFSETS;
    network.world.run_until(death);
    let ear = Rc::new(RefCell::new(Ear::default()));
    network.world.observe(ear.clone());
    network.kill_root()?;
    let end = death + case.patience();
    let vlan = switchd::vlan::default_vid();
    let (mut forgotten, mut looped, mut since) = (Some(death), Duration::ZERO, None);
    loop {
        let now = network.world.now();
        let is_believed = network.roots().any(|root| root == network.root);
        forgotten = match (is_believed, forgotten) {
            (true, _) => None,
            (false, known) => known.or(Some(now)),
        };
        match (cycle::find(&network.world, vlan).is_some(), since) {
            (true, None) => since = Some(now),
            (false, Some(began)) => {
                looped += now - began;
                since = None;
            }
            (true, Some(_)) | (false, None) => {}
        }
        if network.world.next_at().is_none_or(|next| next > end) {
            break;
        }
        network.world.step();
    }
    looped += since.map_or(Duration::ZERO, |began| end.saturating_sub(began));
    let mut told = core::mem::take(&mut ear.borrow_mut().told);
    told.iter_mut().for_each(|told| told.at -= death);
    let believed = forgotten.map(|at| at - death);
    let of_root = told
        .iter()
        .filter(|told| told.rst.config.root == network.root);
    let ages = of_root.map(|told| told.rst.config.message_age.duration().as_secs());
    let heir = network.heir();
    let measured = Measured {
        believed: believed.map(millis),
        looped: millis(looped),
        bpdus: told
            .iter()
            .filter(|told| believed.is_none_or(|end| told.at <= end))
            .count() as u64,
        oldest: ages.max().unwrap_or(0),
        agreed: network.roots().all(|root| Some(root) == heir),
    };
    Ok((measured, told, network.root))
}
