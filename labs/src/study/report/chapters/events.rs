//! A chapter for every event.

use super::super::super::plan::{Event, Timers};
use super::super::super::protocol::Protocol;
use super::super::super::record::{Metric, Outcome};
use super::super::super::summary::{Point, Spread};
use super::super::html::{Material, count, figure, paragraph, seconds, table};
use super::super::verdict::{self, Verdict};
use super::{Chapter, method, rapid};

pub(super) fn all(material: &Material<'_>) -> Vec<Chapter> {
    let events: Vec<Event> = material.plan.events().collect();
    let mut chapters = Vec::new();
    for event in &events {
        match event {
            Event::ColdStart
            | Event::RootLoss
            | Event::RootLinkLoss
            | Event::SilentFailure
            | Event::NewRoot => chapters.push(tree_event(material, *event)),
            Event::FlappingPort => {
                chapters.push(flapping(material, events.contains(&Event::FlappingEdge)))
            }
            // Told beside the flapping port, or alone.
            Event::FlappingEdge if !events.contains(&Event::FlappingPort) => {
                chapters.push(flapping(material, true));
            }
            Event::FlappingEdge => {}
        }
    }
    chapters
}

/// What there is to know before looking at the figures, and why they leave the promise.
const fn words(event: Event) -> (&'static str, &'static str) {
    match event {
        Event::ColdStart => (
            "All switches get power within two seconds. Each takes itself for the root until it hears of a better one, and every \
             port begins to listen. Elections run while ports listen, so they cost no time of their own: twice the forward delay \
             after the last switch got power everything forwards.",
            "News may wait up to a second at each switch for the hold timer. A port whose role is decided late begins to listen \
             late, and ends as much later: that is what lies just above 30 s, in wide networks more often, because there the \
             slowest of many ports counts. Lines and rings that do not settle are too deep for their timers: see the chapter on \
             depth.",
        ),
        Event::RootLoss => (
            "The root loses power. Its neighbours see carrier go; everyone else only stops hearing hellos. Neighbours with no \
             other way take themselves for the root and say so, but whoever still holds the dead root's word thinks it better \
             than any living one, until it is max age old. This is the indirect case: up to 50 s.",
            "Less than 50 s is common: the word was already a second old for each hop it had made, and up to a hello time older \
             for waiting. In a line, and in a tree without its top, the tree of each part stands again soon after max age, \
             without new ports that must begin to forward; hosts in different parts never meet again, and are counted as \
             without a way, not as an outage.",
        ),
        Event::RootLinkLoss => (
            "A cable of the root is cut, one that the probes cross, and both ends lose carrier. The switch below knows at once \
             that its root port is gone. If it has another way it takes it: the direct case, 30 s. If it has none, those below \
             it must first let the old word die: the indirect case, up to 50 s. A ring is of the second kind, for the other way \
             begins at the far side.",
            "Look at pods: hosts are back within 30 s, but some trees go on changing until 48 s. The switch that lost its way \
             now reaches the root at a higher cost, and says so to its twin. The twin holds a better word from the very same \
             switch, and by the rules of 1998 a worse word does not replace a better one, even from the same mouth. Its blocked \
             port waits until the old word has died, and opens only then. Nobody misses it meanwhile.",
        ),
        Event::SilentFailure => (
            "The same cable carries nothing from now on, in either direction, and carrier stays: a failed transceiver behind a \
             media converter, a provider's line. Nobody is told. The switch below notices when the last word it got is max age \
             old: the indirect case, wherever one looks.",
            "This is where hosts wait longest, and the outage may end a little after the tree has settled: the tables on the other \
             side still point to the dead cable, which has carrier, so nothing is flushed. They are corrected when the topology \
             change has made its way to the root and back, and entries that are not refreshed have aged for 15 s, or when the \
             other host's frames come through the new way first.",
        ),
        Event::NewRoot => (
            "A switch that was not the root is given priority 0. Nothing is broken; the better word spreads as fast as messages \
             are passed on. Ports whose role changes from blocked to forwarding must listen and learn: 30 s.",
            "Where the tree's edges remain the same, only directions change, and nobody loses a frame: a line, and a tree of no \
             second way, settle in a second or so, which is the time the news travels. Elsewhere the old way is often closed at \
             once and the new one opened 30 s later: a change nobody needed costs as much as a failure. Change priorities at \
             night.",
        ),
        Event::FlappingPort | Event::FlappingEdge => ("", ""),
    }
}

fn tree_event(material: &Material<'_>, event: Event) -> Chapter {
    let protocol = material.plan.protocol;
    let (before, why) = if protocol.is_rapid() {
        rapid::words(event)
    } else {
        words(event)
    };
    let verdicts = verdict::of_event(material.points, protocol, event);
    let mut body = paragraph(before);
    let (settle, outage, anchor) = match event {
        Event::ColdStart => ("settle-cold-start", "outage-cold-start", "cold-start"),
        Event::RootLoss => ("settle-root-loss", "outage-root-loss", "root-loss"),
        Event::RootLinkLoss => (
            "settle-root-link-loss",
            "outage-root-link-loss",
            "root-link-loss",
        ),
        Event::SilentFailure => (
            "settle-silent-failure",
            "outage-silent-failure",
            "silent-failure",
        ),
        Event::NewRoot | Event::FlappingPort | Event::FlappingEdge => {
            ("settle-new-root", "outage-new-root", "new-root")
        }
    };
    body += &figure(material, settle, "");
    body += &figure(
        material,
        outage,
        "Only trials in which the event left a way between the hosts.",
    );
    body += "<h3>Held against the promise</h3>\n";
    body += &verdict_table(&verdicts, protocol);
    body += &format!(
        "<div class=\"why\">{}</div>\n",
        paragraph(&format!("<strong>Why.</strong> {why}"))
    );
    body += "<details><summary>Every point</summary>\n";
    body += &details(material, event);
    body += "</details>\n";
    Chapter {
        anchor,
        title: event.title().to_owned(),
        body,
    }
}

fn verdict_table(verdicts: &[Verdict], protocol: Protocol) -> String {
    let promise = protocol.promise();
    let direct = format!("settled<br>by {} s", promise.direct.as_secs());
    let indirect = format!("by {} s", promise.indirect.as_secs());
    let latest = |spread: Option<Spread>| {
        spread.map_or_else(|| "–".to_owned(), |spread| seconds(spread.p99))
    };
    let median = |spread: Option<Spread>| {
        spread.map_or_else(|| "–".to_owned(), |spread| seconds(spread.median))
    };
    let rows: Vec<_> = verdicts
        .iter()
        .map(|verdict| {
            let cells = vec![
                verdict.family.title().to_owned(),
                verdict.trials.to_string(),
                verdict.direct.to_string(),
                verdict.indirect.to_string(),
                verdict.beyond.to_string(),
                verdict.unsettled.to_string(),
                verdict.never.to_string(),
                median(verdict.settle),
                latest(verdict.settle),
                median(verdict.outage),
                latest(verdict.outage),
                verdict.broken.to_string(),
                verdict.parted.to_string(),
            ];
            (
                verdict.beyond + verdict.unsettled + verdict.broken > 0,
                cells,
            )
        })
        .collect();
    table(
        &[
            "shape",
            "trials",
            &direct,
            &indirect,
            "later",
            "did not<br>settle",
            "not even<br>before",
            "settled,<br>median, s",
            "p99",
            "outage,<br>median, s",
            "p99",
            "hosts never<br>back",
            "no way<br>left",
        ],
        &rows,
    )
}

fn details(material: &Material<'_>, event: Event) -> String {
    let mine = material.points.iter().filter(|point| {
        point.event == event && point.timers == Timers::Default && !is_chain(point)
    });
    let rows: Vec<_> = mine.map(detail_row).collect();
    table(
        &[
            "shape",
            "switches",
            "depth,<br>most",
            "settled",
            "last change, s<br>min / median / p99",
            "last role<br>change, s",
            "last lost, s<br>min / median / p99",
            "last dupli-<br>cate, s",
            "topology<br>changes",
            "CAM flushed<br>+ aged",
            "re-<br>learned",
            "frames<br>flooded",
            "BPDUs",
            "ports<br>blocked",
        ],
        &rows,
    )
}

fn is_chain(point: &Point<'_>) -> bool {
    point.family == super::super::super::families::Family::Chain
}

fn detail_row(point: &Point<'_>) -> (bool, Vec<String>) {
    let median = |metric| {
        point
            .spread(metric)
            .map_or_else(String::new, |spread| count(spread.median))
    };
    let times = |metric| {
        point.spread(metric).map_or_else(String::new, |spread| {
            format!(
                "{} / {} / {}",
                seconds(spread.min),
                seconds(spread.median),
                seconds(spread.p99)
            )
        })
    };
    let worst = |metric| {
        point
            .spread(metric)
            .map_or_else(String::new, |spread| seconds(spread.p99))
    };
    let settled = point.ended(Outcome::Settled);
    let gone = [Metric::Flushed, Metric::Aged]
        .map(|metric| point.spread(metric).map_or(0, |spread| spread.median));
    let depth = point
        .spread(Metric::Depth)
        .map_or_else(String::new, |spread| spread.p99.to_string());
    let cells = vec![
        point.family.title().to_owned(),
        count(point.size.into()),
        depth,
        format!("{settled} of {}", point.records.len()),
        times(Metric::Settle),
        worst(Metric::LastRole),
        times(Metric::LastLost),
        worst(Metric::LastDuplicate),
        median(Metric::TopologyChanges),
        count(gone.iter().sum()),
        median(Metric::Relearned),
        median(Metric::Flooded),
        median(Metric::Bpdus),
        median(Metric::Blocked),
    ];
    (settled < point.records.len(), cells)
}

fn flapping(material: &Material<'_>, with_edge: bool) -> Chapter {
    let is_felt = method::most_flooded(material, Event::FlappingPort) != Some(0);
    let mut body = paragraph(&format!(
        "A host's network card is dying: its link goes down for {} s, comes up for {} s, {} times. The host is neither of those \
         that probe. If its port takes part in spanning tree, each time it begins to forward is a topology change: {}",
        super::super::super::trial::FLAP_DOWN.as_secs(),
        super::super::super::trial::FLAP_UP.as_secs(),
        super::super::super::trial::FLAPS,
        if material.plan.protocol.is_rapid() {
            rapid::FLAPPING
        } else {
            "the whole domain is told for 35 s to forget what it does not use within 15. Entries of hosts that speak seldom \
             are gone when the next frame comes for them, and that frame goes out of every port."
        },
    ));
    if !is_felt {
        body += &paragraph(rapid::FLAPPING_UNFELT);
    }
    body += &figure(
        material,
        "flapping-flooded",
        match is_felt {
            true => {
                "Each flooded frame counts once for each switch that floods it: one dying network card is felt in every \
                 corner, and the more the larger the domain."
            }
            false => {
                "Each flooded frame would count once for each switch that floods it. There are none."
            }
        },
    );
    body += &figure(
        material,
        "flapping-relearned",
        "What all tables together learned again.",
    );
    if with_edge {
        body += "<div class=\"why\">";
        body += &paragraph(match is_felt {
            true => {
                "<strong>The remedy is one word.</strong> An edge port (portfast, in the trade) forwards at once and its \
                 changes are no topology changes. The same host, flapping at an edge port:"
            }
            false => {
                "<strong>What is left for the word.</strong> An edge port (portfast, in the trade) forwards at once, where one \
                 that was not told so keeps its host waiting for three seconds each time. To the tables both are the same:"
            }
        });
        body += "</div>\n";
    }
    body += &edge_sum(material);
    for (event, heading) in [
        (Event::FlappingPort, "At a port that takes part"),
        (Event::FlappingEdge, "At an edge port"),
    ] {
        let rows: Vec<_> = material
            .points
            .iter()
            .filter(|point| point.event == event)
            .map(flapping_row)
            .collect();
        if !rows.is_empty() {
            body += &format!("<details><summary>{heading}: every point</summary>\n");
            body += &table(
                &[
                    "shape",
                    "switches",
                    "settled<br>before and after",
                    "topology<br>changes",
                    "CAM entries<br>flushed + aged",
                    "learned<br>again",
                    "frames<br>flooded",
                    "probes<br>lost, most",
                ],
                &rows,
            );
            body += "</details>\n";
        }
    }
    Chapter {
        anchor: "flapping",
        title: Event::FlappingPort.title().to_owned(),
        body,
    }
}

fn flapping_row(point: &Point<'_>) -> (bool, Vec<String>) {
    let median = |metric| {
        point
            .spread(metric)
            .map_or_else(String::new, |spread| count(spread.median))
    };
    let settled = point.ended(Outcome::Settled);
    let gone = [Metric::Flushed, Metric::Aged]
        .map(|metric| point.spread(metric).map_or(0, |spread| spread.median));
    let cells = vec![
        point.family.title().to_owned(),
        count(point.size.into()),
        format!("{settled} of {}", point.records.len()),
        median(Metric::TopologyChanges),
        count(gone.iter().sum()),
        median(Metric::Relearned),
        median(Metric::Flooded),
        point
            .spread(Metric::Lost)
            .map_or_else(String::new, |spread| count(spread.p99)),
    ];
    (settled < point.records.len(), cells)
}

/// Both kinds of port, summed over all trials that settled.
fn edge_sum(material: &Material<'_>) -> String {
    let sum = |event, metric| -> u64 {
        let records = material.points.iter().filter(|point| point.event == event);
        records
            .flat_map(|point| &point.records)
            .filter(|record| record.outcome() == Outcome::Settled)
            .filter_map(|record| record.get(metric))
            .sum()
    };
    let rows: Vec<_> = [Event::FlappingPort, Event::FlappingEdge]
        .into_iter()
        .filter(|event| material.plan.events().any(|planned| planned == *event))
        .map(|event| {
            let gone = sum(event, Metric::Flushed) + sum(event, Metric::Aged);
            let cells = vec![
                event.title().to_owned(),
                count(sum(event, Metric::TopologyChanges)),
                count(gone),
                count(sum(event, Metric::Relearned)),
                count(sum(event, Metric::Flooded)),
                count(sum(event, Metric::Lost)),
            ];
            (false, cells)
        })
        .collect();
    table(
        &[
            "all settled trials together",
            "topology<br>changes",
            "CAM entries<br>flushed + aged",
            "learned<br>again",
            "frames<br>flooded",
            "probes<br>lost",
        ],
        &rows,
    )
}
