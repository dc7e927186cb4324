//! Counting to infinity: the root dies, and its word goes round the bridges that are left.
//!
//! ```text
//!   root ✂ b1 ─ b2            root ✂ b1 ═ b2: two cables, the smallest circle
//!           │    │
//!          b4 ─ b3
//! ```
//!
//! A *case* says in what circle, how old information may grow (max age), how many BPDUs a port may send in a second
//! (transmit hold count), and which bridges have epochs. `trial` lets the root die in virtual time and counts how long
//! somebody still believes in it, and how long ports forward in a circle meanwhile.
//!
//! Times are whole milliseconds; every cable takes one.

mod charts;
pub mod cli;
mod network;
mod page;
mod table;
#[cfg(test)]
mod tests;
mod trial;

use core::time::Duration;

/// A hop.
const CABLE: Duration = Duration::from_millis(1);
/// Seconds; information that is not repeated is kept for three of them (802.1D-2004 17.21.23).
const HELLO: u32 = 2;

/// The bridges that the root leaves behind. It hung at the first of them where nothing else is said, and in the mesh at
/// all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Shape {
    /// One behind the other: there is no circle.
    Line,
    /// In a circle; two are joined by two cables.
    Ring,
    /// The same, and the root hung at the first two.
    Dual,
    /// The same, and the root hung at the first two by a segment that all three shared: nobody agrees there, the root's
    /// word is waited for.
    Hub,
    /// Each joined with each.
    Mesh,
}

impl Shape {
    const ALL: [Self; 5] = [Self::Line, Self::Ring, Self::Dual, Self::Hub, Self::Mesh];

    const fn name(self) -> &'static str {
        match self {
            Self::Line => "line",
            Self::Ring => "ring",
            Self::Dual => "dual",
            Self::Hub => "hub",
            Self::Mesh => "mesh",
        }
    }
}

/// Which bridges have epochs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Epochs {
    Nobody,
    /// Every other, the root among them.
    Half,
    All,
}

impl Epochs {
    const ALL: [Self; 3] = [Self::Nobody, Self::Half, Self::All];

    const fn name(self) -> &'static str {
        match self {
            Self::Nobody => "none",
            Self::Half => "half",
            Self::All => "all",
        }
    }
}

/// What is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Case {
    shape: Shape,
    /// Bridges besides the root.
    size: u32,
    /// Seconds.
    max_age: u32,
    hold: u8,
    epochs: Epochs,
    /// When in the hello time the root dies, one of [`OFFSETS`].
    offset: u32,
}

/// Instants within a hello time at which the root dies.
const OFFSETS: u32 = 5;

impl Case {
    fn new(shape: Shape, size: u32) -> Self {
        Self {
            shape,
            size,
            max_age: 20,
            hold: 6,
            epochs: Epochs::Nobody,
            offset: 0,
        }
    }

    /// How long the dead root may be believed where all have epochs: a way through all bridges and back; with a hold
    /// count of one, where the hello may just have been it, a second more at each. The standard
    /// promises nothing that would be as simple: a port waits a second at most to say what is new, and age counts hops,
    /// but what waits at another port meanwhile is young.
    fn bound(&self) -> Option<i64> {
        match self.epochs {
            Epochs::All => {
                let wait = if self.hold == 1 { 1_000 } else { 0 };
                Some(i64::from(self.size + 1) * (2 * millis(CABLE) + wait))
            }
            Epochs::Nobody | Epochs::Half => None,
        }
    }

    /// How long one looks: it must be over by then.
    fn patience(&self) -> Duration {
        Duration::from_secs(u64::from(self.max_age) * 4 + 20)
    }
}

/// A case and what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Record {
    case: Case,
    measured: trial::Measured,
}

impl Record {
    /// Whether it kept what is promised: the dead root is forgotten, where all have epochs within the bound; the bridges
    /// agree in the end; and no loop opens where all have epochs, or where there is no circle.
    fn holds(&self) -> bool {
        let may_loop = self.case.epochs != Epochs::All && self.case.shape != Shape::Line;
        let is_in_time = self
            .measured
            .believed
            .is_some_and(|believed| self.case.bound().is_none_or(|bound| believed <= bound));
        is_in_time && self.measured.agreed && (may_loop || self.measured.looped == 0)
    }
}

/// The cases of a study: the figures of the charts, each at all offsets.
fn cases(size_max: u32) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut all = |case: Case| {
        for offset in 0..OFFSETS {
            for epochs in Epochs::ALL {
                cases.push(Case {
                    offset,
                    epochs,
                    ..case
                });
            }
        }
    };
    for shape in Shape::ALL {
        for size in 1..=size_max {
            for hold in [1, 3, 6, 10] {
                all(Case {
                    hold,
                    ..Case::new(shape, size)
                });
            }
        }
    }
    for (shape, size) in [(Shape::Ring, 2), (Shape::Dual, 3), (Shape::Mesh, 4)] {
        for max_age in [6, 10, 15, 20, 25, 30, 35, 40] {
            all(Case {
                max_age,
                ..Case::new(shape, size)
            });
        }
    }
    cases.sort_unstable();
    cases.dedup();
    cases
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
