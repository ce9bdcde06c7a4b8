//! Jobs that wait: in lanes, as in the host's worker pool.
//!
//! Jobs of one client run in order; lanes are served in turn, one job each. What runs them is one thread: the test's.

use super::boundary::Job;
use super::remote::Remote;
use std::collections::VecDeque;
use std::sync::Arc;

#[derive(Debug, Default)]
pub(super) struct Jobs {
    lanes: VecDeque<Lane>,
    ended: bool,
}

/// One client's jobs, or a single one that belongs to none.
#[derive(Debug)]
struct Lane {
    owner: Option<Arc<Remote>>,
    jobs: VecDeque<Job>,
}

impl Jobs {
    /// Queues a job behind what its owner has.
    ///
    /// # Errors
    ///
    /// The job, once jobs have ended; it is to be dropped where no lock is held.
    pub(super) fn submit(&mut self, owner: Option<&Arc<Remote>>, job: Job) -> Result<(), Job> {
        if self.ended {
            return Err(job);
        }
        let own = self.lanes.iter_mut().find(|lane| owner.is_some_and(|owner| lane.is_of(owner.number())));
        match own {
            Some(lane) => lane.jobs.push_back(job),
            None => self.lanes.push_back(Lane { owner: owner.cloned(), jobs: VecDeque::from([job]) }),
        }
        Ok(())
    }

    /// The job whose turn it is, and whose it is.
    pub(super) fn take_next(&mut self) -> Option<(Option<Arc<Remote>>, Job)> {
        let mut lane = self.lanes.pop_front()?;
        let job = lane.jobs.pop_front()?;
        let owner = lane.owner.clone();
        if !lane.jobs.is_empty() {
            self.lanes.push_back(lane);
        }
        Some((owner, job))
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.lanes.iter().map(|lane| lane.jobs.len()).sum()
    }

    /// How many of this client's wait.
    pub(super) fn len_of(&self, client: u64) -> usize {
        self.lanes.iter().filter(|lane| lane.is_of(client)).map(|lane| lane.jobs.len()).sum()
    }

    /// Takes no job from now on.
    pub(super) fn end(&mut self) {
        self.ended = true;
    }
}

impl Lane {
    fn is_of(&self, client: u64) -> bool {
        self.owner.as_ref().is_some_and(|owner| owner.number() == client)
    }
}
