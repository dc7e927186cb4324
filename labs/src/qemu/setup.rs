//! What the QEMU machines of a lab are made of.

use std::path::Path;
use std::{fs, io};

use serde::{Deserialize, Serialize};

use super::image::{self, Image, ImageError};
use super::{Accelerator, PROGRAM, QemuArgs};
use crate::topology::{Topology, VmMachine};

/// Where a lab's directory says it.
const KEPT: &str = "qemu.json";

/// What the QEMU machines of a lab are made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    /// What they boot.
    pub image: Image,
    /// What runs them: not [`Accelerator::Auto`].
    pub accelerator: Accelerator,
}

impl Setup {
    /// What the QEMU machines of `topology` need, made if it is not there; `None`: it has none.
    ///
    /// # Errors
    /// When QEMU is not installed, a file is not there, or the guest cannot be made.
    pub fn prepare(
        topology: &Topology,
        args: &QemuArgs,
        progress: &dyn Fn(&str),
    ) -> Result<Option<Self>, ImageError> {
        if !topology.vms().any(|(_, vm)| vm.machine == VmMachine::Qemu) {
            return match args.is_used() {
                true => Err(ImageError::NoMachine {
                    lab: topology.name.clone(),
                }),
                false => Ok(None),
            };
        }
        image::look_for(PROGRAM, "qemu-system-x86")?;
        let image = Image::of(args, progress)?;
        let accelerator = args.accel.chosen(&image, progress);
        Ok(Some(Self { image, accelerator }))
    }

    /// Writes down in a lab's directory what its machines are made of, for who moves them later.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn keep(&self, lab: &Path) -> Result<(), ImageError> {
        let path = lab.join(KEPT);
        let text = serde_json::to_vec(self).map_err(io::Error::from);
        let written = text.and_then(|text| fs::write(&path, text));
        written.map_err(|source| ImageError::io(&path, source))
    }

    /// What [`keep`](Self::keep) wrote.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn kept(lab: &Path) -> Result<Self, ImageError> {
        let path = lab.join(KEPT);
        let text = fs::read(&path);
        let setup = text.and_then(|text| serde_json::from_slice(&text).map_err(io::Error::from));
        setup.map_err(|source| ImageError::io(&path, source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_what_is_read_and_without_it_the_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let setup = Setup {
            image: Image {
                disk: Some("/disk.qcow2".into()),
                append: "more words".to_owned(),
                ..Image::default()
            },
            accelerator: Accelerator::Tcg,
        };
        let error = Setup::kept(dir.path()).unwrap_err().to_string();
        assert!(error.contains(KEPT), "{error}");
        setup.keep(dir.path()).unwrap();
        assert_eq!(Setup::kept(dir.path()).unwrap(), setup);
        fs::write(dir.path().join(KEPT), "{").unwrap();
        assert!(Setup::kept(dir.path()).is_err());
    }
}
