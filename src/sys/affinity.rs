//! The processors a thread may run on, kept to be given to another thread: one that a pinned
//! thread starts is pinned like it. Knows not what the threads do.

#![allow(unsafe_code)] // sched_getaffinity and sched_setaffinity are foreign functions.

use std::fmt;
use std::io;

use super::syscall::check;

/// An affinity mask.
#[derive(Clone, Copy)]
pub struct Affinity(libc::cpu_set_t);

impl Affinity {
    /// The mask of the calling thread.
    ///
    /// # Errors
    /// `InvalidInput` on a machine with more processors than the mask has bits.
    pub fn of_this_thread() -> io::Result<Affinity> {
        // SAFETY: a `cpu_set_t` is plain integers, for which zero is a value.
        let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
        // SAFETY: the kernel writes at most the bytes announced; 0 is the calling thread.
        check(unsafe { libc::sched_getaffinity(0, size_of_val(&set), &raw mut set) })?;
        Ok(Affinity(set))
    }

    /// Gives the calling thread this mask.
    ///
    /// # Errors
    /// `InvalidInput` if none of its processors may be used any more.
    pub fn give_to_this_thread(&self) -> io::Result<()> {
        // SAFETY: the kernel reads the bytes announced; 0 is the calling thread.
        check(unsafe { libc::sched_setaffinity(0, size_of_val(&self.0), &raw const self.0) })?;
        Ok(())
    }
}

impl PartialEq for Affinity {
    fn eq(&self, other: &Affinity) -> bool {
        // SAFETY: both sets are initialised and only read.
        unsafe { libc::CPU_EQUAL(&self.0, &other.0) }
    }
}

impl Eq for Affinity {}

impl fmt::Debug for Affinity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SAFETY: the set is initialised and only read.
        let count = unsafe { libc::CPU_COUNT(&self.0) };
        write!(f, "Affinity({count} CPUs)")
    }
}

#[cfg(test)]
mod tests {
    use super::super::cpu::{pin_current_thread, worker_cpus};
    use super::*;

    #[test]
    fn a_pinned_thread_is_given_the_whole_mask_again() {
        // On a thread of its own, for the harness may run the next test on this one.
        std::thread::spawn(|| {
            let whole = Affinity::of_this_thread().unwrap();
            let cpus = worker_cpus().cpus;
            assert!(pin_current_thread(cpus[0]));
            assert_eq!(Affinity::of_this_thread().unwrap() == whole, cpus.len() == 1);
            whole.give_to_this_thread().unwrap();
            assert_eq!(Affinity::of_this_thread().unwrap(), whole);
            assert_eq!(worker_cpus().cpus, cpus);
        })
        .join()
        .unwrap();
    }
}
