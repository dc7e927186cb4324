//! Which cases there are.

use super::choice::Demand;
use super::trial::EARLY;
use super::{Case, Schedule, Sender, Setting, Tree};

/// Cuts after the resume, up to this.
const LATE: i64 = 6_000;
/// Cuts fall beside the hundredths of seconds on which QEMU announces by default, so that a step of seconds compares like
/// with like.
const ASIDE: i64 = 2;
/// Frames a schedule of the search may have.
pub(super) const BUDGETS: [u32; 6] = [5, 10, 20, 30, 50, 100];

/// What is asked of a study.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) setting: Setting,
    pub(super) diameters: Vec<u32>,
    /// Losses from none up to this.
    pub(super) lost: u32,
    /// Milliseconds between the instants of the cut.
    pub(super) step: i64,
    pub(super) schedule: Schedule,
    /// Schedules to compare, with their names.
    pub(super) schedules: Vec<(String, Schedule)>,
}

impl Plan {
    /// When cables are cut: from so early that the tree stands again at the resume, to after it.
    pub(super) fn cuts(&self) -> Vec<i64> {
        let earliest = -2 * self.setting.forward_delay() - EARLY + ASIDE;
        let mut cuts = Vec::new();
        let mut at = earliest;
        while at <= LATE {
            cuts.push(at);
            at += self.step;
        }
        cuts
    }

    fn trees(&self) -> Vec<Tree> {
        let cuts = self.cuts().into_iter().map(Tree::Cut);
        [Tree::Quiet].into_iter().chain(cuts).collect()
    }

    /// Who announces, what is lost, who speaks, how far, and when the tree rebuilds.
    pub(super) fn cases(&self) -> Vec<Case> {
        let mut cases = Vec::new();
        for &diameter in &self.diameters {
            for tree in self.trees() {
                for chatty in [false, true] {
                    for sender in Sender::ALL {
                        // Nobody's announcements cannot be lost.
                        let most = if sender == Sender::Nobody {
                            0
                        } else {
                            self.lost
                        };
                        cases.extend((0..=most).map(|lost| Case {
                            diameter,
                            tree,
                            chatty,
                            sender,
                            lost,
                            schedule: self.schedule,
                        }));
                    }
                }
            }
        }
        cases
    }

    /// The longest way there is.
    pub(super) fn farthest(&self) -> u32 {
        self.diameters.iter().copied().max().unwrap_or(1)
    }

    /// What the chosen schedule must stand.
    pub(super) fn demand(&self) -> Demand {
        Demand {
            setting: self.setting,
            lost: self.lost,
            redundant: true,
        }
    }

    /// Every schedule to compare: those asked for, and the best of each budget.
    pub(super) fn contenders(&self) -> Vec<(String, Schedule)> {
        let demand = self.demand();
        let mut all = self.schedules.clone();
        for budget in BUDGETS {
            let best = demand.best(budget);
            if !all.iter().any(|(_, known)| *known == best) {
                all.push((format!("best of {budget} frames"), best));
            }
        }
        all
    }

    /// RARP for a silent guest over the longest way, by each schedule.
    pub(super) fn schedule_cases(&self) -> Vec<Case> {
        let mut cases = Vec::new();
        for (_, schedule) in self.contenders() {
            for tree in self.trees() {
                cases.extend((0..=self.lost).map(|lost| Case {
                    diameter: self.farthest(),
                    tree,
                    chatty: false,
                    sender: Sender::Rarp,
                    lost,
                    schedule,
                }));
            }
        }
        cases
    }
}
