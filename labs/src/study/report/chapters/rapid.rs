//! What is different where neighbours agree to forward: the promises, and the words on every event.

use super::super::super::plan::Event;
use super::super::html::{paragraph, table};
use super::Chapter;

/// What a flapping host does to tables.
pub(super) const FLAPPING: &str = "every switch forgets at once what it knows behind all ports but the one the news came \
    by. Entries of hosts that speak seldom are gone when the next frame comes for them, and that frame goes out of every port.";

/// Why it did nothing of the kind.
pub(super) const FLAPPING_UNFELT: &str = "None of that came to pass. A port that proposes and is not answered within its \
    edge delay (3 s) is taken for an edge (auto edge, 802.1D-2004 17.25) before it forwards, and what an edge does is no \
    topology change. The host waits for three seconds each time, and nobody else hears of it.";

pub(super) fn promises() -> Chapter {
    let mut body = paragraph(
        "A rapid bridge does not wait until nobody can object any more: it asks. A designated port that is to forward \
         <em>proposes</em>; the neighbour puts its own ports to rest, <em>agrees</em>, and both forward. That takes a message \
         each way, and then it is the next cable's turn. A bridge that loses its root port and has an alternate one takes it at \
         once. Timers remain for what cannot be asked: a neighbour that is not heard for three <em>hello times</em> (2 s each) is \
         gone, and a port whose neighbour does not answer waits its <em>edge delay</em> (3 s) and is then taken for an edge, where \
         only hosts are. The standard names no time for a network as a whole; these are what the figures here are held against:",
    );
    let rows = [
        (
            "A failure that somebody sees by carrier, a start, a better root: messages cross the network once or twice",
            "handshakes, and at worst the transmit hold count: no port sends more than six BPDUs and then one a second",
            "1 s",
        ),
        (
            "A failure that nobody sees: carrier stays",
            "3 × hello time until what was heard is dropped (17.21.23), and hosts are back; the port that nobody answers then proposes, \
             learns a hello time later (17.20) and after its edge delay of 3 s (17.20) is taken for an edge",
            "6 s for hosts, 9 s for the tree",
        ),
        (
            "After a topology change, CAM entries of all ports but the one the news came by",
            "flushed at once",
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
    body += &table(
        &["what happens", "rule", "held against, at default times"],
        &rows,
    );
    body += &paragraph(
        "What lies beyond has a reason that is worth knowing: mostly dead information that still circulates. Each event's table counts it as <em>later</em>.",
    );
    Chapter {
        anchor: "promises",
        title: "What rapid spanning tree promises".to_owned(),
        body,
    }
}

/// What there is to know before looking at the figures, and what leaves the promise.
pub(super) const fn words(event: Event) -> (&'static str, &'static str) {
    match event {
        Event::ColdStart => (
            "All switches get power within two seconds. Each takes itself for the root and proposes on every port, until it \
             hears of a better one.",
            "The time counts from the last switch's power, and that one only has to be joined to a tree that stands. In a large \
             network many a better root is heard of one after the other, each is passed on, and ports run into the transmit hold \
             count: then news waits for the next second.",
        ),
        Event::RootLoss => (
            "The root loses power, and its neighbours see carrier go. Whoever has an alternate port takes it at once, although \
             what was heard there came from the same dead root: nothing says so. The dead root's word goes on until it meets one \
             who knows better, or is as old as max age in hops.",
            "Where the rest has no second way, a line or a tree, news of the new root goes once through the network. Where there \
             are circles left, old word and new word chase each other round them (counting to infinity), and ports that have sent \
             their six messages hold the truth back for a second at a time. That is what lies beyond a second.",
        ),
        Event::RootLinkLoss => (
            "A cable of the root is cut, one that the probes cross, and both ends lose carrier. The switch below knows at once; an \
             alternate port becomes its root port and forwards without asking. If it has none, it tells those below, and the first \
             that has one turns the tree round.",
            "Pods have the alternate port right there. In a ring it is at the far side: news goes there and comes back, a cable \
             at a time.",
        ),
        Event::SilentFailure => (
            "The same cable carries nothing from now on, in either direction, and carrier stays. Nobody is told. The switch below \
             notices when it has heard nothing for three hello times.",
            "Hosts are back after four to six seconds, by when the last hello came. Three seconds later the tree changes once \
             more: the end of the dead cable that speaks now gets no answer, takes itself for an edge and forwards, to nobody.",
        ),
        Event::NewRoot => (
            "A switch that was not the root is given priority 0. Nothing is broken; the better word spreads cable by cable, each \
             with its proposal and agreement.",
            "An agreement puts the ports below to rest until they have been agreed upon in turn: a gap of a message or two at each \
             cable, not of 30 s.",
        ),
        Event::FlappingPort | Event::FlappingEdge => ("", ""),
    }
}
