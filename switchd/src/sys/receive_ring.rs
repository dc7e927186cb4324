//! Frames in memory that the kernel shares with us: the receive ring of a packet socket (`packet(7)`,
//! `PACKET_RX_RING`, `TPACKET_V2`).
//!
//! A slot holds a frame of usual length. Of a longer one it holds the beginning, and the whole waits in the
//! socket's queue, if there was room (`PACKET_COPY_THRESH`). Slots are taken in order, copied out of, and given
//! back at once: nobody holds on to shared memory.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::mmsg::{Arrival, tag_of};
use super::packet::set_option;

/// Octets of a slot: the kernel's description, a virtio-net header, and a frame of at most 1652 octets. An odd number of
/// cache lines, so that the beginnings of all slots do not meet in the same set of the cache.
const SLOT_LEN: usize = 27 * 64;

/// Octets that the kernel allocates as one piece; pages have at most as many.
const BLOCK_LEN: usize = 64 << 10;

/// Blocks of a ring.
const BLOCKS: usize = 64;

/// What is left over of a block is not used.
const SLOTS_PER_BLOCK: usize = BLOCK_LEN / SLOT_LEN;

/// Frames that wait in a ring, at most.
pub(crate) const SLOTS: usize = BLOCKS * SLOTS_PER_BLOCK;

/// A receive ring.
#[derive(Debug)]
pub(crate) struct ReceiveRing {
    memory: NonNull<u8>,
    /// Slots taken so far. Who holds it owns the slots that the kernel has filled.
    taken: Mutex<u64>,
}

// SAFETY: the memory is mapped for as long as the ring lives, from no thread in particular, and is touched only
// by who holds the lock of `taken`, but for statuses, which are atomic.
unsafe impl Send for ReceiveRing {}
// SAFETY: as above.
unsafe impl Sync for ReceiveRing {}

/// Takes frames out of a ring, one at a time.
#[derive(Debug)]
pub(crate) struct Taker<'r> {
    ring: &'r ReceiveRing,
    taken: MutexGuard<'r, u64>,
    is_losing: bool,
}

/// What a slot held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    /// A frame and its header, copied to the place given.
    Frame(Arrival),
    /// The beginning of a frame of so many octets, as the kernel says, that waits whole in the socket's queue, next in turn.
    Queued(usize),
    /// The beginning of a frame for which the queue had no room.
    Cut,
    /// No frame: lengths that point out of the slot.
    Malformed,
}

impl ReceiveRing {
    /// Gives `socket`, which is not bound yet and has all its other options, a ring.
    ///
    /// # Errors
    /// `ENOMEM`; `EINVAL` or `ENOPROTOOPT` if the kernel knows no such ring. The socket may receive without one then.
    pub(crate) fn new(socket: BorrowedFd<'_>) -> io::Result<Self> {
        let whole_when_longer: libc::c_int = 1;
        let request = libc::tpacket_req {
            tp_block_size: unsigned(BLOCK_LEN),
            tp_block_nr: unsigned(BLOCKS),
            tp_frame_size: unsigned(SLOT_LEN),
            tp_frame_nr: unsigned(SLOTS),
        };
        let nothing = libc::tpacket_req {
            tp_block_size: 0,
            tp_block_nr: 0,
            tp_frame_size: 0,
            tp_frame_nr: 0,
        };
        let version = libc::tpacket_versions::TPACKET_V2 as libc::c_int;
        set_option(socket, libc::SOL_PACKET, libc::PACKET_VERSION, &version)?;
        set_option(
            socket,
            libc::SOL_PACKET,
            libc::PACKET_COPY_THRESH,
            &whole_when_longer,
        )?;
        set_option(socket, libc::SOL_PACKET, libc::PACKET_RX_RING, &request)?;
        Self::map(libc::MAP_SHARED, socket.as_raw_fd()).inspect_err(|_| {
            let _ = set_option(socket, libc::SOL_PACKET, libc::PACKET_RX_RING, &nothing);
        })
    }

    fn map(flags: libc::c_int, descriptor: libc::c_int) -> io::Result<Self> {
        // SAFETY: a new mapping, at an address of the kernel's choice.
        let memory = unsafe {
            libc::mmap(
                ptr::null_mut(),
                BLOCKS * BLOCK_LEN,
                libc::PROT_READ | libc::PROT_WRITE,
                flags,
                descriptor,
                0,
            )
        };
        if memory == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Self {
            memory: NonNull::new(memory.cast()).ok_or(io::ErrorKind::OutOfMemory)?,
            taken: Mutex::new(0),
        })
    }

    /// From here on the caller takes frames, and nobody else does.
    pub(crate) fn taker(&self) -> Taker<'_> {
        Taker {
            ring: self,
            taken: self.taken.lock().unwrap_or_else(PoisonError::into_inner),
            is_losing: false,
        }
    }

    fn slot(&self, number: u64) -> NonNull<u8> {
        let index = usize::try_from(number % SLOTS as u64).expect("less than SLOTS");
        let at = index / SLOTS_PER_BLOCK * BLOCK_LEN + index % SLOTS_PER_BLOCK * SLOT_LEN;
        // SAFETY: a slot ends within its block, and the mapping has BLOCKS of them.
        unsafe { self.memory.add(at) }
    }

    /// The status of a slot, by which kernel and reader hand it to each other.
    fn status(&self, number: u64) -> &AtomicU32 {
        // SAFETY: a slot begins with its status, aligned to 64 octets, and is mapped as long as `self` lives; the
        // kernel and we touch it only as a whole.
        unsafe { AtomicU32::from_ptr(self.slot(number).as_ptr().cast()) }
    }
}

impl Drop for ReceiveRing {
    fn drop(&mut self) {
        // SAFETY: mapped by `map` with this length; takers borrow `self`, so none is left.
        unsafe { libc::munmap(self.memory.as_ptr().cast(), BLOCKS * BLOCK_LEN) };
    }
}

impl Taker<'_> {
    /// Takes the next frame, if there is one; `place` gets `header_len` octets of virtio-net header, and the frame.
    pub(crate) fn take(&mut self, place: &mut [u8], header_len: usize) -> Option<Slot> {
        let number = *self.taken;
        // Acquire: what the kernel has written into the slot before it said so.
        let status = self.ring.status(number).load(Ordering::Acquire);
        if status & libc::TP_STATUS_USER == 0 {
            return None;
        }
        self.is_losing |= status & libc::TP_STATUS_LOSING != 0;
        // SAFETY: the slot is SLOT_LEN octets, initialised (mapped memory), and ours: the kernel has handed it over, and
        // no other taker is there, since this one holds the lock. It is lent until it is given back below.
        let octets =
            unsafe { std::slice::from_raw_parts(self.ring.slot(number).as_ptr(), SLOT_LEN) };
        let slot = read(status, octets, place, header_len);
        // Release: the kernel may write only after we have read.
        self.ring
            .status(number)
            .store(libc::TP_STATUS_KERNEL, Ordering::Release);
        *self.taken = number.wrapping_add(1);
        Some(slot)
    }

    /// Slots taken so far, by all takers.
    pub(crate) fn taken(&self) -> u64 {
        *self.taken
    }

    /// Whether the kernel has nothing for us.
    pub(crate) fn is_empty(&self) -> bool {
        let status = self.ring.status(*self.taken).load(Ordering::Acquire);
        status & libc::TP_STATUS_USER == 0
    }

    /// Whether the kernel says that it has dropped frames since it was last asked how many.
    pub(crate) fn is_losing(&self) -> bool {
        self.is_losing
    }
}

/// Reads a slot. Total: whatever stands in it.
fn read(status: u32, slot: &[u8], place: &mut [u8], header_len: usize) -> Slot {
    let Some(header) = slot.first_chunk::<{ size_of::<libc::tpacket2_hdr>() }>() else {
        return Slot::Malformed;
    };
    // SAFETY: as many octets as the type has, and any octets are a value of it; the read need not be aligned.
    let header: libc::tpacket2_hdr = unsafe { ptr::read_unaligned(header.as_ptr().cast()) };
    let len = usize::try_from(header.tp_len).unwrap_or(usize::MAX);
    if status & libc::TP_STATUS_COPY != 0 {
        return Slot::Queued(len);
    }
    if header.tp_snaplen != header.tp_len {
        return Slot::Cut;
    }
    let described = usize::from(header.tp_mac)
        .checked_sub(header_len)
        .filter(|&at| at >= size_of::<libc::tpacket2_hdr>())
        .and_then(|at| slot.get(at..)?.get(..len.checked_add(header_len)?));
    let Some((octets, place)) =
        described.and_then(|octets| Some((octets, place.get_mut(..octets.len())?)))
    else {
        return Slot::Malformed;
    };
    place.copy_from_slice(octets);
    Slot::Frame(Arrival {
        len: octets.len(),
        tag: tag_of(status, header.tp_vlan_tpid, header.tp_vlan_tci),
    })
}

fn unsigned(number: usize) -> libc::c_uint {
    libc::c_uint::try_from(number).expect("a small constant")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEADER_LEN: usize = 10;
    /// Where the kernel puts a frame that has a virtio-net header.
    const MAC: u16 = 76;

    fn ring() -> ReceiveRing {
        ReceiveRing::map(libc::MAP_SHARED | libc::MAP_ANONYMOUS, -1).unwrap()
    }

    fn described(len: u32, snaplen: u32, mac: u16) -> libc::tpacket2_hdr {
        libc::tpacket2_hdr {
            tp_status: 0,
            tp_len: len,
            tp_snaplen: snaplen,
            tp_mac: mac,
            tp_net: 0,
            tp_sec: 0,
            tp_nsec: 0,
            tp_vlan_tci: 10,
            tp_vlan_tpid: 0x88a8,
            tp_padding: [0; 4],
        }
    }

    /// What the kernel does to hand over slot `number`.
    fn fill(
        ring: &ReceiveRing,
        number: u64,
        status: u32,
        header: libc::tpacket2_hdr,
        frame: &[u8],
    ) {
        let slot = ring.slot(number).as_ptr();
        // SAFETY: within the slot, which is the test's own.
        unsafe {
            slot.cast::<libc::tpacket2_hdr>().write(header);
            let at = slot.add(usize::from(MAC) - HEADER_LEN);
            ptr::copy_nonoverlapping(frame.as_ptr(), at, frame.len());
        }
        ring.status(number).store(status, Ordering::Release);
    }

    #[test]
    fn frames_come_in_order_and_slots_go_back_round_and_round() {
        let (ring, mut place) = (ring(), [0; 4096]);
        let user = libc::TP_STATUS_USER;
        for number in 0..3 * SLOTS as u64 {
            assert!(ring.taker().is_empty());
            let frame: Vec<u8> = (0..70).map(|at| number.to_le_bytes()[0] ^ at).collect();
            fill(&ring, number, user, described(60, 60, MAC), &frame);
            let mut taker = ring.taker();
            assert!(!taker.is_empty());
            let wanted = Slot::Frame(Arrival { len: 70, tag: None });
            assert_eq!(taker.take(&mut place, HEADER_LEN), Some(wanted));
            assert_eq!(place[..70], frame);
            assert_eq!(taker.take(&mut place, HEADER_LEN), None);
            assert_eq!(taker.taken(), number + 1);
        }
    }

    #[test]
    fn what_the_status_says_is_heard() {
        let (ring, mut place) = (ring(), [0; 4096]);
        let user = libc::TP_STATUS_USER;
        let tagged = user | libc::TP_STATUS_VLAN_VALID | libc::TP_STATUS_VLAN_TPID_VALID;
        fill(&ring, 0, tagged, described(60, 60, MAC), &[1; 70]);
        let (copied, losing) = (libc::TP_STATUS_COPY, libc::TP_STATUS_LOSING);
        fill(&ring, 1, user | copied, described(64_000, 1652, MAC), &[]);
        fill(&ring, 2, user | losing, described(64_000, 1652, MAC), &[]);
        let mut taker = ring.taker();
        let tag = Some([0x88, 0xa8, 0, 10]);
        let mut take = || (taker.take(&mut place, HEADER_LEN), taker.is_losing());
        assert_eq!(take(), (Some(Slot::Frame(Arrival { len: 70, tag })), false));
        assert_eq!(take(), (Some(Slot::Queued(64_000)), false));
        assert_eq!(take(), (Some(Slot::Cut), true));
    }

    #[test]
    fn lengths_that_lie_are_no_frame() {
        let fits = u32::try_from(SLOT_LEN).unwrap() - u32::from(MAC);
        let (ring, mut place) = (ring(), [0; SLOT_LEN]);
        for (len, mac, is_frame) in [
            (fits, MAC, true),
            (fits + 1, MAC, false),
            (u32::MAX, MAC, false),
            (60, u16::MAX, false),
            (0, 0, false),
            (60, 41, false),
            (60, 42, true),
        ] {
            let mut taker = ring.taker();
            let number = taker.taken();
            fill(
                &ring,
                number,
                libc::TP_STATUS_USER,
                described(len, len, mac),
                &[],
            );
            let slot = taker.take(&mut place, HEADER_LEN).unwrap();
            assert_eq!(slot != Slot::Malformed, is_frame, "{len} octets at {mac}");
        }
    }

    proptest! {
        #[test]
        fn a_slot_of_any_octets_is_read(
            status: u32,
            slot in proptest::collection::vec(any::<u8>(), 0..200),
            room in 0_usize..100,
        ) {
            let mut place = vec![0; room];
            if let Slot::Frame(arrival) = read(status, &slot, &mut place, HEADER_LEN) {
                prop_assert!(arrival.len <= room && arrival.len + 32 <= slot.len());
            }
        }
    }
}
