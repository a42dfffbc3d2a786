//! A bounded pool of threads for work that would block a worker.
//! Knows nothing of what the work is, nor of who waits for it.

use std::cell::Cell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::api::{Blocking, Job, panic_message};
use crate::limits::{BLOCKING_END_MS, BLOCKING_IDLE_MS};
use crate::sys::Affinity;

/// How long a thread without work stays.
const IDLE_TIME: Duration = Duration::from_millis(BLOCKING_IDLE_MS);

/// How long the end of the pool waits for the jobs that run.
const END_TIME: Duration = Duration::from_millis(BLOCKING_END_MS);

/// Threads that are started when there is work for them, and end when there was none for 10 s.
///
/// Dropping the pool ends it, as [`BlockingPool::end`] does.
#[derive(Debug)]
pub struct BlockingPool(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    threads_max: usize,
    queue_max: usize,
    /// The mask of the thread that made the pool. `submit` is called by pinned workers, and a
    /// thread begins with the mask of the one that starts it.
    affinity: Option<Affinity>,
    state: Mutex<State>,
    /// A job came, or the end.
    work: Condvar,
    /// A thread ended.
    left: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    threads: usize,
    /// Threads without a job, those that are about to start included.
    idle: usize,
    /// Threads ever started: the number in the next one's name.
    started: usize,
    is_closed: bool,
}

impl BlockingPool {
    /// A pool of at most `threads_max` threads on which, while all of them are busy, at most
    /// `queue_max` jobs wait. With no threads every job is given back.
    ///
    /// The threads run on the CPUs of the thread that makes the pool.
    pub fn new(threads_max: usize, queue_max: usize) -> BlockingPool {
        BlockingPool(Arc::new(Shared {
            threads_max,
            queue_max,
            // Where the mask cannot be read, threads run where they are started.
            affinity: Affinity::of_this_thread().ok(),
            state: Mutex::default(),
            work: Condvar::new(),
            left: Condvar::new(),
        }))
    }
}

impl BlockingPool {
    /// Takes no more jobs and drops those that wait. Those that run may finish, and this waits a
    /// second for them and no longer: a job that never returns is left behind, with its thread,
    /// and ends with the process.
    pub fn end(&self) {
        let shared = &self.0;
        let mut state = shared.lock();
        if std::mem::replace(&mut state.is_closed, true) {
            return;
        }
        let queued = std::mem::take(&mut state.queue);
        drop(state);
        shared.work.notify_all();
        // Outside the lock: what a job owns may do anything when it is dropped.
        drop(queued);
        if IS_OF_A_POOL.get() {
            // A job owned the last of the pool, and its thread would wait for itself.
            return;
        }
        let has_threads = |state: &mut State| state.threads > 0;
        let (state, _) = shared
            .left
            .wait_timeout_while(shared.lock(), END_TIME, has_threads)
            .unwrap_or_else(PoisonError::into_inner);
        if state.threads > 0 {
            let jobs = state.threads;
            log::warn!(
                event = "jobs_left_behind", jobs;
                "{jobs} blocking jobs still run and are left behind"
            );
        }
    }
}

thread_local! {
    static IS_OF_A_POOL: Cell<bool> = const { Cell::new(false) };
}

impl Blocking for BlockingPool {
    fn submit(&self, job: Job) -> Result<(), Job> {
        let shared = &self.0;
        let mut state = shared.lock();
        // Each free thread, or one that can be started, takes a job at once.
        let free = state.idle + (shared.threads_max - state.threads);
        let has_room = state.queue.len() < free.saturating_add(shared.queue_max);
        if state.is_closed || shared.threads_max == 0 || !has_room {
            return Err(job);
        }
        if state.queue.len() >= state.idle
            && state.threads < shared.threads_max
            && !start(shared, &mut state)
            && state.threads == 0
        {
            return Err(job);
        }
        state.queue.push_back(job);
        drop(state);
        shared.work.notify_one();
        Ok(())
    }
}

impl Drop for BlockingPool {
    fn drop(&mut self) {
        self.end();
    }
}

/// Starts a thread; false if the kernel refuses one.
fn start(shared: &Arc<Shared>, state: &mut State) -> bool {
    let own = Arc::clone(shared);
    let name = format!("blocking {}", state.started);
    match thread::Builder::new().name(name).spawn(move || own.run()) {
        Ok(_) => {
            state.threads += 1;
            state.idle += 1;
            state.started += 1;
            true
        }
        Err(error) => {
            let threads = state.threads;
            // As many as clients bring about: the machine is out of threads, and each job waits.
            log::warn!(
                event = "threads_short", threads, error:%;
                "no further thread than {threads} for blocking work: {error}"
            );
            false
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Jobs run outside the lock, and the state is whole between any two statements.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The life of one thread.
    fn run(&self) {
        IS_OF_A_POOL.set(true);
        if let Some(affinity) = &self.affinity
            && let Err(error) = affinity.give_to_this_thread()
        {
            log::warn!(
                event = "jobs_unpinned", error:%;
                "blocking work runs on the worker's CPU: {error}"
            );
        }
        while let Some(job) = self.next() {
            if let Err(payload) = catch_unwind(AssertUnwindSafe(job)) {
                let why = panic_message(payload);
                // As many as clients bring about: the application is to be mended.
                log::error!(event = "job_panicked", panic:% = why; "a blocking job panicked: {why}");
            }
            self.lock().idle += 1;
        }
    }

    /// The next job; `None` after a time without one, or at the end of the pool. The thread then
    /// no longer counts.
    fn next(&self) -> Option<Job> {
        let is_waiting = |state: &mut State| state.queue.is_empty() && !state.is_closed;
        let (mut state, _) = self
            .work
            .wait_timeout_while(self.lock(), IDLE_TIME, is_waiting)
            .unwrap_or_else(PoisonError::into_inner);
        state.idle -= 1;
        let job = state.queue.pop_front();
        if job.is_none() {
            state.threads -= 1;
            self.left.notify_all();
        }
        job
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (queued, threads, idle) = (self.queue.len(), self.threads, self.idle);
        write!(f, "State {{ queued: {queued}, threads: {threads}, idle: {idle} }}")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;
    use crate::sys::{pin_current_thread, worker_cpus};

    const PATIENCE: Duration = Duration::from_secs(60);

    fn submit(pool: &BlockingPool, job: impl FnOnce() + Send + 'static) -> bool {
        pool.submit(Box::new(job)).is_ok()
    }

    /// A job that has begun, and goes on when it is told to.
    fn held(pool: &BlockingPool) -> Sender<()> {
        let (begun, has_begun) = channel();
        let (go_on, wait): (_, Receiver<()>) = channel();
        assert!(submit(pool, move || {
            begun.send(()).unwrap();
            let _ = wait.recv();
        }));
        has_begun.recv_timeout(PATIENCE).expect("it begins");
        go_on
    }

    #[test]
    fn jobs_run_at_once_on_as_many_threads_as_are_allowed() {
        let pool = BlockingPool::new(3, 0);
        let (done, is_done) = channel();
        let meet = Arc::new(Barrier::new(3));
        for _ in 0..3 {
            let (done, meet) = (done.clone(), Arc::clone(&meet));
            assert!(submit(&pool, move || {
                meet.wait();
                done.send(thread::current().name().map(str::to_owned)).unwrap();
            }));
        }
        let mut names: Vec<_> = (0..3).map(|_| is_done.recv_timeout(PATIENCE).unwrap()).collect();
        names.sort();
        assert_eq!(names, [0, 1, 2].map(|number| Some(format!("blocking {number}"))));
    }

    #[test]
    fn beyond_the_queue_a_job_is_given_back_and_later_there_is_room_again() {
        let pool = BlockingPool::new(1, 2);
        let go_on = held(&pool);
        let (done, is_done) = channel();
        for number in 0..2 {
            let done = done.clone();
            assert!(submit(&pool, move || done.send(number).unwrap()));
        }
        let job = pool.submit(Box::new(move || done.send(2).unwrap())).unwrap_err();
        drop(go_on);
        let received = || is_done.recv_timeout(PATIENCE).unwrap();
        assert_eq!([received(), received()], [0, 1], "in their order, on one thread");
        // What was given back is whole and may be tried again.
        pool.submit(job).unwrap_or_else(|_| panic!("there is room"));
        assert_eq!(received(), 2);
        assert_eq!(pool.0.lock().started, 1, "the thread that was there took them all");
    }

    #[test]
    fn a_pool_without_threads_gives_everything_back() {
        assert!(!submit(&BlockingPool::new(0, 8), || unreachable!("nobody runs it")));
    }

    #[test]
    fn a_job_that_panics_leaves_its_thread_alive() {
        let pool = BlockingPool::new(1, 1);
        let (done, is_done) = channel();
        assert!(submit(&pool, || std::panic::panic_any("on purpose")));
        while !submit(&pool, {
            let done = done.clone();
            move || done.send(thread::current().name().map(str::to_owned)).unwrap()
        }) {}
        assert_eq!(is_done.recv_timeout(PATIENCE).unwrap().unwrap(), "blocking 0");
    }

    #[test]
    fn a_thread_started_by_a_pinned_one_runs_on_every_cpu() {
        let pool = BlockingPool::new(1, 1);
        let whole = worker_cpus().cpus;
        let (done, is_done) = channel();
        let pinned = whole[0];
        thread::scope(|scope| {
            scope.spawn(|| {
                assert!(pin_current_thread(pinned));
                assert!(submit(&pool, move || done.send(worker_cpus().cpus).unwrap()));
            });
        });
        assert_eq!(is_done.recv_timeout(PATIENCE).unwrap(), whole);
    }

    #[test]
    fn the_end_waits_for_what_runs_and_drops_what_waits() {
        let pool = BlockingPool::new(1, 8);
        let go_on = held(&pool);
        let (dropped, is_dropped) = channel::<()>();
        assert!(submit(&pool, move || dropped.send(()).unwrap()));
        let shared = Arc::clone(&pool.0);
        let ending = thread::spawn(move || drop(pool));
        // Dropped, not run: its sender is gone and has sent nothing.
        assert!(is_dropped.recv().is_err());
        drop(go_on);
        ending.join().unwrap();
        assert_eq!(shared.lock().threads, 0);
    }

    #[test]
    fn a_job_may_own_the_last_of_the_pool_it_runs_on() {
        let pool = Arc::new(BlockingPool::new(1, 1));
        let (own, shared) = (Arc::clone(&pool), Arc::clone(&pool.0));
        let (go_on, wait) = channel::<()>();
        assert!(submit(&pool, move || {
            let _ = wait.recv();
            drop(own);
        }));
        drop(pool);
        drop(go_on);
        let has_threads = |state: &mut State| state.threads > 0;
        let waited = shared.left.wait_timeout_while(shared.lock(), PATIENCE, has_threads);
        assert!(!waited.unwrap().1.timed_out());
    }

    #[test]
    fn the_end_leaves_behind_what_never_returns() {
        let pool = BlockingPool::new(1, 8);
        let go_on = held(&pool);
        let shared = Arc::clone(&pool.0);
        drop(pool);
        assert_eq!(shared.lock().threads, 1);
        drop(go_on);
    }
}
