//! From decisions to effects: the one road from a received frame to what leaves, is delivered or dropped, and
//! from spanning tree's actions to port states, BPDUs and events.

use std::time::Duration;

use cam::{Departed, Departure, Flush, Learned, MacTable};
use stp::{Action, PortNumber, PortState, TopologyChangeKind, TreeId};

use crate::counters::DropReason;
use crate::event::{Event, FlushReason, TopologyChangeStep};
use crate::forward::{Forwarding, Lesson, ReservedAddress, Verdict};
use crate::frame::Cause;
use crate::port_name::PortName;
use crate::ports::Ports;
use crate::switch::{Port, Switch};
use crate::tag::Relayed;

impl Switch {
    /// Takes one frame from `port` through the switch. Frames of unknown ports are ignored. Daemon and
    /// simulation both take this road. No allocation, no clock, no I/O but what `out` does.
    pub fn receive(&mut self, now: Duration, port: PortNumber, frame: &[u8], out: &mut impl Ports) {
        let Some(counters) = self.counters_mut(port) else {
            return;
        };
        counters.received(frame.len());
        let decision = self.forward(now, port, frame);
        if let Some(lesson) = &decision.learned {
            report(&self.ports, port, lesson, frame, out);
        }
        let reason = match decision.verdict {
            Verdict::Relay {
                tag,
                strip,
                tagged,
                untagged,
            } => {
                for port in tagged.iter() {
                    out.transmit(port, Relayed::new(frame, strip, Some(tag)));
                }
                for port in untagged.iter() {
                    out.transmit(port, Relayed::new(frame, strip, None));
                }
                return;
            }
            Verdict::Deliver(address) => self.deliver(now, port, address, frame, out),
            Verdict::Drop(reason) => Some(reason),
        };
        if let (Some(reason), Some(counters)) = (reason, self.counters_mut(port)) {
            counters.dropped(reason, 1);
        }
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
        if self.bridge().is_none() {
            return Some(DropReason::BpduIgnored);
        }
        match stp::llc::unframe(frame) {
            Ok(bpdu) => {
                let event = stp::Event::Received { port, bpdu: &bpdu };
                self.drive(now, out, |bridge| bridge.handle(now, event));
                None
            }
            Err(_) => Some(DropReason::BpduInvalid),
        }
    }
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
}

impl Effects<'_> {
    fn port(&mut self, port: PortNumber) -> Option<&mut Port> {
        self.ports.get_mut(usize::from(port.get()))?.as_mut()
    }

    pub(crate) fn apply(&mut self, action: &Action, out: &mut impl Ports) {
        match *action {
            Action::Transmit { port, ref bpdu } => {
                if let Some(state) = self.port(port) {
                    let frame = stp::llc::frame(state.settings.address, bpdu);
                    out.send(port, &frame);
                }
            }
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
            Action::Flush { port, .. } => {
                self.flush(port, FlushReason::TopologyChange, out);
            }
            // Guards are off: no setting of this switch turns one on.
            Action::SetInconsistent { .. } => {}
            Action::ShortAgeing { tree, active } => {
                out.notice(Event::ShortAgeing {
                    tree: tree.get(),
                    active,
                });
            }
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
            self.flush(port, FlushReason::NotForwarding, out);
        }
    }

    fn flush(&mut self, port: PortNumber, reason: FlushReason, out: &mut impl Ports) {
        flush(self.cam, self.ports, Flush::port(port), reason, out);
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
