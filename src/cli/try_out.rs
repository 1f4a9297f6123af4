//! `frontdoor try`: a conversation on text in the terminal, as a caller would have it, with what is
//! understood and done shown beside it. No audio, no server.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::sandbox::{Sandbox, outside_systems, own_databases};
use super::telling;
use crate::actions::Actions;
use crate::config::Config;
use crate::engine::models::ModelStore;
use crate::server::{
    CustomerSystem, TextCall, TextCallParts, TextEvent, TextTurn, load_profile, train_understander,
};

const HELP: &str = concat!(
    "  any words       what the caller says\n",
    "  keys 12345678   what the caller presses; # ends it, as on a telephone\n",
    "  /silence        the caller says nothing\n",
    "  /crm down       from here on the customer system is down (slow: never answers; up: works)\n",
    "  /again          hang up and call again\n",
    "  /quit           end",
);

/// Arguments of `frontdoor try`.
#[derive(Debug, Args)]
pub struct TryArgs {
    /// The configuration
    #[arg(long, short, default_value = "frontdoor.toml", value_name = "FILE")]
    pub config: PathBuf,
    /// Try these prompt files instead of the configured profile
    #[arg(value_name = "PROFILE")]
    pub profile: Option<PathBuf>,
    /// Call from this number; the customer system may know who that is
    #[arg(long, value_name = "NUMBER")]
    pub caller: Option<String>,
    /// Change the real demo customer database, not a copy that is thrown away
    #[arg(long)]
    pub real: bool,
    /// Which of the wordings to begin with; each further call begins with the next
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
}

/// Who types: a pipe's words are written out, so that what is printed can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Typist {
    Person,
    Pipe,
}

/// Talks until the input ends or `/quit`.
///
/// # Errors
/// The configuration, the prompt files or the model cannot be used, or the terminal is gone.
pub async fn run(args: TryArgs) -> anyhow::Result<()> {
    let mut config = Config::load(&args.config)?;
    if let Some(profile) = &args.profile {
        config.server.profile = std::path::absolute(profile)?;
    }
    let sandbox = if args.real { None } else { Some(Sandbox::new(&config)?) };
    let config = sandbox.as_ref().map_or(&config, Sandbox::config);
    let mut out = io::stdout();
    let parts = load(config).await?;
    introduce(&mut out, &parts, sandbox.is_some())?;
    let typist = if io::stdin().is_terminal() { Typist::Person } else { Typist::Pipe };
    let mut talk = Talk { parts: parts.clone(), caller: args.caller, seed: args.seed, out, typist };
    talk.run(&mut io::stdin().lock()).await?;
    parts.actions.close().await;
    Ok(())
}

async fn load(config: &Config) -> anyhow::Result<TextCallParts> {
    let (generation, warnings) = load_profile(config)?;
    for warning in &warnings {
        println!("  {warning}");
    }
    let store = ModelStore::open(config.models.cache_dir.clone())?;
    let understander = train_understander(&store, &config.understanding.encoder, &generation)?;
    Ok(TextCallParts {
        actions: Actions::open(config).await?,
        config: Arc::new(config.clone()),
        generation: Arc::new(generation),
        understander: Arc::new(understander),
    })
}

/// Says what is talked to, and what of it is real.
fn introduce(out: &mut impl Write, parts: &TextCallParts, copied: bool) -> io::Result<()> {
    let generation = &parts.generation;
    writeln!(
        out,
        "profile {} ({} intents). Type what a caller would say; /help shows what else.",
        generation.profile,
        generation.intents.len()
    )?;
    for path in own_databases(&parts.config) {
        let name = path.display();
        if copied {
            writeln!(out, "customer system: a fresh copy of the database, thrown away at the end")?;
        } else {
            writeln!(out, "customer system: the database {name}. Changes are real!")?;
        }
    }
    for host in outside_systems(&parts.config) {
        writeln!(out, "customer system: {host}. Changes are real!")?;
    }
    writeln!(out)
}

/// What a line of input means.
#[derive(Debug, PartialEq, Eq)]
enum Line<'l> {
    Words(&'l str),
    Keys(&'l str),
    Silence,
    Crm(CustomerSystem),
    Again,
    Help,
    Quit,
    Unknown(&'l str),
    Nothing,
}

fn read_line(line: &str) -> Line<'_> {
    let line = line.trim();
    let is_keys = |keys: &str| {
        !keys.is_empty() && keys.chars().all(|c| c.is_ascii_digit() || " *#".contains(c))
    };
    match line {
        "" => Line::Nothing,
        "/quit" | "/exit" => Line::Quit,
        "/again" => Line::Again,
        "/help" => Line::Help,
        "/silence" => Line::Silence,
        "/crm down" => Line::Crm(CustomerSystem::Down),
        "/crm slow" => Line::Crm(CustomerSystem::Silent),
        "/crm up" => Line::Crm(CustomerSystem::Up),
        _ if line.starts_with('/') => Line::Unknown(line),
        _ => match line.strip_prefix("keys ").map(str::trim).filter(|keys| is_keys(keys)) {
            Some(keys) => Line::Keys(keys),
            None => Line::Words(line),
        },
    }
}

/// Whether the conversation goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    GoOn,
    CallAgain,
    Quit,
}

/// The terminal and what is talked to.
struct Talk<W> {
    parts: TextCallParts,
    caller: Option<String>,
    seed: u64,
    out: W,
    typist: Typist,
}

impl<W: Write> Talk<W> {
    async fn run(&mut self, input: &mut impl BufRead) -> anyhow::Result<()> {
        while self.one_call(input).await? == Then::CallAgain {
            self.seed = self.seed.wrapping_add(1);
        }
        Ok(())
    }

    async fn one_call(&mut self, input: &mut impl BufRead) -> anyhow::Result<Then> {
        let mut call = TextCall::new(self.parts.clone(), self.seed);
        let turn = call.start(self.caller.as_deref()).await;
        show(&mut self.out, &turn)?;
        let mut line = String::new();
        loop {
            write!(self.out, "> ")?;
            self.out.flush()?;
            line.clear();
            if input.read_line(&mut line)? == 0 {
                writeln!(self.out)?;
                return Ok(Then::Quit);
            }
            if self.typist == Typist::Pipe {
                writeln!(self.out, "{}", line.trim())?;
            }
            match self.answer(&mut call, &line).await? {
                Then::GoOn => {}
                then => return Ok(then),
            }
        }
    }

    async fn answer(&mut self, call: &mut TextCall, line: &str) -> anyhow::Result<Then> {
        let line = read_line(line);
        if call.is_over() && matches!(line, Line::Words(_) | Line::Keys(_) | Line::Silence) {
            writeln!(self.out, "  the call is over; /again calls again, /quit ends")?;
            return Ok(Then::GoOn);
        }
        let turn = match line {
            Line::Words(words) => call.say(words).await?,
            Line::Keys(keys) => call.key(keys).await,
            Line::Silence => call.keep_silent().await,
            Line::Crm(state) => {
                call.set_customer_system(state);
                return Ok(Then::GoOn);
            }
            Line::Again => return Ok(Then::CallAgain),
            Line::Quit => return Ok(Then::Quit),
            Line::Help => {
                writeln!(self.out, "{HELP}")?;
                return Ok(Then::GoOn);
            }
            Line::Unknown(command) => {
                writeln!(self.out, "  there is no {command}:\n{HELP}")?;
                return Ok(Then::GoOn);
            }
            Line::Nothing => return Ok(Then::GoOn),
        };
        show(&mut self.out, &turn)?;
        Ok(Then::GoOn)
    }
}

/// Writes what came of something that the caller did.
fn show(out: &mut impl Write, turn: &TextTurn) -> io::Result<()> {
    if let Some(understanding) = &turn.understanding {
        writeln!(out, "  taken for    {}", turn.taken_for)?;
        writeln!(out, "  sounds like  {}", telling::understanding(understanding))?;
    }
    for (name, value) in &turn.slots {
        writeln!(out, "  slot         {}", telling::slot(name, value))?;
    }
    for event in &turn.events {
        match event {
            TextEvent::Said(phrase) => writeln!(out, "  says         {}", phrase.text.expose())?,
            TextEvent::Acted { action, result } => {
                writeln!(out, "  action       {action}: {}", telling::result(result))?;
            }
            TextEvent::HandedOff { request, stored } => {
                let stored = if *stored { "" } else { " (could not be stored)" };
                let reason = telling::reason(request.reason);
                writeln!(out, "  hand-off     {reason}, to {}{stored}", request.queue)?;
                writeln!(out, "               {}", request.summary)?;
            }
            TextEvent::HungUp { reason } => writeln!(out, "  hangs up     {reason}")?,
        }
    }
    writeln!(out, "  waits for    {}", turn.next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Pii;
    use crate::conversation::{Phrase, Step};
    use crate::nlu::{Provenance, SlotName, SlotValue};

    #[test]
    fn lines_are_words_keys_or_commands() {
        for (line, meant) in [
            ("I lost my card\n", Line::Words("I lost my card")),
            ("12345678", Line::Words("12345678")),
            ("keys 1234#", Line::Keys("1234#")),
            ("keys 12 34", Line::Keys("12 34")),
            ("keys to my house", Line::Words("keys to my house")),
            ("/silence", Line::Silence),
            ("/crm slow", Line::Crm(CustomerSystem::Silent)),
            ("/again", Line::Again),
            ("/help", Line::Help),
            ("/quit", Line::Quit),
            ("/frob", Line::Unknown("/frob")),
            ("  ", Line::Nothing),
        ] {
            assert_eq!(read_line(line), meant, "{line}");
        }
    }

    #[test]
    fn a_turn_shows_what_was_filled_and_said_in_order() {
        let value = SlotValue {
            value: Pii::new("12345678".to_owned()),
            provenance: Provenance::Keyed,
            confidence: 1.0,
        };
        let text = Pii::new("And your PIN?".to_owned());
        let phrase = Phrase::plain(text, true);
        let turn = TextTurn {
            understanding: None,
            events: vec![TextEvent::Said(phrase)],
            slots: vec![(SlotName::new("account_number"), value)],
            taken_for: Step::Slot(SlotName::new("account_number")),
            next: Step::Slot(SlotName::new("pin")),
        };
        let mut out = Vec::new();
        show(&mut out, &turn).expect("writes to memory");
        assert_eq!(
            String::from_utf8(out).expect("text"),
            "  slot         account_number=12345678 (keyed)\n  \
             says         And your PIN?\n  waits for    a value for pin\n"
        );
    }
}
