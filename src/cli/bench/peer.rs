//! The side that is called: our own answering process, or another program.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use super::answer::Counted;
use super::caller::Caller;
use super::process::Usage;
use crate::audio::Codec;

/// How long the answering side may take to begin, and to tell its counts.
const READY_LIMIT: Duration = Duration::from_secs(20);

/// How long a call that is over may count as open.
const IDLE_LIMIT: Duration = Duration::from_secs(20);

/// Pause between two looks at whether it does.
const IDLE_EVERY: Duration = Duration::from_millis(100);

/// Whom to call.
#[derive(Debug, Clone)]
pub(super) enum Opponent {
    /// A process of our own.
    Us,
    /// Another program, run for this.
    Other {
        /// It and its arguments.
        command: Vec<String>,
        /// Where it is called.
        uri: String,
    },
}

impl Opponent {
    /// What to call it in a table.
    pub fn name(&self) -> String {
        match self {
            Self::Us => "frontdoor".to_owned(),
            Self::Other { command, .. } => {
                let program = command.first().map_or("", String::as_str);
                program.rsplit('/').next().unwrap_or(program).to_owned()
            }
        }
    }
}

/// It, running. It ends when this is dropped.
pub(super) struct Peer {
    child: Child,
    pid: u32,
    /// Where it is called.
    pub uri: String,
    /// Where our own tells what it has counted.
    control: Option<(ChildStdin, Lines<BufReader<ChildStdout>>)>,
}

impl Peer {
    /// Starts it.
    pub async fn start(opponent: &Opponent, codec: Codec) -> anyhow::Result<Self> {
        match opponent {
            Opponent::Us => Self::start_us(codec).await,
            Opponent::Other { command, uri } => Self::start_other(command, uri),
        }
    }

    async fn start_us(codec: Codec) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("cannot find this program itself")?;
        let mut command = Command::new(program);
        command.args(["bench", "answer", "--codec", codec.word()]);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start the answering side")?;
        let (Some(to), Some(from)) = (child.stdin.take(), child.stdout.take()) else {
            bail!("the answering side has no pipes");
        };
        let mut lines = BufReader::new(from).lines();
        let line = timeout(READY_LIMIT, lines.next_line()).await;
        let line = line.context("the answering side did not begin in time")??;
        let uri = line.as_deref().and_then(|line| line.strip_prefix("ready "));
        let uri = uri.context("the answering side ended at once")?.to_owned();
        let pid = child.id().context("the answering side ended at once")?;
        Ok(Self { child, pid, uri, control: Some((to, lines)) })
    }

    fn start_other(command: &[String], uri: &str) -> anyhow::Result<Self> {
        let (program, arguments) = command.split_first().context("--against names no program")?;
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {program}"))?;
        let pid = child.id().with_context(|| format!("{program} ended at once"))?;
        Ok(Self { child, pid, uri: uri.to_owned(), control: None })
    }

    /// Waits until it answers.
    pub async fn answers(&mut self, caller: &Caller) -> anyhow::Result<()> {
        // Where nobody listens yet, a question is lost; each is repeated for 5 s.
        for _ in 0..READY_LIMIT.as_secs() / 5 {
            if caller.ping().await.is_ok() {
                return Ok(());
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                bail!("it ended by itself ({status}); see what it says when run by hand");
            }
        }
        bail!("nobody answers OPTIONS at {}", self.uri)
    }

    /// What it takes of the machine.
    pub fn usage(&self) -> anyhow::Result<Usage> {
        Usage::of(self.pid).context("the answering side is gone")
    }

    /// What it has counted; `None` if it is another program.
    pub async fn counted(&mut self) -> anyhow::Result<Option<Counted>> {
        let Some((to, from)) = &mut self.control else { return Ok(None) };
        to.write_all(b"counts\n").await.context("the answering side is gone")?;
        to.flush().await?;
        let line = timeout(READY_LIMIT, from.next_line()).await;
        let line = line.context("the answering side does not tell its counts")??;
        let line = line.context("the answering side is gone")?;
        Ok(Some(serde_json::from_str(&line)?))
    }

    /// Waits until no call is open on it any more; says what it has counted then.
    pub async fn idle(&mut self) -> anyhow::Result<Option<Counted>> {
        let mut looks = tokio::time::interval(IDLE_EVERY);
        for _ in 0..IDLE_LIMIT.as_millis() / IDLE_EVERY.as_millis() {
            looks.tick().await;
            match self.counted().await? {
                Some(Counted { heard, dialogs, .. }) if heard.open > 0 || dialogs > 0 => {}
                counted => return Ok(counted),
            }
        }
        self.counted().await
    }

    /// Ends it and waits until it has.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        if self.control.take().is_none() {
            // Another program knows nothing of our pipe.
            self.child.start_kill()?;
        }
        match timeout(READY_LIMIT, self.child.wait()).await {
            Ok(ended) => ended.map(drop)?,
            Err(_) => self.child.kill().await?,
        }
        Ok(())
    }
}
