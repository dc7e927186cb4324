//! The guest's application: a TCP server that streams numbered records at a steady pace.

use core::time::Duration;
use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp::State;
use smoltcp::wire::IpAddress;
use std::net::SocketAddrV4;

use super::checkpoint::{Closing, ConnectionState, MachineConfig};
use super::flow::FlowTable;
use super::stack::Stack;
use super::stream::{self, RECORD};

/// Connections served at once; one more is answered with RST.
pub(super) const CONNECTIONS_MAX: usize = 4;

/// A socket and what the application knows of the connection on it.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub(super) handle: SocketHandle,
    pub(super) connection: Option<Connection>,
}

/// The application's state of one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Connection {
    pub(super) peer: SocketAddrV4,
    /// Stream octets handed to TCP.
    pub(super) queued: u64,
    pub(super) received: u64,
    pub(super) mismatched: u64,
    /// The pace counts octets from `base` since `start`.
    pub(super) start: Duration,
    pub(super) base: u64,
}

/// All connections.
#[derive(Clone, Debug)]
pub(super) struct Service {
    pub(super) slots: Vec<Slot>,
    rate: u64,
    limit: Option<u64>,
    port: u16,
}

impl Service {
    pub(super) fn new(config: &MachineConfig) -> Self {
        Self {
            slots: Vec::with_capacity(CONNECTIONS_MAX),
            rate: config.stream_rate,
            limit: config.stream_limit,
            port: config.port,
        }
    }

    /// Fills the slots without a connection with listening sockets.
    pub(super) fn open(&mut self, stack: &mut Stack) {
        while self.slots.len() < CONNECTIONS_MAX {
            self.slots.push(Slot {
                handle: stack.listen(self.port),
                connection: None,
            });
        }
    }

    /// Consumes what arrived and queues what is due.
    pub(super) fn run(&mut self, now: Duration, stack: &mut Stack, flows: &mut FlowTable) {
        for index in 0..self.slots.len() {
            self.follow(index, now, stack, flows);
            let slot = &mut self.slots[index];
            if let Some(connection) = &mut slot.connection {
                connection.consume(stack, slot.handle);
                let due = connection.due(now, self.rate, self.limit);
                connection.produce(stack, slot.handle, due);
                connection.finish(stack, slot.handle, self.limit);
            }
        }
    }

    /// When a connection has its next record to send.
    pub(super) fn deadline(&self, now: Duration, stack: &Stack) -> Option<Duration> {
        self.slots
            .iter()
            .filter_map(|slot| {
                let connection = slot.connection.as_ref()?;
                let can = stack.socket_ref(slot.handle).can_send();
                can.then(|| connection.next(now, self.rate, self.limit))?
            })
            .min()
    }

    /// True if a socket is connected to `peer`.
    pub(super) fn is_live(&self, stack: &Stack, peer: SocketAddrV4) -> bool {
        self.slots.iter().any(|slot| {
            let socket = stack.socket_ref(slot.handle);
            socket.is_active() && remote(stack, slot.handle) == Some(peer)
        })
    }

    /// The connections as data. Those in TIME-WAIT are over.
    pub(super) fn states(&self, stack: &Stack, flows: &FlowTable) -> Vec<ConnectionState> {
        let states = self.slots.iter().filter_map(|slot| {
            let connection = slot.connection.as_ref()?;
            let socket = stack.socket_ref(slot.handle);
            let (half_open, peer_closed, closing) = phase(socket.state())?;
            let flow = flows.get(connection.peer)?;
            let unacknowledged = socket.send_queue() as u64;
            Some(ConnectionState {
                peer: connection.peer,
                peer_mac: flow.peer_mac,
                options: flow.options,
                window: flow.window,
                iss: flow.iss?,
                irs: flow.irs,
                half_open,
                peer_closed,
                closing,
                acknowledged: connection.queued.saturating_sub(unacknowledged),
                queued: connection.queued,
                received: connection.received,
                mismatched: connection.mismatched,
            })
        });
        states.collect()
    }

    /// Connects slot and socket: a new connection begins, one that ended is cleared away.
    fn follow(&mut self, index: usize, now: Duration, stack: &mut Stack, flows: &mut FlowTable) {
        let slot = &mut self.slots[index];
        let peer = remote(stack, slot.handle);
        match (stack.socket_ref(slot.handle).state(), &slot.connection) {
            (State::Closed, connection) => {
                // An abort still has its RST to send; then the end point is gone.
                if peer.is_none() {
                    if let Some(connection) = connection {
                        flows.remove(connection.peer);
                    }
                    slot.connection = None;
                    let socket = stack.socket(slot.handle);
                    socket.listen(self.port).expect("closed, port is not 0");
                }
            }
            (State::Listen, Some(connection)) => {
                flows.remove(connection.peer);
                slot.connection = None;
            }
            (
                State::Listen
                | State::SynSent
                | State::SynReceived
                | State::Established
                | State::FinWait1
                | State::FinWait2
                | State::CloseWait
                | State::Closing
                | State::LastAck
                | State::TimeWait,
                connection,
            ) => {
                if let (Some(peer), None) = (peer, connection) {
                    slot.connection = Some(Connection::new(peer, now));
                }
            }
        }
    }
}

impl Connection {
    fn new(peer: SocketAddrV4, now: Duration) -> Self {
        Self {
            peer,
            queued: 0,
            received: 0,
            mismatched: 0,
            start: now,
            base: 0,
        }
    }

    /// A connection that goes on after a move: what was not acknowledged is queued again.
    pub(super) fn resumed(state: &ConnectionState, now: Duration) -> Self {
        Self {
            peer: state.peer,
            queued: state.acknowledged,
            received: state.received,
            mismatched: state.mismatched,
            start: now,
            base: state.queued,
        }
    }

    fn consume(&mut self, stack: &mut Stack, handle: SocketHandle) {
        let socket = stack.socket(handle);
        while socket.can_recv() {
            let taken = socket.recv(|bytes| {
                for (offset, octet) in (self.received..).zip(bytes.iter()) {
                    self.mismatched += u64::from(*octet != stream::upstream_octet(offset));
                }
                (bytes.len(), bytes.len())
            });
            match taken {
                Ok(0) | Err(_) => break,
                Ok(count) => self.received += count as u64,
            }
        }
    }

    /// Offset up to which the stream is due at `now`.
    fn due(&self, now: Duration, rate: u64, limit: Option<u64>) -> u64 {
        let limit = limit.unwrap_or(u64::MAX);
        if rate == 0 {
            return limit;
        }
        let elapsed = now.saturating_sub(self.start).as_nanos();
        let octets = elapsed * u128::from(rate) / 1_000_000_000;
        let octets = u64::try_from(octets).unwrap_or(u64::MAX);
        let due = self.base.saturating_add(octets);
        let whole = due - due % RECORD as u64;
        whole.max(self.base).min(limit)
    }

    /// Queues stream octets up to offset `due`, as many as the socket takes.
    pub(super) fn produce(&mut self, stack: &mut Stack, handle: SocketHandle, due: u64) {
        let socket = stack.socket(handle);
        while self.queued < due && socket.can_send() {
            let queued = self.queued;
            let sent = socket.send(|buffer| {
                let wanted = usize::try_from(due - queued).unwrap_or(usize::MAX);
                let count = buffer.len().min(wanted);
                stream::fill(queued, &mut buffer[..count]);
                (count, count)
            });
            match sent {
                Ok(0) | Err(_) => break,
                Ok(count) => self.queued += count as u64,
            }
        }
    }

    /// Closes our side when the stream is at its end, or without one when the peer closed.
    fn finish(&self, stack: &mut Stack, handle: SocketHandle, limit: Option<u64>) {
        let socket = stack.socket(handle);
        let over = match limit {
            Some(limit) => self.queued >= limit,
            None => socket.state() == State::CloseWait,
        };
        if over && socket.may_send() {
            socket.close();
        }
    }

    /// When the next record is due; `None` at the end of the stream or without a pace.
    fn next(&self, now: Duration, rate: u64, limit: Option<u64>) -> Option<Duration> {
        if limit.is_some_and(|limit| self.queued >= limit) {
            return None;
        }
        if rate == 0 {
            return Some(now);
        }
        let record = RECORD as u64;
        let next = (self.queued.max(self.base) / record + 1) * record;
        let octets = u128::from(next.saturating_sub(self.base));
        let nanos = (octets * 1_000_000_000).div_ceil(u128::from(rate));
        let after = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        Some(self.start.saturating_add(after).max(now))
    }
}

/// SYN-RECEIVED, FIN received, and how far our side closed; `None`: nothing to carry over.
fn phase(state: State) -> Option<(bool, bool, Closing)> {
    match state {
        State::SynReceived => Some((true, false, Closing::Open)),
        State::Established => Some((false, false, Closing::Open)),
        State::CloseWait => Some((false, true, Closing::Open)),
        State::FinWait1 => Some((false, false, Closing::FinSent)),
        State::FinWait2 => Some((false, false, Closing::FinAcknowledged)),
        State::Closing | State::LastAck => Some((false, true, Closing::FinSent)),
        State::Closed | State::Listen | State::SynSent | State::TimeWait => None,
    }
}

fn remote(stack: &Stack, handle: SocketHandle) -> Option<SocketAddrV4> {
    let endpoint = stack.socket_ref(handle).remote_endpoint()?;
    let IpAddress::Ipv4(ip) = endpoint.addr;
    Some(SocketAddrV4::new(ip, endpoint.port))
}
