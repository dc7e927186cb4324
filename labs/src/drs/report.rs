//! What came of balancing a cluster, as one JSON object.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::decision::Decision;
use super::policy::Settings;
use crate::vmotion::migration::SILENCE_MAX_MS;
use crate::vmotion::{MigrationReport, TcpSummary};

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct DrsReport {
    /// The lab.
    pub lab: String,
    /// `sim` or `netns`.
    pub backend: &'static str,
    /// The seed of loads, and of chance on the wires.
    pub seed: u64,
    /// How eager it was.
    pub level: u8,
    /// Every round.
    pub rounds: Vec<Round>,
    /// All of them together.
    pub summary: Summary,
    /// No move failed, no session was lost, no VM went to and fro, and no rule is broken.
    pub ok: bool,
}

/// A round: what was decided, and what became of it.
#[derive(Debug, Clone, Serialize)]
pub struct Round {
    /// Counted from 1.
    pub round: usize,
    /// What was decided, and why.
    #[serde(flatten)]
    pub decision: Decision,
    /// What was done.
    pub moves: Vec<MoveReport>,
}

/// A move that was made.
#[derive(Debug, Clone, Serialize)]
pub struct MoveReport {
    /// When it was over, since the first round.
    pub done_ms: u64,
    /// A rule demanded it.
    pub mandatory: bool,
    /// What the network and the VM's client say of it.
    pub migration: MigrationReport,
}

/// A time in which the deviation was above the target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Excursion {
    /// When it was seen.
    pub from_ms: u64,
    /// When it was over; absent if it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_ms: Option<u64>,
    /// Moves meanwhile.
    pub moves: usize,
    /// The most moves it should take with the loads of its first round.
    pub moves_max: u64,
}

/// All rounds together.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Summary {
    /// Moves that were made.
    pub moves: usize,
    /// Moves that did not come to their end; the VM is where it was.
    pub failed: usize,
    /// Moves by which a client heard nothing for 200 ms or more, or after which a switch pointed elsewhere.
    pub noticed: usize,
    /// Sessions of clients with VMs.
    pub sessions: usize,
    /// VMs whose client's session did not live to the end, or lost or damaged an octet.
    pub sessions_lost: Vec<String>,
    /// Longest silence of a VM that moved, as its client saw it.
    pub silence_max_ms: f64,
    /// Moves back to the host a VM came from before three cool-downs were over; what rules demanded does not count.
    pub ping_pong: usize,
    /// The shortest time between two moves of one VM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rest_min_ms: Option<u64>,
    /// Standard deviation in the first round, before its move.
    pub deviation_first: f64,
    /// In the last, after its move.
    pub deviation_last: f64,
    /// How often the deviation was above the target, for how long, and how many moves it took.
    pub excursions: Vec<Excursion>,
    /// Breaches of rules by the places that VMs have in the end.
    pub broken: Vec<String>,
}

impl Summary {
    /// Of these rounds, and of what clients say in the end.
    pub(super) fn of(
        rounds: &[Round],
        sessions: &BTreeMap<String, TcpSummary>,
        broken: Vec<String>,
        settings: &Settings,
    ) -> Self {
        let moves: Vec<&MoveReport> = rounds.iter().flat_map(|round| &round.moves).collect();
        let is_lost = |tcp: &TcpSummary| !tcp.alive || tcp.bytes_lost + tcp.bytes_damaged > 0;
        let of_moves = moves
            .iter()
            .filter_map(|one| Some((&one.migration.vm, one.migration.tcp.as_ref()?)));
        let lost: BTreeSet<String> = sessions
            .iter()
            .chain(of_moves)
            .filter(|(_, tcp)| is_lost(tcp))
            .map(|(vm, _)| vm.clone())
            .collect();
        let (ping_pong, rest_min_ms) = to_and_fro(&moves, settings);
        Self {
            moves: moves.len(),
            failed: moves
                .iter()
                .filter(|one| one.migration.failure.is_some())
                .count(),
            noticed: moves
                .iter()
                .filter(|one| is_noticed(&one.migration))
                .count(),
            sessions: sessions.len(),
            sessions_lost: lost.into_iter().collect(),
            silence_max_ms: moves
                .iter()
                .map(|one| one.migration.ping_gap_ms)
                .fold(0.0, f64::max),
            ping_pong,
            rest_min_ms,
            deviation_first: rounds.first().map_or(0.0, |round| round.decision.deviation),
            deviation_last: rounds.last().map_or(0.0, Round::deviation_after),
            excursions: excursions(rounds),
            broken,
        }
    }

    pub(super) fn is_good(&self) -> bool {
        self.failed == 0
            && self.sessions_lost.is_empty()
            && self.ping_pong == 0
            && self.broken.is_empty()
    }
}

/// Whether a move was felt: a client heard nothing for too long, or a switch still points elsewhere.
fn is_noticed(migration: &MigrationReport) -> bool {
    migration.failure.is_none()
        && (migration.ping_gap_ms >= SILENCE_MAX_MS || !migration.stale.is_empty())
}

/// Moves straight back too early, and the shortest rest of a VM; counted from the moves, not asked of the planner.
fn to_and_fro(moves: &[&MoveReport], settings: &Settings) -> (usize, Option<u64>) {
    let no_return = u64::try_from(settings.no_return().as_millis()).unwrap_or(u64::MAX);
    let mut returns = 0;
    let mut rest: Option<u64> = None;
    for (index, one) in moves.iter().enumerate() {
        let before = moves[..index]
            .iter()
            .rev()
            .find(|other| other.migration.vm == one.migration.vm);
        let Some(before) = before else {
            continue;
        };
        let since = one.done_ms.saturating_sub(before.done_ms);
        if one.mandatory || before.mandatory {
            continue;
        }
        rest = Some(rest.map_or(since, |rest| rest.min(since)));
        let is_back = one.migration.to == before.migration.from;
        returns += usize::from(is_back && since < no_return);
    }
    (returns, rest)
}

fn excursions(rounds: &[Round]) -> Vec<Excursion> {
    let mut all: Vec<Excursion> = Vec::new();
    let mut open = false;
    for round in rounds {
        let decision = &round.decision;
        let is_above = decision
            .target
            .is_some_and(|target| decision.deviation > target);
        match (open, all.last_mut()) {
            (true, Some(last)) if !is_above => last.to_ms = Some(decision.at_ms),
            (true, Some(last)) => last.moves += round.moves.len(),
            (_, _) if is_above => all.push(Excursion {
                from_ms: decision.at_ms,
                to_ms: None,
                moves: round.moves.len(),
                moves_max: decision.moves_max,
            }),
            (_, _) => {}
        }
        open = is_above;
    }
    all
}

impl Round {
    /// The deviation that its moves have led to, with the loads of this round.
    fn deviation_after(&self) -> f64 {
        let have_moved = self.moves.iter().all(|one| one.migration.failure.is_none());
        match &self.decision.chosen {
            Some(choice) if have_moved => choice.deviation_after,
            Some(_) | None => self.decision.deviation,
        }
    }
}
