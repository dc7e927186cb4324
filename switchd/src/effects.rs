//! From decisions to effects: the one road from a received frame to what leaves, is delivered or dropped, and
//! from spanning tree's actions to port states, BPDUs and events.

use std::time::Duration;

use cam::{Departed, Departure, Flush, Learned, MacTable};
use etherparse::VlanId;
use stp::{Action, Bpdu, Inconsistency, PortNumber, PortState, TopologyChangeKind, TreeId};

use crate::counters::DropReason;
use crate::event::{Event, FlushReason, TopologyChangeStep};
use crate::forward::{Egress, Flood, Forwarding, Lesson, ReservedAddress, Verdict};
use crate::frame::Cause;
use crate::port_name::PortName;
use crate::ports::Ports;
use crate::switch::{Port, Switch};
use crate::tag::Relayed;
use crate::train::Track;
use crate::trees::{Deeds, Engine, TreeProtocol, wire};

impl Switch {
    /// Takes one frame from `port` through the switch. Frames of unknown ports are ignored. Daemon and
    /// simulation both take this road. No allocation, no clock, no I/O but what `out` does.
    pub fn receive(&mut self, now: Duration, port: PortNumber, frame: &[u8], out: &mut impl Ports) {
        self.receive_first(now, port, frame, out);
    }

    /// The same. The frame's way, if that is the way of whatever comes behind it with the same addresses and tag.
    #[inline]
    pub(crate) fn receive_first(
        &mut self,
        now: Duration,
        port: PortNumber,
        frame: &[u8],
        out: &mut impl Ports,
    ) -> Option<Track> {
        let counters = self.counters_mut(port)?;
        counters.received(frame.len());
        let decision = self.forward(now, port, frame);
        if let Some(lesson) = &decision.learned {
            report(&self.ports, port, lesson, frame, out);
            if let Learned::Moved { from } = lesson.learned {
                self.moved(now, (lesson.vlan, lesson.address), (from, port), out);
            }
        }
        let reason = match decision.verdict {
            Verdict::Relay { tag, strip, egress } => {
                let relayed = |tagged: bool| Relayed::new(frame, strip, tagged.then_some(tag));
                match egress {
                    Egress::Port { .. } | Egress::Flood(_) if self.is_metered => {
                        let octets = frame.len();
                        self.relay_metered(now, (port, octets), (tag.vid, egress), &relayed, out)
                    }
                    Egress::Port { port, tagged } => {
                        out.transmit(port, relayed(tagged));
                        let tag = tagged.then_some(tag);
                        let lesson = decision.learned.map(|lesson| lesson.learned);
                        return (lesson == Some(Learned::Refreshed)).then_some(Track {
                            port,
                            strip,
                            tag,
                        });
                    }
                    Egress::Flood(kind) => self.flood(now, port, (tag.vid, kind), relayed, out),
                }
            }
            Verdict::Deliver(address) => self.deliver(now, port, address, frame, out),
            Verdict::DeliverShared { vlan } => self.deliver_shared(now, port, vlan, frame, out),
            Verdict::Drop(reason) => Some(reason),
        };
        if let (Some(reason), Some(counters)) = (reason, self.counters_mut(port)) {
            counters.dropped(reason, 1);
        }
        None
    }

    /// Hands a frame to all ports of its VLAN, if storm control lets it pass.
    #[inline]
    fn flood<'a>(
        &mut self,
        now: Duration,
        ingress: PortNumber,
        (vlan, kind): (VlanId, Flood),
        relayed: impl Fn(bool) -> Relayed<'a>,
        out: &mut impl Ports,
    ) -> Option<DropReason> {
        if let Some(reason) = self.storm(now, ingress, kind, out) {
            return Some(reason);
        }
        let mut ports = self.forwarding.flood(vlan, ingress).peekable();
        // Loop detection may just have disabled the only port there was.
        if ports.peek().is_none() {
            return Some(DropReason::NoEgress);
        }
        ports.for_each(|(port, tagged)| out.transmit(port, relayed(tagged)));
        None
    }

    /// Where some port has a rate: hands a frame on as far as the rates let it. Apart, so that where none has a frame costs
    /// one test more and no longer code.
    #[cold]
    #[inline(never)]
    fn relay_metered<'a>(
        &mut self,
        now: Duration,
        (ingress, octets): (PortNumber, usize),
        (vlan, egress): (VlanId, Egress),
        relayed: &dyn Fn(bool) -> Relayed<'a>,
        out: &mut impl Ports,
    ) -> Option<DropReason> {
        if !takes(&mut self.ports, now, ingress, octets) {
            return None;
        }
        let kind = match egress {
            Egress::Port { port, tagged } => {
                let relayed = relayed(tagged);
                if sends(&mut self.ports, now, port, relayed.len()) {
                    out.transmit(port, relayed);
                }
                return None;
            }
            Egress::Flood(kind) => kind,
        };
        if let Some(reason) = self.storm(now, ingress, kind, out) {
            return Some(reason);
        }
        let mut ports = self.forwarding.flood(vlan, ingress).peekable();
        if ports.peek().is_none() {
            return Some(DropReason::NoEgress);
        }
        for (port, tagged) in ports {
            let relayed = relayed(tagged);
            if sends(&mut self.ports, now, port, relayed.len()) {
                out.transmit(port, relayed);
            }
        }
        None
    }

    /// A frame to a reserved address: a BPDU for spanning tree, or nothing we listen to.
    fn deliver(
        &mut self,
        now: Duration,
        port: PortNumber,
        address: ReservedAddress,
        frame: &[u8],
        out: &mut impl Ports,
    ) -> Option<DropReason> {
        if address != ReservedAddress::BRIDGE_GROUP {
            return Some(DropReason::Reserved);
        }
        let plain = self.port(port).and_then(|port| {
            let mode = &port.settings().mode;
            match self.protocol() {
                TreeProtocol::Off => None,
                TreeProtocol::Stp | TreeProtocol::Rstp | TreeProtocol::Mstp => Some(TreeId::COMMON),
                TreeProtocol::Pvst | TreeProtocol::RapidPvst => wire::plain_tree(mode),
            }
        });
        let Some(tree) = plain else {
            return Some(DropReason::BpduIgnored);
        };
        match stp::llc::unframe(frame) {
            Ok(_) if self.is_held(port, tree) => Some(DropReason::BpduInconsistent),
            Ok(bpdu) => {
                self.drive(now, out, |engine| engine.receive(now, port, tree, &bpdu));
                None
            }
            Err(_) => Some(DropReason::BpduInvalid),
        }
    }

    /// A BPDU of one VLAN's tree. It says which VLAN its sender means; where that is another than the one it came in, the
    /// ends of the link do not agree, and neither VLAN may forward there, or a loop would lead through both.
    fn deliver_shared(
        &mut self,
        now: Duration,
        port: PortNumber,
        vlan: VlanId,
        frame: &[u8],
        out: &mut impl Ports,
    ) -> Option<DropReason> {
        let Ok(shared) = stp::llc::unframe_shared(frame) else {
            return Some(DropReason::BpduInvalid);
        };
        let (Some(tree), Some(state)) = (wire::tree_of(vlan), self.port(port)) else {
            return Some(DropReason::BpduIgnored);
        };
        let mode = &state.settings().mode;
        if !wire::is_trunk(mode) {
            let (tree, bpdu) = ([tree], &shared.bpdu);
            self.hold(now, port, tree, Inconsistency::Type, bpdu, out);
            return Some(DropReason::BpduInconsistent);
        }
        // BPDUs to the bridge group address speak for this tree already.
        let is_spoken_for = wire::plain_tree(mode) == Some(tree);
        match shared.vlan.and_then(TreeId::new) {
            Some(meant) if meant != tree => {
                let (trees, bpdu) = ([tree, meant], &shared.bpdu);
                self.hold(now, port, trees, Inconsistency::Pvid, bpdu, out);
                Some(DropReason::BpduInconsistent)
            }
            Some(_) | None if self.is_held(port, tree) => Some(DropReason::BpduInconsistent),
            Some(_) | None if is_spoken_for => None,
            Some(_) | None => {
                let bpdu = &shared.bpdu;
                self.drive(now, out, |engine| engine.receive(now, port, tree, bpdu));
                None
            }
        }
    }

    fn hold<const N: usize>(
        &mut self,
        now: Duration,
        port: PortNumber,
        trees: [TreeId; N],
        reason: Inconsistency,
        bpdu: &Bpdu,
        out: &mut impl Ports,
    ) {
        for tree in trees {
            self.drive(now, out, |engine| match engine {
                Engine::PerVlan(bridges) => {
                    Deeds::PerVlan(bridges.hold(now, port, tree, reason, bpdu))
                }
                Engine::Off | Engine::One(_) => Deeds::NONE,
            });
        }
    }
}

/// Whether the rate of `port` lets so much in; counted if not.
#[inline(never)]
fn takes(ports: &mut [Option<Port>], now: Duration, port: PortNumber, octets: usize) -> bool {
    let Some(state) = state_of(ports, port) else {
        return true;
    };
    let passes = state.meter.takes(now, octets);
    if !passes {
        state.counters.dropped(DropReason::ReceiveRate, 1);
    }
    passes
}

/// Whether the rate of `port` lets so much out; counted if not.
#[inline(never)]
fn sends(ports: &mut [Option<Port>], now: Duration, port: PortNumber, octets: usize) -> bool {
    let Some(state) = state_of(ports, port) else {
        return true;
    };
    let passes = state.meter.sends(now, octets);
    if !passes {
        state.counters.dropped(DropReason::TransmitRate, 1);
    }
    passes
}

fn state_of(ports: &mut [Option<Port>], port: PortNumber) -> Option<&mut Port> {
    ports.get_mut(usize::from(port.get()))?.as_mut()
}

/// Tells of what a source address did to the CAM.
fn report(
    ports: &[Option<Port>],
    port: PortNumber,
    lesson: &Lesson,
    frame: &[u8],
    out: &mut impl Ports,
) {
    let &Lesson { vlan, address, .. } = lesson;
    match lesson.learned {
        Learned::Refreshed | Learned::Rejected(_) => {}
        Learned::New { displaced } => {
            if let Some(gone) = displaced {
                departed(ports, &gone, out);
            }
            if let Some(port) = name(ports, port) {
                out.notice(Event::CamLearn {
                    vlan,
                    mac: address,
                    port,
                    cause: Cause::of(frame),
                });
            }
        }
        Learned::Moved { from } => {
            if let (Some(from), Some(to)) = (name(ports, from), name(ports, port)) {
                out.notice(Event::CamMove {
                    vlan,
                    mac: address,
                    from,
                    to,
                    cause: Cause::of(frame),
                });
            }
        }
    }
}

/// Tells of an entry that left.
pub(crate) fn departed(ports: &[Option<Port>], gone: &Departed<PortNumber>, out: &mut impl Ports) {
    let (vlan, mac) = (gone.vlan, gone.address);
    let Some(port) = name(ports, gone.port) else {
        return;
    };
    match gone.cause {
        Departure::Expired => out.notice(Event::CamExpire { vlan, mac, port }),
        Departure::Evicted => out.notice(Event::CamEvict { vlan, mac, port }),
        // Management put an entry in its place: management knows.
        Departure::Replaced => {}
    }
}

/// Flushes, and tells if there was something to flush.
pub(crate) fn flush(
    cam: &mut MacTable<PortNumber>,
    ports: &[Option<Port>],
    flush: Flush<PortNumber>,
    reason: FlushReason,
    out: &mut impl Ports,
) -> usize {
    let count = cam.flush(flush);
    if count > 0 {
        out.notice(Event::CamFlush {
            port: flush.port.and_then(|port| name(ports, port)),
            vlan: flush.vlan,
            count,
            reason,
        });
    }
    count
}

fn name(ports: &[Option<Port>], port: PortNumber) -> Option<PortName> {
    let port = ports.get(usize::from(port.get()))?.as_ref()?;
    Some(port.settings.name)
}

/// Everything of a switch that spanning tree's actions act on: all but the bridge.
pub(crate) struct Effects<'a> {
    pub(crate) ports: &'a mut [Option<Port>],
    pub(crate) forwarding: &'a mut Forwarding,
    pub(crate) cam: &'a mut MacTable<PortNumber>,
    /// Room for a frame.
    pub(crate) buffer: &'a mut Vec<u8>,
    /// Whether every VLAN has a tree.
    pub(crate) per_vlan: bool,
}

impl Effects<'_> {
    fn port(&mut self, port: PortNumber) -> Option<&mut Port> {
        self.ports.get_mut(usize::from(port.get()))?.as_mut()
    }

    /// Carries out `action`. `tree` is whose BPDU it is, if it is one.
    pub(crate) fn apply(&mut self, tree: TreeId, action: &Action, out: &mut impl Ports) {
        match *action {
            Action::Transmit { port, ref bpdu } => self.transmit(port, tree, bpdu, out),
            Action::SetState { port, tree, state } => self.set_state(port, tree, state, out),
            Action::SetRole { port, tree, role } => {
                let Some(entry) = self.port(port) else {
                    return;
                };
                let from = entry.set_role(tree, role);
                if from != role {
                    let port = entry.settings.name;
                    out.notice(Event::StpRole {
                        tree: tree.get(),
                        port,
                        from,
                        to: role,
                    });
                }
            }
            Action::Flush { port, tree } => {
                self.flush(port, tree, FlushReason::TopologyChange, out);
            }
            Action::SetInconsistent {
                port,
                tree,
                inconsistent,
            } => {
                if let Some(port) = name(self.ports, port) {
                    out.notice(Event::StpInconsistent {
                        tree: tree.get(),
                        port,
                        inconsistent,
                    });
                }
            }
            Action::ShortAgeing { tree, active } => self.short_ageing(tree, active, out),
            Action::RootChanged {
                tree,
                root,
                path_cost,
                port,
            } => {
                out.notice(Event::StpRoot {
                    tree: tree.get(),
                    root_priority: root.settable(),
                    root_address: root.address(),
                    path_cost,
                    port: port.and_then(|port| name(self.ports, port)),
                });
            }
            Action::TopologyChange { tree, port, kind } => {
                out.notice(Event::TopologyChange {
                    tree: tree.get(),
                    port: port.and_then(|port| name(self.ports, port)),
                    what: step(kind),
                });
            }
        }
    }

    fn set_state(
        &mut self,
        port: PortNumber,
        tree: TreeId,
        state: PortState,
        out: &mut impl Ports,
    ) {
        let Some(entry) = self.port(port) else {
            return;
        };
        let from = entry.set_state(tree, state);
        let name = entry.settings.name;
        self.forwarding.set_state(tree, port, state);
        if from == state {
            return;
        }
        out.notice(Event::StpState {
            tree: tree.get(),
            port: name,
            from,
            to: state,
        });
        // An entry that points to a port which no longer forwards would black-hole its station until
        // ageing; 802.1D-1998 leaves it there, 802.1D-2004 17.11 removes it.
        if from.learns() && !state.learns() {
            self.flush(port, tree, FlushReason::NotForwarding, out);
        }
    }

    fn transmit(&mut self, port: PortNumber, tree: TreeId, bpdu: &Bpdu, out: &mut impl Ports) {
        let entry = self.ports.get(usize::from(port.get()));
        let Some(state) = entry.and_then(Option::as_ref) else {
            return;
        };
        let (mode, source) = (&state.settings.mode, state.settings.address);
        if self.per_vlan {
            wire::frames(self.buffer, mode, source, tree, bpdu, |frame| {
                out.send(port, frame);
            });
        } else {
            self.buffer.clear();
            stp::llc::frame_into(self.buffer, source, bpdu);
            out.send(port, self.buffer);
        }
    }

    /// The CAM ages by the shorter time as a whole ([`Switch::drive`]). Where a VLAN has its own tree, what was learned in
    /// it is forgotten instead, as rapid trees do: sooner than the standard asks for, and in that VLAN alone.
    fn short_ageing(&mut self, tree: TreeId, active: bool, out: &mut impl Ports) {
        out.notice(Event::ShortAgeing {
            tree: tree.get(),
            active,
        });
        if active && self.per_vlan {
            let vlan = self.forwarding.trees().vlans(tree);
            for vlan in vlan.into_iter().flatten() {
                let all = Flush {
                    port: None,
                    vlan: Some(vlan),
                    address: None,
                };
                flush(self.cam, self.ports, all, FlushReason::TopologyChange, out);
            }
        }
    }

    /// Forgets what was learned on a port in the VLANs of a tree. Cost: the VLANs that the tree has, or in which the port has
    /// entries, whichever are fewer: a region's common tree has thousands, and so has a trunk of per-VLAN trees.
    fn flush(&mut self, port: PortNumber, tree: TreeId, reason: FlushReason, out: &mut impl Ports) {
        let trees = self.forwarding.trees();
        let Some(of_tree) = trees.vlans(tree) else {
            flush(self.cam, self.ports, Flush::port(port), reason, out);
            return;
        };
        let most = of_tree.len();
        let of_port = self.cam.vlans_of(port).take(most);
        let mut vlans: Vec<VlanId> = of_port.collect();
        if vlans.len() < most {
            vlans.retain(|&vlan| trees.tree_of(vlan) == Some(tree));
            vlans.sort_unstable();
        } else {
            vlans = of_tree.collect();
        }
        for vlan in vlans {
            let of_vlan = Flush {
                vlan: Some(vlan),
                ..Flush::port(port)
            };
            flush(self.cam, self.ports, of_vlan, reason, out);
        }
    }
}

fn step(kind: TopologyChangeKind) -> TopologyChangeStep {
    match kind {
        TopologyChangeKind::Detected => TopologyChangeStep::Detected,
        TopologyChangeKind::Notified => TopologyChangeStep::Notified,
        TopologyChangeKind::Acknowledged => TopologyChangeStep::Acknowledged,
        TopologyChangeKind::Active => TopologyChangeStep::Active,
        TopologyChangeKind::Ended => TopologyChangeStep::Ended,
    }
}
