//! What came of a run, as one JSON object. Times are nanoseconds of virtual time.

use serde::Serialize;
use serde_json::Value;

use super::{StepReport, Twin};
use crate::sim::checks::FindingCounts;
use crate::sim::fabric::Totals;
use crate::sim::queue::nanos;
use crate::sim::snapshot::BridgeSnapshot;
use crate::sim::trace::finding_json;
use crate::vmotion::MigrationReport;

/// A run of a lab in virtual time.
#[derive(Clone, Debug, Serialize)]
pub struct TwinReport {
    /// The lab.
    pub lab: String,
    /// `sim`.
    pub backend: &'static str,
    /// The seed of chance.
    pub seed: u64,
    /// How long it ran.
    pub time_ns: u64,
    /// When role, state or root last changed anywhere; absent if never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub converged_ns: Option<u64>,
    /// Number of switches.
    pub switches: usize,
    /// Blocked ports, `switch:port`.
    pub blocked: Vec<String>,
    /// What became of each step.
    pub steps: Vec<StepReport>,
    /// Every move of a VM, as the real backend reports it.
    pub migrations: Vec<MigrationReport>,
    /// Every switch: identifier, root, ports, CAM, counters.
    pub bridges: Vec<BridgeSnapshot>,
    /// What was found wrong, the first thousand, with time and path.
    pub violations: Vec<Value>,
    /// How often each thing was found wrong.
    pub violation_counts: FindingCounts,
    /// What the simulation did.
    pub totals: Totals,
    /// Every step went well. What was found wrong stands beside it: where frames are lost a loop may be what the lab shows.
    pub ok: bool,
}

impl Twin {
    /// What came of the run so far.
    #[must_use]
    pub fn report(&self, steps: Vec<StepReport>) -> TwinReport {
        let world = &self.world;
        let blocked = self
            .view()
            .blocked()
            .iter()
            .map(ToString::to_string)
            .collect();
        TwinReport {
            lab: self.topology.name.clone(),
            backend: "sim",
            seed: self.seed,
            time_ns: nanos(world.now()),
            converged_ns: world.changes().last().map(nanos),
            switches: self.topology.switches().count(),
            blocked,
            migrations: self.migrations.clone(),
            bridges: world.snapshot(),
            violations: world
                .findings()
                .iter()
                .map(|finding| finding_json(world.map(), finding))
                .collect(),
            violation_counts: world.finding_counts(),
            totals: world.totals(),
            ok: steps.iter().all(|step| step.ok),
            steps,
        }
    }
}
