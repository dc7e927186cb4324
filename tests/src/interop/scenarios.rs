//! All scenarios.

use super::plan::{Brand, Bridge, Scenario, Speech, Step, Wire};

const COST: u32 = 100;

fn bridge(brand: Brand, speech: Speech, priority: u16) -> Bridge {
    Bridge {
        brand,
        speech,
        priority,
        epochs: false,
    }
}

fn wire(one: usize, other: usize) -> Wire {
    Wire {
        ends: [one, other],
        cost: COST,
    }
}

/// Two bridges, two cables: the second is blocked at the leaf.
fn pair(
    name: &'static str,
    root: (Brand, Speech),
    leaf: (Brand, Speech),
    steps: Vec<Step>,
) -> Scenario {
    Scenario {
        name,
        bridges: vec![bridge(root.0, root.1, 4096), bridge(leaf.0, leaf.1, 8192)],
        wires: vec![wire(0, 1), wire(0, 1)],
        steps,
    }
}

/// Three in a ring, the first the root; cables a – b, b – c, c – a.
fn ring(name: &'static str, bridges: [(Brand, Speech); 3], steps: Vec<Step>) -> Scenario {
    let priorities = [4096, 8192, 12288];
    let bridges = bridges.into_iter().zip(priorities);
    Scenario {
        name,
        bridges: bridges
            .map(|((brand, speech), priority)| bridge(brand, speech, priority))
            .collect(),
        wires: vec![wire(0, 1), wire(1, 2), wire(2, 0)],
        steps,
    }
}

/// A link fails and returns.
fn failure() -> Vec<Step> {
    vec![Step::Cut(0), Step::Join(0)]
}

/// The root dies in silence and returns.
fn death() -> Vec<Step> {
    vec![Step::Stop(0), Step::Start(0)]
}

/// A peer, the second in the ring, becomes the root by its priority; a cost of ours, the third, moves the blocked port; the
/// same priority at ours changes nothing, for the peer's address is lower.
fn better() -> Vec<Step> {
    vec![
        Step::Priority(1, 0),
        Step::Cost {
            bridge: 2,
            wire: 1,
            cost: 500,
        },
        Step::Priority(2, 0),
    ]
}

/// The root, a peer, gets a worse priority; its cost then decides which of its ports is its root port.
fn worse() -> Vec<Step> {
    vec![
        Step::Priority(0, 16384),
        Step::Cost {
            bridge: 0,
            wire: 0,
            cost: 500,
        },
    ]
}

/// All scenarios, in the order of the document.
#[must_use]
pub fn all() -> Vec<Scenario> {
    use Brand::{Kernel, Ours, Ovs};
    const STP: Speech = Speech::Stp;
    const RSTP: Speech = Speech::Rstp;
    vec![
        pair(
            "the kernel is our root",
            (Kernel, STP),
            (Ours, STP),
            failure(),
        ),
        pair(
            "we are the kernel's root",
            (Ours, STP),
            (Kernel, STP),
            failure(),
        ),
        pair(
            "Open vSwitch is our root",
            (Ovs, STP),
            (Ours, STP),
            failure(),
        ),
        pair(
            "we are Open vSwitch's root",
            (Ours, STP),
            (Ovs, STP),
            failure(),
        ),
        ring(
            "three brands, the kernel root",
            [(Kernel, STP), (Ovs, STP), (Ours, STP)],
            failure(),
        ),
        ring(
            "three brands, ours root",
            [(Ours, STP), (Kernel, STP), (Ovs, STP)],
            failure(),
        ),
        ring(
            "three brands, Open vSwitch root",
            [(Ovs, STP), (Ours, STP), (Kernel, STP)],
            failure(),
        ),
        pair(
            "Open vSwitch is our rapid root",
            (Ovs, RSTP),
            (Ours, RSTP),
            failure(),
        ),
        pair(
            "we are Open vSwitch's rapid root",
            (Ours, RSTP),
            (Ovs, RSTP),
            failure(),
        ),
        ring(
            "three brands, ours rapid root",
            [(Ours, RSTP), (Ovs, RSTP), (Kernel, STP)],
            failure(),
        ),
        ring(
            "three brands, Open vSwitch rapid root",
            [(Ovs, RSTP), (Kernel, STP), (Ours, RSTP)],
            failure(),
        ),
        ring(
            "three brands, the kernel root of rapid bridges",
            [(Kernel, STP), (Ours, RSTP), (Ovs, RSTP)],
            failure(),
        ),
        pair(
            "Open vSwitch migrates, we are its root",
            (Ours, RSTP),
            (Ovs, RSTP),
            vec![Step::Speak(1, STP), Step::Speak(1, RSTP)],
        ),
        pair(
            "Open vSwitch migrates, it is our root",
            (Ovs, STP),
            (Ours, RSTP),
            vec![Step::Speak(0, RSTP), Step::Speak(0, STP)],
        ),
        pair(
            "we migrate, Open vSwitch is our root",
            (Ovs, RSTP),
            (Ours, STP),
            vec![Step::Speak(1, RSTP), Step::Speak(1, STP)],
        ),
        pair(
            "we migrate, the kernel is our leaf",
            (Ours, STP),
            (Kernel, STP),
            vec![Step::Speak(0, RSTP), Step::Speak(0, STP)],
        ),
        pair(
            "rapid Open vSwitch dies",
            (Ovs, RSTP),
            (Ours, RSTP),
            death(),
        ),
        ring(
            "our rapid root dies",
            [(Ours, RSTP), (Ovs, RSTP), (Ours, RSTP)],
            death(),
        ),
        ring(
            "rapid Open vSwitch gets better",
            [(Ours, RSTP), (Ovs, RSTP), (Ours, RSTP)],
            better(),
        ),
        ring(
            "rapid Open vSwitch gets worse",
            [(Ovs, RSTP), (Ours, RSTP), (Ours, RSTP)],
            worse(),
        ),
        ring(
            "three brands, ours rapid root with epochs",
            [(Ours, RSTP), (Ovs, RSTP), (Kernel, STP)],
            failure(),
        )
        .with_epochs(),
        ring(
            "our rapid root with epochs dies",
            [(Ours, RSTP), (Ovs, RSTP), (Ours, RSTP)],
            death(),
        )
        .with_epochs(),
        pair("the kernel dies", (Kernel, STP), (Ours, STP), death()),
        pair("Open vSwitch dies", (Ovs, STP), (Ours, STP), death()),
        ring(
            "our root dies",
            [(Ours, STP), (Kernel, STP), (Ours, STP)],
            death(),
        ),
        ring(
            "the kernel gets better",
            [(Ours, STP), (Kernel, STP), (Ours, STP)],
            better(),
        ),
        ring(
            "Open vSwitch gets better",
            [(Ours, STP), (Ovs, STP), (Ours, STP)],
            better(),
        ),
        ring(
            "the kernel gets worse",
            [(Kernel, STP), (Ours, STP), (Ours, STP)],
            worse(),
        ),
        ring(
            "Open vSwitch gets worse",
            [(Ovs, STP), (Ours, STP), (Ours, STP)],
            worse(),
        ),
    ]
}
