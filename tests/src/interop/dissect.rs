//! Frames as tshark reads them: an implementation of every BPDU's format that shares nothing with ours.

use std::collections::BTreeSet;
use std::process::Command;

use labs::peers::{Package, find};
use serde_json::Value;

const TSHARK: Package = Package {
    program: "tshark",
    package: "tshark",
};
/// "pcap", version 2.4, Ethernet (draft-ietf-opsawg-pcap).
const HEADER: [u32; 6] = [0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, 1];

/// A frame as tshark reads it.
#[derive(Debug)]
pub struct Dissected {
    layers: Value,
}

/// Has tshark read frames, at once: it takes a second to start.
///
/// # Panics
/// When it is missing, fails, or does not read every frame.
#[must_use]
pub fn dissect(frames: &[Vec<u8>]) -> Vec<Dissected> {
    let mut octets: Vec<u8> = HEADER.iter().flat_map(|word| word.to_le_bytes()).collect();
    for (second, frame) in (0_u32..).zip(frames) {
        let length = u32::try_from(frame.len()).expect("a frame is short");
        for word in [second, 0, length, length] {
            octets.extend(word.to_le_bytes());
        }
        octets.extend(frame);
    }
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("frames.pcap");
    std::fs::write(&file, octets).expect("written");
    let mut command = tshark();
    command.args(["-n", "-T", "json", "-r"]).arg(&file);
    let output = command.output().expect("tshark runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "tshark: {said}");
    let packets: Vec<Value> = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(packets.len(), frames.len(), "tshark: {said}");
    let layers = |mut packet: Value| packet["_source"]["layers"].take();
    packets
        .into_iter()
        .map(|packet| Dissected {
            layers: layers(packet),
        })
        .collect()
}

/// The first line of `tshark --version`.
///
/// # Panics
/// When it is missing.
#[must_use]
pub fn version() -> String {
    let output = tshark().arg("--version").output().expect("tshark runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split_whitespace()
        .nth(2)
        .unwrap_or_default()
        .trim_matches('.')
        .to_owned()
}

fn tshark() -> Command {
    Command::new(find(TSHARK).unwrap_or_else(|error| panic!("{error}; run `make setup`")))
}

impl Dissected {
    /// What tshark warns of or finds malformed; and that it is no spanning tree, if it is not.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        let mut all = Vec::new();
        complaints_in(&self.layers, &mut all);
        if self.layers["stp"].is_null() {
            all.push("it is no BPDU".to_owned());
        }
        all
    }

    /// A field by its name in tshark, such as `stp.root.hw`, wherever it stands; the first, if there are several.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        find_in(&self.layers, name)
    }

    /// The same, several at once.
    #[must_use]
    pub fn fields<const N: usize>(&self, names: [&str; N]) -> [&str; N] {
        names.map(|name| self.field(name).unwrap_or("absent"))
    }

    /// All names of fields, for messages.
    #[must_use]
    pub fn names(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        names_in(&self.layers, &mut names);
        names
    }
}

fn complaints_in(value: &Value, all: &mut Vec<String>) {
    if let Some(object) = value.as_object() {
        for (key, inside) in object {
            if key.starts_with("_ws.expert") || key.starts_with("_ws.malformed") {
                all.push(format!("{key}: {inside}"));
            } else {
                complaints_in(inside, all);
            }
        }
    }
    for inside in value.as_array().into_iter().flatten() {
        complaints_in(inside, all);
    }
}

fn find_in<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    let object = value.as_object()?;
    let here = object.get(name).and_then(Value::as_str);
    here.or_else(|| object.values().find_map(|inside| find_in(inside, name)))
}

fn names_in(value: &Value, names: &mut BTreeSet<String>) {
    for (key, inside) in value.as_object().into_iter().flatten() {
        names.insert(key.clone());
        names_in(inside, names);
    }
}
