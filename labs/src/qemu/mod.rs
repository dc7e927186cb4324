//! Virtual machines that are QEMU's, with a guest that is Linux.
//!
//! A node of kind `vm` with `machine: qemu` is a QEMU process on its host. Its network card is a stream socket to a port
//! of the host's vSwitch ([`Qemu`]), its guest a kernel and an initrd made from Debian packages ([`image`]), or what the
//! user names. It moves by QEMU's own live migration, asked for by QMP ([`migrate`]); what happens is told in the words of
//! the labs' own machines, so that story and report are the same.

mod accelerator;
mod figures;
pub mod image;
mod initrd;
mod machine;
mod moving;
mod packages;
mod qmp;
mod setup;

use std::path::PathBuf;

pub use accelerator::Accelerator;
pub use figures::{Figures, REWRITE_MAX_MS, SILENCE_MAX_MS};
pub use image::{Image, ImageError};
pub use machine::{Launch, Phase, Qemu, QemuError};
pub use moving::{Limits, Told, abandon, migrate};
pub use qmp::{Qmp, QmpError, QmpEvent};
pub use setup::Setup;

/// QEMU's program.
pub const PROGRAM: &str = "qemu-system-x86_64";

/// Flags of `labs run`, `labs up` and `labs drs` for the virtual machines that are QEMU's.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Virtual machines of QEMU")]
pub struct QemuArgs {
    /// Boot this kernel instead of the packaged guest's. The guest must answer ping, and echo TCP port 7, at the
    /// address the lab file gives the VM; it finds it on its command line (algo.ip=10.0.10.5/24)
    #[arg(long, value_name = "FILE")]
    pub kernel: Option<PathBuf>,
    /// The initrd for it
    #[arg(long, value_name = "FILE", requires = "kernel")]
    pub initrd: Option<PathBuf>,
    /// A disk, raw or qcow2; without --kernel it is booted from. What the guest writes is written
    #[arg(long, value_name = "FILE")]
    pub disk: Option<PathBuf>,
    /// More words for the kernel's command line
    #[arg(long, value_name = "WORDS", requires = "kernel")]
    pub append: Option<String>,
    /// What runs the guest; auto: KVM if a guest boots on it here
    #[arg(long, value_enum, default_value_t)]
    pub accel: Accelerator,
}

impl QemuArgs {
    pub(crate) fn is_used(&self) -> bool {
        let files = [&self.kernel, &self.initrd, &self.disk];
        files.iter().any(|file| file.is_some())
            || self.append.is_some()
            || self.accel != Accelerator::Auto
    }
}
