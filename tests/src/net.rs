//! Namespaces and links of one test.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use labs::netns::{Namespace, VethEnd, add_veth};

/// The namespaces of one test, removed when it ends, however it ends.
#[derive(Debug)]
pub struct Net {
    prefix: String,
    names: Vec<String>,
}

impl Net {
    /// A name of its own for this test and process.
    #[must_use]
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        Self {
            prefix: format!("algo-t{}-{next}", std::process::id()),
            names: Vec::new(),
        }
    }

    /// Makes a namespace.
    ///
    /// # Panics
    /// Without privilege: these tests run as root.
    pub fn namespace(&mut self, name: &str) -> Namespace {
        let full = format!("{}-{name}", self.prefix);
        let made = Namespace::create(&full).expect("tests run as root");
        self.names.push(full);
        made
    }

    /// Makes a namespace with one interface `eth0` cabled to `port` in `switch`, up, with an address.
    ///
    /// # Panics
    /// When the kernel refuses.
    pub fn host(&mut self, name: &str, address: &str, switch: &Namespace, port: &str) -> Namespace {
        let host = self.namespace(name);
        cable(&host, "eth0", switch, port);
        let address = address.parse().expect("an address");
        let net = host.net().expect("netlink");
        net.add_address("eth0", address, 24).expect("address");
        host
    }
}

impl Default for Net {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for name in &self.names {
            // Nothing is left to tell a failure to; the leftovers test looks for namespaces.
            let _ = Namespace::remove(name);
        }
    }
}

/// A veth pair between two namespaces, both ends up.
///
/// # Panics
/// When the kernel refuses.
pub fn cable(one: &Namespace, one_port: &str, other: &Namespace, other_port: &str) {
    add_veth(VethEnd::new(one, one_port), VethEnd::new(other, other_port)).expect("veth");
    for (namespace, port) in [(one, one_port), (other, other_port)] {
        let net = namespace.net().expect("netlink");
        net.set_up(port, true).expect("up");
    }
}

/// Runs a program inside a namespace to its end; its standard output if it succeeded.
///
/// # Errors
/// What it wrote, if it failed.
///
/// # Panics
/// When the program is missing: a missing peer is a failure, not a skip.
pub fn run(namespace: &Namespace, program: &str, arguments: &[&str]) -> Result<String, String> {
    let output = namespace
        .run(|| Command::new(program).args(arguments).output())
        .expect("namespace")
        .unwrap_or_else(|error| panic!("{program}: {error}; run `make setup`"));
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        Ok(out)
    } else {
        Err(out + &String::from_utf8_lossy(&output.stderr))
    }
}

/// Whether `address` answers one of `count` pings, sent 200 ms apart.
#[must_use]
pub fn pings(namespace: &Namespace, address: &str, count: u32) -> bool {
    let count = count.to_string();
    run(
        namespace,
        "ping",
        &["-n", "-c", &count, "-i", "0.2", "-W", "1", address],
    )
    .is_ok()
}
