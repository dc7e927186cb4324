//! What runs a guest: the processor (KVM) or QEMU (TCG).

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::{Image, PROGRAM};

/// What runs a guest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Accelerator {
    /// KVM if a guest boots on it here, else TCG
    #[default]
    Auto,
    /// QEMU itself, translating: works everywhere, ten times slower
    Tcg,
    /// The processor
    Kvm,
}

/// A guest on KVM is at its init in less than a second; one that is not after this will not be.
const BOOT_MAX: Duration = Duration::from_secs(4);
const TURN: Duration = Duration::from_millis(20);
/// What the packaged guest's init says when it is done.
const READY: &[u8] = b"GUEST READY";

impl Accelerator {
    /// As QEMU calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto | Self::Tcg => "tcg",
            Self::Kvm => "kvm",
        }
    }

    /// Itself, or what [`Self::Auto`] comes to for machines that boot `image`. That the device is there and opens says
    /// little: in a virtual machine a guest may stand still all the same. So one is booted.
    pub(super) fn chosen(self, image: &Image, progress: &dyn Fn(&str)) -> Self {
        match self {
            Self::Tcg | Self::Kvm => self,
            Self::Auto if !has_device() => Self::Tcg,
            Self::Auto if boots(image) => Self::Kvm,
            Self::Auto => {
                progress("/dev/kvm is there, but no guest boots on it: TCG");
                Self::Tcg
            }
        }
    }
}

fn has_device() -> bool {
    let mut options = std::fs::OpenOptions::new();
    options.read(true).write(true).open("/dev/kvm").is_ok()
}

/// Whether the guest gets to its end of booting on KVM. A guest of the user's own says nothing we could wait for: then
/// KVM has to be asked for by name.
fn boots(image: &Image) -> bool {
    let (Some(kernel), Some(initrd)) = (&image.kernel, &image.initrd) else {
        return false;
    };
    let mut command = Command::new(PROGRAM);
    command
        .args(["-M", "q35", "-accel", "kvm", "-cpu", "max", "-m", "128"])
        .args(["-nodefaults", "-no-user-config", "-display", "none"])
        .args(["-no-reboot", "-serial", "stdio", "-monitor", "none"])
        .arg("-kernel")
        .arg(kernel)
        .arg("-initrd")
        .arg(initrd)
        .arg("-append")
        .arg(image.command_line(""))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let Ok(mut child) = command.spawn() else {
        return false;
    };
    let heard = child.stdout.take().map(listen);
    let end = Instant::now() + BOOT_MAX;
    let is_ready = loop {
        let heard_it = heard.as_ref().is_some_and(|it| it.try_recv().is_ok());
        let is_over = Instant::now() > end || !matches!(child.try_wait(), Ok(None));
        if heard_it || is_over {
            break heard_it;
        }
        std::thread::sleep(TURN);
    };
    // It has no other purpose.
    let _ = child.kill();
    let _ = child.wait();
    is_ready
}

/// Says so when the guest has said that it is ready. The thread ends with the guest.
fn listen(mut output: std::process::ChildStdout) -> crossbeam_channel::Receiver<()> {
    let (sender, receiver) = crossbeam_channel::bounded(1);
    std::thread::spawn(move || {
        let mut said = Vec::new();
        let mut buffer = [0; 1024];
        while let Ok(octets @ 1..) = std::io::Read::read(&mut output, &mut buffer) {
            said.extend_from_slice(&buffer[..octets]);
            if said.windows(READY.len()).any(|window| window == READY) {
                let _ = sender.try_send(());
            }
            let keep = said.len().saturating_sub(READY.len());
            said.drain(..keep);
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_is_not_tried_and_what_cannot_boot_is_translated() {
        let none = Image::default();
        assert_eq!(Accelerator::Kvm.chosen(&none, &|_| {}), Accelerator::Kvm);
        assert_eq!(Accelerator::Tcg.chosen(&none, &|_| {}), Accelerator::Tcg);
        assert_eq!(Accelerator::Auto.chosen(&none, &|_| {}), Accelerator::Tcg);
    }
}
