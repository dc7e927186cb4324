//! Multiple spanning tree BPDUs, octet by octet from the layout of 802.1Q 14.6.

use proptest::prelude::*;

use super::super::*;
use crate::id::{BridgeId, BridgePriority, PortPriority};

/// A BPDU of region "east", revision 3, VLANs 10 and 20 in instances 1 and 2: the digest is the one other
/// implementations compute for that map.
fn octets() -> Vec<u8> {
    let mut octets = vec![0, 0, 3, 2, 0x7c];
    octets.extend([0x10, 0, 2, 0, 0, 0, 0, 1, 0, 3, 0x0d, 0x40]); // root, 200000
    octets.extend([0x80, 0, 2, 0, 0, 0, 0, 2, 0x80, 0x0f]); // regional root, port
    octets.extend([1, 0, 20, 0, 2, 0, 15, 0, 0]); // times, version 1 length
    octets.extend([0, 96, 0]); // version 3 length, format
    octets.extend(b"east");
    octets.extend([0; 28]);
    octets.extend([0, 3]);
    octets.extend([
        0x93, 0x57, 0xeb, 0xb7, 0xa8, 0xd7, 0x4d, 0xd5, 0xfe, 0xf4, 0xf2, 0xba, 0xb5, 0x05, 0x31,
        0xaa,
    ]);
    octets.extend([0, 0, 0x07, 0xd0]); // 2000
    octets.extend([0x80, 0, 2, 0, 0, 0, 0, 3, 19]);
    octets.extend([
        0xfc, 0x60, 1, 2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0x60, 0x80, 20, // MSTI 1
        0x39, 0x80, 2, 2, 0, 0, 0, 0, 4, 0, 0, 0x07, 0xd0, 0x8f, 0x4f, 18, // MSTI 2
    ]);
    octets
}

fn decode(octets: &[u8]) -> MstBpdu {
    match Bpdu::decode(octets) {
        Ok(Bpdu::Mst(mst)) => *mst,
        other => panic!("{other:?}"),
    }
}

#[test]
fn field_by_field() {
    let octets = octets();
    assert_eq!(octets.len(), 102 + 32);
    let mst = decode(&octets);
    assert_eq!(mst.cist.config.root_path_cost, 200_000);
    assert_eq!(mst.cist.role, RstRole::Designated);
    assert!(mst.cist.agreement && mst.cist.forwarding && !mst.cist.proposal);
    assert_eq!(mst.cist.config.bridge.address().5, 2);
    assert_eq!(mst.configuration.name.to_string(), "east");
    assert_eq!(mst.configuration.revision, 3);
    assert_eq!(mst.internal_root_path_cost, 2000);
    assert_eq!(mst.bridge.address().5, 3);
    assert_eq!(mst.remaining_hops, 19);
    let [one, two] = mst.records[..] else {
        panic!("two records");
    };
    assert!(one.master && one.agreement && !one.proposal && !one.topology_change);
    assert_eq!(one.role, RstRole::Designated);
    assert_eq!(one.regional_root.extension(), 1);
    assert_eq!(
        one.bridge_priority,
        BridgePriority::new(0x6000).unwrap_or_default()
    );
    assert_eq!(one.remaining_hops, 20);
    assert!(two.topology_change && !two.master && two.learning && two.forwarding);
    assert_eq!(two.role, RstRole::Root);
    assert_eq!(two.internal_root_path_cost, 2000);
    // Low nibbles are ignored on receipt.
    assert_eq!(
        two.port_priority,
        PortPriority::new(0x40).unwrap_or_default()
    );
}

#[test]
fn encoding_gives_the_octets_back() {
    let mut octets = octets();
    octets[102 + 16 + 13] = 0x80;
    octets[102 + 16 + 14] = 0x40;
    assert_eq!(Bpdu::Mst(Box::new(decode(&octets))).encode(), octets);
}

#[test]
fn what_is_no_mst_bpdu_is_read_as_rst() {
    let good = octets();
    let as_rst = |octets: &[u8]| matches!(Bpdu::decode(octets), Ok(Bpdu::Rst(_)));
    let changed = |at: usize, octet| {
        let mut octets = good.clone();
        octets[at] = octet;
        as_rst(&octets)
    };
    assert!(!as_rst(&good));
    assert!(changed(2, 2), "version 2");
    assert!(!changed(2, 4), "a later version has what version 3 has");
    assert!(changed(35, 1), "version 1 length");
    assert!(changed(37, 95), "no whole number of records");
    assert!(changed(37, 63), "less than the fixed part");
    assert!(changed(37, 112), "a record more than there is");
    assert!(changed(36, 0xff), "more than any frame");
    assert!(!changed(37, 80), "a record fewer: the rest is ignored");
    for length in 36..good.len() {
        assert!(as_rst(&good[..length]), "{length} octets");
    }
    assert!(Bpdu::decode(&good[..35]).is_err());
}

#[test]
fn no_records_and_sixty_four() {
    let mut octets = octets();
    octets.truncate(102);
    octets[37] = 64;
    assert_eq!(decode(&octets).records, []);
    let record = decode(&super::mst::octets()).records[0];
    let mut full = decode(&octets);
    full.records = vec![record; 65];
    let plain = Bpdu::Mst(Box::new(full.clone())).encode();
    assert_eq!(plain.len(), 102 + 64 * 16);
    stamp(&mut full);
    let encoded = Bpdu::Mst(Box::new(full)).encode();
    assert_eq!(encoded.len(), BPDU_LENGTH_MAX);
    assert_eq!(encoded[..plain.len()], plain);
    assert_eq!(decode(&encoded).records.len(), 64);
    let mut beyond = encoded;
    beyond[36..38].copy_from_slice(&(64_u16 + 65 * 16).to_be_bytes());
    beyond.extend([0; 16]);
    assert!(matches!(Bpdu::decode(&beyond), Ok(Bpdu::Rst(_))));
}

fn stamp(mst: &mut MstBpdu) {
    let stamp = |current| EpochStamp {
        current,
        vouched: current % 2 == 0,
    };
    mst.cist.epoch = Some(stamp(0x0102_0304));
    for (record, epoch) in mst.records.iter_mut().zip(7..) {
        record.epoch = Some(stamp(epoch));
    }
}

/// One of the common tree, and one of every instance: behind the records, where others look no more.
#[test]
fn stamps_of_epochs_stand_behind_the_records() {
    let mut mst = decode(&octets());
    let plain = Bpdu::Mst(Box::new(mst.clone())).encode();
    stamp(&mut mst);
    let stamped = Bpdu::Mst(Box::new(mst.clone())).encode();
    assert_eq!(stamped[..plain.len()], plain);
    assert_eq!(
        stamped[plain.len()..],
        *b"\xfe\x09\x02\x41\x4c\x01\x01\x01\x02\x03\x04\
           \xfe\x0e\x02\x41\x4c\x02\0\0\0\0\x07\x01\0\0\0\x08"
    );
    assert_eq!(decode(&stamped), mst);
    mst.cist.epoch = None;
    mst.records[0].epoch = None;
    let without = Bpdu::Mst(Box::new(mst.clone())).encode();
    assert_eq!(decode(&without), mst, "only one of the instances");
    // Cut short, or as many stamps as there are no records: they are none.
    assert_eq!(decode(&stamped[..stamped.len() - 1]).records[1].epoch, None);
    let mut fewer = stamped;
    fewer[37] = 80;
    fewer.drain(102 + 16..102 + 32);
    assert_eq!(
        decode(&fewer).cist.epoch.map(|stamp| stamp.vouched),
        Some(true)
    );
    assert_eq!(decode(&fewer).records[0].epoch, None);
}

#[test]
fn extensions_name_the_tree() {
    let id = BridgeId::from_octets([0x80, 0, 2, 0, 0, 0, 0, 1]).with_extension(10);
    assert_eq!((id.settable(), id.extension()), (32778, 10));
}

proptest! {
    #[test]
    fn any_octets_decode_and_come_back(
        tail in prop::collection::vec(any::<u8>(), 0..1200),
        version in 2_u8..6,
        count in 0_u16..70,
    ) {
        let mut octets = vec![0, 0, version, 2];
        octets.extend(tail);
        if let Some(lengths) = octets.get_mut(35..38) {
            lengths.copy_from_slice(&[0, 0, 0]);
            lengths[1..].copy_from_slice(&(64 + 16 * count).to_be_bytes());
        }
        match Bpdu::decode(&octets) {
            Ok(bpdu @ Bpdu::Mst(_)) => {
                let again = bpdu.encode();
                prop_assert_eq!(again.len(), 102 + 16 * usize::from(count));
                prop_assert_eq!(Bpdu::decode(&again), Ok(bpdu));
            }
            Ok(bpdu) => {
                let expected = octets.len() < 102 + 16 * usize::from(count) || version < 3 || count > 64;
                prop_assert!(expected, "{bpdu:?}");
            }
            Err(error) => prop_assert!(octets.len() < 36, "{error}"),
        }
    }
}
