//! Every kind of BPDU that `stp` encodes, with every flag and at both ends of its length, as tshark reads it.

use std::time::Duration;

use pnet_base::MacAddr;
use stp::{
    Bpdu, BpduTime, BridgeId, BridgePriority, ConfigBpdu, EpochStamp, MSTI_RECORDS_MAX, MstBpdu,
    MstiRecord, PortId, PortNumber, PortPriority, Region, RegionName, RstBpdu, RstRole, TreeId,
    llc,
};
use tests::interop::dissect::{Dissected, dissect};

const SOURCE: MacAddr = MacAddr(2, 0, 0, 0xde, 0, 1);
const ROOT: MacAddr = MacAddr(2, 0, 0, 0xde, 0, 2);
const BRIDGE: MacAddr = MacAddr(2, 0, 0, 0xde, 0, 3);
const SENDER: MacAddr = MacAddr(2, 0, 0, 0xde, 0, 4);
const COST: u32 = 200_019;

/// The stamps that are not of the standard: others look no further than what they know, and must not complain.
const EPOCHS: [Option<EpochStamp>; 2] = [
    Some(EpochStamp {
        current: 0,
        vouched: true,
    }),
    Some(EpochStamp {
        current: u32::MAX,
        vouched: false,
    }),
];

/// A frame, and what tshark must read in it: fields and their values.
struct Meant {
    what: String,
    frame: Vec<u8>,
    fields: Vec<(&'static str, String)>,
    /// It has something that tshark does not know, and says so: a comment, the least it can say.
    is_partly_unknown: bool,
}

#[test]
fn tshark_reads_every_kind_of_bpdu_as_it_was_meant() {
    let mut all = Vec::new();
    all.push(Meant {
        what: "topology change notification".to_owned(),
        frame: llc::frame(SOURCE, &Bpdu::Tcn),
        fields: vec![("stp.version", "0".into()), ("stp.type", "0x80".into())],
        is_partly_unknown: false,
    });
    let flags = [false, true].map(|acknowledges| [false, true].map(|tc| (acknowledges, tc)));
    for (acknowledges, changes) in flags.into_iter().flatten() {
        all.push(configuration(acknowledges, changes));
    }
    for epoch in [None, EPOCHS[0], EPOCHS[1]] {
        let flags = (0..=u8::MAX).filter(|flags| flags & 0x80 == 0);
        all.extend(flags.map(|flags| rapid(flags, epoch)));
        all.extend([0, 1, 2, MSTI_RECORDS_MAX].map(|instances| multiple(instances, epoch)));
    }
    for vlan in [1, 2, 1005, 4094] {
        for tagged in [false, true] {
            all.push(shared(vlan, tagged, &Bpdu::Config(config(vlan))));
            for epoch in [None, EPOCHS[0], EPOCHS[1]] {
                let bpdu = Bpdu::Rst(rst(0x2c, vlan, epoch));
                all.push(shared(vlan, tagged, &bpdu));
            }
        }
    }
    let frames: Vec<Vec<u8>> = all.iter().map(|meant| meant.frame.clone()).collect();
    for (meant, read) in all.iter().zip(dissect(&frames)) {
        check(meant, &read);
    }
}

fn check(meant: &Meant, read: &Dissected) {
    let complaints = read.complaints();
    if meant.is_partly_unknown {
        let [remark] = &complaints[..] else {
            panic!("{}: {complaints:?}", meant.what);
        };
        for part in [r#""_ws.expert.severity":"1048576""#, "TLV type is unknown"] {
            assert!(remark.contains(part), "{}: {remark}", meant.what);
        }
    } else {
        assert!(complaints.is_empty(), "{}: {complaints:?}", meant.what);
    }
    for (field, value) in &meant.fields {
        assert_eq!(
            read.field(field),
            Some(value.as_str()),
            "{}: {field}",
            meant.what
        );
    }
}

fn bridge(priority: u16, extension: u16, address: MacAddr) -> BridgeId {
    let priority = BridgePriority::new(priority).expect("legal");
    BridgeId::new(priority, address).with_extension(extension)
}

fn config(vlan: u16) -> ConfigBpdu {
    let seconds = |time| BpduTime::at_least(Duration::from_secs(time));
    let port = PortNumber::new(4095).expect("legal");
    ConfigBpdu {
        root: bridge(4096, vlan, ROOT),
        root_path_cost: COST,
        bridge: bridge(61440, vlan, BRIDGE),
        port: PortId::new(PortPriority::new(0x90).expect("legal"), port),
        message_age: seconds(5),
        max_age: seconds(40),
        hello_time: seconds(10),
        forward_delay: seconds(30),
        topology_change_acknowledgment: false,
        topology_change: false,
    }
}

fn rst(flags: u8, vlan: u16, epoch: Option<EpochStamp>) -> RstBpdu {
    RstBpdu {
        config: ConfigBpdu {
            topology_change: flags & 0x01 != 0,
            ..config(vlan)
        },
        proposal: flags & 0x02 != 0,
        role: role(flags),
        learning: flags & 0x10 != 0,
        forwarding: flags & 0x20 != 0,
        agreement: flags & 0x40 != 0,
        epoch,
    }
}

fn role(flags: u8) -> RstRole {
    match flags >> 2 & 3 {
        0 => RstRole::Unknown,
        1 => RstRole::AlternateOrBackup,
        2 => RstRole::Root,
        _ => RstRole::Designated,
    }
}

/// What every BPDU but the notification says.
fn common(version: u8, flags: u8, vlan: u16) -> Vec<(&'static str, String)> {
    vec![
        ("stp.version", version.to_string()),
        (
            "stp.type",
            if version == 0 { "0x00" } else { "0x02" }.to_owned(),
        ),
        ("stp.flags", format!("0x{flags:02x}")),
        ("stp.root.prio", "4096".to_owned()),
        ("stp.root.ext", vlan.to_string()),
        ("stp.root.hw", ROOT.to_string()),
        ("stp.root.cost", COST.to_string()),
        ("stp.bridge.prio", "61440".to_owned()),
        ("stp.bridge.ext", vlan.to_string()),
        ("stp.bridge.hw", BRIDGE.to_string()),
        ("stp.port", "0x9fff".to_owned()),
        ("stp.msg_age", "5".to_owned()),
        ("stp.max_age", "40".to_owned()),
        ("stp.hello", "10".to_owned()),
        ("stp.forward", "30".to_owned()),
    ]
}

fn configuration(acknowledges: bool, changes: bool) -> Meant {
    let bpdu = Bpdu::Config(ConfigBpdu {
        topology_change_acknowledgment: acknowledges,
        topology_change: changes,
        ..config(0)
    });
    let flags = u8::from(acknowledges) << 7 | u8::from(changes);
    Meant {
        what: format!("configuration, flags {flags:02x}"),
        frame: llc::frame(SOURCE, &bpdu),
        fields: common(0, flags, 0),
        is_partly_unknown: false,
    }
}

fn rapid(flags: u8, epoch: Option<EpochStamp>) -> Meant {
    let mut fields = common(2, flags, 0);
    fields.push(("stp.version_1_length", "0".to_owned()));
    Meant {
        what: format!("rapid, flags {flags:02x}, {epoch:?}"),
        frame: llc::frame(SOURCE, &Bpdu::Rst(rst(flags, 0, epoch))),
        fields,
        is_partly_unknown: false,
    }
}

fn multiple(instances: usize, epoch: Option<EpochStamp>) -> Meant {
    const FLAGS: u8 = 0x7c;
    let mut region = Region {
        name: RegionName::new("Brewery").expect("short"),
        revision: 513,
        ..Region::default()
    };
    for (vid, instance) in [(10, 1), (20, 2)] {
        region.vlans.set(vid, TreeId::new(instance).expect("legal"));
    }
    let record = |number: usize| MstiRecord {
        topology_change: number.is_multiple_of(2),
        proposal: false,
        role: RstRole::Designated,
        learning: true,
        forwarding: true,
        agreement: true,
        master: number.is_multiple_of(3),
        regional_root: bridge(24576, u16::try_from(number).expect("few"), ROOT),
        internal_root_path_cost: COST,
        bridge_priority: BridgePriority::new(8192).expect("legal"),
        port_priority: PortPriority::new(0xf0).expect("legal"),
        remaining_hops: 19,
        epoch,
    };
    let bpdu = MstBpdu {
        cist: rst(FLAGS, 0, epoch),
        configuration: region.id(),
        internal_root_path_cost: 20_000,
        bridge: bridge(32768, 0, SENDER),
        remaining_hops: 40,
        records: (1..=instances).map(record).collect(),
    };
    let mut fields = common(3, FLAGS, 0);
    fields.extend([
        ("stp.version_1_length", "0".to_owned()),
        ("mstp.version_3_length", (64 + 16 * instances).to_string()),
        ("mstp.config_format_selector", "0".to_owned()),
        ("mstp.config_name", "Brewery".to_owned()),
        ("mstp.config_revision_level", "513".to_owned()),
        // What other bridges compute for VLAN 10 in instance 1 and 20 in instance 2.
        (
            "mstp.config_digest",
            "93:57:eb:b7:a8:d7:4d:d5:fe:f4:f2:ba:b5:05:31:aa".to_owned(),
        ),
        ("mstp.cist_internal_root_path_cost", "20000".to_owned()),
        ("mstp.cist_bridge.prio", "32768".to_owned()),
        ("mstp.cist_bridge.hw", SENDER.to_string()),
        ("mstp.cist_remaining_hops", "40".to_owned()),
    ]);
    if instances > 0 {
        // The first record.
        fields.extend([
            ("mstp.msti.flags", "0x7c".to_owned()),
            ("mstp.msti.msti_id", "1".to_owned()),
            ("mstp.msti.root.hw", ROOT.to_string()),
            ("mstp.msti.root_cost", COST.to_string()),
            ("mstp.msti.bridge_priority", "2".to_owned()),
            ("mstp.msti.port_priority", "15".to_owned()),
            ("mstp.msti.remaining_hops", "19".to_owned()),
        ]);
    }
    Meant {
        what: format!("multiple, {instances} instances, {epoch:?}"),
        frame: llc::frame(SOURCE, &Bpdu::Mst(Box::new(bpdu))),
        fields,
        is_partly_unknown: false,
    }
}

fn shared(vlan: u16, tagged: bool, bpdu: &Bpdu) -> Meant {
    let (version, flags) = match bpdu {
        Bpdu::Rst(_) => (2, 0x2c),
        Bpdu::Config(_) | Bpdu::Tcn | Bpdu::Mst(_) => (0, 0),
    };
    let mut frame = Vec::new();
    llc::shared_frame_into(&mut frame, SOURCE, vlan, tagged, bpdu);
    let mut fields = common(version, flags, vlan);
    fields.extend([
        ("eth.dst", "01:00:0c:cc:cc:cd".to_owned()),
        ("llc.cisco_pid", "0x010b".to_owned()),
        ("stp.pvst.tlvlen", "2".to_owned()),
        ("stp.pvst.origvlan", vlan.to_string()),
    ]);
    if tagged {
        fields.push(("vlan.id", vlan.to_string()));
        fields.push(("vlan.priority", "7".to_owned()));
    }
    Meant {
        what: format!("shared, VLAN {vlan}, tagged {tagged}: {bpdu:?}"),
        frame,
        fields,
        is_partly_unknown: matches!(bpdu, Bpdu::Rst(rst) if rst.epoch.is_some()),
    }
}
