//! One worker thread with a bounded queue, so that encoding never runs on the runtime's threads.
//! When the queue is full, a submitted request is refused.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::{Understander, UnderstandingError};
use crate::base::{CallId, Pii, UtteranceId};
use crate::nlu::Understanding;

/// One utterance to understand, by the generation of its call.
#[derive(Clone)]
pub struct UnderstandingRequest {
    /// Whose utterance it is.
    pub call: CallId,
    /// Which utterance of the call.
    pub utterance: UtteranceId,
    /// What was heard.
    pub text: Pii<String>,
    /// The classifier of the call's generation.
    pub understander: Arc<Understander>,
}

/// The answer to a request, with the ids by which a late one is recognised.
#[derive(Debug)]
pub struct UnderstandingReply {
    /// Whose utterance it was.
    pub call: CallId,
    /// Which utterance.
    pub utterance: UtteranceId,
    /// What it means.
    pub result: Result<Understanding, UnderstandingError>,
}

struct Job {
    request: UnderstandingRequest,
    reply: oneshot::Sender<UnderstandingReply>,
}

/// A handle on the worker; clones share it. The worker ends when the last one is dropped.
#[derive(Clone)]
pub struct UnderstandingPool {
    jobs: mpsc::Sender<Job>,
}

impl UnderstandingPool {
    /// Starts the worker.
    ///
    /// # Errors
    /// The thread could not be started.
    pub fn start(queue_len_max: usize) -> Result<Self, UnderstandingError> {
        let (jobs, mut queue) = mpsc::channel::<Job>(queue_len_max.max(1));
        std::thread::Builder::new()
            .name("understanding".to_owned())
            .spawn(move || {
                while let Some(Job { request, reply }) = queue.blocking_recv() {
                    // Nobody waits any more: the caller went on or hung up.
                    if reply.is_closed() {
                        continue;
                    }
                    let UnderstandingRequest { call, utterance, text, understander } = request;
                    let result = understander.understand(text.expose());
                    let _ = reply.send(UnderstandingReply { call, utterance, result });
                }
            })
            .map_err(|error| UnderstandingError::Thread(error.to_string()))?;
        Ok(Self { jobs })
    }

    /// Queues a request; the answer comes through `reply`.
    ///
    /// # Errors
    /// [`UnderstandingError::Overloaded`] when the queue is full, `Stopped` when the worker is
    /// gone.
    pub fn submit(
        &self,
        request: UnderstandingRequest,
        reply: oneshot::Sender<UnderstandingReply>,
    ) -> Result<(), UnderstandingError> {
        self.jobs.try_send(Job { request, reply }).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => UnderstandingError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => UnderstandingError::Stopped,
        })
    }

    /// Understands, waiting for a place in the queue if need be. Dropping the future cancels.
    ///
    /// # Errors
    /// The encoder failed, or the worker is gone.
    pub async fn understand(
        &self,
        request: UnderstandingRequest,
    ) -> Result<Understanding, UnderstandingError> {
        let (reply, answer) = oneshot::channel();
        let job = Job { request, reply };
        self.jobs.send(job).await.map_err(|_| UnderstandingError::Stopped)?;
        answer.await.map_err(|_| UnderstandingError::Stopped)?.result
    }
}
