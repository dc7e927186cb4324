//! What takes long and nobody but the asker has to wait for.
//!
//! To remove a tap or to close a packet socket the kernel waits for its other processors, and for a tap for whoever else
//! removes interfaces: tens of milliseconds as a rule, seconds on a busy machine. A loop that waited along would forward
//! nothing and miss its neighbours' BPDUs.

use std::thread;

use crossbeam_channel::bounded;

/// Drops `gone`, and calls `then` when that is done; on a thread of their own, or here if there is none to be had.
pub(super) fn drop_aside<T, F>(gone: T, then: F)
where
    T: Send + 'static,
    F: FnOnce() + Send + 'static,
{
    // By a channel, since a thread that could not be made takes what it was given with it.
    let (give, given) = bounded::<(T, F)>(1);
    let drop_given = move || {
        if let Ok((gone, then)) = given.recv() {
            drop(gone);
            then();
        }
    };
    match thread::Builder::new()
        .name("close".to_owned())
        .spawn(drop_given)
    {
        // The thread waits for it: there is a receiver.
        Ok(_) => drop(give.send((gone, then))),
        Err(_) => {
            drop(gone);
            then();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crossbeam_channel::{Receiver, Sender};

    use super::*;

    /// Longer than any thread is kept from running.
    const PATIENCE: Duration = Duration::from_secs(20);

    /// Goes only when it is told to; who waits for it before that, fails.
    struct Slow(Receiver<()>);

    impl Drop for Slow {
        fn drop(&mut self) {
            self.0.recv_timeout(PATIENCE).unwrap();
        }
    }

    #[test]
    fn who_gives_it_away_goes_on_and_who_asked_hears_when_it_is_done() {
        let (allow, allowed): (Sender<()>, _) = bounded(1);
        let (tell, told) = bounded(1);
        drop_aside(Slow(allowed), move || tell.send(()).unwrap());
        // Here already, although it cannot have gone yet.
        assert!(told.is_empty());
        allow.send(()).unwrap();
        told.recv_timeout(PATIENCE).unwrap();
    }
}
