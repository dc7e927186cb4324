//! The opening, how it was measured, what was promised, how to repeat it.

use std::fmt::Write as _;

use super::super::super::families::Family;
use super::super::super::hosts::{ASK_PERIOD, PROBE_PERIOD};
use super::super::super::plan::{Event, Timers};
use super::super::super::protocol::Protocol;
use super::super::super::record::{Metric, Outcome};
use super::super::super::trial::{PATIENCE, PATIENCE_BEFORE};
use super::super::html::{Material, count, paragraph, seconds, table};
use super::super::verdict;
use super::{Chapter, own, rapid};

pub(super) fn opening(material: &Material<'_>) -> String {
    let trials: usize = material
        .points
        .iter()
        .map(|point| point.records.len())
        .sum();
    let most = material
        .points
        .iter()
        .map(|point| point.size)
        .max()
        .unwrap_or(0);
    let mut text = String::from("<h1>Spanning tree as the network grows</h1>\n");
    let _ = writeln!(
        text,
        "<p class=\"lead\">{} trials of {}, in networks of 2 to {} \
         switches, in virtual time.</p>",
        count(trials as u64),
        material.plan.protocol.title(),
        count(most.into())
    );
    text += "<div class=\"short\"><p><strong>In short</strong></p><ul>\n";
    for finding in findings(material) {
        let _ = writeln!(text, "<li>{finding}</li>");
    }
    text += "</ul></div>\n";
    text
}

fn findings(material: &Material<'_>) -> Vec<String> {
    let findings = [
        promise_finding(material),
        size_finding(material),
        depth_finding(material),
        silence_finding(material),
        circle_finding(material),
        edge_finding(material),
    ];
    let mut findings: Vec<String> = findings.into_iter().flatten().collect();
    findings.extend(own::findings(material));
    findings
}

/// All failures of networks that stood, held against the promise.
fn promise_finding(material: &Material<'_>) -> Option<String> {
    let protocol = material.plan.protocol;
    let promise = protocol.promise();
    let failures = [Event::RootLoss, Event::RootLinkLoss, Event::SilentFailure];
    let verdicts: Vec<_> = failures
        .into_iter()
        .flat_map(|event| verdict::of_event(material.points, protocol, event))
        .collect();
    let sum = |of: fn(&verdict::Verdict) -> usize| verdicts.iter().map(of).sum::<usize>();
    let never = sum(|verdict| verdict.never);
    let trials = sum(|verdict| verdict.trials) - never;
    (trials > 0).then(|| {
        let number = |of| count(sum(of) as u64);
        format!(
            "<strong>Held against the promise.</strong> Of {} networks that stood and then lost a link or their root, {} stood \
             again within {} s, {} more within {} s, {} later, and {} not within {} s.",
            count(trials as u64),
            number(|verdict| verdict.direct),
            promise.direct.as_secs(),
            number(|verdict| verdict.indirect),
            promise.indirect.as_secs(),
            number(|verdict| verdict.beyond),
            number(|verdict| verdict.unsettled),
            PATIENCE.as_secs()
        )
    })
}

/// Cold starts of pods, smallest and largest.
fn size_finding(material: &Material<'_>) -> Option<String> {
    let pods = || {
        let points = material.points.iter();
        points.filter(|point| {
            point.family == Family::Pods
                && point.event == Event::ColdStart
                && point.ended(Outcome::Settled) == point.records.len()
        })
    };
    let (first, last) = (pods().next()?, pods().next_back()?);
    if first.size == last.size {
        return None;
    }
    let median = |point: &super::super::super::summary::Point<'_>| {
        point
            .spread(Metric::Settle)
            .map(|spread| seconds(spread.median))
    };
    Some(format!(
        "<strong>Size alone costs little.</strong> Dual-core pods start in {} s with {} switches and in {} s with {} \
         (medians): {}, not the number of switches.",
        median(first)?,
        first.size,
        median(last)?,
        count(last.size.into()),
        if material.plan.protocol.is_rapid() {
            "how many switches the news must cross decides"
        } else {
            "timers decide"
        }
    ))
}

fn depth_finding(material: &Material<'_>) -> Option<String> {
    let (all, none) = verdict::depth_limits(material.points, Timers::Default);
    let (all, none) = (all?, none?);
    Some(format!(
        "<strong>Depth is what breaks it.</strong> At default timers every line of up to {all} switches settles when the \
         root is at its end, and none of {none} ever does, although max age is 20 s and a hop adds one."
    ))
}

fn silence_finding(material: &Material<'_>) -> Option<String> {
    let outage = |event| {
        let verdicts = verdict::of_event(material.points, material.plan.protocol, event);
        let pods = verdicts
            .into_iter()
            .find(|verdict| verdict.family == Family::Pods)?;
        Some(match pods.outage?.median {
            0..50_000 => "less than 0.1".to_owned(),
            micros => seconds(micros),
        })
    };
    Some(format!(
        "<strong>Silence is dear.</strong> When a link of the root is cut and its ports lose carrier, hosts in pods are \
         without each other for {} s; when the same link dies and keeps its carrier, for {} s (medians).",
        outage(Event::RootLinkLoss)?,
        outage(Event::SilentFailure)?
    ))
}

fn circle_finding(material: &Material<'_>) -> Option<String> {
    let rings = material
        .points
        .iter()
        .filter(|point| point.family == Family::Ring);
    let circles: usize = rings.map(|point| point.flagged(Metric::Circle)).sum();
    (circles > 0).then(|| {
        format!(
            "<strong>Past the limit a ring is worse than cut.</strong> {} trials of large rings ended with forwarding \
             ports all the way round: the protocol that exists to prevent loops makes one.",
            count(circles as u64)
        )
    })
}

fn edge_finding(material: &Material<'_>) -> Option<String> {
    let port = most_flooded(material, Event::FlappingPort)?;
    let edge = most_flooded(material, Event::FlappingEdge)?;
    Some(match port {
        0 => "<strong>A flapping host is felt nowhere,</strong> at an edge port or not: a port that hears no bridge is taken \
              for an edge before it forwards, and an edge is no topology change."
            .to_owned(),
        _ => format!(
            "<strong>One flapping host is felt everywhere,</strong> unless its port is an edge port: up to {} frames flooded \
             against {}.",
            count(port),
            count(edge)
        ),
    })
}

/// The most frames flooded in a point of this event; `None` if there is no such point.
pub(super) fn most_flooded(material: &Material<'_>, event: Event) -> Option<u64> {
    let points = material.points.iter();
    let points = points.filter(|point| point.event == event && point.family != Family::Chain);
    points
        .filter_map(|point| Some(point.spread(Metric::Flooded)?.p99))
        .max()
}

pub(super) fn method(material: &Material<'_>) -> Chapter {
    let mut body = paragraph(
        "A <em>trial</em> builds a network in virtual time. Its switches are not models: they are the ones the daemon runs, \
         with their CAM and forwarding, and BPDUs cross simulated cables octet by octet. Only the clock and the cables differ \
         from a real network. That is why a minute of protocol takes milliseconds, and why every trial can be repeated \
         exactly.",
    );
    body += &paragraph(&format!(
        "The switches get power within two seconds of each other. When the tree has stood still for longer than anything in \
         the protocol could still stir it, hosts speak for {} s, then the event comes, at an instant drawn from one hello \
         time. Measurement ends when the tree has stood still again, or after {} s of patience: then the trial counts as \
         <em>not settled</em>. If the tree does not stand within {} s before the event, nothing is done to it, and that is \
         counted too (<em>not even before</em>). No trial is left out.",
        ASK_PERIOD.as_secs() + 1,
        PATIENCE.as_secs(),
        PATIENCE_BEFORE.as_secs()
    ));
    body += match material.plan.protocol {
        Protocol::Stp | Protocol::Rstp => "",
        Protocol::Mstp => {
            "<p>All switches are of one region without further instances: one tree, kept by the machines of MSTP. What \
             regions do has a chapter of its own.</p>\n"
        }
        Protocol::Pvst | Protocol::RapidPvst => {
            "<p>All hosts are of VLAN 1, so there is one tree. What more VLANs cost has a chapter of its own.</p>\n"
        }
    };
    body += "<h3>What was varied</h3>\n";
    body += &families(material);
    body += &paragraph(
        "Within a point, trials differ in what chance decides in a real network too: addresses, and so who becomes the root \
         where nobody chose (in trees, pods and fat trees an engineer did: the top, the first core); the order of plugging \
         in, and so port numbers, which break ties; cable delays of 5 to 50 µs; when each switch gets power; when the event \
         comes. The probing hosts are never plugged into the root if there is another switch.",
    );
    body += "<h3>What was measured</h3>\n";
    body += &paragraph(&format!(
        "Two hosts far from each other send a probe each way every {} ms; what is lost or arrives twice is known to that \
         precision. One of them also asks up to 16 other hosts something every {} s, as a monitoring system does: these \
         entries are in the CAM tables, and are what topology changes wash out. Times count from the event; in a cold start, \
         from the last switch's power. Charts show the median of a point's trials as a dot, and a bar from the least to the \
         99th percentile by nearest rank, which is the greatest of fewer than 100.",
        PROBE_PERIOD.as_millis(),
        ASK_PERIOD.as_secs()
    ));
    Chapter {
        anchor: "method",
        title: "How this was measured".to_owned(),
        body,
    }
}

fn families(material: &Material<'_>) -> String {
    let shape = |family| match family {
        Family::Line => "one after the other; no second way anywhere",
        Family::Ring => "a line whose ends meet: one cable too many",
        Family::Tree => "every switch has two below it, the root is the top; no second way",
        Family::Mesh => "a cable between every two switches",
        Family::Pods => {
            "two cores, and pairs of access switches: each cabled to both cores and to its twin"
        }
        Family::FatTree => "three layers of switches with k ports: k pods, (k/2)² cores",
        Family::Chain => "the root at one end: the chapter on depth",
    };
    let mut rows = Vec::new();
    for family in Family::GROWING.into_iter().chain([Family::Chain]) {
        let points: Vec<_> = material
            .points
            .iter()
            .filter(|point| point.family == family)
            .collect();
        let (Some(least), Some(most)) = (
            points.iter().map(|point| point.size).min(),
            points.iter().map(|point| point.size).max(),
        ) else {
            continue;
        };
        let trials: Vec<usize> = points.iter().map(|point| point.records.len()).collect();
        let (few, many) = (
            trials.iter().min().unwrap_or(&0),
            trials.iter().max().unwrap_or(&0),
        );
        rows.push((
            false,
            vec![
                family.title().to_owned(),
                format!("{least} to {}", count(most.into())),
                if few == many {
                    few.to_string()
                } else {
                    format!("{few} to {many}")
                },
                shape(family).to_owned(),
            ],
        ));
    }
    table(
        &["shape", "switches", "trials of each point", "what it is"],
        &rows,
    )
}

/// What the protocol promises.
pub(super) fn promises(protocol: Protocol) -> Chapter {
    if protocol.is_rapid() {
        return rapid::promises();
    }
    let mut body = paragraph(
        "Spanning tree has three timers, and the root's are in force everywhere. <em>Forward delay</em> (15 s): how long a \
         port that is to forward first listens, and then learns, so that nobody else forwards on old news meanwhile. \
         <em>Max age</em> (20 s): how old the root's word may become before it is thrown away. <em>Hello time</em> (2 s): how \
         often the root speaks. From these follow two promises:",
    );
    let rows = [
        (
            "Direct failure: a switch sees its own root port lose carrier and has another way",
            "2 × forward delay",
            "30 s",
        ),
        (
            "Indirect failure: something breaks further away, or carrier stays; the old word must first grow too old",
            "up to max age + 2 × forward delay",
            "50 s",
        ),
        (
            "A better root appears, or all switches start",
            "2 × forward delay",
            "30 s",
        ),
        (
            "After a topology change, CAM entries that are not used age in the forward delay, for max age + forward delay",
            "15 s, for 35 s",
            "",
        ),
    ];
    let rows: Vec<_> = rows
        .iter()
        .map(|(what, rule, time)| {
            (
                false,
                vec![(*what).to_owned(), (*rule).to_owned(), (*time).to_owned()],
            )
        })
        .collect();
    body += &table(&["what happens", "promise", "at default times"], &rows);
    body += &paragraph(
        "Two quieter rules matter as networks grow. Message age: each switch that passes the root's word on adds one second \
         to its age (as little as 1/256 s is allowed). And the <em>hold time</em>: no port sends two configuration messages \
         within a second, so news may have to wait up to a second at every switch. The standard recommends at most seven \
         switches between any two hosts; its default times are made for that.",
    );
    Chapter {
        anchor: "promises",
        title: "What the standard promises".to_owned(),
        body,
    }
}

pub(super) fn repeat(material: &Material<'_>) -> Chapter {
    let plan = material.plan;
    let mut command = format!(
        "labs study domain-growth --protocol {} --seed {}",
        plan.protocol.name(),
        plan.seed
    );
    if let Some(trials) = plan.trials {
        let _ = write!(command, " --trials {trials}");
    }
    if plan.size_max != plan.protocol.size_max() {
        let _ = write!(command, " --size-max {}", plan.size_max);
    }
    if plan.families.len() != Family::GROWING.len() {
        let _ = write!(command, " --topology {}", plan.families.join(","));
    }
    if plan.events.len() != Event::ALL.len() {
        let _ = write!(command, " --event {}", plan.events.join(","));
    }
    if !plan.depth {
        command += " --no-depth";
    }
    let mut body = paragraph(
        "The same command writes the same octets, on any machine and any number of threads:",
    );
    let _ = writeln!(body, "<pre>{command} --out DIR</pre>");
    body += &paragraph(
        "To spread it over machines, run it once for each of N parts with <code>--shard 1/N</code> to <code>--shard N/N</code> \
         and join the directories with <code>labs study merge DIR… --out DIR</code>: the report is this one.",
    );
    body += &paragraph(
        "Beside this page: <code>trials.csv</code>, a line for every trial; <code>points.csv</code>, the least, the median and \
         the 99th percentile of every metric at every point; <code>charts/</code>, the pictures as SVG and PNG; \
         <code>plan.json</code>, what to repeat.",
    );
    let tables = material.own.tables();
    if !tables.is_empty() {
        let names: Vec<String> = tables
            .iter()
            .map(|(name, _)| format!("<code>{name}</code>"))
            .collect();
        body += &paragraph(&format!(
            "The figures of the protocol's own chapters are in {}.",
            names.join(", ")
        ));
    }
    Chapter {
        anchor: "repeat",
        title: "Repeat it".to_owned(),
        body,
    }
}
