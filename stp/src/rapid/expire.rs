//! Timers that reach zero (802.1D-2004 17.17, 17.22).

use core::time::Duration;

use super::countdown::first;
use super::{Actions, Engine};

const SECOND: Duration = Duration::from_secs(1);

impl Engine {
    /// The first timer due.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        let ports = self.ports.iter().filter_map(|port| {
            first([
                port.edge_delay_while,
                port.hello_when,
                port.mdelay_while,
                port.tick,
                port.assurance_while,
            ])
        });
        let trees = self.trees.iter().filter_map(|tree| tree.due);
        ports.chain(trees).min()
    }

    /// Lets everything that is due by `now` reach zero, and machines move.
    pub(crate) fn expire(&mut self, now: Duration, actions: &mut Actions) {
        self.now = now;
        self.expire_ports(now);
        for tree in 0..self.trees.len() {
            if self.trees[tree].due.is_some_and(|due| due <= now) {
                self.expire_tree(tree, now);
            }
        }
        self.settle(actions);
    }

    fn expire_ports(&mut self, now: Duration) {
        for index in 0..self.ports.len() {
            let port = &mut self.ports[index];
            let timers = [
                port.edge_delay_while,
                port.hello_when,
                port.mdelay_while,
                port.tick,
                port.assurance_while,
            ];
            if first(timers).is_none_or(|due| due > now) {
                continue;
            }
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
            let port = &mut tree.ports[index];
            if port.due.is_none_or(|due| due > now) {
                continue;
            }
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
        for tree in &mut self.trees {
            // Without a port nothing can bear a mark, and nothing is due.
            if tree.marks.is_empty() && !tree.ports.is_empty() {
                continue;
            }
            let mut from = 0;
            while let Some(index) = tree.marks.next(from) {
                let port = &mut tree.ports[index];
                port.due = first([
                    port.fd_while,
                    port.rr_while,
                    port.rb_while,
                    port.tc_while,
                    port.rcvd_info_while,
                ]);
                from = index + 1;
            }
            tree.due = tree.ports.iter().filter_map(|port| port.due).min();
            tree.marks.clear();
        }
        self.marks.clear();
    }
}

/// txCount goes down once a second; a late call makes up for what it missed.
fn tick(port: &mut super::Port, mut due: Duration, now: Duration) {
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
