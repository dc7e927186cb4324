//! The program that copies, in the kernel's instructions (RFC 9669).

use core::mem::offset_of;

use super::{COPIES_MAX, Orders};

/// Helpers of the kernel (`linux/bpf.h`).
const GET_SOCKET_COOKIE: i32 = 46;
const CHECK_MTU: i32 = 163;
const CLONE_REDIRECT: i32 = 13;

/// Fields of `struct __sk_buff`.
const FRAME_LEN: usize = 0;
const FRAME_PROTOCOL: usize = 16;

/// `NET_XMIT_CN`.
const CONGESTION: i32 = 2;

/// What the kernel compares with the protocol of a frame with an 802.1Q tag: in the wire's order.
const DOT1Q: i32 = 0x8100_u16.to_be() as i32;

/// `TCX_NEXT`: whatever else stands there, and then the interface, gets the frame.
const PASS: i32 = -1;

/// Registers: 0 what a helper gives, 1 to 5 what it is given, 6 to 9 kept, 10 the end of the stack.
const FRAME: u8 = 6;
const ORDERS: u8 = 7;
const PLACE: u8 = 8;
/// The orders, moved on by the place: an array's element stands where its first would.
const ELEMENT: u8 = 9;
const STACK: u8 = 10;

/// Where a jump may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Label {
    Each,
    Untagged,
    Clone,
    Failed,
    Next,
    End,
}

/// Operations, as many as are used here.
#[derive(Clone, Copy, Debug)]
enum Op {
    /// To a register, another's value or a number.
    Set(u8, u8),
    SetTo(u8, i32),
    Add(u8, u8),
    AddTo(u8, i32),
    ShiftLeft(u8, i32),
    /// To a register, from memory at another register and an offset: 64 or 32 bits.
    Read64(u8, u8, usize),
    Read32(u8, u8, usize),
    /// To memory at a register and an offset, from another register.
    Write64(u8, usize, u8),
    Write32(u8, usize, u8),
    /// To the 32 bits at the end of the stack, from a register.
    Push32(u8),
    /// The address of the only value of a map, to a register.
    ValueOf(u8, libc::c_int),
    Call(i32),
    Exit,
    Mark(Label),
    Go(Label),
    IfIs(u8, i32, Label),
    IfIsNot(u8, i32, Label),
    IfBelowZero(u8, Label),
    IfOther(u8, u8, Label),
    IfAtLeast(u8, u8, Label),
    IfAtLeastThat(u8, i32, Label),
}

/// A frame of another socket passes. Of ours, for each interface of the orders: is the frame too long for it, but for the
/// four octets of an 802.1Q tag, as the kernel asks when a packet socket sends there? If not, clone it there. Failures are
/// noted in the orders behind `map`.
pub(super) fn program(map: libc::c_int) -> Vec<u64> {
    use Op::*;
    let too_long = -libc::EMSGSIZE;
    let most = i32::try_from(COPIES_MAX).expect("64");
    assemble(&[
        Set(FRAME, 1),
        Call(GET_SOCKET_COOKIE),
        ValueOf(ORDERS, map),
        Read64(1, ORDERS, offset_of!(Orders, cookie)),
        IfOther(1, 0, Label::End),
        // Frames that no socket has sent have no cookie, and nor have we when nothing is to be copied.
        IfIs(0, 0, Label::End),
        Read64(1, ORDERS, offset_of!(Orders, seen)),
        AddTo(1, 1),
        Write64(ORDERS, offset_of!(Orders, seen), 1),
        SetTo(PLACE, 0),
        Mark(Label::Each),
        Read64(1, ORDERS, offset_of!(Orders, count)),
        IfAtLeast(PLACE, 1, Label::End),
        IfAtLeastThat(PLACE, most, Label::End),
        Set(ELEMENT, PLACE),
        ShiftLeft(ELEMENT, 2),
        Add(ELEMENT, ORDERS),
        // CHECK_MTU(frame, interface, length of the IP packet: none given, difference, flags)
        SetTo(4, 0),
        Read32(1, FRAME, FRAME_PROTOCOL),
        IfIsNot(1, DOT1Q, Label::Untagged),
        SetTo(4, -4),
        Mark(Label::Untagged),
        SetTo(1, 0),
        Push32(1),
        Set(3, STACK),
        AddTo(3, -4),
        Read32(2, ELEMENT, offset_of!(Orders, indexes)),
        Set(1, FRAME),
        SetTo(5, 0),
        Call(CHECK_MTU),
        IfIs(0, 0, Label::Clone),
        IfBelowZero(0, Label::Failed),
        SetTo(0, too_long),
        Go(Label::Failed),
        // CLONE_REDIRECT(frame, interface, flags: to its egress)
        Mark(Label::Clone),
        Read32(2, ELEMENT, offset_of!(Orders, indexes)),
        Set(1, FRAME),
        SetTo(3, 0),
        Call(CLONE_REDIRECT),
        IfIs(0, 0, Label::Next),
        // Taken, and the queue is filling up: no failure to a socket either.
        IfIs(0, CONGESTION, Label::Next),
        Mark(Label::Failed),
        Write32(ELEMENT, offset_of!(Orders, errors), 0),
        Read32(1, ELEMENT, offset_of!(Orders, failed)),
        AddTo(1, 1),
        Write32(ELEMENT, offset_of!(Orders, failed), 1),
        Read32(1, ELEMENT, offset_of!(Orders, octets)),
        Read32(2, FRAME, FRAME_LEN),
        Add(1, 2),
        Write32(ELEMENT, offset_of!(Orders, octets), 1),
        Mark(Label::Next),
        AddTo(PLACE, 1),
        Go(Label::Each),
        Mark(Label::End),
        SetTo(0, PASS),
        Exit,
    ])
}

/// Instructions of 64 bits, jumps resolved.
fn assemble(ops: &[Op]) -> Vec<u64> {
    let mut code = Vec::new();
    let mut marks = Vec::new();
    let mut jumps = Vec::new();
    for op in ops {
        if let Op::Mark(label) = op {
            marks.push((*label, code.len()));
        }
        if let Some(label) = op.jumps_to() {
            jumps.push((code.len(), label));
        }
        op.encode(&mut code);
    }
    for (from, to) in jumps {
        let mark = marks.iter().find(|(label, _)| *label == to);
        let at = mark.expect("every label is marked").1;
        // Counted from the instruction behind the jump.
        let distance = at.cast_signed() - from.cast_signed() - 1;
        let distance = i16::try_from(distance).expect("a short program");
        code[from] |= u64::from(distance.cast_unsigned()) << 16;
    }
    code
}

impl Op {
    fn jumps_to(self) -> Option<Label> {
        match self {
            Self::Go(label)
            | Self::IfIs(_, _, label)
            | Self::IfIsNot(_, _, label)
            | Self::IfBelowZero(_, label)
            | Self::IfOther(_, _, label)
            | Self::IfAtLeast(_, _, label)
            | Self::IfAtLeastThat(_, _, label) => Some(label),
            Self::Set(..)
            | Self::SetTo(..)
            | Self::Add(..)
            | Self::AddTo(..)
            | Self::ShiftLeft(..)
            | Self::Read64(..)
            | Self::Read32(..)
            | Self::Write64(..)
            | Self::Write32(..)
            | Self::Push32(_)
            | Self::ValueOf(..)
            | Self::Call(_)
            | Self::Exit
            | Self::Mark(_) => None,
        }
    }

    /// RFC 9669, 3: code, registers (to and from), offset, number.
    fn encode(self, code: &mut Vec<u64>) {
        let offset = |octets: usize| i16::try_from(octets).expect("within the orders");
        let (op, to, from, offset, number) = match self {
            Self::Set(to, from) => (0xbf, to, from, 0, 0),
            Self::SetTo(to, number) => (0xb7, to, 0, 0, number),
            Self::Add(to, from) => (0x0f, to, from, 0, 0),
            Self::AddTo(to, number) => (0x07, to, 0, 0, number),
            Self::ShiftLeft(to, number) => (0x67, to, 0, 0, number),
            Self::Read64(to, from, at) => (0x79, to, from, offset(at), 0),
            Self::Read32(to, from, at) => (0x61, to, from, offset(at), 0),
            Self::Write64(to, at, from) => (0x7b, to, from, offset(at), 0),
            Self::Write32(to, at, from) => (0x63, to, from, offset(at), 0),
            Self::Push32(from) => (0x63, STACK, from, -4, 0),
            // Two instructions; the number of the second is an offset into the value.
            Self::ValueOf(to, map) => (0x18, to, 2, 0, map),
            Self::Call(helper) => (0x85, 0, 0, 0, helper),
            Self::Exit => (0x95, 0, 0, 0, 0),
            Self::Mark(_) => return,
            Self::Go(_) => (0x05, 0, 0, 0, 0),
            Self::IfIs(register, number, _) => (0x15, register, 0, 0, number),
            Self::IfIsNot(register, number, _) => (0x55, register, 0, 0, number),
            Self::IfBelowZero(register, _) => (0xc5, register, 0, 0, 0),
            Self::IfOther(one, other, _) => (0x5d, one, other, 0, 0),
            Self::IfAtLeast(one, other, _) => (0x3d, one, other, 0, 0),
            Self::IfAtLeastThat(register, number, _) => (0x35, register, 0, 0, number),
        };
        code.push(instruction(op, (to, from), offset, number));
        if matches!(self, Self::ValueOf(..)) {
            code.push(0);
        }
    }
}

/// The layout is the machine's own; jumps are put in by shifting, which is right for little-endian ones.
fn instruction(op: u8, (to, from): (u8, u8), offset: i16, number: i32) -> u64 {
    u64::from(op)
        | u64::from(from << 4 | to) << 8
        | u64::from(offset.cast_unsigned()) << 16
        | u64::from(number.cast_unsigned()) << 32
}
