//! Bridge protocol data units: total decoding, infallible encoding (802.1D-1998 clause 9, 802.1D-2004 9.3).
//!
//! ```text
//! octet  0    2    3    4     5      13         17        25     27        29       31      33        35
//!        | 0  | ver| typ| flg | root | root     | bridge  | port | message | max    | hello | forward | (RST: 0)
//!        |    |    |    |     | id   | path cost| id      | id   | age     | age    | time  | delay   |
//! ```
//! A TCN ends after the type. Times are in 1/256 s. Longer BPDUs than these are legal, what follows is ignored. What
//! a multiple spanning tree BPDU adds stands in `bpdu/mst.rs`, what RSTP with epochs adds in `bpdu/epoch.rs`.

pub(crate) mod epoch;
mod mst;

pub use epoch::EpochStamp;
pub use mst::{MSTI_RECORDS_MAX, MstBpdu, MstiRecord};

use crate::id::{BridgeId, PortId};
use crate::priority::PriorityVector;
use crate::times::{BpduTime, TimesInForce};

const TYPE_CONFIG: u8 = 0x00;
const TYPE_RST: u8 = 0x02;
const TYPE_TCN: u8 = 0x80;
const VERSION_STP: u8 = 0;
const VERSION_RSTP: u8 = 2;

const LENGTH_TCN: usize = 4;
const LENGTH_CONFIG: usize = 35;
const LENGTH_RST: usize = 36;
/// The longest BPDU that [`Bpdu::encode`] writes, in octets: multiple spanning tree with 64 records, and epochs.
pub const BPDU_LENGTH_MAX: usize =
    mst::LENGTH_MST + MSTI_RECORDS_MAX * mst::LENGTH_RECORD + epoch::LENGTH_MAX;

const FLAG_TOPOLOGY_CHANGE: u8 = 0x01;
const FLAG_PROPOSAL: u8 = 0x02;
const FLAG_LEARNING: u8 = 0x10;
const FLAG_FORWARDING: u8 = 0x20;
const FLAG_AGREEMENT: u8 = 0x40;
const FLAG_ACKNOWLEDGMENT: u8 = 0x80;

/// One decoded bridge protocol data unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bpdu {
    /// Configuration (802.1D-1998 9.3.1).
    Config(ConfigBpdu),
    /// Topology change notification (802.1D-1998 9.3.2); it has no content.
    Tcn,
    /// Rapid spanning tree (802.1D-2004 9.3.3).
    Rst(RstBpdu),
    /// Multiple spanning tree (802.1Q 14.6); a bridge that knows nothing of regions reads [`MstBpdu::cist`] as an RST BPDU.
    /// Boxed: with its records it is thirty times as large as the others.
    Mst(Box<MstBpdu>),
}

/// A configuration BPDU (802.1D-1998 8.5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfigBpdu {
    /// Who is taken for the root (8.5.1.1).
    pub root: BridgeId,
    /// The sender's cost to the root (8.5.1.2).
    pub root_path_cost: u32,
    /// The sender (8.5.1.3).
    pub bridge: BridgeId,
    /// The sender's port (8.5.1.4).
    pub port: PortId,
    /// How old the root's information is; less than `max_age` in every decoded BPDU (8.5.1.5).
    pub message_age: BpduTime,
    /// The root's max age (8.5.1.6).
    pub max_age: BpduTime,
    /// The root's hello time (8.5.1.7).
    pub hello_time: BpduTime,
    /// The root's forward delay (8.5.1.8).
    pub forward_delay: BpduTime,
    /// The sender has taken note of a topology change notification (8.5.1.9).
    pub topology_change_acknowledgment: bool,
    /// The root knows of a topology change (8.5.1.10).
    pub topology_change: bool,
}

impl ConfigBpdu {
    /// What this BPDU says about the way to the root.
    #[must_use]
    pub const fn vector(&self) -> PriorityVector {
        PriorityVector {
            root: self.root,
            root_path_cost: self.root_path_cost,
            designated_bridge: self.bridge,
            designated_port: self.port,
        }
    }

    /// The root's times.
    #[must_use]
    pub fn times(&self) -> TimesInForce {
        TimesInForce {
            max_age: self.max_age.duration(),
            hello_time: self.hello_time.duration(),
            forward_delay: self.forward_delay.duration(),
        }
    }
}

/// The role an RST BPDU's sender gives its port (802.1D-2004 9.2.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RstRole {
    /// 0: unknown; a receiver treats the BPDU as a configuration BPDU.
    Unknown,
    /// 1: alternate or backup.
    AlternateOrBackup,
    /// 2: root.
    Root,
    /// 3: designated.
    Designated,
}

impl RstRole {
    const fn from_flags(flags: u8) -> Self {
        match (flags & 0x08 != 0, flags & 0x04 != 0) {
            (false, false) => Self::Unknown,
            (false, true) => Self::AlternateOrBackup,
            (true, false) => Self::Root,
            (true, true) => Self::Designated,
        }
    }

    const fn flags(self) -> u8 {
        match self {
            Self::Unknown => 0x00,
            Self::AlternateOrBackup => 0x04,
            Self::Root => 0x08,
            Self::Designated => 0x0c,
        }
    }
}

/// A rapid spanning tree BPDU (802.1D-2004 9.3.3): what a configuration BPDU says, and five more flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RstBpdu {
    /// The part a configuration BPDU has too. Here the message age is not checked on receipt.
    pub config: ConfigBpdu,
    /// The sender would like to forward at once.
    pub proposal: bool,
    /// The sending port's role.
    pub role: RstRole,
    /// The sending port learns.
    pub learning: bool,
    /// The sending port forwards.
    pub forwarding: bool,
    /// The sender agrees that the receiver forwards.
    pub agreement: bool,
    /// What the sender says of epochs, if it has them; not part of the standard.
    pub epoch: Option<EpochStamp>,
}

/// Why octets are no BPDU that a bridge processes (802.1D-1998 9.3.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Shorter than its type, or its length field, says.
    #[error("truncated: {have} octets where {need} are needed")]
    Truncated {
        /// Octets there are.
        have: usize,
        /// Octets there must be.
        need: usize,
    },
    /// The two octets after the addresses are an EtherType, not a length.
    #[error("not an LLC frame: EtherType {0:#06x}")]
    EtherType(u16),
    /// The LLC header is not 42 42 03.
    #[error("LLC header {0:02x?} is not that of the spanning tree protocol")]
    Llc([u8; 3]),
    /// A frame to the shared spanning tree address with another LLC and SNAP header than aa aa 03 00 00 0c 01 0b.
    #[error("LLC and SNAP header {0:02x?} is not that of the shared spanning tree protocol")]
    Snap([u8; 8]),
    /// The octets after a shared spanning tree BPDU do not say of which VLAN it is.
    #[error("no VLAN after the BPDU: type {kind:#06x}, length {length}, value {value}")]
    Tlv {
        /// Type; 0 is due.
        kind: u16,
        /// Length; 2 is due.
        length: u16,
        /// Value; 1 to 4094 is due.
        value: u16,
    },
    /// The protocol identifier is not 0.
    #[error("protocol identifier {0:#06x} is not 0")]
    ProtocolId(u16),
    /// No BPDU type of the standard.
    #[error("unknown BPDU type {0:#04x}")]
    UnknownType(u8),
    /// An RST BPDU of a version below 2.
    #[error("RST BPDU of version {0}, which has none")]
    Version(u8),
    /// A configuration BPDU past its age: message age must be less than max age.
    #[error("message age {message_age} is not less than max age {max_age}")]
    MessageAge {
        /// The age it carries.
        message_age: BpduTime,
        /// The max age it carries.
        max_age: BpduTime,
    },
}

impl DecodeError {
    /// A short name of the reason, for counters: stable, lower case, with hyphens.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Truncated { .. } => "truncated",
            Self::EtherType(_) => "ether-type",
            Self::Llc(_) => "llc",
            Self::Snap(_) => "snap",
            Self::Tlv { .. } => "vlan-tlv",
            Self::ProtocolId(_) => "protocol-id",
            Self::UnknownType(_) => "unknown-type",
            Self::Version(_) => "version",
            Self::MessageAge { .. } => "message-age",
        }
    }
}

impl Bpdu {
    /// Reads the octets after the LLC header, bounded by the 802.3 length: padding must not arrive here, although it
    /// would be ignored as any octets beyond the BPDU are.
    ///
    /// A configuration or topology change BPDU of any version is read as version 0 (802.1D-1998 9.3.4: a higher
    /// version is no error). A BPDU of type RST and version 3 or above is a multiple spanning tree BPDU if it is as long
    /// as one and its lengths agree; otherwise it is read as RST (802.1Q 14.4).
    ///
    /// # Errors
    /// The reason, for anything that 9.3.4 tells a bridge to discard. Never panics.
    pub fn decode(octets: &[u8]) -> Result<Self, DecodeError> {
        let header = need::<LENGTH_TCN>(octets)?;
        let [protocol_high, protocol_low, version, kind] = *header;
        let protocol = u16::from_be_bytes([protocol_high, protocol_low]);
        if protocol != 0 {
            return Err(DecodeError::ProtocolId(protocol));
        }
        match kind {
            TYPE_TCN => Ok(Self::Tcn),
            TYPE_CONFIG => {
                let config = decode_config(need::<LENGTH_CONFIG>(octets)?);
                if config.message_age >= config.max_age {
                    return Err(DecodeError::MessageAge {
                        message_age: config.message_age,
                        max_age: config.max_age,
                    });
                }
                Ok(Self::Config(config))
            }
            TYPE_RST if version < VERSION_RSTP => Err(DecodeError::Version(version)),
            TYPE_RST => {
                need::<LENGTH_RST>(octets)?;
                let rst = decode_rst(need::<LENGTH_CONFIG>(octets)?);
                Ok(match mst::decode(version, rst, octets) {
                    Some(mst) => Self::Mst(Box::new(mst)),
                    None => Self::Rst(RstBpdu {
                        epoch: epoch::decode(&octets[LENGTH_RST..]).0,
                        ..rst
                    }),
                })
            }
            unknown => Err(DecodeError::UnknownType(unknown)),
        }
    }

    /// The octets that follow the LLC header: 35 for a configuration BPDU, 4 for a TCN, 36 for an RST BPDU, 102 and 16
    /// for every record for a multiple spanning tree BPDU.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut octets = Vec::new();
        self.encode_into(&mut octets);
        octets
    }

    /// Appends what [`encode`](Self::encode) gives; allocates nothing where there is room.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        match self {
            Self::Config(config) => {
                encode_config(out, VERSION_STP, TYPE_CONFIG, 0, config);
            }
            Self::Tcn => out.extend([0, 0, VERSION_STP, TYPE_TCN]),
            Self::Rst(rst) => {
                encode_rst(out, VERSION_RSTP, rst);
                if let Some(stamp) = rst.epoch {
                    epoch::encode(out, stamp);
                }
            }
            Self::Mst(mst) => {
                encode_rst(out, mst::VERSION_MSTP, &mst.cist);
                mst::encode(out, mst);
            }
        }
    }
}

fn need<const N: usize>(octets: &[u8]) -> Result<&[u8; N], DecodeError> {
    octets.first_chunk().ok_or(DecodeError::Truncated {
        have: octets.len(),
        need: N,
    })
}

fn decode_config(octets: &[u8; LENGTH_CONFIG]) -> ConfigBpdu {
    let mut reader = Reader { octets, at: 4 };
    let [flags] = reader.take();
    ConfigBpdu {
        root: BridgeId::from_octets(reader.take()),
        root_path_cost: u32::from_be_bytes(reader.take()),
        bridge: BridgeId::from_octets(reader.take()),
        port: PortId::from_octets(reader.take()),
        message_age: reader.time(),
        max_age: reader.time(),
        hello_time: reader.time(),
        forward_delay: reader.time(),
        topology_change_acknowledgment: flags & FLAG_ACKNOWLEDGMENT != 0,
        topology_change: flags & FLAG_TOPOLOGY_CHANGE != 0,
    }
}

fn decode_rst(octets: &[u8; LENGTH_CONFIG]) -> RstBpdu {
    let flags = octets[4];
    RstBpdu {
        config: decode_config(octets),
        proposal: flags & FLAG_PROPOSAL != 0,
        role: RstRole::from_flags(flags),
        learning: flags & FLAG_LEARNING != 0,
        forwarding: flags & FLAG_FORWARDING != 0,
        agreement: flags & FLAG_AGREEMENT != 0,
        epoch: None,
    }
}

/// Walks the fixed fields of a BPDU. The fields' sizes add up to the array's, so it never runs out.
struct Reader<'a> {
    octets: &'a [u8; LENGTH_CONFIG],
    at: usize,
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut field = [0; N];
        field.copy_from_slice(&self.octets[self.at..self.at + N]);
        self.at += N;
        field
    }

    fn time(&mut self) -> BpduTime {
        BpduTime::from_units(u16::from_be_bytes(self.take()))
    }
}

fn rst_flags(rst: &RstBpdu) -> u8 {
    rst.role.flags()
        | flag(rst.proposal, FLAG_PROPOSAL)
        | flag(rst.learning, FLAG_LEARNING)
        | flag(rst.forwarding, FLAG_FORWARDING)
        | flag(rst.agreement, FLAG_AGREEMENT)
}

const fn flag(set: bool, bit: u8) -> u8 {
    if set { bit } else { 0 }
}

fn encode_rst(out: &mut Vec<u8>, version: u8, rst: &RstBpdu) {
    encode_config(out, version, TYPE_RST, rst_flags(rst), &rst.config);
    // Version 1 length.
    out.push(0);
}

fn encode_config(out: &mut Vec<u8>, version: u8, kind: u8, more_flags: u8, config: &ConfigBpdu) {
    let mut octets = [0; LENGTH_CONFIG];
    octets[2] = version;
    octets[3] = kind;
    octets[4] = more_flags
        | flag(config.topology_change_acknowledgment, FLAG_ACKNOWLEDGMENT)
        | flag(config.topology_change, FLAG_TOPOLOGY_CHANGE);
    octets[5..13].copy_from_slice(&config.root.octets());
    octets[13..17].copy_from_slice(&config.root_path_cost.to_be_bytes());
    octets[17..25].copy_from_slice(&config.bridge.octets());
    octets[25..27].copy_from_slice(&config.port.octets());
    let times = [
        config.message_age,
        config.max_age,
        config.hello_time,
        config.forward_delay,
    ];
    for (field, time) in octets[27..35].chunks_exact_mut(2).zip(times) {
        field.copy_from_slice(&time.units().to_be_bytes());
    }
    out.extend_from_slice(&octets);
}

#[cfg(test)]
mod tests;
