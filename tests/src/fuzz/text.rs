//! What people and programs write: requests, command lines, configurations, lab files.

use std::path::{Path, PathBuf};

use clap::Parser;
use labs::topology::Topology;
use serde_json::Value;
use switchd::cli::{WatchWords, parse};
use switchd::config::{Flags, World, parse_file, to_toml};
use switchd::control::codec::{LINE_MAX, LineBuffer, decode_request};

use super::Octets;

/// Configurations of more octets are left out: they are files of the user's own, read whole.
const TEXT_MAX: usize = 64 << 10;

/// The octets as words of a command line, each on a line of its own.
fn words(octets: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(octets);
    text.lines().map(str::to_owned).collect()
}

/// An octet for the size of the pieces, and what a client writes. The lines are those that stand in it, and a request
/// that is understood is understood again when it is written by us.
pub(super) fn request(octets: &[u8]) {
    let mut octets = Octets(octets);
    let piece = usize::from(octets.octet()) + 1;
    let written = octets.0;
    let mut expected = written.split(|&octet| octet == b'\n');
    let mut buffer = LineBuffer::default();
    for piece in written.chunks(piece) {
        buffer.push(piece);
        loop {
            match buffer.line() {
                Ok(Some(line)) => {
                    assert_eq!(Some(&line[..]), expected.next());
                    understood(&line);
                }
                Ok(None) => break,
                Err(_) => {
                    assert!(expected.next().is_some_and(|line| line.len() > LINE_MAX));
                    return;
                }
            }
        }
    }
    let rest = expected.next().unwrap_or_default();
    assert_eq!(buffer.is_empty(), rest.is_empty());
    assert_eq!(expected.next(), None);
}

fn understood(line: &[u8]) {
    let Ok((id, command)) = decode_request(line) else {
        return;
    };
    let mut again = serde_json::to_value(&command).expect("a command can be written");
    let object = again.as_object_mut().expect("a command is an object");
    object.insert("id".to_owned(), Value::from(id));
    let again = decode_request(again.to_string().as_bytes());
    assert_eq!(again, Ok((id, command)));
}

/// The words of `switchctl`: a command, or a `^` under a word.
pub(super) fn command(octets: &[u8]) {
    let words = words(octets);
    if let Err(error) = parse(&words) {
        assert!(error.pointed("sw1# ").contains('^'));
    }
    if let Err(error) = WatchWords::parse(&words) {
        assert!(!error.is_empty());
    }
}

fn world() -> World {
    World {
        interface_exists: |name| name.starts_with("veth"),
        run_dir: || PathBuf::from("/run/test"),
    }
}

fn checked(raw: &switchd::config::RawConfig) {
    match raw.check(world()) {
        Err(error) => assert!(!error.problems.is_empty()),
        Ok(config) => {
            let text = to_toml(&config);
            let again = parse_file(Path::new("again"), &text).and_then(|raw| raw.check(world()));
            assert_eq!(again.as_ref(), Ok(&config), "{text}");
        }
    }
}

/// A configuration file: what is accepted survives being written and read.
pub(super) fn config(octets: &[u8]) {
    let Ok(text) = str::from_utf8(octets) else {
        return;
    };
    if text.len() > TEXT_MAX {
        return;
    }
    match parse_file(Path::new("sw.toml"), text) {
        Ok(raw) => checked(&raw),
        Err(error) => assert!(!error.problems.is_empty()),
    }
}

/// The arguments of `switchd`, words such as `vm1:listen=/run/vm1.sock` and `fd=7` among them.
pub(super) fn flags(octets: &[u8]) {
    let words = std::iter::once("switchd".to_owned()).chain(words(octets));
    if let Ok(flags) = Flags::try_parse_from(words) {
        checked(&flags.raw());
    }
}

/// A lab file: a lab, or a fault with a place that is in the file.
pub(super) fn lab(octets: &[u8]) {
    let Ok(text) = str::from_utf8(octets) else {
        return;
    };
    if text.len() > TEXT_MAX {
        return;
    }
    match Topology::parse("lab.yml", text) {
        Ok(lab) => assert!(!lab.nodes.is_empty()),
        Err(error) => {
            let lines = text
                .split(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'])
                .count();
            let line = error.at.line;
            assert!(line >= 1 && line <= lines + 1, "{error} of {lines} lines");
        }
    }
}
