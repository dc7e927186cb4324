//! `drs`: how the lab's VMs are balanced over its hosts by `labs drs`.
//!
//! ```yaml
//! drs:
//!   level: 3                  # 1 conservative (only what rules demand) … 5 aggressive
//!   target-deviation: 8%      # of the hosts' loads; else what the level says
//!   threshold: 90%            # a host above it is overloaded
//!   interval: 5s              # from round to round
//!   cool-down: 30s            # how long a VM that has moved stays
//!   for: 2m
//!   hosts: {esx3: 200%}       # what a host has, in percent of one core; else 400%
//!   loads:                    # of VMs, in percent of one core; those left out are drawn from the seed
//!     web1: 60%
//!     web2: {steps: {0s: 20%, 40s: 150%}}
//!     app1: {wave: {low: 20%, high: 140%, period: 60s, phase: 15s}}
//!     app2: {bursts: {idle: 10%, busy: 180%, every: 60s, length: 12s}}
//!     job1: {random: {low: 10%, high: 150%, every: 30s}}
//!     vm9: measured           # what its process uses
//!   rules:
//!     - affinity: [app1, app2]
//!     - anti-affinity: [web1, web2]
//!     - {vms: job1, must: [esx1, esx2]}       # or must-not
//! ```

use core::time::Duration;
use std::collections::BTreeSet;

use super::Topology;
use super::error::Fault;
use super::fields::{self, Fields};
use super::yaml::{Key, Kind, Value};
use crate::drs::{Level, Load, Rule, Settings, contradiction};

const KEYS: &[&str] = &[
    "level",
    "target-deviation",
    "threshold",
    "interval",
    "cool-down",
    "for",
    "hosts",
    "loads",
    "rules",
];
const RULE_KEYS: &[&str] = &["affinity", "anti-affinity", "vms", "must", "must-not"];
const LOAD_KEYS: &[&str] = &["steps", "wave", "bursts", "random"];

/// The longest time in the section.
const TIME_MAX: Duration = Duration::from_secs(24 * 3600);
/// The shortest interval, period or stretch.
const TIME_MIN: Duration = Duration::from_millis(100);
/// A hundred cores.
const LOAD_MAX: f64 = 10_000.0;

pub(super) fn read(value: Option<&Value>, topology: &Topology) -> Result<Option<Settings>, Fault> {
    let Some(value) = value else {
        return Ok(None);
    };
    let fields = Fields::new(value, "drs", KEYS)?;
    let mut settings = Settings::of(topology);
    settings.at = value.at;
    if let Some(number) = fields.read("level", |value, key| fields::number(value, key, 1..=5))? {
        settings.level = Level::new(number).unwrap_or_default();
    }
    settings.target = fields.read("target-deviation", |value, key| {
        percent(value, key, 0.1, 100.0)
    })?;
    let threshold = fields.read("threshold", |value, key| percent(value, key, 1.0, 100.0))?;
    settings.threshold = threshold.unwrap_or(settings.threshold);
    for (key, least, place) in [
        ("interval", TIME_MIN, &mut settings.interval),
        ("cool-down", Duration::ZERO, &mut settings.cool_down),
        ("for", TIME_MIN, &mut settings.length),
    ] {
        if let Some(time) = fields.read(key, |value, key| time(value, key, least))? {
            *place = time;
        }
    }
    for (key, value) in entries(&fields, "hosts")? {
        known_host(key, topology)?;
        let capacity = percent(value, &key.text, 1.0, LOAD_MAX)?;
        settings.hosts.insert(key.text.clone(), capacity);
    }
    for (key, value) in entries(&fields, "loads")? {
        known_vm(key, topology)?;
        let load = load(value, &key.text)?;
        settings.loads.insert(key.text.clone(), load);
    }
    if let Some(list) = fields.get("rules") {
        settings.rules = rules(list, topology)?;
    }
    Ok(Some(settings))
}

fn entries<'v>(fields: &Fields<'v>, name: &str) -> Result<&'v [(Key, Value)], Fault> {
    let value = fields.get(name);
    value.map_or(Ok(&[]), |value| fields::map(value, name))
}

fn known_vm(key: &Key, topology: &Topology) -> Result<(), Fault> {
    if topology.vm(&key.text).is_some() {
        return Ok(());
    }
    let known = topology.vms().map(|(name, _)| name);
    let fault = Fault::new(key.at, format!("there is no VM `{}`", key.text));
    Err(fault.near(&key.text, known))
}

/// A host that can run VMs.
fn known_host(key: &Key, topology: &Topology) -> Result<(), Fault> {
    let Some(host) = topology.host(&key.text) else {
        let known = topology.hosts().map(|(name, _)| name);
        let fault = Fault::new(key.at, format!("there is no host `{}`", key.text));
        return Err(fault.near(&key.text, known));
    };
    match host.vswitch {
        Some(_) => Ok(()),
        None => Err(Fault::new(
            key.at,
            format!("the host `{}` has no vSwitch to plug a VM into", key.text),
        )),
    }
}

/// `60%`, `12.5%`.
fn percent(value: &Value, key: &str, least: f64, most: f64) -> Result<f64, Fault> {
    let written = fields::text(value, key)?;
    let number = written.strip_suffix('%').map(str::trim_end);
    // No exponents, no infinities: digits and a point.
    let plain = number.filter(|text| text.chars().all(|c| c.is_ascii_digit() || c == '.'));
    let number = plain.and_then(|text| text.parse().ok());
    number
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| {
            let message =
                format!("`{key}`: expected {least}% to {most}%, such as 60%, found `{written}`");
            Fault::new(value.at, message)
        })
}

fn time(value: &Value, key: &str, least: Duration) -> Result<Duration, Fault> {
    let time = fields::duration(value, key)?;
    if (least..=TIME_MAX).contains(&time) {
        return Ok(time);
    }
    let written = fields::text(value, key)?;
    let message = format!("`{key}`: expected {least:?} to 24h, found `{written}`");
    Err(Fault::new(value.at, message))
}

fn load(value: &Value, vm: &str) -> Result<Load, Fault> {
    let entries = match &value.kind {
        Kind::Scalar(text) => {
            return match text.as_str() {
                "measured" => Ok(Load::Measured),
                "drawn" => Ok(Load::Drawn),
                _ => Ok(Load::Steps(vec![(
                    Duration::ZERO,
                    percent(value, vm, 0.0, LOAD_MAX)?,
                )])),
            };
        }
        Kind::Map(entries) => entries,
        Kind::Null | Kind::List(_) => &Vec::new(),
    };
    let [(key, body)] = entries.as_slice() else {
        let message = format!(
            "`{vm}`: a load is a share such as 60%, `measured`, `drawn`, or one of {}",
            fields::one_of(LOAD_KEYS)
        );
        return Err(Fault::new(value.at, message));
    };
    fields::check_key(key, "a load", LOAD_KEYS)?;
    match key.text.as_str() {
        "steps" => steps(body),
        "wave" => wave(body),
        "bursts" => bursts(body),
        _ => {
            let fields = Fields::new(body, "random", &["low", "high", "every"])?;
            let (low, high) = low_and_high(&fields, "low", "high")?;
            Ok(Load::Random {
                low,
                high,
                every: time(fields.need("every")?, "every", TIME_MIN)?,
            })
        }
    }
}

fn steps(body: &Value) -> Result<Load, Fault> {
    let mut steps: Vec<(Duration, f64)> = Vec::new();
    for (key, value) in fields::map(body, "steps")? {
        let from = Value {
            at: key.at,
            kind: Kind::Scalar(key.text.clone()),
        };
        let from = time(&from, "steps", Duration::ZERO)?;
        let is_next = match steps.last() {
            None => from.is_zero(),
            Some((before, _)) => from > *before,
        };
        if !is_next {
            let message = "`steps`: times begin with 0s, and each is later than the one before";
            return Err(Fault::new(key.at, message));
        }
        steps.push((from, percent(value, &key.text, 0.0, LOAD_MAX)?));
    }
    if steps.is_empty() {
        return Err(Fault::new(
            body.at,
            "`steps` needs a time and a load, such as 0s: 60%",
        ));
    }
    Ok(Load::Steps(steps))
}

fn wave(body: &Value) -> Result<Load, Fault> {
    let fields = Fields::new(body, "wave", &["low", "high", "period", "phase"])?;
    let (low, high) = low_and_high(&fields, "low", "high")?;
    let phase = fields.read("phase", |value, key| time(value, key, Duration::ZERO))?;
    Ok(Load::Wave {
        low,
        high,
        period: time(fields.need("period")?, "period", TIME_MIN)?,
        phase: phase.unwrap_or_default(),
    })
}

fn bursts(body: &Value) -> Result<Load, Fault> {
    let fields = Fields::new(body, "bursts", &["idle", "busy", "every", "length"])?;
    let (idle, busy) = low_and_high(&fields, "idle", "busy")?;
    let every = time(fields.need("every")?, "every", TIME_MIN)?;
    let length = fields.need("length")?;
    let long = time(length, "length", TIME_MIN)?;
    if long > every {
        return Err(Fault::new(
            length.at,
            "`length`: a burst is not longer than the stretch `every` that it is in",
        ));
    }
    Ok(Load::Bursts {
        idle,
        busy,
        every,
        length: long,
    })
}

fn low_and_high(fields: &Fields<'_>, low: &str, high: &str) -> Result<(f64, f64), Fault> {
    let least = percent(fields.need(low)?, low, 0.0, LOAD_MAX)?;
    let value = fields.need(high)?;
    let most = percent(value, high, 0.0, LOAD_MAX)?;
    if most < least {
        let message = format!("`{high}` is less than `{low}`");
        return Err(Fault::new(value.at, message));
    }
    Ok((least, most))
}

fn rules(list: &Value, topology: &Topology) -> Result<Vec<Rule>, Fault> {
    let mut rules = Vec::new();
    let mut places = Vec::new();
    for value in fields::list(list, "rules")? {
        rules.push(rule(value, topology)?);
        places.push(value.at);
    }
    let vms: BTreeSet<String> = topology.vms().map(|(name, _)| name.to_owned()).collect();
    let hosts = topology.hosts().filter(|(_, host)| host.vswitch.is_some());
    let hosts: BTreeSet<String> = hosts.map(|(name, _)| name.to_owned()).collect();
    match contradiction(&rules, &vms, &hosts) {
        None => Ok(rules),
        Some((rule, why)) => Err(Fault::new(
            places[rule],
            format!("this rule cannot be kept with those before it: {why}"),
        )),
    }
}

fn rule(value: &Value, topology: &Topology) -> Result<Rule, Fault> {
    let fields = Fields::new(value, "a rule", RULE_KEYS)?;
    let given: Vec<&str> = RULE_KEYS
        .iter()
        .copied()
        .filter(|key| fields.get(key).is_some())
        .collect();
    let vms =
        |key: &str, least| names(fields.need(key)?, key, least, |key| known_vm(key, topology));
    let hosts = |key: &str| names(fields.need(key)?, key, 1, |key| known_host(key, topology));
    match given.as_slice() {
        ["affinity"] => Ok(Rule::Affinity(vms("affinity", 2)?)),
        ["anti-affinity"] => Ok(Rule::AntiAffinity(vms("anti-affinity", 2)?)),
        ["vms", "must"] => Ok(Rule::Must {
            vms: vms("vms", 1)?,
            hosts: hosts("must")?,
        }),
        ["vms", "must-not"] => Ok(Rule::MustNot {
            vms: vms("vms", 1)?,
            hosts: hosts("must-not")?,
        }),
        _ => Err(Fault::new(
            value.at,
            "a rule is `affinity` or `anti-affinity` with VMs, or `vms` with `must` or `must-not` and hosts",
        )),
    }
}

/// Names that are known, each once.
fn names(
    value: &Value,
    key: &str,
    least: usize,
    check: impl Fn(&Key) -> Result<(), Fault>,
) -> Result<Vec<String>, Fault> {
    let mut names: Vec<String> = Vec::new();
    for item in fields::list(value, key)? {
        let name = Key {
            at: item.at,
            text: fields::string(item, key)?,
        };
        check(&name)?;
        if names.contains(&name.text) {
            let message = format!("`{key}`: `{}` is named twice", name.text);
            return Err(Fault::new(item.at, message));
        }
        names.push(name.text);
    }
    if names.len() < least {
        let message = format!("`{key}`: expected at least {least} names");
        return Err(Fault::new(value.at, message));
    }
    Ok(names)
}
