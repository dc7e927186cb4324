//! Port Role Transitions (802.1D-2004 17.29, Figures 17-20 to 17-23; 802.1Q 13.35).
//!
//! Where several arrows leave a box at once the figures leave the choice free: what blocks comes first.

use super::{At, Countdown, Engine};
use crate::event::PortRole;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum State {
    InitPort,
    DisablePort,
    DisabledPort,
    MasterPort,
    MasterProposed,
    MasterAgreed,
    MasterSynced,
    MasterRetired,
    MasterForward,
    MasterLearn,
    MasterDiscard,
    RootPort,
    RootProposed,
    RootAgreed,
    RootDiscard,
    RootForward,
    RootLearn,
    Reroot,
    Rerooted,
    DesignatedPort,
    DesignatedPropose,
    DesignatedSynced,
    DesignatedRetired,
    DesignatedForward,
    DesignatedLearn,
    DesignatedDiscard,
    BlockPort,
    AlternatePort,
    AlternateProposed,
    AlternateAgreed,
    BackupPort,
}

impl State {
    pub(super) fn next(self, engine: &Engine, at: At) -> Option<Self> {
        let port = engine.tp(at);
        match self {
            Self::InitPort => return Some(Self::DisablePort),
            Self::MasterProposed
            | Self::MasterAgreed
            | Self::MasterSynced
            | Self::MasterRetired
            | Self::MasterForward
            | Self::MasterLearn
            | Self::MasterDiscard => return Some(Self::MasterPort),
            Self::RootProposed
            | Self::RootAgreed
            | Self::RootDiscard
            | Self::RootForward
            | Self::RootLearn
            | Self::Reroot
            | Self::Rerooted => return Some(Self::RootPort),
            Self::DesignatedPropose
            | Self::DesignatedSynced
            | Self::DesignatedRetired
            | Self::DesignatedForward
            | Self::DesignatedLearn
            | Self::DesignatedDiscard => return Some(Self::DesignatedPort),
            Self::AlternateProposed | Self::AlternateAgreed | Self::BackupPort => {
                return Some(Self::AlternatePort);
            }
            Self::DisablePort
            | Self::DisabledPort
            | Self::MasterPort
            | Self::RootPort
            | Self::DesignatedPort
            | Self::BlockPort
            | Self::AlternatePort => {}
        }
        // All arrows but the unconditional ones wait for what is selected.
        if !port.selected || port.updt_info {
            return None;
        }
        if port.role != port.selected_role {
            return Some(match port.selected_role {
                PortRole::Disabled => Self::DisablePort,
                PortRole::Master => Self::MasterPort,
                PortRole::Root => Self::RootPort,
                PortRole::Designated => Self::DesignatedPort,
                PortRole::Alternate | PortRole::Backup => Self::BlockPort,
            });
        }
        match port.role {
            PortRole::Disabled => self.next_of_disabled(engine, at),
            PortRole::Master => next_of_master(engine, at),
            PortRole::Root => next_of_root(engine, at),
            PortRole::Designated => next_of_designated(engine, at),
            PortRole::Alternate | PortRole::Backup => self.next_of_alternate(engine, at),
        }
    }

    /// Figure 17-20.
    fn next_of_disabled(self, engine: &Engine, at: At) -> Option<Self> {
        let port = engine.tp(at);
        if self != Self::DisabledPort {
            return (!port.learning && !port.forwarding).then_some(Self::DisabledPort);
        }
        let rests = port.fd_while == Countdown::Held(engine.max_age())
            && !port.sync
            && !port.re_root
            && port.synced;
        (!rests).then_some(Self::DisabledPort)
    }

    /// Figure 17-23.
    fn next_of_alternate(self, engine: &Engine, at: At) -> Option<Self> {
        let port = engine.tp(at);
        if self == Self::BlockPort {
            return (!port.learning && !port.forwarding).then_some(Self::AlternatePort);
        }
        if port.proposed && !port.agree {
            Some(Self::AlternateProposed)
        } else if (!port.agree && engine.all_synced(at)) || (port.proposed && port.agree) {
            Some(Self::AlternateAgreed)
        } else if port.fd_while != Countdown::Held(engine.forward_delay(at.port))
            || port.sync
            || port.re_root
            || !port.synced
        {
            Some(Self::AlternatePort)
        } else if port.role == PortRole::Backup && port.rb_while.is_zero() {
            Some(Self::BackupPort)
        } else {
            None
        }
    }
}

/// 802.1Q 13.35.
fn next_of_master(engine: &Engine, at: At) -> Option<State> {
    let port = engine.tp(at);
    let edge = engine.ports[at.port].oper_edge;
    let on = !edge && (port.learn || port.forward);
    // The figure lets a port learn that must discard, as fast as the machine turns.
    let may_go_on = (port.fd_while.is_zero() || engine.all_synced(at))
        && (edge || !must_discard(engine, at))
        && !engine.is_held(at);
    if on && (must_discard(engine, at) || engine.is_held(at)) {
        Some(State::MasterDiscard)
    } else if port.proposed && !port.agree {
        Some(State::MasterProposed)
    } else if (!port.agree && engine.all_synced(at)) || (port.proposed && port.agree) {
        Some(State::MasterAgreed)
    } else if must_sync(engine, at) {
        Some(State::MasterSynced)
    } else if port.re_root && port.rr_while.is_zero() {
        Some(State::MasterRetired)
    } else if !port.forward && port.learn && may_go_on {
        Some(State::MasterForward)
    } else if !port.learn && may_go_on {
        Some(State::MasterLearn)
    } else {
        None
    }
}

/// Figure 17-21.
fn next_of_root(engine: &Engine, at: At) -> Option<State> {
    let port = engine.tp(at);
    let held = engine.is_held(at);
    let may_go_on = |engine: &Engine| {
        port.fd_while.is_zero() || (port.rb_while.is_zero() && engine.re_rooted(at))
    };
    if held && (port.learn || port.forward) {
        Some(State::RootDiscard)
    } else if port.proposed && !port.agree {
        Some(State::RootProposed)
    } else if (!port.agree && engine.all_synced(at)) || (port.proposed && port.agree) {
        Some(State::RootAgreed)
    } else if !port.forward && !port.re_root && !held {
        Some(State::Reroot)
    } else if port.re_root && port.forward {
        Some(State::Rerooted)
    } else if port.learn && !port.forward && !held && may_go_on(engine) {
        Some(State::RootForward)
    } else if !port.learn && !held && may_go_on(engine) {
        Some(State::RootLearn)
    } else {
        None
    }
}

/// Figure 17-22.
fn next_of_designated(engine: &Engine, at: At) -> Option<State> {
    let port = engine.tp(at);
    let edge = engine.ports[at.port].oper_edge;
    let held = engine.is_held(at);
    let on = port.learn || port.forward;
    let may_go_on = (port.fd_while.is_zero() || port.agreed || edge)
        && (port.rr_while.is_zero() || !port.re_root)
        && !port.sync
        && !held;
    if (on && (held || (!edge && must_discard(engine, at)))) || (port.disputed && !edge) {
        Some(State::DesignatedDiscard)
    } else if !port.forward && !port.agreed && !port.proposing && !edge {
        Some(State::DesignatedPropose)
    } else if must_sync(engine, at) {
        Some(State::DesignatedSynced)
    } else if port.re_root && port.rr_while.is_zero() {
        Some(State::DesignatedRetired)
    } else if port.learn && !port.forward && may_go_on {
        Some(State::DesignatedForward)
    } else if !port.learn && may_go_on {
        Some(State::DesignatedLearn)
    } else {
        None
    }
}

/// The arrow to MASTER_DISCARD and DESIGNATED_DISCARD.
fn must_discard(engine: &Engine, at: At) -> bool {
    let port = engine.tp(at);
    (port.sync && !port.synced) || (port.re_root && !port.rr_while.is_zero()) || port.disputed
}

/// The arrow to MASTER_SYNCED and DESIGNATED_SYNCED.
fn must_sync(engine: &Engine, at: At) -> bool {
    let port = engine.tp(at);
    let edge = engine.ports[at.port].oper_edge;
    let harmless = (!port.learning && !port.forwarding) || port.agreed || edge;
    (harmless && !port.synced) || (port.sync && port.synced)
}

impl State {
    pub(super) fn enter(self, engine: &mut Engine, at: At) {
        let (fwd_delay, max_age) = (engine.fwd_delay(), engine.max_age());
        match self {
            Self::InitPort => {
                let port = engine.tp_mut(at);
                port.role = PortRole::Disabled;
                port.learn = false;
                port.forward = false;
                port.synced = false;
                port.sync = true;
                port.re_root = true;
                port.rr_while.hold(fwd_delay);
                port.fd_while.hold(max_age);
                port.rb_while.stop();
            }
            Self::DisablePort | Self::BlockPort => {
                let port = engine.tp_mut(at);
                port.role = port.selected_role;
                port.learn = false;
                port.forward = false;
                port.disputed = false;
            }
            Self::DisabledPort => {
                let port = engine.tp_mut(at);
                port.fd_while.hold(max_age);
                port.synced = true;
                port.rr_while.stop();
                port.sync = false;
                port.re_root = false;
            }
            Self::MasterPort | Self::RootPort | Self::DesignatedPort => engine.take_role(self, at),
            Self::MasterProposed | Self::RootProposed | Self::AlternateProposed => {
                engine.set_sync_tree(at.tree);
                engine.tp_mut(at).proposed = false;
            }
            Self::MasterAgreed | Self::RootAgreed => {
                let port = engine.tp_mut(at);
                port.proposed = false;
                port.sync = false;
                port.agree = true;
                engine.new_info(at);
            }
            Self::MasterSynced | Self::DesignatedSynced => {
                let port = engine.tp_mut(at);
                port.rr_while.stop();
                port.synced = true;
                port.sync = false;
            }
            Self::MasterRetired | Self::DesignatedRetired | Self::Rerooted => {
                engine.tp_mut(at).re_root = false;
            }
            Self::MasterForward | Self::DesignatedForward => {
                let agreed = engine.ports[at.port].send_rstp;
                let port = engine.tp_mut(at);
                port.forward = true;
                port.fd_while.stop();
                port.agreed = agreed;
            }
            Self::RootForward => {
                let port = engine.tp_mut(at);
                port.fd_while.stop();
                port.forward = true;
            }
            Self::MasterLearn | Self::RootLearn | Self::DesignatedLearn => {
                let (now, delay) = (engine.now, engine.forward_delay(at.port));
                let port = engine.tp_mut(at);
                port.fd_while.start(now, delay);
                port.learn = true;
            }
            Self::MasterDiscard | Self::RootDiscard | Self::DesignatedDiscard => {
                engine.discard(at);
            }
            Self::Reroot => {
                for port in &mut engine.trees[at.tree].ports {
                    port.re_root = true;
                }
                engine.trees[at.tree].marks.set_all();
            }
            Self::DesignatedPropose => {
                let (now, delay) = (engine.now, engine.edge_delay(at.port));
                engine.tp_mut(at).proposing = true;
                if at.is_common() {
                    engine.ports[at.port].edge_delay_while.start(now, delay);
                }
                engine.new_info(at);
            }
            Self::AlternatePort => {
                let delay = engine.forward_delay(at.port);
                let port = engine.tp_mut(at);
                port.fd_while.hold(delay);
                port.synced = true;
                port.rr_while.stop();
                port.sync = false;
                port.re_root = false;
            }
            Self::AlternateAgreed => {
                let port = engine.tp_mut(at);
                port.proposed = false;
                port.agree = true;
                engine.new_info(at);
            }
            Self::BackupPort => {
                let hello_time = engine.hello_time();
                engine.tp_mut(at).rb_while.hold(2 * hello_time);
            }
        }
    }
}

impl Engine {
    /// The boxes MASTER_PORT, ROOT_PORT and DESIGNATED_PORT. A timer that the box of the former role kept at its value runs
    /// from now on; rrWhile of a root port stays.
    fn take_role(&mut self, state: State, at: At) {
        let (now, fwd_delay) = (self.now, self.fwd_delay());
        let port = self.tp_mut(at);
        port.fd_while.release(now);
        port.rb_while.release(now);
        port.role = port.selected_role;
        if state == State::RootPort {
            port.disputed = false;
            port.rr_while.hold(fwd_delay);
        } else {
            port.rr_while.release(now);
        }
    }

    /// setSyncTree (17.21.14).
    fn set_sync_tree(&mut self, tree: usize) {
        for port in &mut self.trees[tree].ports {
            port.sync = true;
        }
        self.trees[tree].marks.set_all();
    }

    /// The boxes ..._DISCARD. After a dispute the port waits as if nobody had told it anything, each time again.
    fn discard(&mut self, at: At) {
        let now = self.now;
        let delay = if self.tp(at).disputed {
            self.fwd_delay()
        } else {
            self.forward_delay(at.port)
        };
        let port = self.tp_mut(at);
        port.learn = false;
        port.forward = false;
        port.disputed = false;
        port.fd_while.start(now, delay);
    }
}
