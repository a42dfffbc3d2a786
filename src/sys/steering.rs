//! Programs that choose the listener of a new connection: the one whose worker has the fewest, or
//! each in its turn. Knows neither workers nor what a connection carries.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::bpf::{Instruction, Operation, Program, Register, SocketArray, Words};
use crate::limits::WORKERS_MAX;

/// How a listener is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The one with the fewest connections; among equals, each in its turn.
    Fewest,
    /// Each in its turn, whatever it has.
    InTurns,
}

/// What programs of one server share, and how they choose.
#[derive(Debug)]
pub struct Steering {
    choice: Choice,
    words: Arc<Words>,
    listeners: u32,
}

// Words of the memory that programs and workers share. The first line is the programs' own: whose
// turn it is. Then each listener has two lines: a program alone writes how many connections it has
// placed there, the listener's worker alone how many of them are over.
const LINE_WORDS: usize = 16;
const CELL_WORDS: usize = 2 * LINE_WORDS;
const LINE_BYTES: i16 = 64;
const CELL_BYTES_LOG: i32 = 7;
const _: () = assert!(LINE_WORDS * size_of::<u32>() == LINE_BYTES as usize);
const _: () = assert!(2 * LINE_BYTES as usize == 1 << CELL_BYTES_LOG);

fn placed_word(index: usize) -> usize {
    LINE_WORDS + index * CELL_WORDS
}

fn over_word(index: usize) -> usize {
    placed_word(index) + LINE_WORDS
}

/// Bits of the place in the row of equals. A key is the load above those bits, so that the least
/// key is the least load whose turn comes first.
const TURN_BITS: i32 = 10;
const TURN_MASK: i32 = (1 << TURN_BITS) - 1;
const KEY_BITS: i32 = TURN_BITS + u32::BITS.cast_signed();
const _: () = assert!(WORKERS_MAX <= 1 << TURN_BITS && KEY_BITS < 63);

/// The register of the stack's end.
const STACK: Register = 10;

/// The function `sk_select_reuseport` of the kernel.
const SELECT: i32 = 82;

/// The verdict `SK_PASS`: the listener that was selected, or the kernel's own choice if none was.
const PASS: i32 = 1;

impl Steering {
    /// For so many listeners at each address.
    ///
    /// # Errors
    /// What the kernel names when it refuses such a program: `PermissionDenied` without `CAP_BPF`,
    /// `InvalidInput` if it is too old.
    pub fn new(choice: Choice, listeners: usize) -> io::Result<Steering> {
        // A line more than is used: the pointer of the program ends there, and must not leave it.
        let words = Arc::new(Words::new(over_word(listeners))?);
        let listeners = u32::try_from(listeners).map_err(|_| io::ErrorKind::InvalidInput)?;
        let steering = Steering { choice, words, listeners };
        // So that what the kernel refuses is known before there is a listener.
        steering.load(&SocketArray::new(listeners)?)?;
        Ok(steering)
    }

    /// The place where the worker of listener number `index` tells which of its connections are
    /// over; at every address it is the same.
    ///
    /// # Panics
    /// If there are not so many listeners.
    pub fn cell(&self, index: usize) -> LoadCell {
        assert!(index < self.listeners as usize, "listener {index} of {}", self.listeners);
        LoadCell { words: Arc::clone(&self.words), index }
    }

    /// Steers the connections of one address from now on, whoever steered them before. `listeners`
    /// are those that listen there, in the order of their numbers; others that do get none.
    ///
    /// # Errors
    /// What the kernel names; none is expected of a group of listeners.
    pub fn steer(&self, listeners: &[BorrowedFd<'_>]) -> io::Result<()> {
        listeners.first().map_or(Ok(()), |first| Steering::end(*first))?;
        let sockets = SocketArray::new(self.listeners)?;
        for (index, listener) in (0..).zip(listeners) {
            patiently(|| sockets.set(index, *listener))?;
        }
        let program = self.load(&sockets)?;
        listeners.first().map_or(Ok(()), |first| program.attach(*first))
    }

    /// Leaves the connections of one address to the kernel's hash, whoever steered them before:
    /// a program outlives the process that it was loaded by.
    ///
    /// # Errors
    /// What the kernel names; none is expected.
    pub fn end(listener: BorrowedFd<'_>) -> io::Result<()> {
        match Program::detach(listener) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            detached => detached,
        }
    }

    fn load(&self, sockets: &SocketArray) -> io::Result<Program> {
        Program::load(&match self.choice {
            Choice::Fewest => self.fewest(sockets),
            Choice::InTurns => self.in_turns(sockets),
        })
    }

    /// Straight through all listeners: fourteen instructions each and no jump. So the kernel's
    /// verifier has one way to look at, however many there are, and on it the choice is no
    /// constant, which it would want `CAP_PERFMON` for.
    fn fewest(&self, sockets: &SocketArray) -> Vec<Instruction> {
        const CONTEXT: Register = 6;
        const SHARED: Register = 7;
        const LEAST: Register = 8;
        const FIRST: Register = 9;
        const TURN: Register = 3;
        let mut code = vec![Instruction::with(Operation::Move, CONTEXT, 1)];
        code.extend(Instruction::words(SHARED, &self.words));
        code.extend([
            // Whose turn it is among equals; a stale one does no harm.
            Instruction::load(FIRST, SHARED, 0),
            Instruction::with_value(Operation::Move, TURN, 0),
            Instruction::with(Operation::Subtract32, TURN, FIRST),
            // More than any key.
            Instruction::with_value(Operation::Move, LEAST, 1),
            Instruction::with_value(Operation::ShiftLeft, LEAST, KEY_BITS),
        ]);
        // A pointer that goes on by one cell: offsets in an instruction have 16 bits.
        code.extend([
            Instruction::with(Operation::Move, 4, SHARED),
            Instruction::with_value(Operation::Add, 4, LINE_BYTES.into()),
        ]);
        (0..self.listeners).for_each(|_| code.extend(compare(4, TURN, LEAST)));
        let count = [
            Instruction::with_value(Operation::ShiftLeft, LEAST, CELL_BYTES_LOG),
            Instruction::with(Operation::Add, SHARED, LEAST),
            Instruction::with_value(Operation::Move, 1, 1),
            Instruction::add_atomic(SHARED, LINE_BYTES, 1),
        ];
        let next = [
            Instruction::with(Operation::Move, 2, LEAST),
            Instruction::with_value(Operation::Add, 2, 1),
            Instruction::store(SHARED, 0, 2),
        ];
        let select = select(CONTEXT, LEAST, sockets);
        code.extend([
            Instruction::with(Operation::Add, LEAST, FIRST),
            Instruction::with_value(Operation::And, LEAST, TURN_MASK),
            // It is one of them: the verifier wants to be told.
            Instruction::skip_if_at_least(
                LEAST,
                self.listeners.cast_signed(),
                skipped(next.len() + select.len() + 1 + count.len()),
            ),
        ]);
        code.extend(next);
        code.extend(select);
        // A listener that has closed was not selected.
        code.push(Instruction::skip_unless(0, 0, skipped(count.len())));
        code.extend(count);
        code.extend(pass());
        code
    }

    fn in_turns(&self, sockets: &SocketArray) -> Vec<Instruction> {
        const CONTEXT: Register = 6;
        const CHOSEN: Register = 8;
        let mut code = vec![Instruction::with(Operation::Move, CONTEXT, 1)];
        code.extend(Instruction::words(2, &self.words));
        code.extend([
            Instruction::with_value(Operation::Move, CHOSEN, 1),
            Instruction::fetch_add_atomic(2, 0, CHOSEN),
            Instruction::with_value(Operation::Modulo, CHOSEN, self.listeners.cast_signed()),
        ]);
        code.extend(select(CONTEXT, CHOSEN, sockets));
        code.extend(pass());
        code
    }
}

/// Repeats a call while a program that was just ended still holds what it needs: the kernel lets go
/// of it a little later.
fn patiently(call: impl Fn() -> io::Result<()>) -> io::Result<()> {
    const TRIES: u32 = 1_000;
    for _ in 1..TRIES {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                std::thread::sleep(Duration::from_millis(1));
            }
            result => return result,
        }
    }
    call()
}

/// Makes `least` the lesser of it and the key of the listener whose cell is at `cell`, and goes on
/// to the next one.
fn compare(cell: Register, turn: Register, least: Register) -> [Instruction; 14] {
    [
        Instruction::load(1, cell, 0),
        Instruction::load(2, cell, LINE_BYTES),
        Instruction::with_value(Operation::Add, cell, 1 << CELL_BYTES_LOG),
        Instruction::with(Operation::Subtract32, 1, 2),
        Instruction::with_value(Operation::ShiftLeft, 1, TURN_BITS),
        Instruction::with(Operation::Move, 2, turn),
        Instruction::with_value(Operation::And, 2, TURN_MASK),
        Instruction::with(Operation::Or, 1, 2),
        Instruction::with_value(Operation::Add, turn, 1),
        // The lesser of both without a jump: their difference, if it is negative.
        Instruction::with(Operation::Subtract, 1, least),
        Instruction::with(Operation::Move, 2, 1),
        Instruction::with_value(Operation::ShiftRightSigned, 2, u64::BITS.cast_signed() - 1),
        Instruction::with(Operation::And, 1, 2),
        Instruction::with(Operation::Add, least, 1),
    ]
}

/// Selects listener number `chosen`; register 0 is then zero, or an error.
fn select(context: Register, chosen: Register, sockets: &SocketArray) -> [Instruction; 8] {
    let [first, second] = Instruction::map(2, sockets);
    [
        Instruction::store(STACK, -4, chosen),
        Instruction::with(Operation::Move, 1, context),
        first,
        second,
        Instruction::with(Operation::Move, 3, STACK),
        Instruction::with_value(Operation::Add, 3, -4),
        Instruction::with_value(Operation::Move, 4, 0),
        Instruction::call(SELECT),
    ]
}

/// So many instructions, as a jump counts them.
fn skipped(instructions: usize) -> i16 {
    i16::try_from(instructions).unwrap_or(i16::MAX)
}

fn pass() -> [Instruction; 2] {
    [Instruction::with_value(Operation::Move, 0, PASS), Instruction::exit()]
}

/// Where a worker tells which of the connections that were placed with it are over.
#[derive(Debug)]
pub struct LoadCell {
    words: Arc<Words>,
    index: usize,
}

impl LoadCell {
    /// How many connections were placed here; wraps. Some of them may never come: their handshake
    /// was not completed, or they were no connections at all.
    #[inline]
    pub fn placed(&self) -> u32 {
        // A count of its own, ordered with nothing else.
        self.words.word(placed_word(self.index)).load(Ordering::Relaxed)
    }

    /// Notes that so many of those are over; wraps. The difference is the load: whoever has the
    /// least is chosen, so it must not be more than were placed.
    #[inline]
    pub fn set_over(&self, over: u32) {
        self.words.word(over_word(self.index)).store(over, Ordering::Relaxed);
    }

    /// Makes the load here the largest there is: nobody is to be placed here any more.
    pub fn leave(&self) {
        self.set_over(self.placed().wrapping_add(1));
    }
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpStream};
    use std::os::fd::AsFd;

    use super::super::listener::Listener;
    use super::super::stream::Stream;
    use super::*;

    const LISTENERS: usize = 5;

    /// Steered listeners of an address; `None` where the kernel lets only others do that.
    fn steered(choice: Choice, address: &str) -> Option<(Steering, Vec<Listener>)> {
        let steering = match Steering::new(choice, LISTENERS) {
            Ok(steering) => steering,
            Err(error) => {
                println!("skipped: no eBPF here: {error}");
                return None;
            }
        };
        let address: SocketAddr = address.parse().unwrap();
        let group = Listener::group(address, LISTENERS, 128).unwrap();
        let listeners: Vec<_> = group.iter().map(AsFd::as_fd).collect();
        steering.steer(&listeners).unwrap();
        Some((steering, group))
    }

    fn connect(group: &[Listener], count: usize) -> Vec<TcpStream> {
        (0..count).map(|_| TcpStream::connect(group[0].address()).unwrap()).collect()
    }

    /// How many connections wait at each listener; they end.
    fn taken(group: &[Listener]) -> Vec<usize> {
        let count = |l: &Listener| std::iter::from_fn(|| Stream::accept(l.as_fd()).ok()).count();
        group.iter().map(count).collect()
    }

    #[test]
    fn connections_that_nobody_has_accepted_yet_count() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Some((_steering, group)) = steered(Choice::Fewest, address) else { return };
            let _peers = connect(&group, 4 * LISTENERS);
            assert_eq!(taken(&group), [4; LISTENERS], "{address}");
        }
    }

    #[test]
    fn who_has_the_fewest_is_chosen_and_equals_take_turns() {
        let Some((steering, group)) = steered(Choice::Fewest, "127.0.0.1:0") else { return };
        let _peers = connect(&group, 2 * LISTENERS);
        taken(&group);
        let cell = steering.cell(3);
        assert_eq!(cell.placed(), 2);
        cell.set_over(2);
        let _more = connect(&group, 2);
        assert_eq!(taken(&group), [0, 0, 0, 2, 0]);
        // All over: nobody is left out when each connection ends before the next begins.
        let mut turns = [0; LISTENERS];
        for _ in 0..3 * LISTENERS {
            (0..LISTENERS).for_each(|i| steering.cell(i).set_over(steering.cell(i).placed()));
            let _peer = connect(&group, 1);
            turns.iter_mut().zip(taken(&group)).for_each(|(turn, taken)| *turn += taken);
        }
        assert_eq!(turns, [3; LISTENERS]);
    }

    #[test]
    fn who_steers_last_steers_and_others_that_listen_get_none() {
        let Some((_first, group)) = steered(Choice::InTurns, "127.0.0.1:0") else { return };
        let few = Steering::new(Choice::Fewest, 2).unwrap();
        few.steer(&[group[1].as_fd(), group[3].as_fd()]).unwrap();
        let _peers = connect(&group, 6);
        assert_eq!(taken(&group), [0, 3, 0, 3, 0]);
        Steering::end(group[0].as_fd()).unwrap();
        Steering::end(group[0].as_fd()).unwrap();
    }

    #[test]
    fn counts_may_wrap() {
        let Some((steering, group)) = steered(Choice::Fewest, "127.0.0.1:0") else { return };
        for index in 0..LISTENERS {
            let over = steering.words.word(placed_word(index));
            over.store(u32::MAX - 1, Ordering::Relaxed);
            steering.cell(index).set_over(u32::MAX - 1);
        }
        let _peers = connect(&group, 4 * LISTENERS);
        assert_eq!(taken(&group), [4; LISTENERS]);
    }

    #[test]
    fn without_counting_each_listener_has_its_turn() {
        let Some((_steering, group)) = steered(Choice::InTurns, "[::1]:0") else { return };
        let _peers = connect(&group, 3 * LISTENERS);
        assert_eq!(taken(&group), [3; LISTENERS]);
    }

    #[test]
    fn what_waits_at_a_listener_that_closes_goes_to_the_others() {
        let Some((steering, mut group)) = steered(Choice::Fewest, "127.0.0.1:0") else { return };
        let _peers = connect(&group, 4 * LISTENERS);
        steering.cell(1).leave();
        group.remove(1);
        let _more = connect(&group, 4);
        assert_eq!(taken(&group), [6; LISTENERS - 1]);
    }

    #[test]
    fn the_kernel_takes_a_program_for_as_many_listeners_as_there_may_be() {
        for choice in [Choice::Fewest, Choice::InTurns] {
            if let Err(error) = Steering::new(choice, WORKERS_MAX) {
                assert!(Steering::new(choice, 2).is_err(), "too long: {error}");
                println!("skipped: no eBPF here: {error}");
            }
        }
    }
}
