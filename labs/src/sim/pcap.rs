//! What a wire carried, as a capture file: one for each wire, times in nanoseconds of virtual time.

use core::time::Duration;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::id::WireId;
use super::map::Map;
use super::observe::{Notice, Observer};

/// Frames are kept until so many octets of a wire are to be written; files are open only meanwhile, so that thousands of
/// wires do not need thousands of descriptors.
const BUFFER_MAX: usize = 1 << 20;
/// Longest frame a file may hold, in octets.
const SNAPLEN: u32 = 65_535;
/// "pcap with nanoseconds", version 2.4, Ethernet (draft-ietf-opsawg-pcap).
const HEADER: [u32; 6] = [0xa1b2_3c4d, 0x0004_0002, 0, 0, SNAPLEN, 1];

/// An observer that writes what every wire carried.
#[derive(Debug)]
pub struct Captures {
    dir: PathBuf,
    wires: BTreeMap<WireId, Capture>,
    result: io::Result<()>,
}

#[derive(Debug)]
struct Capture {
    path: PathBuf,
    buffer: Vec<u8>,
    started: bool,
}

impl Captures {
    /// Capture files in `dir`, which is made if it is not there. A wire's file is called after its ends, such as
    /// `sw1_p1--sw2_p1.pcap`, and is made when its first frame is written. Files of these names are replaced.
    ///
    /// # Errors
    /// The directory cannot be made.
    pub fn new(dir: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(dir)?;
        Ok(Self {
            dir: dir.to_owned(),
            wires: BTreeMap::new(),
            result: Ok(()),
        })
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// The first write that failed; nothing was written after it.
    pub fn finish(&mut self) -> io::Result<()> {
        std::mem::replace(&mut self.result, Ok(()))?;
        self.wires.values_mut().try_for_each(Capture::flush)
    }
}

impl Observer for Captures {
    fn notice(&mut self, now: Duration, map: &Map, notice: &Notice<'_>) {
        let Notice::Transmitted { wire, frame, .. } = *notice else {
            return;
        };
        let Self { dir, wires, .. } = self;
        let capture = wires.entry(wire).or_insert_with(|| Capture {
            path: dir.join(file_name(map, wire)),
            buffer: HEADER.iter().flat_map(|word| word.to_le_bytes()).collect(),
            started: false,
        });
        capture.add(now, frame);
        if capture.buffer.len() > BUFFER_MAX && self.result.is_ok() {
            self.result = capture.flush();
        }
    }
}

impl Capture {
    fn add(&mut self, now: Duration, frame: &[u8]) {
        let length = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        let kept = length.min(SNAPLEN);
        // Seconds of 32 bits end after 136 years.
        let seconds = u32::try_from(now.as_secs()).unwrap_or(u32::MAX);
        for word in [seconds, now.subsec_nanos(), kept, length] {
            self.buffer.extend(word.to_le_bytes());
        }
        self.buffer
            .extend(&frame[..frame.len().min(SNAPLEN as usize)]);
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut file = if self.started {
            OpenOptions::new().append(true).open(&self.path)?
        } else {
            File::create(&self.path)?
        };
        self.started = true;
        file.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}

/// Names of ends are joined; of a segment with many, the first three.
fn file_name(map: &Map, wire: WireId) -> String {
    let ends = map.ends(wire);
    let mut names: Vec<String> = ends
        .iter()
        .take(3)
        .map(|end| map.label(*end).replace([':', '/'], "_"))
        .collect();
    if ends.len() > 3 {
        names.push(format!("{}-more", ends.len() - 3));
    }
    // Names alone are unique: a port ends one wire at most.
    format!("{}.pcap", names.join("--"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::{BridgeSpec, Medium, World, frame};
    use std::cell::RefCell;
    use std::rc::Rc;

    #[test]
    fn a_capture_has_every_frame_with_its_time() {
        let dir = tempfile::tempdir().unwrap();
        let captures = Rc::new(RefCell::new(Captures::new(dir.path()).unwrap()));
        let mut world = World::new(1);
        world.observe(captures.clone());
        let a = world
            .add_bridge(&BridgeSpec::new("a").spanning_tree(false))
            .unwrap();
        for name in ["h", "g"] {
            let host = world.add_listener(name).unwrap();
            world.wire_nodes(&[a, host], Medium::default()).unwrap();
        }
        let h = world.port(world.map().node("h").unwrap(), 1).unwrap();
        world.run_until(Duration::new(7, 5));
        world.send(h, frame::broadcast(world.address(h).unwrap()));
        world.run_for(Duration::from_secs(1));
        captures.borrow_mut().finish().unwrap();

        let octets = std::fs::read(dir.path().join("a_p2--g_eth0.pcap")).unwrap();
        let word = |at: usize| u32::from_le_bytes(octets[at..at + 4].try_into().unwrap());
        assert_eq!(word(0), 0xa1b2_3c4d);
        assert_eq!((word(20), octets.len()), (1, 24 + 16 + 60));
        // The bridge sent it on 10 µs later.
        assert_eq!(
            (word(24), word(28), word(32), word(36)),
            (7, 10_005, 60, 60)
        );
        assert_eq!(octets[40..46], [0xff; 6]);
        assert!(dir.path().join("a_p1--h_eth0.pcap").exists());
    }
}
