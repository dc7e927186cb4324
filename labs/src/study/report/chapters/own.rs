//! The chapters on what a protocol has of its own: the law of rings, the load of VLANs, what regions hold back.

use switchd::TreeProtocol;

use super::super::super::own::law::{self, Failure, HoldCount, Ring, Sizes};
use super::super::super::own::load;
use super::super::super::own::regions::{self, Case};
use super::super::html::{Material, count, figure, paragraph, table};
use super::Chapter;

/// The least R² at which a line is called a law.
const LAWFUL: f64 = 0.98;

pub(super) fn all(material: &Material<'_>) -> Vec<Chapter> {
    let own = material.own;
    let mut chapters = Vec::new();
    if !own.law.is_empty() {
        chapters.push(ring_law(material));
    }
    if !own.load.is_empty() {
        chapters.push(vlan_load(material));
    }
    if !own.regions.is_empty() {
        chapters.push(region_news(material));
    }
    chapters
}

/// What there is to say of them in short.
pub(super) fn findings(material: &Material<'_>) -> Vec<String> {
    let own = material.own;
    let findings = [
        law_finding(&own.law),
        load_finding(&own.load),
        regions_finding(&own.regions),
    ];
    findings.into_iter().flatten().collect()
}

fn law_finding(rings: &[Ring]) -> Option<String> {
    let fit = |failure, hold_count| law::fit(rings, failure, hold_count, Sizes::All);
    let held = fit(Failure::Root, HoldCount::Default)?;
    let free = fit(Failure::Root, HoldCount::Most)?;
    let fit = fit(Failure::RootLink, HoldCount::Default)?;
    Some(format!(
        "<strong>Rings {} the published law.</strong> Where a hop takes {} ms, each switch more makes a ring whose cable is \
         cut heal {:.1} ms later (R² {:.4}). When the root dies it takes twice as long (R² {:.4}), unless the transmit hold \
         count is in the way: at the default of {} it held {} of {} rings back, by up to two seconds (R² {:.2}).",
        if fit.r_squared >= LAWFUL {
            "keep"
        } else {
            "leave"
        },
        law::HOP.as_millis(),
        1000.0 * fit.slope,
        fit.r_squared,
        free.r_squared,
        HoldCount::Default.value().get(),
        law::held_back(rings, Failure::Root).len(),
        law::of(rings, Failure::Root, HoldCount::Default).count(),
        held.r_squared,
    ))
}

fn load_finding(rows: &[load::Row]) -> Option<String> {
    let most = rows.iter().max_by_key(|row| row.vlans)?.vlans;
    let of = |protocol| {
        let mut rows = rows.iter();
        rows.find(|row| row.vlans == most && row.protocol == protocol)
    };
    let (many, one) = (rows.first()?.protocol, of(TreeProtocol::Rstp)?);
    let many = of(many)?;
    Some(format!(
        "<strong>A tree for every VLAN is paid for on every trunk.</strong> With {} VLANs a cable carries {} BPDUs a second, \
         {:.0} kbit/s; with one tree for all of them, {:.1}.",
        count(most.into()),
        count(whole(many.bpdus_per_second)),
        many.bits_per_second / 1000.0,
        one.bpdus_per_second
    ))
}

fn regions_finding(rows: &[regions::Row]) -> Option<String> {
    let largest = rows.iter().map(|row| row.switches).max()?;
    let of = |case| {
        let mut rows = rows.iter();
        rows.find(|row| row.case == case && row.switches == largest)
    };
    let (one, instance) = (of(Case::OneTree)?, of(Case::Instance)?);
    Some(format!(
        "<strong>A region keeps its instances to itself.</strong> In a network of two halves, a cut cable of one tree made {} \
         of {} switches of the other half forget {} CAM entries; a cut cable of one region's instance, {} and {}.",
        one.told[1],
        largest / 2,
        one.flushed[1],
        instance.told[1],
        instance.flushed[1]
    ))
}

fn whole(value: f64) -> u64 {
    format!("{value:.0}").parse().unwrap_or(0)
}

fn ring_law(material: &Material<'_>) -> Chapter {
    let rings = &material.own.law;
    let mut body = paragraph(&format!(
        "Pustylnik, Zafirovic-Vukotic and Moore (<cite>Performance of the Rapid Spanning Tree Protocol in Ring Network \
         Topology</cite>, 2007) derive how long a ring of <em>N</em> rapid bridges takes to heal when a cable is cut in the \
         worst place: <em>T</em><sub>L</sub> + (<em>N</em> − 3) · <em>T</em><sub>PA</sub> for even <em>N</em>, \
         <em>T</em><sub>L</sub> + (<em>N</em> − 2) · <em>T</em><sub>PA</sub> for odd, with <em>T</em><sub>L</sub> the time to \
         see the loss and <em>T</em><sub>PA</sub> what a pair of neighbours takes to agree. The death of the root they treat \
         apart, for it takes longer: for even <em>N</em> their steps sum to 2<em>N</em> − 5 handshakes, and the same is used \
         for odd <em>N</em> here. A hop takes {} ms, a tenth more or less, and carrier is lost at once. A ring has healed, as \
         with them, when all agree upon the root and the last port forwards that has to.",
        law::HOP.as_millis()
    ));
    body += &figure(
        material,
        "ring-law",
        "The slope is what a hop takes: one handshake after the other, and nothing else. Where bars are long, it depends on \
         which cable and on ties; the lines go through the slowest ring of each size.",
    );
    body += &law_table(rings);
    body += &paragraph(
        "<strong>A cable of the root is cut.</strong> News goes to the switch whose port rests and comes back, a handshake for \
         each cable of that side. A ring of odd <em>N</em> takes as long as the even one above it, because there the resting \
         port may be a cable further away. The default transmit hold count is enough.",
    );
    body += &paragraph(
        "<strong>The root dies.</strong> Both its neighbours take themselves for the root, and their words walk towards the \
         switch with the resting port. If the stand-in's word gets there first, that switch still holds the dead root's word, \
         by its other side, and thinks it better: back it goes, and close behind it the word of the other neighbour, all the \
         way to the stand-in, which believes each for a moment and then says once more that it is the root. Its word goes \
         round again. That is counting to infinity, of one turn: some rings are spared, by which word was faster, and the \
         worst ones have every cable agree twice.",
    );
    body += &figure(
        material,
        "ring-root-loss",
        "The same rings, and the same chance. Where the bars of the two differ, a port had said all it may.",
    );
    body += &hold_count(rings);
    Chapter {
        anchor: "ring-law",
        title: "The law of rings".to_owned(),
        body,
    }
}

fn law_table(rings: &[Ring]) -> String {
    let lines = Failure::ALL
        .into_iter()
        .flat_map(|failure| HoldCount::ALL.map(|hold_count| (failure, hold_count)));
    let rows: Vec<_> = lines
        .filter_map(|(failure, hold_count)| {
            let fit = |sizes| law::fit(rings, failure, hold_count, sizes);
            let [even, odd] = [Sizes::Even, Sizes::Odd].map(|sizes| {
                fit(sizes).map_or_else(String::new, |fit| format!("{:.4}", fit.r_squared))
            });
            let fit = fit(Sizes::All)?;
            let mine = || law::of(rings, failure, hold_count);
            let slowest = mine().map(|ring| ring.recovery).max()?;
            let busiest = mine().map(|ring| ring.busiest).max()?;
            let held = match hold_count {
                HoldCount::Default => law::held_back(rings, failure).len().to_string(),
                HoldCount::Most => String::new(),
            };
            let cells = vec![
                failure.title().to_owned(),
                hold_count.value().get().to_string(),
                format!("{:.4}", fit.r_squared),
                even,
                odd,
                format!("{:.1} ms", 1000.0 * fit.constant),
                format!("{:.2} ms", 1000.0 * fit.slope),
                format!("{:.0} ms", 1000.0 * slowest.as_secs_f64()),
                busiest.to_string(),
                mine().count().to_string(),
                held,
            ];
            Some((fit.r_squared < LAWFUL, cells))
        })
        .collect();
    table(
        &[
            "failure",
            "transmit<br>hold count",
            "R² of<br>the law",
            "even <em>N</em>",
            "odd <em>N</em>",
            "T<sub>L</sub>, at no<br>handshake",
            "T<sub>PA</sub>, for<br>each",
            "slowest<br>ring",
            "BPDUs of a port<br>in a second, most",
            "rings",
            "held back<br>by the count",
        ],
        &rows,
    )
}

/// What the default hold count does to rings without their root, ring by ring.
fn hold_count(rings: &[Ring]) -> String {
    let held = law::held_back(rings, Failure::Root);
    let (default, most) = (HoldCount::Default.value(), HoldCount::Most.value());
    let mut body = paragraph(&format!(
        "<strong>What breaks the law is the transmit hold count.</strong> The standard lets a port send that many BPDUs, and \
         then one a second (802.1D-2004 17.13.12, 17.26). A ring without its root makes some of its ports say more than the \
         default of {}: the dead root's word, the other neighbour's and the stand-in's, each with a proposal, an agreement, \
         a topology change. What a port may not say it says when its second is over. {} of {} rings were held back so, those \
         below, in which a port had as much to say, what it had said shortly before the failure included. One such ring is the \
         slowest of its size and draws the line away. Switches made for rings let ports send more than the standard allows.",
        default.get(),
        held.len(),
        law::of(rings, Failure::Root, HoldCount::Default).count()
    ));
    let rows: Vec<_> = held
        .into_iter()
        .map(|[held, free]| {
            let milliseconds =
                |ring: &Ring| format!("{:.0} ms", 1000.0 * ring.recovery.as_secs_f64());
            let cells = vec![
                held.switches.to_string(),
                (held.trial + 1).to_string(),
                milliseconds(held),
                milliseconds(free),
                free.busiest.to_string(),
            ];
            (false, cells)
        })
        .collect();
    body += &table(
        &[
            "switches",
            "ring",
            &format!("healed with<br>hold count {}", default.get()),
            &format!("with {}", most.get()),
            &format!("BPDUs a port then<br>sent in a second, with {}", most.get()),
        ],
        &rows,
    );
    body
}

fn vlan_load(material: &Material<'_>) -> Chapter {
    let rows = &material.own.load;
    let mut body = paragraph(
        "A tree for every VLAN costs BPDUs for every VLAN. A ring of four switches at rest, whose cables are trunks of so many \
         VLANs; counted for a minute, with hellos every 2 s. Beside it the same ring with one rapid tree, and as one region of \
         four instances, which carries all of them in one BPDU.",
    );
    body += &figure(
        material,
        "vlan-load",
        "Where every VLAN has a tree, load grows with VLANs; elsewhere it does not.",
    );
    let rows: Vec<_> = rows
        .iter()
        .map(|row| {
            let cells = vec![
                load::label(row.protocol).to_owned(),
                count(row.vlans.into()),
                format!("{:.1}", row.bpdus_per_second),
                format!("{:.1}", row.bits_per_second / 1000.0),
            ];
            (false, cells)
        })
        .collect();
    body += &table(
        &[
            "protocol",
            "VLANs",
            "BPDUs per second<br>on a cable",
            "kbit/s<br>on a cable",
        ],
        &rows,
    );
    Chapter {
        anchor: "vlan-load",
        title: "What a tree for every VLAN costs".to_owned(),
        body,
    }
}

fn region_news(material: &Material<'_>) -> Chapter {
    let rows = &material.own.regions;
    let mut body = paragraph(
        "Two rings of equal size, joined by two cables, a host of each of two VLANs at every switch. A cable of the first ring \
         is cut. With one tree over all, every switch of both rings is told, and forgets. With a region for each ring it depends \
         on the tree: the common tree is everybody's, but what changes in an instance of one region is that region's own affair.",
    );
    body += &figure(
        material,
        "regions",
        "What a region keeps to itself, the other half need not learn again: its line lies at zero.",
    );
    let rows: Vec<_> = rows
        .iter()
        .map(|row| {
            let [told_here, told_there] = row.told.map(|number| count(number as u64));
            let [flushed_here, flushed_there] = row.flushed.map(|number| count(number as u64));
            let cells = vec![
                row.case.title().to_owned(),
                row.switches.to_string(),
                told_here,
                told_there,
                flushed_here,
                flushed_there,
            ];
            (false, cells)
        })
        .collect();
    body += &table(
        &[
            "whose cable",
            "switches",
            "told in<br>this half",
            "in the<br>other",
            "CAM flushed in<br>this half",
            "in the<br>other",
        ],
        &rows,
    );
    Chapter {
        anchor: "regions",
        title: "What regions hold back".to_owned(),
        body,
    }
}
