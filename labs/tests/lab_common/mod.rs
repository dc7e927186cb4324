//! A run directory and lab names of one test's own, and what is left of them.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "shared by tests that use different parts"
)]
#![allow(clippy::unwrap_used, reason = "a test says no more by expect")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Once;
use std::time::{Duration, Instant};

use labs::netns::Namespace;

/// How long anything on this machine may take before the test gives up.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The world of one test.
pub struct World {
    dir: tempfile::TempDir,
    test: &'static str,
}

impl World {
    pub fn new(test: &'static str) -> Self {
        build_daemons();
        Self {
            dir: tempfile::tempdir().unwrap(),
            test,
        }
    }

    /// A lab name that no other test and no other run of this one has.
    pub fn lab(&self) -> String {
        format!("{}-{}", self.test, std::process::id())
    }

    pub fn run_dir(&self) -> PathBuf {
        self.dir.path().join("run")
    }

    pub fn file(&self, text: &str) -> String {
        let path = self.dir.path().join("lab.yml");
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_labs"));
        command.arg("--run-dir").arg(self.run_dir()).args(arguments);
        command
    }

    pub fn labs(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a command that must succeed; its standard output.
    pub fn good(&self, arguments: &[&str]) -> String {
        let output = self.labs(arguments);
        assert!(
            output.status.success(),
            "labs {arguments:?}: {}",
            both(&output)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command that must end with `code`; its standard error.
    pub fn bad(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.labs(arguments);
        assert_eq!(
            output.status.code(),
            Some(code),
            "labs {arguments:?}: {}",
            both(&output)
        );
        String::from_utf8(output.stderr).unwrap()
    }

    pub fn namespaces(&self) -> Vec<String> {
        let prefix = format!("algo-{}-", self.lab());
        Namespace::names()
            .into_iter()
            .filter(|name| name.starts_with(&prefix))
            .collect()
    }

    /// Command lines of all processes that know this test's run directory.
    pub fn processes(&self) -> Vec<(i32, String)> {
        let own = self.run_dir().display().to_string();
        let entries = fs::read_dir("/proc").unwrap().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        let line = |pid| {
            fs::read(format!("/proc/{pid}/cmdline"))
                .ok()
                .map(|text| String::from_utf8_lossy(&text).replace('\0', " "))
        };
        pids.filter_map(|pid| Some((pid, line(pid)?)))
            .filter(|(_, line)| line.contains(&own))
            .collect()
    }

    pub fn assert_nothing_left(&self) {
        assert_eq!(self.namespaces(), Vec::<String>::new());
        assert_eq!(self.processes(), []);
        let left: Vec<_> = fs::read_dir(self.run_dir())
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .collect();
        assert!(left.is_empty(), "{left:?}");
        assert!(!self.run_dir().exists());
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.labs(&["down", "--all"]);
    }
}

pub fn both(output: &Output) -> String {
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    format!(
        "{:?}\n{}\n{}",
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    )
}

pub fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// `labs` looks for `switchd` beside itself; cargo builds only this package's programs for its tests.
fn build_daemons() {
    static BUILT: Once = Once::new();
    BUILT.call_once(|| {
        let labs = Path::new(env!("CARGO_BIN_EXE_labs"));
        let profile = labs.parent().unwrap();
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--package", "switchd", "--bins"]);
        cargo
            .arg("--manifest-path")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"));
        cargo.arg("--target-dir").arg(profile.parent().unwrap());
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        assert!(cargo.status().unwrap().success(), "cargo build of switchd");
    });
}

/// Two hosts, their vSwitches joined directly: no spanning tree to wait for. `more` of vm1's settings; the steps follow.
pub fn two_hosts(more: &str) -> String {
    format!(
        "
name: pair
topology:
  nodes:
    vsw1:
      kind: switch
      stp: off
      ports:
        uplink: {{trunk: [10, 20]}}
        vmk0: {{access: 20}}
        client: {{access: 10}}
    vsw2:
      kind: switch
      stp: off
      ports:
        uplink: {{trunk: [10, 20]}}
        vmk0: {{access: 20}}
    esx1: {{kind: host, vswitch: vsw1, ports: {{vmk0: {{ip: 10.0.20.1/24}}}}}}
    esx2: {{kind: host, vswitch: vsw2, ports: {{vmk0: {{ip: 10.0.20.2/24}}}}}}
    client: {{kind: host, ports: {{eth0: {{ip: 10.0.10.100/24}}}}}}
    vm1: {{kind: vm, host: esx1, vlan: 10, mac: 52:54:00:00:00:05, ip: 10.0.10.5/24, {more}}}
  links:
    - endpoints: [\"vsw1:uplink\", \"vsw2:uplink\"]
    - endpoints: [\"vsw1:vmk0\", \"esx1:vmk0\"]
    - endpoints: [\"vsw2:vmk0\", \"esx2:vmk0\"]
    - endpoints: [\"vsw1:client\", \"client:eth0\"]
steps:
"
    )
}
