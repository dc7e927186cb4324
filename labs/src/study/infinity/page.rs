//! The report.

use std::fmt::Write as _;

use stp::BridgeId;

use super::trial::Told;
use super::{Epochs, Record, Shape, charts, table as tables};
use crate::study::plot::Chart;
use crate::study::report::html::{count, document, escape, framed, paragraph, table};

/// BPDUs of the story that are shown.
const TOLD_MAX: usize = 40;

/// The smallest circle, BPDU by BPDU, with epochs or without.
#[derive(Debug)]
pub(super) struct Story {
    pub(super) title: String,
    pub(super) told: Vec<Told>,
    pub(super) dead: BridgeId,
}

/// What the report is written from.
pub(super) struct Material<'a> {
    pub(super) records: &'a [Record],
    pub(super) stories: &'a [Story],
    pub(super) pictures: &'a [(Chart, String)],
    pub(super) command: String,
}

pub(super) fn page(material: &Material<'_>) -> String {
    let mut body = String::from("<h1>Counting to infinity</h1>\n");
    let _ = writeln!(
        body,
        "<p class=\"lead\">{} roots die in virtual time, and what they said goes round the bridges that are left.</p>",
        count(material.records.len() as u64)
    );
    body += &paragraph(
        "A bridge that loses the root believes a neighbour who still knows a way to it. Where that neighbour knows it from \
         nobody but this bridge, over the other side of a circle, the dead root's word follows itself round, a second \
         older at every bridge, until its age is max age (Myers, Ng, Zhang, HotNets 2004; Elmeleegy, Cox, Ng, INFOCOM \
         2006). A port sends at first as many BPDUs at once as its transmit hold count allows, then one a second: that is \
         how fast it counts. While it does, ports forward on the strength of agreements that were given to a dead root.",
    );
    body += &smallest(material.records);
    for (chart, svg) in material.pictures {
        body += &framed(chart, svg, &escape(caption(chart.name)));
    }
    body += &published(material.records);
    for story in material.stories {
        let _ = writeln!(body, "<h2>{}</h2>", escape(&story.title));
        let rows = tables::told(&story.told[..story.told.len().min(TOLD_MAX)], story.dead);
        body += &table(
            &[
                "after", "sent by", "role", "root", "cost", "age, s", "epoch",
            ],
            &rows,
        );
    }
    body += "<h2>How to repeat it</h2>\n";
    let _ = writeln!(body, "<pre>{}</pre>", escape(&material.command));
    document("Counting to infinity", &body)
}

pub(super) fn caption(name: &str) -> &'static str {
    match name {
        "ring" => {
            "The root hung at one bridge of the circle. One bridge or a line has nothing to go round."
        }
        "dual" => {
            "The root hung at two neighbours of the circle: each believes at first that the other still knows a way to it."
        }
        "mesh" => "The root hung at all of them.",
        "max-age" => "The age is a count of hops: who allows more, counts longer.",
        "hold-count" => "A small hold count makes a slow count.",
        _ => {
            "Ports that forward in a circle, found in the state of the ports themselves, whatever frames there are."
        }
    }
}

/// The longest time of each group, and the smallest network whose root's word went round.
fn smallest(records: &[Record]) -> String {
    let counts = |record: &&Record| {
        record.case.epochs == Epochs::Nobody
            && record.measured.oldest > u64::from(record.case.size) + 1
    };
    let least = records
        .iter()
        .filter(counts)
        .min_by_key(|record| record.case.size);
    let mut text = match least {
        Some(record) => paragraph(&format!(
            "The smallest network here that counts is the root and a {} of {}: the root's word grew {} s old.",
            record.case.shape.name(),
            record.case.size,
            record.measured.oldest
        )),
        None => paragraph("No network here counts."),
    };
    let mut rows = Vec::new();
    for shape in Shape::ALL {
        for epochs in Epochs::ALL {
            let mine = || {
                records
                    .iter()
                    .filter(|r| r.case.shape == shape && r.case.epochs == epochs)
            };
            let Some(worst) = mine().max_by_key(|r| r.measured.believed.unwrap_or(i64::MAX)) else {
                continue;
            };
            let looped = mine().map(|r| r.measured.looped).max().unwrap_or(0);
            let kept = mine().filter(|r| r.holds()).count();
            let believed = worst.measured.believed;
            rows.push((
                mine().any(|r| !r.holds()),
                vec![
                    shape.name().to_owned(),
                    epochs.name().to_owned(),
                    count(mine().count() as u64),
                    believed.map_or("for ever".to_owned(), |ms| format!("{ms} ms")),
                    format!("{looped} ms"),
                    count(kept as u64),
                ],
            ));
        }
    }
    text += &table(
        &[
            "shape",
            "epochs",
            "trials",
            "believed at most",
            "in a circle at most",
            "as promised",
        ],
        &rows,
    );
    text += &paragraph(
        "In a line there is no circle; ring: the root hung at one bridge of a circle, dual: at two neighbours, hub: at two by \
         a shared segment; mesh: each joined with each. Promised: the dead root is forgotten, where all have epochs within \
         a way through all bridges and back (with a hold count of one a second more at each), and there no loop opens; \
         always, all agree on the best of those that are left \
         in the end.",
    );
    text
}

fn published(records: &[Record]) -> String {
    let of = |epochs| {
        let mine = records
            .iter()
            .filter(move |r| r.case.epochs == epochs && r.case.max_age == 20);
        mine.filter_map(|r| r.measured.believed).max().unwrap_or(0)
    };
    let mut text = String::from("<h2>Beside what was published</h2>\n");
    text += &paragraph(&format!(
        "Elmeleegy, Cox and Ng say in their abstract that counting “can last tens of seconds even in a small network”, that \
         it may open a forwarding loop, and that epochs let the network recover in “merely one round-trip time”. Here, with \
         the standard's default max age of 20 s, it lasts {} s at most without epochs ({} s is where tens of seconds begin) \
         and {} ms with them, over cables of a millisecond. Their networks, delays and simulator are others, and their \
         figures are not held here beyond what the abstracts say: the orders of magnitude can be compared, single values \
         cannot. Our epochs are one number for the network where theirs are a pair of the root's.",
        tables_seconds(of(Epochs::Nobody)),
        charts::PUBLISHED,
        of(Epochs::All)
    ));
    text
}

fn tables_seconds(millis: i64) -> String {
    format!("{}.{}", millis / 1_000, millis % 1_000 / 100)
}
