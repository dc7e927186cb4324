//! `switchctl watch`: its words, and which switches they mean.

use std::path::{Path, PathBuf};
use std::time::Duration;

use pnet_base::MacAddr;

use crate::config::{VlanNumber, parse_mac};
use crate::control::{running_switches, socket_path};
use crate::watch::live::Target;
use crate::watch::{End, Wiring};

/// What `switchctl watch` is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchWords {
    /// The address.
    pub mac: MacAddr,
    /// Only in this VLAN.
    pub vlan: Option<VlanNumber>,
    /// How long.
    pub time: Option<Duration>,
    /// Cables between the switches that spanning tree does not tell of.
    pub links: Vec<[End; 2]>,
    /// Names or socket paths; empty: all.
    pub switches: Vec<String>,
}

impl WatchWords {
    /// Reads the words after `watch`; options stand anywhere.
    ///
    /// # Errors
    /// What is wrong, and what is expected.
    pub fn parse(words: &[String]) -> Result<Self, String> {
        let mut words = words.iter();
        let mac = words
            .next()
            .ok_or("watch: name the address to watch, as in: switchctl watch 52:54:00:00:00:05")?;
        let wrong = |mac| {
            format!("watch: '{mac}' is not a MAC address (5254.0000.0005 or 52:54:00:00:00:05)")
        };
        let mut read = Self {
            mac: parse_mac(mac).ok_or_else(|| wrong(mac))?,
            vlan: None,
            time: None,
            links: Vec::new(),
            switches: Vec::new(),
        };
        while let Some(word) = words.next() {
            let (option, value) = match word.split_once('=') {
                Some((option, value)) if option.starts_with("--") => (option, Some(value)),
                Some(_) | None => (word.as_str(), None),
            };
            let mut value = |what: &str| {
                let value = value.or_else(|| words.next().map(String::as_str));
                value.ok_or_else(|| format!("watch: {option}: {what} is expected"))
            };
            match option {
                "--vlan" => {
                    let text = value("a VLAN")?;
                    let vlan = text.parse();
                    read.vlan = Some(vlan.map_err(|error| format!("watch: --vlan: {error}"))?);
                }
                "--for" => read.time = Some(time(value("a time such as 30s")?)?),
                "--link" => read.links.push(link(value("SWITCH:PORT=SWITCH:PORT")?)?),
                option if option.starts_with('-') => {
                    return Err(format!(
                        "watch: unknown option '{option}': there are --vlan, --for, --link, --json"
                    ));
                }
                _ => read.switches.push(word.clone()),
            }
        }
        Ok(read)
    }

    /// The switches meant, and what is known of their cables. A word with a `/` is the path of a control socket.
    ///
    /// # Errors
    /// No switch runs, or a link names one that is not watched.
    pub fn targets(&self, run_dir: &Path) -> Result<(Vec<Target>, Wiring), String> {
        let names = match self.switches.is_empty() {
            false => self.switches.clone(),
            true => {
                let (live, _) = running_switches(run_dir)
                    .map_err(|error| format!("{}: {error}", run_dir.display()))?;
                live.into_iter().map(|greeting| greeting.name).collect()
            }
        };
        if names.is_empty() {
            return Err(format!("no switch runs in {}", run_dir.display()));
        }
        let mut targets: Vec<Target> = Vec::new();
        for name in names {
            let target = match name.contains('/') {
                true => Target {
                    name: Path::new(&name)
                        .file_stem()
                        .map_or_else(|| name.clone(), |stem| stem.to_string_lossy().into_owned()),
                    socket: PathBuf::from(&name),
                },
                false => Target {
                    socket: socket_path(run_dir, &name),
                    name,
                },
            };
            if targets.iter().any(|known| known.name == target.name) {
                return Err(format!("watch: {} is named twice", target.name));
            }
            targets.push(target);
        }
        let mut wiring = Wiring::unknown();
        for ends in &self.links {
            for end in ends {
                if !targets.iter().any(|target| target.name == end.switch) {
                    return Err(format!("watch: --link {end}: that switch is not watched"));
                }
            }
            wiring.connect(ends.to_vec(), false);
        }
        Ok((targets, wiring))
    }
}

fn link(text: &str) -> Result<[End; 2], String> {
    let (one, other) = text.split_once('=').ok_or_else(|| {
        format!("watch: --link '{text}': a cable has two ends: SWITCH:PORT=SWITCH:PORT")
    })?;
    let end = |text: &str| {
        text.parse()
            .map_err(|error| format!("watch: --link {error}"))
    };
    Ok([end(one)?, end(other)?])
}

/// `500ms`, `90s`, `2m`, `1h`; a bare number is seconds.
///
/// # Errors
/// It is none of these, zero, or longer than a year.
pub fn time(text: &str) -> Result<Duration, String> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let millis: u64 = match unit {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        _ => 0,
    };
    let most = 365 * 86_400_000;
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(millis))
        .filter(|time| (1..=most).contains(time))
        .map(Duration::from_millis)
        .ok_or_else(|| format!("'{text}' is no time such as 500ms, 90s, 2m or 1h"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<WatchWords, String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        WatchWords::parse(&words)
    }

    #[test]
    fn options_stand_anywhere() {
        let read =
            parse("5254.0000.0005 sw1 --vlan 10 --for=2m /run/x/sw2.sock --link sw1:p1=sw2:p2")
                .unwrap();
        assert_eq!(read.mac.to_string(), "52:54:00:00:00:05");
        assert_eq!(read.vlan.map(VlanNumber::get), Some(10));
        assert_eq!(read.time, Some(Duration::from_secs(120)));
        assert_eq!(read.switches, ["sw1", "/run/x/sw2.sock"]);
        let (targets, wiring) = read.targets(Path::new("/run/a")).unwrap();
        assert_eq!(targets[0].socket, Path::new("/run/a/sw1.sock"));
        assert_eq!(targets[1].name, "sw2");
        assert!(!wiring.is_unknown());
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (line, message) in [
            (
                "",
                "watch: name the address to watch, as in: switchctl watch 52:54:00:00:00:05",
            ),
            (
                "sw1",
                "watch: 'sw1' is not a MAC address (5254.0000.0005 or 52:54:00:00:00:05)",
            ),
            (
                "5254.0000.0005 --for",
                "watch: --for: a time such as 30s is expected",
            ),
            (
                "5254.0000.0005 --for 0s",
                "'0s' is no time such as 500ms, 90s, 2m or 1h",
            ),
            (
                "5254.0000.0005 --for 9x",
                "'9x' is no time such as 500ms, 90s, 2m or 1h",
            ),
            (
                "5254.0000.0005 --link a:p1",
                "watch: --link 'a:p1': a cable has two ends: SWITCH:PORT=SWITCH:PORT",
            ),
            (
                "5254.0000.0005 --link a=b:p1",
                "watch: --link 'a' is no port of a switch: write SWITCH:PORT",
            ),
            (
                "5254.0000.0005 -x",
                "watch: unknown option '-x': there are --vlan, --for, --link, --json",
            ),
        ] {
            assert_eq!(parse(line).unwrap_err(), message);
        }
        let twice = parse("5254.0000.0005 a a").unwrap();
        let error = twice.targets(Path::new("/run/a")).unwrap_err();
        assert_eq!(error, "watch: a is named twice");
        let far = parse("5254.0000.0005 a --link a:p1=b:p1").unwrap();
        let error = far.targets(Path::new("/run/a")).unwrap_err();
        assert_eq!(error, "watch: --link b:p1: that switch is not watched");
    }
}
