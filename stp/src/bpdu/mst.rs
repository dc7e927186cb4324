//! Multiple spanning tree BPDUs (802.1Q 14.6): an RST BPDU, and what only the bridges of a region understand.
//!
//! ```text
//! octet  35   36      38             89           93       101   102
//!        | 0  | v3    | configuration| internal   | bridge | hops| records of 16 octets:
//!        |    | length| identifier   | root path  | id     |     | flags, regional root, cost, priorities, hops
//!        |    |       | (51 octets)  | cost       |        |     |
//! ```
//! The bridge identifier among the first 35 octets is the CIST regional root's; the sender's own stands at 93.

use super::{EpochStamp, FLAG_TOPOLOGY_CHANGE, RstBpdu, RstRole, epoch, flag};
use super::{FLAG_ACKNOWLEDGMENT, FLAG_AGREEMENT, FLAG_FORWARDING, FLAG_LEARNING, FLAG_PROPOSAL};
use crate::id::{BridgeId, BridgePriority, PortPriority};
use crate::region::ConfigurationId;

pub(super) const VERSION_MSTP: u8 = 3;
/// Up to and with the remaining hops, without records.
pub(super) const LENGTH_MST: usize = 102;
pub(super) const LENGTH_RECORD: usize = 16;
/// What version 3 length counts before the records.
const LENGTH_VERSION_3: usize = 64;
/// In an instance's record, where a configuration BPDU acknowledges (802.1Q 14.6.1).
const FLAG_MASTER: u8 = FLAG_ACKNOWLEDGMENT;

/// Records of a BPDU, at most: as many instances as a region has besides its CIST (802.1Q 14.4).
pub const MSTI_RECORDS_MAX: usize = 64;

/// A multiple spanning tree BPDU (802.1Q 14.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MstBpdu {
    /// What bridges outside the region read. `config.root_path_cost` is the external root path cost, `config.bridge`
    /// the CIST regional root.
    pub cist: RstBpdu,
    /// Which region the sender is in.
    pub configuration: ConfigurationId,
    /// The cost from the sender to the regional root.
    pub internal_root_path_cost: u32,
    /// The sender.
    pub bridge: BridgeId,
    /// How many hops within the region the CIST's information may yet go.
    pub remaining_hops: u8,
    /// An instance each; at most [`MSTI_RECORDS_MAX`], further ones are not encoded.
    pub records: Vec<MstiRecord>,
}

/// What a multiple spanning tree BPDU says of one instance (802.1Q 14.6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MstiRecord {
    /// The instance's topology has changed.
    pub topology_change: bool,
    /// The sender would like to forward at once.
    pub proposal: bool,
    /// The sending port's role in the instance. A master port is a root port here.
    pub role: RstRole,
    /// The sending port learns in the instance.
    pub learning: bool,
    /// The sending port forwards in the instance.
    pub forwarding: bool,
    /// The sender agrees that the receiver forwards.
    pub agreement: bool,
    /// The sending port leads to the region's master port: `mstiMaster`.
    pub master: bool,
    /// The instance's regional root; its extension is the MSTID.
    pub regional_root: BridgeId,
    /// The cost from the sender to it.
    pub internal_root_path_cost: u32,
    /// The sender's priority in the instance.
    pub bridge_priority: BridgePriority,
    /// The sending port's priority in the instance.
    pub port_priority: PortPriority,
    /// How many hops the instance's information may yet go.
    pub remaining_hops: u8,
    /// What the sender says of the instance's epochs, if it has them; not part of the standard.
    pub epoch: Option<EpochStamp>,
}

/// What follows `rst` in a BPDU of `version`; `None` if it is to be read as an RST BPDU (802.1Q 14.4).
pub(super) fn decode(version: u8, rst: RstBpdu, octets: &[u8]) -> Option<MstBpdu> {
    let fixed: &[u8; LENGTH_MST] = octets.first_chunk()?;
    let version_1_length = fixed[35];
    let version_3_length = usize::from(u16::from_be_bytes([fixed[36], fixed[37]]));
    let records_length = version_3_length.checked_sub(LENGTH_VERSION_3)?;
    let is_mst = version >= VERSION_MSTP
        && version_1_length == 0
        && records_length.is_multiple_of(LENGTH_RECORD)
        && records_length / LENGTH_RECORD <= MSTI_RECORDS_MAX;
    if !is_mst {
        return None;
    }
    let (records, behind) = octets[LENGTH_MST..].split_at_checked(records_length)?;
    let (records, _) = records.as_chunks();
    let (epoch, behind) = epoch::decode(behind);
    let epochs = epoch::decode_instances(behind, records.len());
    let epochs = epochs.chain(core::iter::repeat(None));
    let mut rest = Rest(&fixed[38..]);
    Some(MstBpdu {
        cist: RstBpdu { epoch, ..rst },
        configuration: ConfigurationId::from_octets(&rest.take()),
        internal_root_path_cost: u32::from_be_bytes(rest.take()),
        bridge: BridgeId::from_octets(rest.take()),
        remaining_hops: fixed[101],
        records: records
            .iter()
            .zip(epochs)
            .map(|(record, epoch)| MstiRecord {
                epoch,
                ..decode_record(record)
            })
            .collect(),
    })
}

fn decode_record(octets: &[u8; LENGTH_RECORD]) -> MstiRecord {
    let flags = octets[0];
    let mut rest = Rest(&octets[1..]);
    MstiRecord {
        topology_change: flags & FLAG_TOPOLOGY_CHANGE != 0,
        proposal: flags & FLAG_PROPOSAL != 0,
        role: RstRole::from_flags(flags),
        learning: flags & FLAG_LEARNING != 0,
        forwarding: flags & FLAG_FORWARDING != 0,
        agreement: flags & FLAG_AGREEMENT != 0,
        master: flags & FLAG_MASTER != 0,
        regional_root: BridgeId::from_octets(rest.take()),
        internal_root_path_cost: u32::from_be_bytes(rest.take()),
        bridge_priority: BridgePriority::of_high_bits(octets[13]),
        port_priority: PortPriority::of_high_bits(octets[14]),
        remaining_hops: octets[15],
        epoch: None,
    }
}

/// Walks fields whose sizes are within the slice's.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (field, rest) = self.0.split_at(N);
        self.0 = rest;
        let mut octets = [0; N];
        octets.copy_from_slice(field);
        octets
    }
}

/// Appends what follows the first 36 octets.
pub(super) fn encode(out: &mut Vec<u8>, mst: &MstBpdu) {
    let records = mst.records.iter().take(MSTI_RECORDS_MAX);
    let length = LENGTH_VERSION_3 + records.len() * LENGTH_RECORD;
    let length = u16::try_from(length).expect("64 and at most 64 times 16");
    out.extend(length.to_be_bytes());
    out.extend(mst.configuration.octets());
    out.extend(mst.internal_root_path_cost.to_be_bytes());
    out.extend(mst.bridge.octets());
    out.push(mst.remaining_hops);
    for record in records.clone() {
        out.push(record_flags(record));
        out.extend(record.regional_root.octets());
        out.extend(record.internal_root_path_cost.to_be_bytes());
        out.extend([
            record.bridge_priority.high_bits(),
            record.port_priority.get(),
            record.remaining_hops,
        ]);
    }
    if let Some(stamp) = mst.cist.epoch {
        epoch::encode(out, stamp);
    }
    epoch::encode_instances(out, records.map(|record| record.epoch));
}

fn record_flags(record: &MstiRecord) -> u8 {
    record.role.flags()
        | flag(record.topology_change, FLAG_TOPOLOGY_CHANGE)
        | flag(record.proposal, FLAG_PROPOSAL)
        | flag(record.learning, FLAG_LEARNING)
        | flag(record.forwarding, FLAG_FORWARDING)
        | flag(record.agreement, FLAG_AGREEMENT)
        | flag(record.master, FLAG_MASTER)
}
