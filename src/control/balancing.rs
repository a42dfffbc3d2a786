//! Chooses how the workers of a server share its connections, and begins it.
//! Knows nothing of how a worker takes part.

use std::os::fd::BorrowedFd;
use std::sync::Arc;

use super::{Result, StartError};
use crate::settings::Balance;
use crate::sys::{Choice, Steering, Stream};
use crate::worker::{Crew, Part};

/// How connections are shared.
#[derive(Debug)]
pub(super) struct Balancing {
    in_force: Balance,
    /// Whether another way would do.
    is_chosen_by_us: bool,
    crew: Option<Arc<Crew<Stream>>>,
    steering: Option<Steering>,
}

impl Balancing {
    /// The way that is wished for so many workers; the best there is where that is left to us.
    ///
    /// # Errors
    /// If the kernel refuses the way that is wished.
    pub(super) fn choose(wish: Balance, workers: usize) -> Result<Balancing> {
        let is_chosen_by_us = wish == Balance::Auto;
        let way = |in_force| Balancing { in_force, is_chosen_by_us, crew: None, steering: None };
        let crew = || Balancing { crew: Some(Crew::new(workers)), ..way(Balance::HandOver) };
        match wish {
            _ if workers == 1 => Ok(way(Balance::Off)),
            Balance::Auto => {
                Ok(way(Balance::Ebpf).steered(Choice::Fewest, workers).unwrap_or_else(|error| {
                    log::info!(
                        event = "balance_by_hand", error:%; "workers hand connections over: {error}"
                    );
                    crew()
                }))
            }
            Balance::Ebpf => way(wish).steered(Choice::Fewest, workers),
            Balance::RoundRobin => way(wish).steered(Choice::InTurns, workers),
            Balance::HandOver => Ok(crew()),
            Balance::Cpu | Balance::Off => Ok(way(wish)),
        }
    }

    fn steered(self, choice: Choice, workers: usize) -> Result<Balancing> {
        let steering = Steering::new(choice, workers).map_err(StartError::Steering)?;
        Ok(Balancing { steering: Some(steering), ..self })
    }

    pub(super) fn in_force(&self) -> Balance {
        self.in_force
    }

    /// What a worker does for it.
    pub(super) fn part(&self, worker: usize) -> Part<Stream> {
        match (&self.crew, &self.steering) {
            (Some(crew), _) => Part::Crew(Arc::clone(crew)),
            (None, Some(steering)) if self.in_force == Balance::Ebpf => {
                Part::Steered(steering.cell(worker))
            }
            _ => Part::Alone,
        }
    }

    /// Begins once every worker listens; a group is one listener of each at the same address.
    ///
    /// # Errors
    /// As [`Balancing::choose`]; where the choice is ours, the kernel then places connections.
    pub(super) fn begin(&mut self, groups: &[Vec<BorrowedFd<'_>>]) -> Result<()> {
        let Some(steering) = &self.steering else {
            for listener in groups.iter().filter_map(|group| group.first()) {
                // Of those that were passed on, a program of the server before may be in charge. A
                // kernel that cannot end it never took one.
                let _ = Steering::end(*listener);
            }
            return Ok(());
        };
        let steered = groups.iter().try_for_each(|group| steering.steer(group));
        match steered {
            Err(error) if self.is_chosen_by_us => {
                log::warn!(
                    event = "balance_off", error:%; "the kernel spreads connections by itself: {error}"
                );
                self.in_force = Balance::Off;
                Ok(())
            }
            steered => steered.map_err(StartError::Steering),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_worker_shares_with_nobody() {
        for wish in Balance::ALL {
            let balancing = Balancing::choose(wish, 1).unwrap();
            assert_eq!(balancing.in_force(), Balance::Off);
            assert!(matches!(balancing.part(0), Part::Alone));
        }
    }

    #[test]
    fn what_is_left_to_us_is_always_one_that_spreads() {
        let balancing = Balancing::choose(Balance::Auto, 2).unwrap();
        match balancing.in_force() {
            Balance::Ebpf => assert!(matches!(balancing.part(1), Part::Steered(_))),
            in_force => {
                assert_eq!(in_force, Balance::HandOver);
                assert!(matches!(balancing.part(1), Part::Crew(_)));
            }
        }
    }
}
