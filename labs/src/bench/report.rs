//! The outcome as one HTML page that needs nothing else.

use std::fmt::Write;

use super::catalogue::{Against, Better, Metric, SCENARIOS};
use super::table::{devices, number, spread};
use super::verdict::{Mark, Verdict, verdicts};
use super::{BenchError, Dut, Outcome, plot};

const STYLE: &str = "
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 1040px; margin: 2em auto; padding: 0 1em }
h1 { font-size: 1.6em } h2 { font-size: 1.2em; margin-top: 2em }
table { border-collapse: collapse; font-size: 13px; margin: .8em 0 } th, td { padding: 3px 9px; text-align: right; border-bottom: 1px solid #e4e4e4 }
th:first-child, td:first-child, td.text { text-align: left } th { color: #666; font-weight: 500 } tr.scenario td { padding-top: 14px; font-weight: 600; text-align: left }
small, .range { color: #777; font-weight: 400; font-size: 11.5px } .range { display: block }
.aim { background: #d8efd8 } .bar { background: #edf7ed } .short { background: #fff6dc } .missed { background: #fbdcd8 } .unknown { color: #999 }
.mark { white-space: nowrap } code { font-size: 12.5px; overflow-wrap: anywhere } svg { max-width: 100%; height: auto }
";

/// The page.
pub(super) fn html(outcome: &Outcome) -> Result<String, BenchError> {
    let plot = plot::svg(outcome)?;
    let mut text = String::new();
    let _ = write!(
        text,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Bench</title><style>{STYLE}</style></head><body>\n<h1>A userspace switch beside its peers</h1>\n"
    );
    introduction(outcome, &mut text);
    let _ = writeln!(text, "{plot}");
    bars(outcome, &mut text);
    figures(outcome, &mut text);
    conditions(outcome, &mut text);
    text.push_str("</body></html>\n");
    Ok(text)
}

fn introduction(outcome: &Outcome, text: &mut String) {
    let machine = &outcome.machine;
    let _ = writeln!(
        text,
        "<p>{} rounds on {} cores ({}), {} MiB, {}. Generator, device and sink share these cores, so figures are of a \
         set-up and not of a device alone; ratios between devices of one run are what can be compared. In every round each \
         scenario is done with each device in turn; ratios are taken within a round, and their median is given, with the least \
         and the greatest. Spanning tree is off. Frame sizes of RFC 2544 include an FCS, which virtual wires do not carry: a \
         64-byte frame has 60 octets here.</p>",
        outcome.rounds(),
        machine.cores,
        escape(&machine.cpu),
        machine.memory_mib,
        escape(&machine.kernel)
    );
}

fn bars(outcome: &Outcome, text: &mut String) {
    text.push_str("<h2>What it is held against</h2>\n<table><tr><th>scenario</th><th>figure</th><th>device</th><th>found</th><th>against</th><th>bar</th><th>aim</th><th></th></tr>\n");
    for verdict in verdicts(outcome) {
        bar(&verdict, text);
    }
    text.push_str("</table>\n");
}

fn bar(verdict: &Verdict, text: &mut String) {
    let bar = verdict.bar;
    let metric = bar.metric();
    let sign = match verdict.better {
        Better::Higher => "≥",
        Better::Lower => "≤",
    };
    let wanted = |wanted: Option<f64>| {
        wanted.map_or(String::new(), |wanted| format!("{sign} {}", number(wanted)))
    };
    let against = match bar.against {
        Against::Dut(dut) => format!("× {}", dut.name()),
        Against::Nothing => metric.map_or("", |metric| metric.unit).to_owned(),
    };
    let found = verdict.found.map_or("–".to_owned(), |found| {
        let range = format!("{}–{}", number(found.min), number(found.max));
        let range = if found.count > 1 {
            range
        } else {
            String::new()
        };
        format!(
            "{}<span class=\"range\">{range}</span>",
            number(found.median)
        )
    });
    let class = match verdict.mark {
        Mark::Aim => "aim",
        Mark::Bar => "bar",
        Mark::Short => "short",
        Mark::Missed => "missed",
        Mark::Unknown => "unknown",
    };
    let _ = writeln!(
        text,
        "<tr class=\"{class}\"><td>{}</td><td class=\"text\">{}</td><td class=\"text\">{}</td><td>{found}</td><td class=\"text\">{against}</td><td>{}</td><td>{}</td><td class=\"text mark\">{} {}</td></tr>",
        bar.scenario,
        metric.map_or("", |metric| metric.title),
        bar.of.name(),
        wanted(bar.bar),
        wanted(bar.aim),
        verdict.mark.sign(),
        verdict.mark.words(),
    );
}

fn figures(outcome: &Outcome, text: &mut String) {
    let duts = devices(outcome);
    text.push_str("<h2>All figures</h2>\n<p>Medians, and the range over the rounds.</p>\n<table><tr><th></th>");
    for dut in &duts {
        let _ = write!(text, "<th>{}</th>", dut.name());
    }
    text.push_str("</tr>\n");
    for scenario in SCENARIOS {
        let rows: String = Metric::of(scenario.name)
            .filter_map(|metric| figure(outcome, metric, &duts))
            .collect();
        if rows.is_empty() {
            continue;
        }
        let _ = writeln!(
            text,
            "<tr class=\"scenario\"><td colspan=\"{}\">{} <small>{}; {}</small></td></tr>\n{rows}",
            duts.len() + 1,
            scenario.title,
            scenario.clause,
            scenario.what
        );
    }
    text.push_str("</table>\n");
}

fn figure(outcome: &Outcome, metric: &Metric, duts: &[Dut]) -> Option<String> {
    let spreads: Vec<_> = duts
        .iter()
        .map(|dut| spread(outcome, metric, *dut))
        .collect();
    if spreads.iter().all(Option::is_none) {
        return None;
    }
    let mut row = format!("<tr><td>{}, {}</td>", metric.title, metric.unit);
    for spread in spreads {
        let cell = spread.map_or(String::new(), |spread| {
            let range = if spread.count > 1 && spread.min < spread.max {
                format!("{}–{}", number(spread.min), number(spread.max))
            } else {
                String::new()
            };
            format!(
                "{}<span class=\"range\">{range}</span>",
                number(spread.median)
            )
        });
        let _ = write!(row, "<td>{cell}</td>");
    }
    Some(row + "</tr>\n")
}

fn conditions(outcome: &Outcome, text: &mut String) {
    let _ = writeln!(
        text,
        "<h2>How it was measured</h2>\n<p><code>{}</code>, {}, {:.0} s.</p>\n<p>The kernel's bridge has no process: it works in the \
         sender's time, and its share of the processor can only be seen in the machine's, which contains generator, sink and hosts \
         for all devices alike. Open vSwitch's memory and processor time are those of ovs-vswitchd, without its database. VDE and \
         Open vSwitch are given tables large enough for what they are taught. Open vSwitch on veth needs hosts that finish their \
         checksums (<code>ethtool -K eth0 tx off</code>), which takes TSO from them, too.</p>\n<table>",
        escape(&outcome.command),
        escape(&outcome.date),
        outcome.seconds
    );
    for (name, command) in outcome.devices.iter().chain(&outcome.versions) {
        let _ = writeln!(
            text,
            "<tr><td>{}</td><td class=\"text\"><code>{}</code></td></tr>",
            escape(name),
            escape(command)
        );
    }
    text.push_str("</table>\n");
    for (dut, why) in &outcome.missing {
        let _ = writeln!(text, "<p>Missing: {}: {}</p>", escape(dut), escape(why));
    }
    for failure in &outcome.failures {
        let _ = writeln!(
            text,
            "<p>Failed: {} of {} in round {}: {}</p>",
            escape(&failure.scenario),
            escape(&failure.dut),
            failure.round,
            escape(&failure.reason)
        );
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::Sample;

    #[test]
    fn the_page_needs_nothing_else_and_takes_no_markup_from_outside() {
        let outcome = Outcome {
            command: "labs bench --switchd-args '<b>'".to_owned(),
            samples: vec![Sample {
                round: 1,
                scenario: "flat-out".to_owned(),
                dut: "switchd-tap".to_owned(),
                metric: "received".to_owned(),
                value: 512.0,
            }],
            ..Outcome::default()
        };
        let page = html(&outcome).unwrap();
        assert!(page.contains("&lt;b&gt;") && !page.contains("<b>"));
        assert!(page.contains("RFC 2889, 5.1") && page.contains("512"));
        for outside in ["src=", "href=", "@import", "url("] {
            assert!(!page.contains(outside), "{outside}");
        }
    }
}
