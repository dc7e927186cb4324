//! A checkpoint becomes a machine again: the synthetic handshake of each connection.

use core::time::Duration;
use pnet_base::MacAddr;
use smoltcp::socket::tcp::State;
use smoltcp::wire::{TcpControl, TcpRepr, TcpSeqNumber};
use std::net::SocketAddrV4;

use super::checkpoint::{Checkpoint, Closing, ConnectionState, MachineConfig};
use super::flow::Flow;
use super::frame::{Ends, Segment, arp_request, tcp_frame};
use super::machine::Machine;
use super::memory::{Dirtier, Memory, PAGES_MAX};
use super::service::{CONNECTIONS_MAX, Connection, Slot};
use super::stack::SEND_BUFFER;

/// Why a checkpoint cannot become a machine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ThawError {
    /// A value is outside its range.
    #[error("machine configuration: {0}")]
    Config(&'static str),
    /// The memory has another size than the configuration says.
    #[error("memory has {found} pages, the machine {expected}")]
    MemorySize {
        /// Pages there are.
        found: u32,
        /// Pages there should be.
        expected: u32,
    },
    /// More connections than a machine serves.
    #[error("{0} connections, a machine serves {CONNECTIONS_MAX}")]
    Connections(usize),
    /// A connection contradicts itself.
    #[error("connection with {peer}: {what}")]
    Connection {
        /// The peer.
        peer: SocketAddrV4,
        /// What is wrong with it.
        what: &'static str,
    },
}

impl Machine {
    /// The machine `checkpoint` was taken of, with its `memory`, to go on at `now`.
    ///
    /// It sends nothing by this call; the next poll lets it speak, and
    /// [`announce`](Machine::announce) makes it announce itself first.
    ///
    /// # Errors
    ///
    /// A checkpoint from a stranger may say anything: see [`ThawError`].
    pub fn thaw(now: Duration, checkpoint: Checkpoint, memory: Memory) -> Result<Self, ThawError> {
        let Checkpoint {
            config,
            connections,
            load_state,
            load_written,
            pings,
            moves,
        } = checkpoint;
        if connections.len() > CONNECTIONS_MAX {
            return Err(ThawError::Connections(connections.len()));
        }
        let rate = config.dirty_pages_per_second;
        let mut machine = Self::bare(now, config, memory)?;
        machine.load = Dirtier::new(now, rate, load_state, load_written);
        machine.pings = pings;
        machine.moves = moves.saturating_add(1);
        for (index, state) in connections.iter().enumerate() {
            let twice = connections[..index].iter().any(|s| s.peer == state.peer);
            check_connection(state, twice)?;
            Handshake::new(now, &mut machine, state).play()?;
        }
        // Only now: a handshake swallows what the stack sends meanwhile.
        for (index, state) in connections.iter().enumerate() {
            machine.requeue(index, state);
        }
        machine.service.open(&mut machine.stack);
        machine.frames.clear();
        Ok(machine)
    }

    /// Queues again what the peer has not acknowledged, the FIN included.
    fn requeue(&mut self, index: usize, state: &ConnectionState) {
        let slot = &mut self.service.slots[index];
        if let Some(connection) = &mut slot.connection {
            connection.produce(&mut self.stack, slot.handle, state.queued);
        }
        if state.closing == Closing::FinSent {
            self.stack.socket(slot.handle).close();
        }
    }
}

pub(super) fn check_config(config: &MachineConfig, memory: &Memory) -> Result<(), ThawError> {
    let mac = config.mac.octets();
    if mac[0] & 1 != 0 || config.mac == MacAddr::zero() {
        return Err(ThawError::Config("the MAC address must be a station's"));
    }
    if config.prefix_len > 32 {
        return Err(ThawError::Config("prefix length is 0 to 32"));
    }
    let ip = config.ip;
    if ip.is_unspecified() || ip.is_multicast() || ip.is_broadcast() || ip.is_loopback() {
        return Err(ThawError::Config("the IP address must be a host's"));
    }
    if config.port == 0 {
        return Err(ThawError::Config("the port must not be 0"));
    }
    if config.memory_pages == 0 || config.memory_pages > PAGES_MAX {
        return Err(ThawError::Config("memory is 1 to 1048576 pages"));
    }
    if memory.pages() != config.memory_pages {
        return Err(ThawError::MemorySize {
            found: memory.pages(),
            expected: config.memory_pages,
        });
    }
    Ok(())
}

fn check_connection(state: &ConnectionState, twice: bool) -> Result<(), ThawError> {
    let bad = |what| {
        Err(ThawError::Connection {
            peer: state.peer,
            what,
        })
    };
    let ip = state.peer.ip();
    if twice {
        return bad("listed twice");
    }
    if ip.is_unspecified() || ip.is_multicast() || ip.is_broadcast() || state.peer.port() == 0 {
        return bad("not a host's address");
    }
    if state.peer_mac.octets()[0] & 1 != 0 {
        return bad("the peer's MAC address is a group address");
    }
    let Some(unacknowledged) = state.queued.checked_sub(state.acknowledged) else {
        return bad("more acknowledged than sent");
    };
    if unacknowledged > SEND_BUFFER as u64 {
        return bad("more unacknowledged than a socket holds");
    }
    if state.closing == Closing::FinAcknowledged && unacknowledged > 0 {
        return bad("FIN acknowledged before the data");
    }
    let closed = state.peer_closed || state.closing != Closing::Open;
    if state.half_open && (state.queued > 0 || state.received > 0 || closed) {
        return bad("data before the handshake");
    }
    Ok(())
}

/// One connection being rebuilt.
struct Handshake<'a> {
    now: Duration,
    machine: &'a mut Machine,
    state: &'a ConnectionState,
    /// RCV.NXT on the wire, not counting a FIN.
    rcv_nxt: u32,
    /// SND.UNA on the wire, not counting a FIN.
    snd_una: u32,
}

impl<'a> Handshake<'a> {
    fn new(now: Duration, machine: &'a mut Machine, state: &'a ConnectionState) -> Self {
        Self {
            now,
            machine,
            state,
            rcv_nxt: position(state.irs, state.received),
            snd_una: position(state.iss, state.acknowledged),
        }
    }

    fn play(mut self) -> Result<(), ThawError> {
        let state = self.state;
        let port = self.machine.config.port;
        let handle = self.machine.stack.listen(port);
        self.inject(&arp_request(self.ends()));
        self.segment(
            TcpControl::Syn,
            self.rcv_nxt.wrapping_sub(1),
            None,
            u16::MAX,
        );
        let fresh = self.swallow_syn_ack()?;
        let first = fresh.wrapping_add(1);
        self.machine.flows.insert(Flow {
            peer: state.peer,
            peer_mac: state.peer_mac,
            options: state.options,
            irs: state.irs,
            iss: Some(state.iss),
            delta: self.snd_una.wrapping_sub(first),
            window: state.window,
        });
        let connection = Connection::resumed(state, self.now);
        if !state.half_open {
            self.segment(TcpControl::None, self.rcv_nxt, Some(first), state.window);
            if state.closing == Closing::FinAcknowledged {
                self.machine.stack.socket(handle).close();
                self.swallow();
                let after = first.wrapping_add(1);
                self.segment(TcpControl::None, self.rcv_nxt, Some(after), state.window);
            }
            if state.peer_closed {
                let ack = self.acknowledged(first);
                self.segment(TcpControl::Fin, self.rcv_nxt, Some(ack), state.window);
            }
        }
        self.check(handle)?;
        self.machine.service.slots.push(Slot {
            handle,
            connection: Some(connection),
        });
        Ok(())
    }

    /// The socket must be where the handshake meant to bring it.
    fn check(&mut self, handle: smoltcp::iface::SocketHandle) -> Result<(), ThawError> {
        let state = self.state;
        let found = self.machine.stack.socket(handle).state();
        let expected = match (state.half_open, state.peer_closed, state.closing) {
            (true, _, _) => State::SynReceived,
            (false, false, Closing::Open | Closing::FinSent) => State::Established,
            (false, true, Closing::Open | Closing::FinSent) => State::CloseWait,
            (false, false, Closing::FinAcknowledged) => State::FinWait2,
            (false, true, Closing::FinAcknowledged) => State::TimeWait,
        };
        if found == expected {
            return Ok(());
        }
        Err(ThawError::Connection {
            peer: state.peer,
            what: "the stack did not take the handshake",
        })
    }

    fn acknowledged(&self, first: u32) -> u32 {
        let fin = self.state.closing == Closing::FinAcknowledged;
        first.wrapping_add(u32::from(fin))
    }

    /// Frames as the peer would send them.
    fn ends(&self) -> Ends {
        let config = &self.machine.config;
        Ends {
            source: (self.state.peer_mac, *self.state.peer.ip()),
            destination: (config.mac, config.ip),
        }
    }

    fn segment(&mut self, control: TcpControl, seq: u32, ack: Option<u32>, window: u16) {
        let options = self.state.options;
        let syn = control == TcpControl::Syn;
        let segment = TcpRepr {
            src_port: self.state.peer.port(),
            dst_port: self.machine.config.port,
            control,
            seq_number: TcpSeqNumber(seq.cast_signed()),
            ack_number: ack.map(|ack| TcpSeqNumber(ack.cast_signed())),
            window_len: window,
            window_scale: options.window_scale.filter(|_| syn),
            max_seg_size: options.mss.filter(|_| syn),
            sack_permitted: options.sack && syn,
            sack_ranges: [None; 3],
            timestamp: None,
            payload: &[],
        };
        let frame = tcp_frame(self.ends(), &segment);
        self.inject(&frame);
    }

    /// Gives the stack a frame and drops its replies.
    fn inject(&mut self, frame: &[u8]) {
        let machine = &mut *self.machine;
        machine.frames.clear();
        machine.stack.ingress(self.now, frame, &mut machine.frames);
    }

    /// Lets the stack send into nowhere.
    fn swallow(&mut self) {
        let machine = &mut *self.machine;
        machine.frames.clear();
        machine.stack.egress(self.now, &mut machine.frames);
    }

    /// Swallows the SYN-ACK to this peer; returns its sequence number.
    fn swallow_syn_ack(&mut self) -> Result<u32, ThawError> {
        self.swallow();
        let frames = self.machine.frames.as_slice().iter();
        let mut segments = frames.filter_map(|frame| Segment::parse(frame));
        let peer = self.state.peer;
        let found = segments.find(|segment| segment.syn && segment.destination == peer);
        let error = ThawError::Connection {
            peer,
            what: "the peer is not in the machine's network",
        };
        Ok(found.ok_or(error)?.seq)
    }
}

/// The sequence number `offset` octets after a SYN numbered `initial`.
fn position(initial: u32, offset: u64) -> u32 {
    let low = u32::try_from(offset & u64::from(u32::MAX)).expect("masked to 32 bits");
    initial.wrapping_add(1).wrapping_add(low)
}
