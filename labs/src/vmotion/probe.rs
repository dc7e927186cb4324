//! The client's process: `labs probe` on a host of the VM's network.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{IpAddr, SocketAddrV4};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::guests::{STREAM_PORT, ipv4};
use crate::client::Report;
use crate::lab::{Identity, Lab, LabError, probe_role, program};
use crate::topology::{Vm, VmMachine};

/// A running client. Its end is that of its standard input.
#[derive(Debug)]
pub(super) struct Probe {
    /// The host it runs on.
    pub(super) host: String,
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Probe {
    /// Starts a client for `vm`: on the first host without a vSwitch that has an address in the
    /// VM's network. Returns when it is connected.
    pub(super) fn start(lab: &Lab, vm: &str, settings: &Vm) -> Result<Self, LabError> {
        let host = client_host(lab, settings)
            .ok_or_else(|| LabError::Other(format!("no host is in the network of {vm}")))?;
        let server = SocketAddrV4::new(ipv4(vm, settings)?, STREAM_PORT);
        let mut command = Command::new(program("labs")?);
        command
            .args(["probe", &server.to_string()])
            .args(ears(settings))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = lab.spawn(host, &probe_role(vm), &mut command)?;
        let input = child.stdin.take();
        let output = child.stdout.take();
        let output = output.ok_or_else(|| LabError::Other("a probe without output".to_owned()))?;
        let mut probe = Self {
            host: host.to_owned(),
            child,
            input,
            output: BufReader::new(output),
        };
        if probe.line()?.is_empty() {
            return Err(LabError::Start {
                node: host.to_owned(),
                program: "labs probe",
                reason: format!("no connection to {server}"),
            });
        }
        Ok(probe)
    }

    /// What it saw since the last call.
    pub(super) fn report(&mut self) -> Result<Report, LabError> {
        if let Some(input) = &mut self.input {
            let asked = input.write_all(b"\n").and_then(|()| input.flush());
            asked.map_err(|source| LabError::io("ask the probe", source))?;
        }
        let line = self.line()?;
        serde_json::from_str(&line).map_err(|error| LabError::Other(format!("probe: {error}")))
    }

    /// Ends it.
    pub(super) fn end(self, lab: &Lab) -> Result<(), LabError> {
        let pid = i32::try_from(self.child.id()).ok();
        match pid.and_then(Identity::of) {
            Some(identity) => lab.ended(identity),
            None => Ok(()),
        }
    }

    fn line(&mut self) -> Result<String, LabError> {
        let mut line = String::new();
        let read = self.output.read_line(&mut line);
        read.map_err(|source| LabError::io("read the probe", source))?;
        Ok(line)
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.input = None;
        let _ended = self.child.wait();
    }
}

/// A guest of QEMU's echoes, and what it announces nobody tells. It may still boot, and several at once take their time.
fn ears(vm: &Vm) -> Vec<String> {
    match vm.machine {
        VmMachine::Labs => Vec::new(),
        VmMachine::Qemu => {
            let mac = vm.mac.to_string();
            let words = ["--echo", "--listen", &mac];
            let patience = ["--connect-ms", "60000"];
            words
                .into_iter()
                .chain(patience)
                .map(str::to_owned)
                .collect()
        }
    }
}

fn client_host<'l>(lab: &'l Lab, vm: &Vm) -> Option<&'l str> {
    let network = |ip: IpAddr| match ip {
        IpAddr::V4(ip) if vm.ip.prefix > 0 => u32::from(ip) >> (32 - u32::from(vm.ip.prefix)),
        IpAddr::V4(_) | IpAddr::V6(_) => 0,
    };
    let mut hosts = lab.topology.hosts();
    let found = hosts.find(|(_, host)| {
        let mut addresses = host.ports.iter().flat_map(|port| &port.addresses);
        host.vswitch.is_none()
            && addresses
                .any(|address| address.ip.is_ipv4() && network(address.ip) == network(vm.ip.ip))
    });
    found.map(|(name, _)| name)
}
