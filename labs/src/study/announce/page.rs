//! The report.

use std::fmt::Write as _;

use super::plan::Plan;
use super::table::{Contender, guest};
use super::{Record, Schedule, Sender, Tree};
use crate::study::plot::Chart;
use crate::study::report::html::{count, document, escape, framed, paragraph, table};

/// What the report is written from.
pub(super) struct Material<'a> {
    pub(super) plan: &'a Plan,
    pub(super) records: &'a [Record],
    pub(super) contenders: &'a [Contender],
    pub(super) pictures: &'a [(Chart, String)],
    pub(super) command: String,
}

pub(super) fn page(material: &Material<'_>) -> String {
    let mut body = String::from("<h1>What the announcement is worth</h1>\n");
    let _ = writeln!(
        body,
        "<p class=\"lead\">{} moves of a virtual machine in virtual time: who announces them, what is lost, and what \
         spanning tree does meanwhile.</p>",
        count(material.records.len() as u64)
    );
    body += &short(material);
    body += &method(material);
    body += &at_rest(material);
    body += &rebuilding(material);
    body += &schedules(material);
    body += &predictions(material);
    body += "<h2>Repeat it</h2>\n";
    let _ = writeln!(body, "<pre>{} --out DIR</pre>", escape(&material.command));
    body += &paragraph(
        "The same command writes the same octets. Beside this page: <code>trials.csv</code>, a line for every trial; \
         <code>schedules.csv</code>; <code>charts/</code>, the pictures as SVG and PNG.",
    );
    document("What the announcement is worth", &body)
}

/// Milliseconds as one reads them.
fn time(millis: i64) -> String {
    match millis {
        0 => "none".to_owned(),
        1..1_000 => format!("{millis} ms"),
        _ => {
            let hundredths = (millis + 5) / 10;
            format!("{}.{:02} s", hundredths / 100, hundredths % 100)
        }
    }
}

fn short(material: &Material<'_>) -> String {
    let plan = material.plan;
    let of = |sender, lost| {
        let mut found = material.records.iter().filter(move |record| {
            let case = record.case;
            case.sender == sender
                && case.lost == lost
                && !case.chatty
                && case.tree == Tree::Quiet
                && case.diameter == plan.farthest()
                && case.schedule == plan.schedule
        });
        found
            .next()
            .map_or_else(String::new, |record| time(record.measured.outage))
    };
    let mut text = String::from("<div class=\"short\"><p><strong>In short</strong></p><ul>\n");
    let _ = writeln!(
        text,
        "<li><strong>One broadcast is worth the ageing time.</strong> A silent guest that nobody announces is without its \
         client for {}; with RARP at the resume the outage is {}, over {} switches as over one.</li>",
        of(Sender::Nobody, 0),
        of(Sender::Rarp, 0),
        plan.farthest()
    );
    let _ = writeln!(
        text,
        "<li><strong>To switches, RARP and gratuitous ARP are the same frame.</strong> What differs is who sends it: the \
         hypervisor at the resume, the guest when it has noticed ({} ms later here). With {} lost, RARP costs {}, a guest's \
         ARP {}, both together {}.</li>",
        super::GUEST_NOTICES,
        plan.lost,
        of(Sender::Rarp, plan.lost),
        of(Sender::Request, plan.lost),
        of(Sender::Both, plan.lost)
    );
    if let Some((usual, best)) = usual_and_best(material) {
        let _ = writeln!(
            text,
            "<li><strong>An announcement must outlast the tree.</strong> {} ({usual_name}) allows {} beyond what spanning \
             tree itself costs: it has said all before a way is open. The best found is <code>{}</code> ({} announcements \
             over {}): {}.</li>",
            escape(&usual.schedule.to_string()),
            time(usual.bound),
            best.schedule,
            best.schedule.rounds,
            time(best.schedule.last().unwrap_or(0)),
            time(best.bound),
            usual_name = escape(&usual.name),
        );
    }
    text += "</ul></div>\n";
    text
}

fn usual_and_best<'m>(material: &'m Material<'_>) -> Option<(&'m Contender, &'m Contender)> {
    let mut all = material.contenders.iter();
    let usual = all
        .clone()
        .find(|contender| contender.schedule == Schedule::QEMU)?;
    Some((usual, all.next()?))
}

fn method(material: &Material<'_>) -> String {
    let plan = material.plan;
    let mut text = String::from("<h2>How this was measured</h2>\n");
    text += &paragraph(&format!(
        "A machine leaves the switch its client is plugged into, and resumes behind the last switch of a line, so that every \
         switch on the way has a wrong entry. The switches are the ones the daemon runs; only clock and cables differ from a \
         real network. The client asks every {} ms; the <em>outage</em> is what stays unanswered after the resume. A \
         <em>silent</em> guest only answers; a <em>chatty</em> one says something to its client {} ms after the resume and \
         every {} ms from then on. <em>Lost</em> announcements leave the machine and vanish on its cable, the first ones.",
        super::PERIOD,
        super::FIRST_WORD,
        super::WORDS
    ));
    text += &paragraph(&format!(
        "A detour closes the line to a ring; spanning tree holds it back. To make the tree rebuild itself during the move, a \
         cable of the way is cut, at {} instants from {} s before the resume to {} s after. The detour then forwards twice \
         the forward delay ({} s) later. Max age is {} s, hello time {} s, forward delay {} s, ageing time {} s.",
        plan.cuts().len(),
        -plan.cuts().first().unwrap_or(&0) / 1_000,
        plan.cuts().last().unwrap_or(&0) / 1_000,
        2 * plan.setting.forward_delay() / 1_000,
        plan.setting.times.max_age().as_secs(),
        plan.setting.times.hello_time().as_secs(),
        plan.setting.forward_delay() / 1_000,
        plan.setting.ageing() / 1_000
    ));
    text
}

/// The outages of a table's row: all losses, over every way.
fn outages(
    material: &Material<'_>,
    sender: Sender,
    lost: u32,
    chatty: bool,
    quiet: bool,
) -> Vec<i64> {
    let mine = material.records.iter().filter(|record| {
        let case = record.case;
        case.sender == sender
            && case.lost == lost
            && case.chatty == chatty
            && (case.tree == Tree::Quiet) == quiet
            && case.schedule == material.plan.schedule
    });
    let mut all: Vec<i64> = mine.map(|record| record.measured.outage).collect();
    all.sort_unstable();
    all
}

fn grid(material: &Material<'_>, quiet: bool) -> String {
    let mut head = vec!["announcement", "guest"];
    let lost: Vec<String> = (0..=material.plan.lost)
        .map(|lost| format!("{lost} lost"))
        .collect();
    head.extend(lost.iter().map(String::as_str));
    let mut rows = Vec::new();
    for sender in Sender::ALL {
        for chatty in [false, true] {
            let mut cells = vec![sender.title().to_owned(), guest(chatty).to_owned()];
            for lost in 0..=material.plan.lost {
                let all = outages(material, sender, lost, chatty, quiet);
                cells.push(match (all.first(), all.last()) {
                    (Some(least), Some(most)) if least == most => time(*most),
                    (Some(least), Some(most)) => format!("{} … {}", time(*least), time(*most)),
                    (None, _) | (_, None) => String::new(),
                });
            }
            rows.push((sender == Sender::Nobody && !chatty, cells));
        }
    }
    table(&head, &rows)
}

fn picture(material: &Material<'_>, name: &str, caption: &str) -> String {
    let mut all = material.pictures.iter();
    let found = all.find(|(chart, _)| chart.name == name);
    found.map_or_else(String::new, |(chart, svg)| framed(chart, svg, caption))
}

fn at_rest(material: &Material<'_>) -> String {
    let mut text = String::from("<h2>In a network at rest</h2>\n");
    text += &paragraph(&format!(
        "The first announcement that gets through decides. How far it has to go does not: a cell with one value holds for \
         ways of {} to {} switches alike, because a broadcast rewrites them all in the time it takes to pass them.",
        material.plan.diameters.iter().min().unwrap_or(&1),
        material.plan.farthest()
    ));
    text += &grid(material, true);
    text += &picture(
        material,
        "lost",
        "Each announcement lost costs the pause to the next one; the last one lost costs the ageing time.",
    );
    text += &paragraph(
        "A machine that keeps its address keeps its hosts' ARP entries true: nobody has to be told but the switches, and RARP \
         says nothing to hosts. A gratuitous ARP would be needed if the address changed.",
    );
    text
}

fn rebuilding(material: &Material<'_>) -> String {
    let mut text = String::from("<h2>While spanning tree rebuilds itself</h2>\n");
    text += &paragraph(
        "Least and longest outage over all instants of the cut and all ways. While no way is open nothing helps; announcements \
         sent meanwhile reach only their side of the cut, and the client's switch keeps its entry until it ages. The topology \
         change that the new way brings shortens ageing to the forward delay, which is what heals a machine whose \
         announcements are all over.",
    );
    text += &grid(material, false);
    text += &picture(
        material,
        "offset",
        "Right of twice the forward delay the tree stands again at the resume. Just left of it is the worst place: the way \
         opens soon after the resume, but after the last announcement.",
    );
    text
}

fn schedules(material: &Material<'_>) -> String {
    let plan = material.plan;
    let mut text = String::from("<h2>Which schedule</h2>\n");
    text += &paragraph(&format!(
        "A schedule is QEMU's: <code>announce-initial</code>/<code>-step</code>/<code>-rounds</code>/<code>-max</code>. Its \
         <em>bound</em> is the longest outage of a silent guest that it allows with {} announcements lost, at any instant of a \
         cut, beyond what spanning tree itself costs. Schedules named by a number of frames are the best of a search over \
         round numbers. All were then tried over {} switches.",
        plan.lost,
        plan.farthest()
    ));
    let mut head = vec![
        "schedule",
        "name",
        "frames",
        "over",
        "bound",
        "measured at most",
    ];
    let lost: Vec<String> = (0..=plan.lost)
        .map(|lost| format!("at rest, {lost} lost"))
        .collect();
    head.extend(lost.iter().map(String::as_str));
    let rows: Vec<(bool, Vec<String>)> = material
        .contenders
        .iter()
        .map(|contender| {
            let mut cells = vec![
                contender.schedule.to_string(),
                escape(&contender.name),
                contender.schedule.rounds.to_string(),
                contender.schedule.last().map_or_else(String::new, time),
                time(contender.bound),
                time(contender.beyond),
            ];
            cells.extend(contender.at_rest.iter().map(|outage| time(*outage)));
            (contender.schedule == Schedule::QEMU, cells)
        })
        .collect();
    text += &table(&head, &rows);
    text += &picture(
        material,
        "schedules",
        "What a schedule adds, by the instant of the cut: nothing where announcements go on until the way opens.",
    );
    text += &picture(
        material,
        "budget",
        "The price of a shorter bound: announcements must be close together, and go on for a forward delay.",
    );
    text += &paragraph(
        "Without redundancy there is nothing to rebuild, and only the losses count: then early and dense is best, and five \
         frames within a tenth of a second do as well as any long schedule.",
    );
    text
}

fn predictions(material: &Material<'_>) -> String {
    let mut text = String::from("<h2>Predicted and measured</h2>\n");
    let held = material
        .records
        .iter()
        .filter(|record| record.holds())
        .count();
    text += &paragraph(&format!(
        "Each outage was predicted from the timers alone before it was measured: in a network at rest to one question of the \
         client, while the tree rebuilds within the seconds that ports may hold messages back. {} of {} trials came as \
         predicted.",
        count(held as u64),
        count(material.records.len() as u64)
    ));
    text += &picture(
        material,
        "predicted",
        "On the diagonal: as long as predicted at most. Below it: shorter.",
    );
    text
}
