//! A switch of four ports and whatever comes through them, with time between: no panic, every frame accounted for,
//! nothing that grows without bound.

use std::time::Duration;

use cam::{Capacity, MacTableConfig};
use pnet_base::MacAddr;
use stp::{BridgeConfig, PathCost, PortNumber, llc};
use switchd::event::Event;
use switchd::protect::{LoopDetection, StormAction, StormControl, StormRate};
use switchd::tag::Relayed;
use switchd::vlan::PortMode;
use switchd::{Instances, PortSettings, Ports, Switch, SwitchConfig, TreeProtocol};

use super::Octets;

const PORTS: u16 = 4;
/// Addresses the CAM holds: few, so that it is full soon.
const CAPACITY: usize = 16;
/// Trees of a switch here, at most: VLANs 1, 10 and 20, and the common one.
const TREES: u64 = 4;
/// Inputs of one run, at most, so that a run is short.
const INPUTS_MAX: usize = 400;
/// Timeouts in a row that leave one due at once: ageing is done in parts, anything else would be a busy loop.
const AT_ONCE_MAX: usize = 8;

/// What a switch does to the world, counted.
#[derive(Debug, Default)]
struct World {
    relayed: u64,
    /// The port a frame comes from, while one does.
    ingress: Option<PortNumber>,
    bpdus: [u64; PORTS as usize + 1],
}

impl Ports for World {
    fn transmit(&mut self, port: PortNumber, frame: Relayed<'_>) {
        assert_ne!(Some(port), self.ingress, "never back where it came from");
        let mut octets = Vec::new();
        frame.write_to(&mut octets);
        assert_eq!(octets.len(), frame.len());
        self.relayed += 1;
    }

    fn send(&mut self, port: PortNumber, frame: &[u8]) {
        let is_bpdu = llc::unframe(frame).is_ok() || llc::unframe_shared(frame).is_ok();
        assert!(is_bpdu, "sent to {port}: {frame:02x?}");
        self.bpdus[usize::from(port.get())] += 1;
    }

    fn notice(&mut self, _: Event) {}
}

struct Run {
    now: Duration,
    switch: Switch,
    world: World,
    /// How often a port's link came: its hold count begins anew.
    link_ups: u64,
}

/// An octet the protocol, one the ports' guards, then inputs: an octet what, one where, and what it needs.
pub(super) fn run(octets: &[u8]) {
    let mut octets = Octets(octets);
    let protocol = TreeProtocol::ALL[usize::from(octets.octet()) % TreeProtocol::ALL.len()];
    let mut run = Run::new(protocol, octets.octet());
    for _ in 0..INPUTS_MAX {
        if octets.is_empty() {
            break;
        }
        run.input(&mut octets);
        run.check();
    }
}

fn number(port: u16) -> PortNumber {
    PortNumber::new(port % PORTS + 1).expect("1 to 4")
}

/// Access, trunk, trunk with another native VLAN, tunnel; the guards that `guards` has bits for.
fn settings(port: u16, guards: u8) -> PortSettings {
    let name = format!("p{port}").parse().expect("a name");
    let last = u8::try_from(port).expect("few ports");
    let vid = |vlan| switchd::vlan::member_vid(vlan).expect("1 to 4094");
    let trunk = |native| PortMode::Trunk {
        allowed: "1,10,20".parse().expect("VLANs"),
        native: vid(native),
        native_tagged: false,
    };
    let has = |bit: u8| guards & (1 << bit) != 0;
    let mut settings = PortSettings::new(name, MacAddr::new(2, 0, 0, 0, 0, last));
    settings.mode = match port {
        1 => PortMode::Access { vlan: vid(1) },
        2 => trunk(1),
        3 => trunk(10),
        _ => PortMode::Dot1qTunnel { vlan: vid(20) },
    };
    settings.stp.admin_edge = has(0) && port == 1;
    settings.stp.bpdu_guard = has(1) && port == 1;
    settings.stp.bpdu_filter = has(2) && port == 2;
    settings.stp.restricted_role = has(3) && port == 3;
    settings.stp.restricted_tcn = has(3) && port == 2;
    settings.stp.loop_guard = has(4);
    settings.stp.bridge_assurance = has(5) && port == 2;
    if has(6) {
        settings.loop_detection = LoopDetection::Shutdown;
        settings.storm = StormControl {
            broadcast: StormRate::new(3),
            multicast: StormRate::new(3),
            unknown_unicast: StormRate::new(3),
            action: if has(7) {
                StormAction::Shutdown
            } else {
                StormAction::Drop
            },
        };
    }
    settings
}

impl Run {
    fn new(protocol: TreeProtocol, guards: u8) -> Self {
        let mut bridge = BridgeConfig::new(MacAddr::new(2, 0, 0, 0, 0, 0xff));
        bridge.guard_recovery = (guards & 1 != 0).then_some(Duration::from_secs(30));
        let switch = Switch::new(SwitchConfig {
            bridge,
            protocol,
            instances: Instances::default(),
            cam: MacTableConfig {
                capacity: Capacity::new(CAPACITY).expect("a capacity"),
                ..MacTableConfig::default()
            },
        });
        let mut run = Self {
            now: Duration::ZERO,
            switch,
            world: World::default(),
            link_ups: 0,
        };
        for port in 1..=PORTS {
            let port_number = number(port - 1);
            let added =
                run.switch
                    .add_port(run.now, port_number, settings(port, guards), &mut run.world);
            added.expect("a port");
            run.link_up(port_number);
        }
        run
    }

    fn link_up(&mut self, port: PortNumber) {
        let cost = PathCost::new(2_000).expect("a cost");
        self.link_ups += 1;
        self.switch
            .link_up(self.now, port, cost, true, &mut self.world);
    }

    fn input(&mut self, octets: &mut Octets<'_>) {
        let (what, port) = (octets.octet(), number(octets.octet().into()));
        match what % 8 {
            0..=2 => {
                let len = usize::from(octets.octet());
                let frame = octets.some(len);
                self.receive(port, frame);
            }
            3 => {
                let bpdu = octets.some(39);
                self.receive(
                    port,
                    &framed(&llc::BRIDGE_GROUP_ADDRESS.octets(), &[0x42, 0x42, 3], bpdu),
                );
            }
            4 => {
                let (bpdu, vlan) = (octets.some(36), octets.octet());
                let shared = [bpdu, &[0, 0, 0, 2, 0, vlan]].concat();
                let snap = [0xaa, 0xaa, 3, 0, 0, 0x0c, 1, 0x0b];
                self.receive(
                    port,
                    &framed(&llc::SHARED_SPANNING_TREE_ADDRESS.octets(), &snap, &shared),
                );
            }
            5 => self.pass(Duration::from_millis(u64::from(octets.octet()) * 20)),
            6 => self.pass(Duration::from_secs(octets.octet().into())),
            _ => {
                self.switch.link_down(self.now, port, &mut self.world);
                if octets.octet().is_multiple_of(2) {
                    self.link_up(port);
                }
            }
        }
    }

    /// Every frame is received, and then relayed, dropped for one reason, or a BPDU that spanning tree has taken.
    fn receive(&mut self, port: PortNumber, frame: &[u8]) {
        let counted = |switch: &Switch| {
            let counters = switch.port(port).expect("a port").counters();
            (counters.received_frames, counters.drops_total())
        };
        let ((received, dropped), relayed) = (counted(&self.switch), self.world.relayed);
        self.world.ingress = Some(port);
        self.switch.receive(self.now, port, frame, &mut self.world);
        self.world.ingress = None;
        let (now_received, now_dropped) = counted(&self.switch);
        assert_eq!(now_received, received + 1);
        let is_relayed = self.world.relayed > relayed;
        let is_bpdu = llc::unframe(frame).is_ok() || llc::unframe_shared(frame).is_ok();
        match now_dropped - dropped {
            0 => assert!(is_relayed || is_bpdu, "lost without a reason: {frame:02x?}"),
            1 => assert!(
                !is_relayed,
                "dropped, and relayed all the same: {frame:02x?}"
            ),
            more => panic!("one frame was dropped {more} times: {frame:02x?}"),
        }
    }

    /// Lets every timer run that is due meanwhile.
    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        let mut at_once = 0;
        while let Some(due) = self.switch.deadline().filter(|&due| due <= until) {
            at_once = if due > self.now { 0 } else { at_once + 1 };
            assert!(at_once <= AT_ONCE_MAX, "due at {due:?} again and again");
            self.now = self.now.max(due);
            self.switch.timeout(self.now, &mut self.world);
        }
        self.now = until;
        self.switch.timeout(self.now, &mut self.world);
    }

    fn check(&self) {
        // The switch pins its own addresses besides.
        assert!(self.switch.cam().len() <= CAPACITY + usize::from(PORTS) + 1);
        // Six BPDUs at once and one a second for each tree (802.1D-2004 17.13.12), in two forms on a trunk.
        let held = 6 * (1 + self.link_ups) + self.now.as_secs() + 1;
        for bpdus in self.world.bpdus {
            assert!(bpdus <= 2 * TREES * held, "{bpdus} BPDUs by {:?}", self.now);
        }
    }
}

/// Octets behind a header with the length they have.
fn framed(destination: &[u8], header: &[u8], octets: &[u8]) -> Vec<u8> {
    let len = u16::try_from(header.len() + octets.len()).expect("short");
    let source = [2, 0, 0, 0, 0, 0x99];
    [destination, &source, &len.to_be_bytes(), header, octets].concat()
}
