//! `show vlan`.

use std::fmt::Write;

use crate::control::VlanLine;

/// The width of the column of ports.
const PORTS_WIDTH: usize = 31;

/// VLANs and their ports; a port that sends the VLAN tagged is marked `(t)`.
#[must_use]
pub fn vlans(vlans: &[VlanLine]) -> String {
    let mut text = String::from(
        "VLAN Name                             Status    Ports\n\
         ---- -------------------------------- --------- -------------------------------\n",
    );
    for line in vlans {
        let number = line.vlan.get();
        let name = match number {
            1 => "default".to_owned(),
            number => format!("VLAN{number:04}"),
        };
        let tagged = line.tagged.iter().map(|port| format!("{port}(t)"));
        let ports: Vec<String> = line.untagged.iter().cloned().chain(tagged).collect();
        let mut rows = wrapped(&ports).into_iter();
        let first = rows.next().unwrap_or_default();
        let row = format!("{number:<4} {name:<32} active    {first}");
        let _ = writeln!(text, "{}", row.trim_end());
        for row in rows {
            let _ = writeln!(text, "{:48}{row}", "");
        }
    }
    text.push_str(
        "\n(t): sent tagged. A trunk that allows all VLANs carries those not listed, too.\n",
    );
    text
}

fn wrapped(ports: &[String]) -> Vec<String> {
    let mut rows: Vec<String> = Vec::new();
    for port in ports {
        match rows.last_mut() {
            Some(row) if row.len() + 2 + port.len() <= PORTS_WIDTH => {
                row.push_str(", ");
                row.push_str(port);
            }
            Some(row) => {
                row.push(',');
                rows.push(port.clone());
            }
            None => rows.push(port.clone()),
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::VlanNumber;

    #[test]
    fn ports_wrap_in_their_column() {
        let ports =
            |range: std::ops::RangeInclusive<u8>| range.map(|n| format!("port{n}")).collect();
        let shown = vlans(&[
            VlanLine {
                vlan: VlanNumber::DEFAULT,
                untagged: ports(1..=6),
                tagged: vec!["up1".to_owned()],
            },
            VlanLine {
                vlan: VlanNumber::new(10).unwrap(),
                untagged: vec![],
                tagged: vec![],
            },
        ]);
        assert_eq!(
            shown,
            "VLAN Name                             Status    Ports
---- -------------------------------- --------- -------------------------------
1    default                          active    port1, port2, port3, port4,
                                                port5, port6, up1(t)
10   VLAN0010                         active

(t): sent tagged. A trunk that allows all VLANs carries those not listed, too.
"
        );
    }
}
