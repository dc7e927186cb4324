//! Timers that reach zero (802.1D-2004 17.17, 17.22).

use core::time::Duration;

use super::countdown::first;
use super::dues::Dues;
use super::{Actions, Engine, Port, Tree, TreePort};

const SECOND: Duration = Duration::from_secs(1);

impl Engine {
    /// The first timer due.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        let trees = self.trees.iter().filter_map(|tree| tree.dues.first());
        self.dues.first().into_iter().chain(trees).min()
    }

    /// Lets everything that is due by `now` reach zero, and machines move.
    pub(crate) fn expire(&mut self, now: Duration, actions: &mut Actions) {
        self.now = now;
        if is_due(&self.dues, now) {
            self.expire_ports(now);
        }
        for tree in 0..self.trees.len() {
            if is_due(&self.trees[tree].dues, now) {
                self.expire_tree(tree, now);
            }
        }
        self.settle(actions);
    }

    fn expire_ports(&mut self, now: Duration) {
        for index in 0..self.ports.len() {
            if !self.dues.is_due(index, now) {
                continue;
            }
            let port = &mut self.ports[index];
            port.edge_delay_while.expire(now);
            port.hello_when.expire(now);
            port.mdelay_while.expire(now);
            if let Some(due) = port.tick.due() {
                tick(port, due, now);
            }
            self.expire_guards(index);
            self.mark(index);
        }
    }

    fn expire_tree(&mut self, tree: usize, now: Duration) {
        let tree = &mut self.trees[tree];
        for index in 0..tree.ports.len() {
            if !tree.dues.is_due(index, now) {
                continue;
            }
            let port = &mut tree.ports[index];
            let was_root_lately = !port.rr_while.is_zero();
            port.fd_while.expire(now);
            port.rr_while.expire(now);
            port.rb_while.expire(now);
            port.tc_while.expire(now);
            if port.rcvd_info_while.due().is_some_and(|due| due <= now) {
                port.expiries += 1;
            }
            port.rcvd_info_while.expire(now);
            if was_root_lately && port.rr_while.is_zero() {
                tree.marks.set_all();
            }
            tree.marks.set(index);
            self.marks.set(index);
        }
    }

    /// Deadlines of what has a mark, and the end of all marks.
    pub(super) fn refresh_deadlines(&mut self) {
        let mut from = 0;
        while let Some(index) = self.marks.next(from) {
            self.dues.set(index, self.ports[index].due());
            from = index + 1;
        }
        self.dues.refresh();
        self.marks.clear();
        for tree in &mut self.trees {
            let mut from = 0;
            while let Some(index) = tree.marks.next(from) {
                tree.dues.set(index, tree.ports[index].due());
                from = index + 1;
            }
            tree.dues.refresh();
            tree.marks.clear();
        }
        debug_assert!(self.are_dues_right(), "a timer has changed without a mark");
    }

    /// Whether what is kept beside the timers is what they say.
    fn are_dues_right(&self) -> bool {
        let mut ports = self.ports.iter().enumerate();
        let of_tree = |tree: &Tree| {
            let mut ports = tree.ports.iter().enumerate();
            let changing = tree.ports.iter().filter(|port| !port.tc_while.is_zero());
            ports.all(|(index, port)| tree.dues.get(index) == port.due())
                && tree.changing_ports == changing.count()
        };
        ports.all(|(index, port)| self.dues.get(index) == port.due())
            && self.trees.iter().all(of_tree)
    }
}

impl Port {
    fn due(&self) -> Option<Duration> {
        first([
            self.edge_delay_while,
            self.hello_when,
            self.mdelay_while,
            self.tick,
            self.assurance_while,
        ])
    }
}

impl TreePort {
    fn due(&self) -> Option<Duration> {
        first([
            self.fd_while,
            self.rr_while,
            self.rb_while,
            self.tc_while,
            self.rcvd_info_while,
        ])
    }
}

fn is_due(dues: &Dues, now: Duration) -> bool {
    dues.first().is_some_and(|due| due <= now)
}

/// txCount goes down once a second; a late call makes up for what it missed.
fn tick(port: &mut Port, mut due: Duration, now: Duration) {
    port.tick.stop();
    while due <= now {
        port.tx_count = port.tx_count.saturating_sub(1);
        if port.tx_count == 0 {
            return;
        }
        due += SECOND;
    }
    port.tick = super::Countdown::Until(due);
}
