//! Watching a world: everything that happens, as plain values.

use core::time::Duration;
use std::cell::RefCell;
use std::rc::Rc;

use switchd::counters::DropReason;
use switchd::event::Event;

use super::checks::Finding;
use super::id::{FlowId, NodeId, PortRef, WireId};
use super::map::Map;
use super::operation::Operation;
use super::wire::LossReason;

/// Something that happened.
#[derive(Clone, Copy, Debug)]
pub enum Notice<'a> {
    /// A frame left a port. Copies for several receivers of a segment are one transmission.
    Transmitted {
        /// The port.
        from: PortRef,
        /// The wire it goes by.
        wire: WireId,
        /// The frame, without check sequence.
        frame: &'a [u8],
        /// What it is a copy of; `None` for BPDUs.
        flow: Option<FlowId>,
    },
    /// A frame arrived at a port of a node that runs, and is about to be handled there.
    Arrived {
        /// The port.
        at: PortRef,
        /// The wire it came by; `None` if it was injected.
        wire: Option<WireId>,
        /// The frame.
        frame: &'a [u8],
        /// What it is a copy of.
        flow: Option<FlowId>,
    },
    /// A frame did not get through a wire.
    Lost {
        /// The port it left or should have left.
        from: PortRef,
        /// Whom it did not reach; `None`: nobody.
        to: Option<PortRef>,
        /// Why.
        reason: LossReason,
        /// What it is a copy of.
        flow: Option<FlowId>,
    },
    /// A bridge dropped a frame that arrived.
    Dropped {
        /// The port it came in by.
        at: PortRef,
        /// Why.
        reason: DropReason,
        /// What it is a copy of.
        flow: Option<FlowId>,
    },
    /// A bridge tells of itself.
    Bridge {
        /// The bridge.
        node: NodeId,
        /// What.
        event: &'a Event,
    },
    /// Somebody did something to the world.
    Operation(&'a Operation),
    /// A check found something wrong.
    Finding(&'a Finding),
}

/// Somebody who watches. Called as things happen, in their one defined order.
pub trait Observer {
    /// Hears of one thing.
    fn notice(&mut self, now: Duration, map: &Map, notice: &Notice<'_>);
}

/// An observer somebody else keeps a hand on.
impl<T: Observer> Observer for Rc<RefCell<T>> {
    fn notice(&mut self, now: Duration, map: &Map, notice: &Notice<'_>) {
        self.borrow_mut().notice(now, map, notice);
    }
}
