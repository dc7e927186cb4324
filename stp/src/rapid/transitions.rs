//! Which arrows of the figures have been taken: an instrument, for those who test a bridge or wonder at one.

use core::fmt;

/// The machines, by the clause of 802.1D-2004.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Machine {
    /// 17.23.
    PortReceive,
    /// 17.24.
    PortProtocolMigration,
    /// 17.25.
    BridgeDetection,
    /// 17.26.
    PortTransmit,
    /// 17.27.
    PortInformation,
    /// 17.28.
    PortRoleSelection,
    /// 17.29.
    PortRoleTransitions,
    /// 17.30.
    PortStateTransition,
    /// 17.31.
    TopologyChange,
}

const MACHINES: [Machine; 9] = [
    Machine::PortReceive,
    Machine::PortProtocolMigration,
    Machine::BridgeDetection,
    Machine::PortTransmit,
    Machine::PortInformation,
    Machine::PortRoleSelection,
    Machine::PortRoleTransitions,
    Machine::PortStateTransition,
    Machine::TopologyChange,
];

impl Machine {
    /// The figure's boxes, in the order of the machine's states.
    const fn boxes(self) -> &'static [&'static str] {
        match self {
            Self::PortReceive => &["DISCARD", "RECEIVE"],
            Self::PortProtocolMigration => &["CHECKING_RSTP", "SELECTING_STP", "SENSING"],
            Self::BridgeDetection => &["EDGE", "NOT_EDGE"],
            Self::PortTransmit => &[
                "TRANSMIT_INIT",
                "TRANSMIT_PERIODIC",
                "TRANSMIT_CONFIG",
                "TRANSMIT_TCN",
                "TRANSMIT_RSTP",
                "IDLE",
            ],
            Self::PortInformation => &[
                "DISABLED",
                "AGED",
                "UPDATE",
                "CURRENT",
                "RECEIVE",
                "SUPERIOR_DESIGNATED",
                "REPEATED_DESIGNATED",
                "INFERIOR_DESIGNATED",
                "NOT_DESIGNATED",
                "OTHER",
            ],
            Self::PortRoleSelection => &["INIT_TREE", "ROLE_SELECTION"],
            Self::PortRoleTransitions => &[
                "INIT_PORT",
                "DISABLE_PORT",
                "DISABLED_PORT",
                "MASTER_PORT",
                "MASTER_PROPOSED",
                "MASTER_AGREED",
                "MASTER_SYNCED",
                "MASTER_RETIRED",
                "MASTER_FORWARD",
                "MASTER_LEARN",
                "MASTER_DISCARD",
                "ROOT_PORT",
                "ROOT_PROPOSED",
                "ROOT_AGREED",
                "ROOT_DISCARD",
                "ROOT_FORWARD",
                "ROOT_LEARN",
                "REROOT",
                "REROOTED",
                "DESIGNATED_PORT",
                "DESIGNATED_PROPOSE",
                "DESIGNATED_SYNCED",
                "DESIGNATED_RETIRED",
                "DESIGNATED_FORWARD",
                "DESIGNATED_LEARN",
                "DESIGNATED_DISCARD",
                "BLOCK_PORT",
                "ALTERNATE_PORT",
                "ALTERNATE_PROPOSED",
                "ALTERNATE_AGREED",
                "BACKUP_PORT",
            ],
            Self::PortStateTransition => &["DISCARDING", "LEARNING", "FORWARDING"],
            Self::TopologyChange => &[
                "INACTIVE",
                "LEARNING",
                "DETECTED",
                "ACTIVE",
                "NOTIFIED_TCN",
                "NOTIFIED_TC",
                "PROPAGATING",
                "ACKNOWLEDGED",
            ],
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::PortReceive => "17.23 Port Receive",
            Self::PortProtocolMigration => "17.24 Port Protocol Migration",
            Self::BridgeDetection => "17.25 Bridge Detection",
            Self::PortTransmit => "17.26 Port Transmit",
            Self::PortInformation => "17.27 Port Information",
            Self::PortRoleSelection => "17.28 Port Role Selection",
            Self::PortRoleTransitions => "17.29 Port Role Transitions",
            Self::PortStateTransition => "17.30 Port State Transition",
            Self::TopologyChange => "17.31 Topology Change",
        })
    }
}

/// An arrow of a figure: boxes by the names they have there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Transition {
    /// The machine.
    pub machine: Machine,
    /// From this box.
    pub from: &'static str,
    /// To this box.
    pub to: &'static str,
}

/// More than any machine has boxes.
const BOXES_MAX: usize = 32;

/// A bit for each pair of boxes of each machine.
#[derive(Clone, Debug)]
pub(crate) struct Transitions([[u32; BOXES_MAX]; MACHINES.len()]);

impl Transitions {
    pub(super) const fn new() -> Self {
        Self([[0; BOXES_MAX]; MACHINES.len()])
    }

    pub(super) const fn note(&mut self, machine: Machine, from: usize, to: usize) {
        self.0[machine as usize][from] |= 1 << to;
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Transition> + '_ {
        MACHINES.into_iter().flat_map(move |machine| {
            let boxes = machine.boxes();
            let rows = boxes.iter().zip(&self.0[machine as usize]);
            rows.flat_map(move |(from, row)| {
                let taken = boxes
                    .iter()
                    .enumerate()
                    .filter(move |(to, _)| row & (1 << to) != 0);
                taken.map(move |(_, to)| Transition { machine, from, to })
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_are_in_the_order_of_the_states() {
        let name = |state: &dyn fmt::Debug| -> String {
            let mut name = String::new();
            for letter in format!("{state:?}").chars() {
                if letter.is_uppercase() && !name.is_empty() {
                    name.push('_');
                }
                name.push(letter.to_ascii_uppercase());
            }
            name
        };
        use crate::rapid::{information, role_transition, topology_change, transmit};
        let boxes = Machine::PortRoleTransitions.boxes();
        for (state, index) in [
            (role_transition::State::InitPort, 0),
            (role_transition::State::MasterDiscard, 10),
            (role_transition::State::Rerooted, 18),
            (role_transition::State::DesignatedDiscard, 25),
            (role_transition::State::BackupPort, 30),
        ] {
            assert_eq!((state as usize, boxes[index]), (index, &*name(&state)));
        }
        for (state, index) in [
            (information::State::Disabled, 0),
            (information::State::SuperiorDesignated, 5),
            (information::State::Other, 9),
        ] {
            let boxes = Machine::PortInformation.boxes();
            assert_eq!((state as usize, boxes[index]), (index, &*name(&state)));
        }
        let state = topology_change::State::Acknowledged;
        assert_eq!(
            Machine::TopologyChange.boxes()[state as usize],
            name(&state)
        );
        let state = transmit::State::Idle;
        assert_eq!(Machine::PortTransmit.boxes()[state as usize], name(&state));
    }

    #[test]
    fn what_is_noted_is_told() {
        let mut taken = Transitions::new();
        taken.note(Machine::BridgeDetection, 1, 0);
        taken.note(Machine::PortRoleTransitions, 30, 27);
        let told: Vec<_> = taken.iter().map(|t| (t.from, t.to)).collect();
        assert_eq!(
            told,
            [("NOT_EDGE", "EDGE"), ("BACKUP_PORT", "ALTERNATE_PORT")]
        );
    }
}
