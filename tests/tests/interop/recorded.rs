//! What bridges of other makers have said, as it was recorded: frames with what they mean, `*.json` in the directory that
//! `ALGORHYME_RECORDED_BPDUS` names. The recordings are not ours to hand on, so the test is run by whoever has them:
//!
//! ```text
//! ALGORHYME_RECORDED_BPDUS=DIR cargo test -p tests --test interop -- --ignored recorded
//! ```

use std::fs;
use std::path::PathBuf;

use pnet_base::MacAddr;
use serde::Deserialize;
use serde_json::Value;
use stp::llc::{self, SHARED_SPANNING_TREE_ADDRESS};
use stp::{Bpdu, BridgeId, ConfigBpdu, MstBpdu};

const VARIABLE: &str = "ALGORHYME_RECORDED_BPDUS";

#[derive(Debug, Deserialize)]
struct Recorded {
    source: String,
    frame: u32,
    hex: String,
    decoded: Meaning,
}

#[derive(Debug, Deserialize)]
struct Meaning {
    dst: String,
    vlan: Option<u16>,
    version: u8,
    root_id: Id,
    root_path_cost: u32,
    bridge_id: Id,
    port_id: String,
    message_age_s: u64,
    max_age_s: u64,
    hello_s: u64,
    forward_delay_s: u64,
    /// Of shortest path bridging it is told otherwise.
    mst: Option<Value>,
    pvst: Option<Pvst>,
}

#[derive(Debug, Deserialize)]
struct Id {
    priority: u16,
    ext: u16,
    mac: String,
}

#[derive(Debug, Deserialize)]
struct Mst {
    name: String,
    revision: u16,
    digest: String,
    internal_root_path_cost: u32,
    cist_bridge_id: Id,
    remaining_hops: u8,
    mstis: Vec<Msti>,
}

#[derive(Debug, Deserialize)]
struct Msti {
    msti: u16,
    regional_root_mac: String,
    internal_root_path_cost: u32,
    remaining_hops: u8,
}

#[derive(Debug, Deserialize)]
struct Pvst {
    vlan: u16,
}

#[test]
#[ignore = "the recordings are not ours to hand on: ALGORHYME_RECORDED_BPDUS names their directory"]
fn recorded_frames_mean_what_they_meant() {
    let directory = std::env::var(VARIABLE).unwrap_or_else(|_| panic!("{VARIABLE} is not set"));
    let entries = fs::read_dir(&directory).expect("a directory");
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("it can be listed").path())
        .collect();
    files.retain(|path| path.extension().is_some_and(|kind| kind == "json"));
    files.sort();
    let (mut multiple, mut shared) = (0, 0);
    for file in &files {
        let text = fs::read(file).expect("it can be read");
        let all: Vec<Recorded> = serde_json::from_slice(&text).expect("frames and their meaning");
        for recorded in all {
            let what = format!("{} of {}", recorded.frame, recorded.source);
            check(&recorded, &what);
            multiple += u32::from(recorded.decoded.mst.is_some());
            shared += u32::from(recorded.decoded.pvst.is_some());
        }
    }
    assert!(multiple > 0 && shared > 0, "both kinds are in {directory}");
}

fn check(recorded: &Recorded, what: &str) {
    let (frame, meaning) = (octets(&recorded.hex), &recorded.decoded);
    let source = MacAddr::new(frame[6], frame[7], frame[8], frame[9], frame[10], frame[11]);
    let is_shared = meaning.dst == SHARED_SPANNING_TREE_ADDRESS.to_string();
    let mut again = Vec::new();
    let bpdu = if is_shared {
        let shared = llc::unframe_shared(&frame).unwrap_or_else(|error| panic!("{what}: {error}"));
        let vlan = shared.vlan.expect("it says its VLAN");
        assert_eq!(
            Some(vlan),
            meaning.pvst.as_ref().map(|pvst| pvst.vlan),
            "{what}"
        );
        llc::shared_frame_into(
            &mut again,
            source,
            vlan,
            meaning.vlan.is_some(),
            &shared.bpdu,
        );
        shared.bpdu
    } else {
        let bpdu = llc::unframe(&frame).unwrap_or_else(|error| panic!("{what}: {error}"));
        llc::frame_into(&mut again, source, &bpdu);
        if meaning.vlan == Some(0) {
            again.splice(12..12, frame[12..16].iter().copied());
        }
        bpdu
    };
    match &bpdu {
        Bpdu::Config(config) => check_config(config, meaning, &meaning.bridge_id, what),
        Bpdu::Rst(rst) => check_config(&rst.config, meaning, &meaning.bridge_id, what),
        Bpdu::Mst(mst) => {
            check_config(&mst.cist.config, meaning, &meaning.bridge_id, what);
            if meaning.version == 3 {
                check_mst(mst, meaning, what);
            }
        }
        Bpdu::Tcn => panic!("{what}: a notification says nothing of this"),
    }
    // Said again it is the same, octet by octet; what shortest path bridging adds is not read.
    if meaning.version < 4 {
        assert!(frame.starts_with(&again), "{what}: {again:02x?}");
    }
}

fn check_mst(mst: &MstBpdu, meaning: &Meaning, what: &str) {
    let meant = meaning.mst.clone().expect("it tells of its region");
    let meant: Mst = serde_json::from_value(meant).expect("a region");
    assert_eq!(mst.configuration.name.to_string(), meant.name, "{what}");
    assert_eq!(mst.configuration.revision, meant.revision, "{what}");
    assert_eq!(
        mst.configuration.digest.as_slice(),
        octets(&meant.digest),
        "{what}"
    );
    assert_eq!(
        mst.internal_root_path_cost, meant.internal_root_path_cost,
        "{what}"
    );
    meant.cist_bridge_id.assert_is(mst.bridge, what);
    assert_eq!(mst.remaining_hops, meant.remaining_hops, "{what}");
    assert_eq!(mst.records.len(), meant.mstis.len(), "{what}");
    for (record, meant) in mst.records.iter().zip(&meant.mstis) {
        let root = record.regional_root;
        assert_eq!(root.extension(), meant.msti, "{what}");
        assert_eq!(
            root.address().to_string(),
            meant.regional_root_mac,
            "{what}"
        );
        assert_eq!(
            record.internal_root_path_cost, meant.internal_root_path_cost,
            "{what}"
        );
        assert_eq!(record.remaining_hops, meant.remaining_hops, "{what}");
    }
}

fn check_config(config: &ConfigBpdu, meaning: &Meaning, bridge: &Id, what: &str) {
    meaning.root_id.assert_is(config.root, what);
    bridge.assert_is(config.bridge, what);
    assert_eq!(config.root_path_cost, meaning.root_path_cost, "{what}");
    assert_eq!(
        config.port.octets().as_slice(),
        octets(&meaning.port_id),
        "{what}"
    );
    let times = [
        config.message_age,
        config.max_age,
        config.hello_time,
        config.forward_delay,
    ];
    let meant = [
        meaning.message_age_s,
        meaning.max_age_s,
        meaning.hello_s,
        meaning.forward_delay_s,
    ];
    assert_eq!(times.map(|time| time.duration().as_secs()), meant, "{what}");
}

impl Id {
    fn assert_is(&self, found: BridgeId, what: &str) {
        let meant = (self.priority, self.ext, self.mac.clone());
        let found = (
            found.priority().get(),
            found.extension(),
            found.address().to_string(),
        );
        assert_eq!(found, meant, "{what}");
    }
}

fn octets(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().collect();
    let octet = |pair: &[u8]| {
        u8::from_str_radix(str::from_utf8(pair).expect("digits"), 16).expect("hexadecimal")
    };
    digits.chunks(2).map(octet).collect()
}
