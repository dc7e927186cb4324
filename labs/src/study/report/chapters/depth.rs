//! The chapter on depth: what happens past the diameter the timers were made for.

use super::super::super::depth::{sure_depth, timers_label};
use super::super::super::families::Family;
use super::super::super::plan::Timers;
use super::super::super::record::{Metric, Outcome};
use super::super::super::summary::Point;
use super::super::html::{Material, figure, paragraph, seconds, table};
use super::super::verdict;
use super::Chapter;

pub(super) fn chapter(material: &Material<'_>) -> Chapter {
    let mut body = paragraph(
        "The root speaks every two seconds; every switch passes its word on, a second older. At max age the word is thrown \
         away. So a tree at default times could be twenty switches deep, one would think. Here a line of switches has its root \
         at one end and all get power at once, which is the worst there is: how deep can it be?",
    );
    body += &figure(
        material,
        "depth-share",
        "Each line goes from always to never within a switch or two: it is a cliff, not a slope.",
    );
    body += &limits(material);
    body += "<h3>Why so early</h3>\n";
    body += &paragraph(
        "Because a hop costs more than a second while the topology changes, and a deep line makes its own topology changes.",
    );
    body += "<ol>\n\
        <li>No port sends two configuration messages within the hold time of one second. When a switch below reports a \
        topology change, the acknowledgment is such a message: it takes the slot, and the root's next word, arriving a moment \
        later, must wait for the next one. Waiting makes it older too.</li>\n\
        <li>Twice the forward delay after the start all ports begin to forward, and every switch reports that. Every port on \
        the way down has acknowledgments to send, so the root's word waits up to a second at every switch. At the end of the \
        line nothing arrives for as many seconds as there are hops. Then a hop has cost the increment and the hold time: the \
        last of <em>n</em> switches holds a word that is up to (<em>n</em> − 1) × (increment + hold time) old. As long as \
        that is below max age, the delayed words arrive one after the other, and the line comes to rest.</li>\n\
        <li>One or two switches more, and the last one throws the word away before the next arrives. It takes itself for the \
        root, its ports change their roles, and when the true root's word is back they change again. A port that stops and \
        starts forwarding is a topology change: it is notified and acknowledged, acknowledgments take the slots, words wait, \
        and somebody near the end throws his away once more. The circle is closed; it never ends by itself.</li>\n</ol>\n";
    body += &figure(
        material,
        "depth-story",
        "Three lines, one start each. Each fall is a word that arrives; in between, the last one ages. Just before 30 s \
         everything begins to forward, and the words stay away. The shallow line survives its wait; so does the deep one with \
         1/256 s per hop. The deep one at default times does not: the last switch's word dies (crosses at the top), and it ends \
         up following a near neighbour who takes himself for the root.",
    );
    body += &figure(
        material,
        "depth-age",
        "The slope is what a hop costs at worst: nearly two seconds at the default increment, one with 1/256 s, which is the \
         hold time.",
    );
    body += "<div class=\"why\">";
    body += &paragraph(
        "<strong>What helps.</strong> A smaller increment halves the cost of a hop, a longer max age doubles what may be spent; \
         the price of either is that a dead root is remembered longer. Best is a flatter network: put the root in the middle, \
         and seven switches between any two hosts, as the standard says, leave room for lost messages besides.",
    );
    body += "</div>\n";
    body += "<h3>What it does to a ring</h3>\n";
    body += &rings(material);
    body += "<details><summary>Every point</summary>\n";
    body += &details(material);
    body += "</details>\n";
    Chapter {
        anchor: "depth",
        title: "Too deep: past the diameter the timers were made for".to_owned(),
        body,
    }
}

fn limits(material: &Material<'_>) -> String {
    let rows: Vec<_> = Timers::ALL
        .into_iter()
        .map(|timers| {
            let (all, none) = verdict::depth_limits(material.points, timers);
            let number =
                |size: Option<u32>| size.map_or_else(|| "none".to_owned(), |size| size.to_string());
            let cells = vec![
                timers_label(timers),
                sure_depth(timers).to_string(),
                number(all),
                number(none),
            ];
            (false, cells)
        })
        .collect();
    table(
        &[
            "timers",
            "safe by arithmetic,<br>switches",
            "all trials settle<br>up to",
            "no trial settles<br>from",
        ],
        &rows,
    )
}

fn rings(material: &Material<'_>) -> String {
    let rings: Vec<&Point<'_>> = material
        .points
        .iter()
        .filter(|point| point.family == Family::Ring && point.flagged(Metric::Circle) > 0)
        .collect();
    let Some(first) = rings.first() else {
        return paragraph(
            "A ring has two ways around, so it is half as deep as a line. None of the rings of this study was so large that it \
             lost its tree.",
        );
    };
    let circles: usize = rings
        .iter()
        .map(|point| point.flagged(Metric::Circle))
        .sum();
    let loops = rings
        .iter()
        .filter_map(|point| Some(point.spread(Metric::Loops)?.p99))
        .max();
    let mut text = paragraph(&format!(
        "A ring is half as deep as a line of as many switches. But where a line merely falls apart, a ring closes. At the far \
         side the word dies; a switch there takes itself for the root and opens its ports. Its neighbour, whose own word is \
         too old to be passed on, has nothing to say against it: a message that would be as old as max age must not be sent. So \
         on that cable both ends hold themselves designated, both forward, and the blocked port that kept the ring a tree is \
         gone. In this study that happened from {} switches on: {circles} trials ended with a circle of forwarding ports, and \
         frames came back to switches that had sent them already (up to {} in a trial).",
        first.size,
        loops.unwrap_or(0)
    ));
    text += &paragraph(
        "That is why the limit on diameter is a rule and not a recommendation to be generous with: a cut network fails where \
         it is cut, a network with a loop fails everywhere.",
    );
    text
}

fn details(material: &Material<'_>) -> String {
    let mut rows = Vec::new();
    for point in material
        .points
        .iter()
        .filter(|point| point.family == Family::Chain)
    {
        let spread = |metric| point.spread(metric);
        let time = |metric| {
            spread(metric).map_or_else(String::new, |spread| {
                format!(
                    "{} / {} / {}",
                    seconds(spread.min),
                    seconds(spread.median),
                    seconds(spread.p99)
                )
            })
        };
        let settled = point.ended(Outcome::Settled);
        rows.push((
            settled < point.records.len(),
            vec![
                timers_label(point.timers),
                point.size.to_string(),
                format!("{settled} of {}", point.records.len()),
                time(Metric::Settle),
                time(Metric::OldestAge),
                spread(Metric::Expiries)
                    .map_or_else(String::new, |spread| spread.median.to_string()),
                spread(Metric::TopologyChanges)
                    .map_or_else(String::new, |spread| spread.median.to_string()),
            ],
        ));
    }
    table(
        &[
            "timers",
            "switches",
            "settled",
            "last change, s<br>min / median / p99",
            "oldest word, s<br>min / median / p99",
            "words thrown<br>away, median",
            "topology<br>changes, median",
        ],
        &rows,
    )
}
