//! What a protocol has of its own to measure, besides growing: the law of rapid rings, what VLANs cost, what regions hold
//! back. Cheap, and drawn from the plan's seed alone: so it is measured when the report is written, by whoever writes it.

pub(super) mod law;
pub(super) mod load;
pub(super) mod regions;

use super::plan::Plan;
use super::plot::Chart;
use super::protocol::Protocol;

/// The measurements that a plan's protocol has; what it has not is empty.
#[derive(Clone, Debug, Default)]
pub(super) struct Own {
    pub(super) law: Vec<law::Ring>,
    pub(super) load: Vec<load::Row>,
    pub(super) regions: Vec<regions::Row>,
}

impl Own {
    pub(super) fn measure(plan: &Plan) -> Self {
        let mut own = Self::default();
        if !plan.depth {
            return own;
        }
        match plan.protocol {
            Protocol::Stp => {}
            Protocol::Rstp => own.law = law::measure(plan.protocol, plan.seed),
            Protocol::Mstp => own.regions = regions::measure(),
            Protocol::Pvst => own.load = load::measure(plan.protocol.tree_protocol()),
            Protocol::RapidPvst => {
                own.law = law::measure(plan.protocol, plan.seed);
                own.load = load::measure(plan.protocol.tree_protocol());
            }
        }
        own
    }

    /// Tables, by the names of their files.
    pub(super) fn tables(&self) -> Vec<(&'static str, String)> {
        let mut tables = Vec::new();
        if !self.law.is_empty() {
            tables.push(("law.csv", law::csv(&self.law)));
        }
        if !self.load.is_empty() {
            tables.push(("vlans.csv", load::csv(&self.load)));
        }
        if !self.regions.is_empty() {
            tables.push(("regions.csv", regions::csv(&self.regions)));
        }
        tables
    }

    pub(super) fn charts(&self) -> [Chart; 4] {
        [
            law::chart(&self.law),
            law::root_chart(&self.law),
            load::chart(&self.load),
            regions::chart(&self.regions),
        ]
    }
}
