//! What a lab needs of the system, checked before anything is made.

use core::fmt;
use std::fs::{self, OpenOptions};

/// What is missing, and how to get it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct PrivilegeError {
    missing: Vec<String>,
}

impl fmt::Display for PrivilegeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "a lab of namespaces needs what this process does not have:"
        )?;
        for line in &self.missing {
            writeln!(f, "  - {line}")?;
        }
        write!(
            f,
            "The usual way to get it is root: `sudo labs …`; in a container, `docker run --privileged`."
        )
    }
}

/// Bit in the capability sets, name, what it is for (capabilities(7)).
const CAPABILITIES: [(u32, &str, &str); 3] = [
    (21, "CAP_SYS_ADMIN", "to make and enter network namespaces"),
    (12, "CAP_NET_ADMIN", "to make links, taps and addresses"),
    (13, "CAP_NET_RAW", "for the switches' packet sockets"),
];
const TUN: &str = "/dev/net/tun";

/// Whether a lab can be made here.
///
/// # Errors
/// All that is missing.
pub fn check() -> Result<(), PrivilegeError> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mut missing = missing_capabilities(&status);
    if let Err(error) = OpenOptions::new().read(true).write(true).open(TUN) {
        let hint = if error.kind() == std::io::ErrorKind::NotFound {
            "load the module by `modprobe tun`, or give the container the device by `--device /dev/net/tun`"
        } else {
            "only root may open it here"
        };
        missing.push(format!("{TUN}: {error} ({hint})"));
    }
    if missing.is_empty() {
        Ok(())
    } else {
        Err(PrivilegeError { missing })
    }
}

fn missing_capabilities(status: &str) -> Vec<String> {
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = effective
        .and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok())
        .unwrap_or(0);
    let absent = CAPABILITIES
        .iter()
        .filter(|(bit, _, _)| effective >> bit & 1 == 0);
    absent
        .map(|(_, name, purpose)| format!("{name}, {purpose}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_user_is_told_each_capability() {
        let missing = missing_capabilities("Name:\tlabs\nCapEff:\t0000000000000000\n");
        assert_eq!(
            missing,
            [
                "CAP_SYS_ADMIN, to make and enter network namespaces",
                "CAP_NET_ADMIN, to make links, taps and addresses",
                "CAP_NET_RAW, for the switches' packet sockets",
            ]
        );
        let text = PrivilegeError { missing }.to_string();
        assert!(
            text.contains("  - CAP_NET_ADMIN, to make") && text.contains("sudo labs"),
            "{text}"
        );
    }

    #[test]
    fn root_lacks_nothing_and_a_container_without_sys_admin_only_that() {
        assert_eq!(
            missing_capabilities("CapEff:\t000001ffffffffff\n"),
            Vec::<String>::new()
        );
        let docker = missing_capabilities("CapEff:\t00000000a80425fb\n");
        assert_eq!(docker.len(), 2, "{docker:?}");
    }
}
