//! One worker thread with a bounded queue, so that encoding never runs on the runtime's threads.
//! When the queue is full, a request waits for its place in the order of asking.

use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::{mpsc, oneshot};

use super::{Understander, UnderstandingError};
use crate::base::Pii;
use crate::nlu::Understanding;

struct Job {
    text: Pii<String>,
    understander: Arc<Understander>,
    reply: oneshot::Sender<Result<Understanding, UnderstandingError>>,
}

/// A handle on the worker; clones share it. The worker ends when the last one is dropped.
#[derive(Clone)]
pub struct UnderstandingPool {
    jobs: mpsc::Sender<Job>,
    current: Arc<RwLock<Arc<Understander>>>,
}

impl UnderstandingPool {
    /// Starts the worker with the classifier of the running generation.
    ///
    /// # Errors
    /// The thread could not be started.
    pub fn start(
        understander: Understander,
        queue_len_max: usize,
    ) -> Result<Self, UnderstandingError> {
        let (jobs, mut queue) = mpsc::channel::<Job>(queue_len_max.max(1));
        std::thread::Builder::new()
            .name("understanding".to_owned())
            .spawn(move || {
                while let Some(Job { text, understander, reply }) = queue.blocking_recv() {
                    // Nobody waits any more: the caller went on or hung up.
                    if !reply.is_closed() {
                        let _ = reply.send(understander.understand(text.expose()));
                    }
                }
            })
            .map_err(|error| UnderstandingError::Thread(error.to_string()))?;
        Ok(Self { jobs, current: Arc::new(RwLock::new(Arc::new(understander))) })
    }

    /// The classifier of the running generation. A call that keeps this is not touched by a
    /// reload.
    pub fn current(&self) -> Arc<Understander> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes a new generation's classifier into use for what is asked from now on.
    pub fn replace(&self, understander: Understander) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(understander);
    }

    /// Requests waiting now.
    pub fn queue_len(&self) -> usize {
        self.jobs.max_capacity() - self.jobs.capacity()
    }

    /// Understands by the running generation, waiting for a place in the queue if need be.
    /// Dropping the future cancels.
    ///
    /// # Errors
    /// The encoder failed, or the worker is gone.
    pub async fn understand(&self, text: Pii<String>) -> Result<Understanding, UnderstandingError> {
        self.understand_by(self.current(), text).await
    }

    /// Understands by the classifier of a call's own generation.
    ///
    /// # Errors
    /// The encoder failed, or the worker is gone.
    pub async fn understand_by(
        &self,
        understander: Arc<Understander>,
        text: Pii<String>,
    ) -> Result<Understanding, UnderstandingError> {
        let (reply, answer) = oneshot::channel();
        let job = Job { text, understander, reply };
        self.jobs.send(job).await.map_err(|_| UnderstandingError::Stopped)?;
        answer.await.map_err(|_| UnderstandingError::Stopped)?
    }
}
