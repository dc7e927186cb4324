//! What a link does to frames, in netlab's words:
//!
//! ```yaml
//! links:
//!   - endpoints: ["sw1:p1", "sw2:p1"]
//!     delay: 1ms          # under way; default 10us
//!     jitter: 200us       # up to this much more
//!     loss: 1%            # each frame by itself
//!     burst: {enter: 1%, leave: 20%, loss: 100%}   # Gilbert: bad from time to time
//!     duplicate: 0.1%
//!     reorder: 0.1%
//!     corrupt: 0.1%       # one bit flipped, and no check sequence notices
//!     rate: 100Mbit       # default: the speed
//!     queue: 50ms         # how long a frame may wait to be sent at that rate
//!     speed: 1Gbit        # what ports report, and path costs follow; default 10Gbit
//!     state: silent       # from the start: up, down, or silent (carrier, but frames vanish)
//!     from:               # the same keys for what one end sends, and `mute` and `deaf`
//!       "sw1:p1": {loss: 10%, mute: on}
//! ```

use core::time::Duration;

use super::Endpoint;
use super::error::Fault;
use super::fields::{self, Fields};
use super::yaml::Value;
use crate::sim::{Burst, Impairment, LinkState, OneWay, Probability};

pub(super) const IMPAIRMENT_KEYS: &[&str] = &[
    "delay",
    "jitter",
    "loss",
    "burst",
    "duplicate",
    "reorder",
    "corrupt",
    "rate",
    "queue",
];
pub(super) const ONE_WAY_KEYS: &[&str] = &["mute", "deaf"];
/// All keys of a link that are about what it does to frames.
pub(super) const KEYS: &[&str] = &[
    "delay",
    "jitter",
    "loss",
    "burst",
    "duplicate",
    "reorder",
    "corrupt",
    "rate",
    "queue",
    "speed",
    "state",
    "from",
];
/// What taps and veths report.
const SPEED_MBIT: u64 = 10_000;
/// Longest delay or jitter: a minute is beyond all networks.
const DELAY_MAX: Duration = Duration::from_secs(60);

/// What a link does to frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conditions {
    /// In every direction that says nothing else.
    pub impairment: Impairment,
    /// Megabits per second, as ports report it.
    pub speed: u64,
    /// How it is at the start.
    pub state: LinkState,
    /// What one end sends, where that differs; in file order.
    pub from: Vec<(Endpoint, Impairment, OneWay)>,
    /// Whether the file says anything at all about it.
    pub given: bool,
}

impl Default for Conditions {
    fn default() -> Self {
        Self {
            impairment: with_rate(Impairment::default(), SPEED_MBIT),
            speed: SPEED_MBIT,
            state: LinkState::Up,
            from: Vec::new(),
            given: false,
        }
    }
}

const fn with_rate(impairment: Impairment, speed: u64) -> Impairment {
    Impairment {
        rate: Some(speed * 1_000_000),
        ..impairment
    }
}

/// What `link`, which has these ends, says.
pub(super) fn read(link: &Fields<'_>, endpoints: &[Endpoint]) -> Result<Conditions, Fault> {
    let speed = link.read("speed", bits)?.unwrap_or(SPEED_MBIT * 1_000_000);
    let speed = (speed / 1_000_000).max(1);
    let base = with_rate(Impairment::default(), speed);
    let impairment = impairment(link, base)?;
    let state = link.read("state", |value, key| fields::word(value, key, STATES))?;
    let mut from = Vec::new();
    if let Some(value) = link.get("from") {
        for (key, value) in fields::map(value, "`from`")? {
            let end = endpoints.iter().find(|end| end.to_string() == key.text);
            let Some(end) = end else {
                let known: Vec<String> = endpoints.iter().map(Endpoint::to_string).collect();
                let fault = Fault::new(key.at, format!("the link does not end at {}", key.text));
                return Err(fault.near(&key.text, known.iter().map(String::as_str)));
            };
            let keys = [IMPAIRMENT_KEYS, ONE_WAY_KEYS].concat();
            let fields = Fields::new(value, format!("`from` {end}"), &keys)?;
            let flag = |name| fields.read(name, fields::switch);
            let one_way = OneWay {
                mute: flag("mute")?.unwrap_or(false),
                deaf: flag("deaf")?.unwrap_or(false),
            };
            from.push((end.clone(), self::impairment(&fields, impairment)?, one_way));
        }
    }
    Ok(Conditions {
        impairment,
        speed,
        state: state.unwrap_or(LinkState::Up),
        from,
        given: KEYS.iter().any(|key| link.get(key).is_some()),
    })
}

const STATES: &[(&str, LinkState)] = &[
    ("up", LinkState::Up),
    ("down", LinkState::Down),
    ("silent", LinkState::Silent),
];

/// `base` with what `fields` says.
pub(super) fn impairment(fields: &Fields<'_>, base: Impairment) -> Result<Impairment, Fault> {
    let time = |name| fields.read(name, delay);
    let chance = |name| fields.read(name, percent);
    Ok(Impairment {
        delay: time("delay")?.unwrap_or(base.delay),
        jitter: time("jitter")?.unwrap_or(base.jitter),
        loss: chance("loss")?.unwrap_or(base.loss),
        burst: fields.read("burst", burst)?.or(base.burst),
        duplicate: chance("duplicate")?.unwrap_or(base.duplicate),
        reorder: chance("reorder")?.unwrap_or(base.reorder),
        corrupt: chance("corrupt")?.unwrap_or(base.corrupt),
        rate: fields.read("rate", bits)?.or(base.rate),
        queue: time("queue")?.unwrap_or(base.queue),
    })
}

fn delay(value: &Value, key: &str) -> Result<Duration, Fault> {
    let delay = fields::duration(value, key)?;
    if delay <= DELAY_MAX {
        return Ok(delay);
    }
    Err(Fault::new(
        value.at,
        format!("`{key}`: expected at most {DELAY_MAX:?}, found {delay:?}"),
    ))
}

fn burst(value: &Value, key: &str) -> Result<Burst, Fault> {
    let fields = Fields::new(value, format!("`{key}`"), &["enter", "leave", "loss"])?;
    let loss = fields.read("loss", percent)?;
    Ok(Burst {
        enter: percent(fields.need("enter")?, "enter")?,
        leave: percent(fields.need("leave")?, "leave")?,
        loss: loss.unwrap_or(Probability::ALWAYS),
    })
}

/// `1%`, `0.25%`, 0 to 100.
fn percent(value: &Value, key: &str) -> Result<Probability, Fault> {
    let written = fields::text(value, key)?;
    parts_per_million(written).ok_or_else(|| {
        let message = format!(
            "`{key}`: expected a share from 0% to 100% such as 1% or 0.25%, found `{written}`"
        );
        Fault::new(value.at, message)
    })
}

fn parts_per_million(written: &str) -> Option<Probability> {
    let number = written.strip_suffix('%')?.trim_end();
    let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    if whole.is_empty() || decimals.len() > 4 || !digits(whole) || !digits(decimals) {
        return None;
    }
    let parts: u32 = format!("{whole}{decimals:0<4}").parse().ok()?;
    (parts <= Probability::ALWAYS.parts()).then(|| Probability::per_million(parts))
}

/// A rate in bits per second, in tc's units: `64kbit`, `100Mbit`, `1Gbit`.
fn bits(value: &Value, key: &str) -> Result<u64, Fault> {
    let written = fields::text(value, key)?;
    let fault = || {
        let message =
            format!("`{key}`: expected a rate such as 64kbit, 100Mbit or 1Gbit, found `{written}`");
        Fault::new(value.at, message)
    };
    let digits = written
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(written.len());
    let (number, unit) = written.split_at(digits);
    let unit: u64 = match unit.trim() {
        "bit" => 1,
        "kbit" => 1_000,
        "mbit" | "Mbit" => 1_000_000,
        "gbit" | "Gbit" => 1_000_000_000,
        _ => return Err(fault()),
    };
    let number: u64 = number.parse().map_err(|_| fault())?;
    number
        .checked_mul(unit)
        .filter(|rate| *rate > 0)
        .ok_or_else(fault)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::Topology;

    fn lab(link: &str) -> Result<Topology, String> {
        let text = format!(
            "name: t\ntopology:\n  nodes: {{a: {{kind: switch}}, b: {{kind: switch}}}}\n  links:\n    - endpoints: [\"a:p1\", \"b:p1\"]\n{link}"
        );
        Topology::parse("t.yml", &text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_link_says_what_it_does_to_frames() {
        let topology = lab(
            "      delay: 1ms\n      loss: 0.25%\n      rate: 100Mbit\n      state: silent\n      from: {\"b:p1\": {loss: 10%, mute: on}}\n",
        )
        .unwrap();
        let conditions = &topology.links[0].conditions;
        assert!(conditions.given);
        assert_eq!(conditions.state, LinkState::Silent);
        assert_eq!(conditions.impairment.delay, Duration::from_millis(1));
        assert_eq!(conditions.impairment.loss, Probability::per_million(2_500));
        assert_eq!(conditions.impairment.rate, Some(100_000_000));
        let [(end, from, one_way)] = conditions.from.as_slice() else {
            panic!("{conditions:?}");
        };
        assert_eq!(end.to_string(), "b:p1");
        assert_eq!(from.loss, Probability::percent(10));
        assert_eq!(from.delay, Duration::from_millis(1));
        assert!(one_way.mute && !one_way.deaf);
    }

    #[test]
    fn a_plain_link_is_a_good_cable_of_ten_gigabits() {
        let topology = lab("").unwrap();
        assert_eq!(topology.links[0].conditions, Conditions::default());
        let slow = lab("      speed: 100Mbit\n").unwrap();
        assert_eq!(slow.links[0].conditions.speed, 100);
        assert_eq!(slow.links[0].conditions.impairment.rate, Some(100_000_000));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        for (link, expected) in [
            (
                "      los: 1%\n",
                "t.yml:6:7: a link: unknown key `los`; did you mean `loss`?",
            ),
            (
                "      loss: 1\n",
                "t.yml:6:13: `loss`: expected a share from 0% to 100% such as 1% or 0.25%, found `1`",
            ),
            (
                "      rate: fast\n",
                "t.yml:6:13: `rate`: expected a rate such as 64kbit, 100Mbit or 1Gbit, found `fast`",
            ),
            (
                "      from: {\"b:p2\": {loss: 1%}}\n",
                "t.yml:6:14: the link does not end at b:p2; did you mean `b:p1`?",
            ),
            (
                "      delay: 2h\n",
                "t.yml:6:14: `delay`: expected at most 60s, found 7200s",
            ),
        ] {
            assert_eq!(lab(link).unwrap_err(), expected);
        }
    }

    #[test]
    fn shares_are_read_to_the_last_digit() {
        for (text, parts) in [
            ("0%", Some(0)),
            ("0.0001%", Some(1)),
            ("12.5 %", Some(125_000)),
            ("100%", Some(1_000_000)),
            ("100.1%", None),
            ("1.00001%", None),
            ("%", None),
            ("-1%", None),
            ("0.5", None),
        ] {
            assert_eq!(
                parts_per_million(text),
                parts.map(Probability::per_million),
                "{text}"
            );
        }
    }
}
