//! What a round comes to: loads, the choice, and why everything else was not chosen.

use serde::Serialize;

/// A host's load in a round.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HostLoad {
    /// The host.
    pub host: String,
    /// Percent of what it has.
    pub load: f64,
    /// What it has, in percent of one core.
    pub capacity: f64,
    /// The VMs on it.
    pub vms: Vec<VmLoad>,
}

/// A VM's load in a round.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VmLoad {
    /// The VM.
    pub vm: String,
    /// Percent of one core.
    pub load: f64,
}

/// What a round comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Something moves.
    Move,
    /// The loads are even enough.
    Balanced,
    /// Level 1 does what rules demand, and they demand nothing.
    RulesOnly,
    /// The loads are uneven or a rule is broken, and no move is worth it or possible.
    Stuck,
}

/// A move that was chosen.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Choice {
    /// Who moves; several that affinity binds, one after the other.
    pub vms: Vec<String>,
    /// From where.
    pub from: String,
    /// To where.
    pub to: String,
    /// A rule demands it.
    pub mandatory: bool,
    /// The standard deviation it leads to, in percent points.
    pub deviation_after: f64,
    /// What it is taken to cost: time of copying, in seconds.
    pub cost_s: f64,
    /// Why this one.
    pub why: String,
}

/// A move that was not chosen.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Refused {
    /// Who would have moved.
    pub vms: Vec<String>,
    /// From where.
    pub from: String,
    /// To where.
    pub to: String,
    /// The standard deviation it would have led to, in percent points.
    pub deviation_after: f64,
    /// What kept it.
    pub reason: Refusal,
    /// The same as a sentence.
    pub why: String,
}

/// What kept a move from being chosen. In the order in which it is asked; the first answer counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// A rule would be broken.
    Rule,
    /// A VLAN it needs does not reach the target.
    Network,
    /// The VM has moved a short while ago.
    CoolDown,
    /// The VM has left that host not long ago.
    Return,
    /// The target would be overloaded.
    Threshold,
    /// The deviation would not fall.
    Worse,
    /// It would fall by less than is worth a move.
    TooLittle,
    /// It would fall now, but not with the loads of each of the last rounds.
    Burst,
    /// Another one lowers it more for its cost.
    Lesser,
}

/// A round's decision.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Decision {
    /// When, since the first round.
    pub at_ms: u64,
    /// Every host.
    pub hosts: Vec<HostLoad>,
    /// Standard deviation of the hosts' loads, in percent points.
    pub deviation: f64,
    /// The deviation that is good enough; absent at level 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<f64>,
    /// Breaches of rules, as sentences.
    pub broken: Vec<String>,
    /// As long as loads stay as they are, the deviation is under the target after at most this many moves, or nothing is
    /// left that is worth a move.
    pub moves_max: u64,
    /// What it comes to.
    pub verdict: Verdict,
    /// That as a sentence.
    pub why: String,
    /// What moves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chosen: Option<Choice>,
    /// What does not; by how good it would have been.
    pub refused: Vec<Refused>,
}
