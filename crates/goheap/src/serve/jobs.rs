//! What takes a pass over the heap, and is worked out when somebody asks: who holds the objects of a
//! type, the map of one holder, text in strings. One after the other, on a thread of its own; a question
//! that nobody asks any more is given up.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use goheap_analysis::answers::Subject;
use goheap_analysis::answers::search::Hits;
use goheap_analysis::answers::tree::Branch;
use goheap_analysis::answers::why::WhyClass;
use goheap_analysis::types::ClassId;
use goheap_analysis::{Interrupted, Watch};

use crate::live;

/// How long a page waits for an answer before it says that there is none yet.
const WAIT: Duration = Duration::from_millis(110);

/// After so long without anybody asking again, a question is given up: pages ask every two seconds.
const FORGOTTEN: Duration = Duration::from_secs(20);

/// How many answers are kept.
const KEPT: usize = 64;

/// A question.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Ask {
    /// Who holds the objects of a type.
    Why(ClassId),
    /// The tree of what something holds.
    Under(Subject),
    /// Where text is.
    Text(String),
}

/// An answer.
pub(super) enum Answer {
    /// To [`Ask::Why`].
    Why(WhyClass),
    /// To [`Ask::Under`].
    Under(Branch),
    /// To [`Ask::Text`].
    Text(Hits),
}

/// A question that was asked, and its answer once there is one.
pub(super) struct Job {
    answer: OnceLock<Result<Answer, String>>,
    given_up: AtomicBool,
    asked: Mutex<Instant>,
    done: Mutex<bool>,
    wake: Condvar,
}

impl Job {
    /// The answer, if there is one.
    pub(super) fn answer(&self) -> Option<&Result<Answer, String>> {
        self.answer.get()
    }

    fn finish(&self) {
        *locked(&self.done) = true;
        self.wake.notify_all();
    }
}

impl Watch for Job {
    fn at(&self, _: &'static str, _: u64, _: u64) {}

    fn interrupted(&self) -> bool {
        live::stop_requested().is_some()
            || self.given_up.load(Ordering::Relaxed)
            || locked(&self.asked).elapsed() > FORGOTTEN
    }
}

/// All questions.
#[derive(Default)]
pub(super) struct Jobs {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    known: HashMap<Ask, Arc<Job>>,
    /// In the order in which they were asked, the oldest first.
    order: VecDeque<Ask>,
    queue: VecDeque<(Ask, Arc<Job>)>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Jobs {
    /// Asks, and waits a moment for the answer.
    pub(super) fn ask(&self, ask: &Ask) -> Arc<Job> {
        let job = self.job(ask);
        *locked(&job.asked) = Instant::now();
        let until = Instant::now() + WAIT;
        let mut done = locked(&job.done);
        while !*done {
            let Some(left) = until.checked_duration_since(Instant::now()) else {
                break;
            };
            let waited = job.wake.wait_timeout(done, left);
            done = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(done);
        job
    }

    fn job(&self, ask: &Ask) -> Arc<Job> {
        let mut state = locked(&self.state);
        if let Some(job) = state.known.get(ask) {
            return Arc::clone(job);
        }
        // Whoever searches for something else has no use for the search before.
        if matches!(ask, Ask::Text(_)) {
            let others = state
                .known
                .iter()
                .filter(|(ask, _)| matches!(ask, Ask::Text(_)));
            for (_, job) in others {
                job.given_up.store(true, Ordering::Relaxed);
            }
        }
        let job = Arc::new(Job {
            answer: OnceLock::new(),
            given_up: AtomicBool::new(false),
            asked: Mutex::new(Instant::now()),
            done: Mutex::new(false),
            wake: Condvar::new(),
        });
        while state.order.len() >= KEPT {
            let Some(oldest) = state.order.pop_front() else {
                break;
            };
            if let Some(job) = state.known.remove(&oldest) {
                job.given_up.store(true, Ordering::Relaxed);
            }
        }
        state.known.insert(ask.clone(), Arc::clone(&job));
        state.order.push_back(ask.clone());
        state.queue.push_back((ask.clone(), Arc::clone(&job)));
        self.wake.notify_one();
        job
    }

    /// Answers one question after the other, until this process ends.
    pub(super) fn work(
        &self,
        answer: impl Fn(&Ask, &Job) -> Result<Result<Answer, String>, Interrupted>,
    ) {
        loop {
            let mut state = locked(&self.state);
            let (ask, job) = loop {
                match state.queue.pop_front() {
                    Some(next) => break next,
                    None => {
                        state = self
                            .wake
                            .wait(state)
                            .unwrap_or_else(PoisonError::into_inner);
                    }
                }
            };
            drop(state);
            match answer(&ask, &job) {
                Ok(answered) => {
                    let _ = job.answer.set(answered);
                }
                // Whoever asks once more begins anew.
                Err(Interrupted) => self.forget(&ask, &job),
            }
            job.finish();
        }
    }

    fn forget(&self, ask: &Ask, job: &Arc<Job>) {
        let mut state = locked(&self.state);
        if state.known.get(ask).is_some_and(|of| Arc::ptr_eq(of, job)) {
            state.known.remove(ask);
            state.order.retain(|of| of != ask);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits(objects: u64) -> Answer {
        Answer::Text(Hits {
            objects,
            ..Hits::default()
        })
    }

    #[test]
    fn an_answer_is_worked_out_once_and_another_search_ends_the_one_before() {
        let jobs: &'static Jobs = Box::leak(Box::default());
        let (said, heard) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            jobs.work(|ask, job| {
                said.send(ask.clone()).unwrap();
                match ask {
                    Ask::Text(text) if text == "slow" => loop {
                        if job.interrupted() {
                            return Err(Interrupted);
                        }
                        std::thread::sleep(Duration::from_millis(1));
                    },
                    _ => Ok(Ok(hits(7))),
                }
            })
        });
        let slow = jobs.ask(&Ask::Text("slow".to_owned()));
        assert!(slow.answer().is_none());
        assert_eq!(heard.recv().unwrap(), Ask::Text("slow".to_owned()));
        let quick = Ask::Text("quick".to_owned());
        while jobs.ask(&quick).answer().is_none() {}
        assert_eq!(heard.recv().unwrap(), quick);
        // It is known by now.
        assert!(jobs.ask(&quick).answer().is_some());
        assert!(heard.try_recv().is_err());
        assert!(slow.interrupted());
        for number in 0..2 * KEPT as u64 {
            jobs.ask(&Ask::Why(ClassId(number as u32)));
        }
        assert_eq!(locked(&jobs.state).known.len(), KEPT);
    }
}
