//! Where blocking work goes, as a worker sees it. Knows nothing of threads.

/// Work that may block.
pub type Job = Box<dyn FnOnce() + Send>;

/// Runs blocking work elsewhere than on a worker.
pub trait Blocking: Send + Sync {
    /// Takes the job, or gives it back at once if the queue is full.
    ///
    /// # Errors
    /// The job, untouched.
    fn submit(&self, job: Job) -> Result<(), Job>;
}

/// Runs nothing: every job comes back.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoBlocking;

impl Blocking for NoBlocking {
    fn submit(&self, job: Job) -> Result<(), Job> {
        Err(job)
    }
}
