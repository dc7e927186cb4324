//! The guest's initrd: busybox, the modules of its network card, and a script that is its init.

use std::io;

use cpio::newc::{Builder, ModeFileType, trailer};

/// Its init.
pub(super) const INIT: &[u8] = include_bytes!("init.sh");

/// What the network card needs of the kernel's modules; those built in are not looked for.
pub(super) const MODULES: [&str; 8] = [
    "failover",
    "net_failover",
    "virtio_ring",
    "virtio",
    "virtio_pci_legacy_dev",
    "virtio_pci_modern_dev",
    "virtio_pci",
    "virtio_net",
];

/// A module: its name and what it is.
pub(super) type Module = (String, Vec<u8>);

/// The archive (cpio "newc", which the kernel unpacks).
///
/// # Errors
/// A file is too long for the format.
pub(super) fn archive(busybox: &[u8], modules: &[Module]) -> io::Result<Vec<u8>> {
    let mut archive = Archive::default();
    for directory in ["bin", "modules"] {
        archive.add(directory, ModeFileType::Directory, &[])?;
    }
    archive.add("bin/busybox", ModeFileType::Regular, busybox)?;
    archive.add("init", ModeFileType::Regular, INIT)?;
    for (name, module) in modules {
        let name = format!("modules/{name}.ko");
        archive.add(&name, ModeFileType::Regular, module)?;
    }
    trailer(archive.octets)
}

#[derive(Default)]
struct Archive {
    octets: Vec<u8>,
    entries: u32,
}

impl Archive {
    fn add(&mut self, name: &str, kind: ModeFileType, content: &[u8]) -> io::Result<()> {
        self.entries += 1;
        let size = u32::try_from(content.len()).map_err(io::Error::other)?;
        let mut writer = Builder::new(name)
            .ino(self.entries)
            .mode(0o755)
            .set_mode_file_type(kind)
            .write(&mut self.octets, size);
        io::Write::write_all(&mut writer, content)?;
        writer.finish().map(drop)
    }
}

#[cfg(test)]
mod tests {
    use cpio::newc::Reader;

    use super::*;

    #[test]
    fn what_is_put_in_is_in_the_archive() {
        let modules = [("virtio".to_owned(), vec![7; 5])];
        let archive = archive(b"box", &modules).unwrap();
        let mut rest = archive.as_slice();
        let mut seen = Vec::new();
        loop {
            let mut reader = Reader::new(rest).unwrap();
            if reader.entry().is_trailer() {
                break;
            }
            let mut content = Vec::new();
            io::Read::read_to_end(&mut reader, &mut content).unwrap();
            let entry = reader.entry();
            seen.push((entry.name().to_owned(), entry.mode(), content));
            rest = reader.finish().unwrap();
        }
        let names: Vec<&str> = seen.iter().map(|(name, ..)| name.as_str()).collect();
        assert_eq!(
            names,
            ["bin", "modules", "bin/busybox", "init", "modules/virtio.ko"]
        );
        assert_eq!((seen[0].1, seen[2].1), (0o40_755, 0o100_755));
        assert_eq!(seen[2].2, b"box");
        assert_eq!(seen[4].2, [7; 5]);
    }
}
