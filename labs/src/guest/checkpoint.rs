//! What a machine is besides its memory, as data that can travel.

use pnet_base::MacAddr;
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, SocketAddrV4};

/// How a machine is built: its addresses, size and work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineConfig {
    /// Address of its network card.
    #[serde(with = "mac_text")]
    pub mac: MacAddr,
    /// Its IP address.
    pub ip: Ipv4Addr,
    /// Length of its network prefix, 0..=32.
    pub prefix_len: u8,
    /// TCP port of its stream service, not 0.
    pub port: u16,
    /// Pages of memory of 4 KiB, at most [`memory::PAGES_MAX`](super::memory::PAGES_MAX).
    pub memory_pages: u32,
    /// Page writes per second.
    pub dirty_pages_per_second: u32,
    /// Pace of the stream in octets per second; 0: as fast as the peer takes it.
    pub stream_rate: u64,
    /// Octets after which the service closes a connection; `None`: when the peer does.
    pub stream_limit: Option<u64>,
    /// Seed of everything random in it.
    pub seed: u64,
}

impl Default for MachineConfig {
    fn default() -> Self {
        Self {
            mac: MacAddr(0x52, 0x54, 0, 0, 0, 5),
            ip: Ipv4Addr::new(10, 10, 0, 5),
            prefix_len: 24,
            port: 7,
            memory_pages: 64 * super::memory::PAGES_PER_MIB,
            dirty_pages_per_second: 1000,
            stream_rate: 256 * 1024,
            stream_limit: None,
            seed: 1,
        }
    }
}

/// Options of a peer's SYN: what the connection was agreed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SynOptions {
    /// Maximum segment size, octets.
    pub mss: Option<u16>,
    /// Shift of the peer's window, 0..=14.
    pub window_scale: Option<u8>,
    /// Selective acknowledgment permitted.
    pub sack: bool,
}

/// How far our side of a connection has closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Closing {
    /// More may be sent.
    Open,
    /// A FIN is queued or sent, not acknowledged.
    FinSent,
    /// Our FIN was acknowledged; the peer may still send.
    FinAcknowledged,
}

/// One TCP connection, as the peer sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionState {
    /// The peer's address and port.
    pub peer: SocketAddrV4,
    /// The peer's Ethernet address, as its frames came with.
    #[serde(with = "mac_text")]
    pub peer_mac: MacAddr,
    /// Options of its SYN.
    pub options: SynOptions,
    /// The window field it last sent, unscaled.
    pub window: u16,
    /// Our initial sequence number on the wire.
    pub iss: u32,
    /// The peer's initial sequence number.
    pub irs: u32,
    /// True while our SYN-ACK is not acknowledged (SYN-RECEIVED).
    pub half_open: bool,
    /// The peer has sent its FIN.
    pub peer_closed: bool,
    /// How far our side has closed.
    pub closing: Closing,
    /// Stream octets acknowledged by the peer.
    pub acknowledged: u64,
    /// Stream octets handed to TCP, never less than `acknowledged`.
    pub queued: u64,
    /// Octets received from the peer and consumed.
    pub received: u64,
    /// Of these, octets that were not what the peer should have sent.
    pub mismatched: u64,
}

/// A machine without its memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// How the machine was built.
    pub config: MachineConfig,
    /// Its connections.
    pub connections: Vec<ConnectionState>,
    /// State of the load's generator.
    pub load_state: u64,
    /// Page writes the load has done.
    pub load_written: u64,
    /// Echo requests answered.
    pub pings: u64,
    /// How often the machine has been moved before.
    pub moves: u32,
}

/// A MAC address as text, in the usual notation.
pub(crate) mod mac_text {
    use pnet_base::MacAddr;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(mac: &MacAddr, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(mac)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<MacAddr, D::Error> {
        let text = String::deserialize(from)?;
        text.parse()
            .map_err(|_| D::Error::custom(format_args!("`{text}` is no MAC address")))
    }
}
