//! Two ends of a trunk that do not agree about its native VLAN, or about what it is, where every VLAN has a tree.

use super::*;
use crate::vlan::PortMode;

/// Two switches joined by their only ports.
struct Pair {
    switches: [Switch; 2],
    wires: [Wire; 2],
    now: Duration,
}

fn trunk(native: u16) -> PortMode {
    PortMode::Trunk {
        allowed: "10,20".parse().unwrap(),
        native: VlanId::try_new(native).unwrap(),
        native_tagged: false,
    }
}

impl Pair {
    fn new(protocol: TreeProtocol, modes: [PortMode; 2]) -> Self {
        let mut wires = [Wire::default(), Wire::default()];
        let mut id = 0;
        let switches = modes.map(|mode| {
            id += 1;
            let mut bridge = BridgeConfig::new(MacAddr::new(2, 0, 0, 0, id, 0));
            if id == 1 {
                bridge.priority = stp::BridgePriority::MIN;
            }
            let mut switch = Switch::new(SwitchConfig {
                bridge,
                protocol,
                instances: Instances::default(),
                cam: MacTableConfig::default(),
            });
            let mut settings = PortSettings::new(name("t"), MacAddr::new(2, 0, 0, 0, id, 1));
            settings.mode = mode;
            let out = &mut wires[usize::from(id) - 1];
            switch.add_port(s(0), n(1), settings, out).unwrap();
            switch
        });
        let mut pair = Self {
            switches,
            wires,
            now: s(0),
        };
        for (switch, out) in pair.switches.iter_mut().zip(&mut pair.wires) {
            up(switch, s(0), 1, out);
        }
        pair
    }

    /// What one sends comes to the other at once.
    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            while let Some(from) = (0..2).find(|&from| !self.wires[from].bpdus.is_empty()) {
                let to = 1 - from;
                for (_, frame) in core::mem::take(&mut self.wires[from].bpdus) {
                    self.switches[to].receive(self.now, n(1), &frame, &mut self.wires[to]);
                }
            }
            let due = self.switches.iter().filter_map(Switch::deadline).min();
            let Some(due) = due.filter(|&due| due <= end) else {
                break;
            };
            self.now = self.now.max(due);
            for (switch, out) in self.switches.iter_mut().zip(&mut self.wires) {
                switch.timeout(self.now, out);
            }
        }
        self.now = end;
    }

    /// What was told of inconsistencies at an end, in order.
    fn told(&mut self, end: usize) -> Vec<(u16, Option<stp::Inconsistency>)> {
        let events = self.wires[end].events.drain(..);
        let told = events.filter_map(|event| {
            let Event::StpInconsistent {
                tree, inconsistent, ..
            } = event
            else {
                return None;
            };
            Some((tree, inconsistent))
        });
        told.collect()
    }

    /// Role and state of the port in a VLAN's tree at either end.
    fn ports(&self, vlan: u16) -> [(PortRole, PortState); 2] {
        [0, 1].map(|end| {
            let tree = TreeId::new(vlan).unwrap();
            let port = self.switches[end].port_in_tree(tree, n(1)).unwrap();
            (port.role, port.state)
        })
    }
}

/// Neither end follows the other while they do not agree: a root port would be silent, and the far end, which hears of the
/// disagreement from BPDUs alone, would take it for mended.
#[test]
fn both_ends_stay_held_while_they_do_not_agree() {
    for protocol in [TreeProtocol::Pvst, TreeProtocol::RapidPvst] {
        let mut pair = Pair::new(protocol, [trunk(10), trunk(20)]);
        pair.run(s(120));
        let pvid = Some(stp::Inconsistency::Pvid);
        for end in [0, 1] {
            let mut told = pair.told(end);
            told.sort_unstable();
            assert_eq!(told, [(10, pvid), (20, pvid)], "{protocol} {end}");
        }
        for vlan in [10, 20] {
            for (role, state) in pair.ports(vlan) {
                assert_eq!(role, PortRole::Designated, "{protocol} {vlan}");
                assert!(!state.learns(), "{protocol} {vlan}: {state}");
            }
        }
        // Mended at one end: both let go once, and the tree comes up.
        let settings = PortSettings {
            mode: trunk(10),
            ..pair.switches[1].port(n(1)).unwrap().settings().clone()
        };
        let (switch, out) = (&mut pair.switches[1], &mut pair.wires[1]);
        switch.set_port(pair.now, n(1), settings, out).unwrap();
        pair.run(s(60));
        for end in [0, 1] {
            let mut told = pair.told(end);
            told.sort_unstable();
            assert_eq!(told, [(10, None), (20, None)], "{protocol} {end}");
        }
        let forwarding = PortState::Forwarding;
        for vlan in [10, 20] {
            let ends = [PortRole::Designated, PortRole::Root].map(|role| (role, forwarding));
            assert_eq!(pair.ports(vlan), ends, "{protocol} {vlan}");
        }
    }
}

#[test]
fn an_access_port_before_a_better_bridges_trunk_stays_held() {
    let access = PortMode::Access {
        vlan: VlanId::try_new(10).unwrap(),
    };
    for protocol in [TreeProtocol::Pvst, TreeProtocol::RapidPvst] {
        let mut pair = Pair::new(protocol, [trunk(10), access.clone()]);
        pair.run(s(120));
        assert_eq!(pair.told(0), [], "{protocol}: nothing it can see");
        let held = (10, Some(stp::Inconsistency::Type));
        assert_eq!(pair.told(1), [held], "{protocol}");
        let [_, (role, state)] = pair.ports(10);
        assert!(
            role == PortRole::Designated && !state.learns(),
            "{protocol}"
        );
    }
}

/// The trunk's end would follow what the access port says in their one VLAN, and be silent there: then nothing would show
/// the access port that they do not agree. So the access port says nothing while it is held, and the trunk goes on.
#[test]
fn a_better_bridges_access_port_before_a_trunk_stays_held() {
    let access = PortMode::Access {
        vlan: VlanId::try_new(10).unwrap(),
    };
    for protocol in [TreeProtocol::Pvst, TreeProtocol::RapidPvst] {
        let mut pair = Pair::new(protocol, [access.clone(), trunk(10)]);
        pair.run(s(600));
        let held = (10, Some(stp::Inconsistency::Type));
        assert_eq!(pair.told(0), [held], "{protocol}: held once, for good");
        assert_eq!(pair.told(1), [], "{protocol}: nothing it can see");
        let forwarding = PortState::Forwarding;
        let [(role, state), far] = pair.ports(10);
        assert!(
            role == PortRole::Designated && !state.learns(),
            "{protocol}: {role} {state}"
        );
        assert_eq!(far, (PortRole::Designated, forwarding), "{protocol}");
        // Mended: the access port lets go once, and the tree comes up.
        let settings = PortSettings {
            mode: access.clone(),
            ..pair.switches[1].port(n(1)).unwrap().settings().clone()
        };
        let (switch, out) = (&mut pair.switches[1], &mut pair.wires[1]);
        switch.set_port(pair.now, n(1), settings, out).unwrap();
        pair.run(s(60));
        assert_eq!(pair.told(0), [(10, None)], "{protocol}");
        let ends = [PortRole::Designated, PortRole::Root].map(|role| (role, forwarding));
        assert_eq!(pair.ports(10), ends, "{protocol}");
    }
}
