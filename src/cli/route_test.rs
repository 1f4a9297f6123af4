//! `frontdoor route-test`: says what would become of a call, and by which rule.

use std::io::{self, Write};
use std::net::IpAddr;

use anyhow::bail;
use clap::Args;
use jiff::Zoned;

use crate::config::{Called, Config, NumberConfig, Routed, TrunkConfig, route, trunk_of};
use crate::prompts::Generation;
use crate::server::load_profile;

/// Arguments of `frontdoor route-test`.
#[derive(Debug, Args)]
pub struct RouteTestArgs {
    /// The called number, as the trunk sends it.
    pub number: String,
    /// The address that the call comes from. Without it, the ways of all trunks are shown.
    #[arg(long, value_name = "ADDRESS")]
    pub from: Option<IpAddr>,
}

/// Where a call comes in.
enum Way<'a> {
    /// By this trunk, and why.
    Trunk(&'a TrunkConfig, String),
    /// By none, and why that is allowed.
    Unknown(String),
    /// Not at all: the status, and why.
    Refused(u16, String),
}

/// Prints the rules that apply to a call; fails if it would be refused.
///
/// # Errors
/// The call would be refused, or nothing can be written.
pub fn run(args: &RouteTestArgs, config: &Config, out: &mut impl Write) -> anyhow::Result<()> {
    let ways = match args.from {
        Some(from) => vec![way(config, from)],
        None => all_ways(config),
    };
    let mut taken = 0;
    for way in &ways {
        taken += usize::from(show(args, config, way, out)?);
    }
    if taken == 0 {
        bail!("the call would be refused");
    }
    Ok(())
}

fn way(config: &Config, from: IpAddr) -> Way<'_> {
    if let Some((trunk, network)) = trunk_of(&config.trunks, from) {
        let must = match &trunk.login {
            Some(login) => format!(", and it must know the password of {}", login.username),
            None => String::new(),
        };
        return Way::Trunk(trunk, format!("{from} is in {network} of its `from`{must}"));
    }
    let by_password: Vec<&str> = config
        .trunks
        .iter()
        .filter(|trunk| trunk.from.is_empty() && trunk.login.is_some())
        .map(|trunk| trunk.name.as_str())
        .collect();
    match (config.sip.accept_unknown, by_password.is_empty()) {
        (true, _) => Way::Unknown(format!("{from} is in no trunk; sip.accept_unknown is on")),
        (false, true) => {
            let why = format!("{from} is in no trunk's `from`, and sip.accept_unknown is off");
            Way::Refused(403, why)
        }
        (false, false) => {
            let trunks = by_password.join(", ");
            Way::Refused(401, format!("{from} must prove to be {trunks}, by name and password"))
        }
    }
}

fn all_ways(config: &Config) -> Vec<Way<'_>> {
    let trunks = config.trunks.iter().map(|trunk| Way::Trunk(trunk, "its calls".to_owned()));
    let mut ways: Vec<Way<'_>> = trunks.collect();
    if config.sip.accept_unknown {
        ways.push(Way::Unknown("sip.accept_unknown is on".to_owned()));
    }
    if ways.is_empty() {
        let why = "there is no trunk, and sip.accept_unknown is off".to_owned();
        ways.push(Way::Refused(403, why));
    }
    ways
}

/// Shows one way; says whether the call is taken.
fn show(
    args: &RouteTestArgs,
    config: &Config,
    way: &Way<'_>,
    out: &mut impl Write,
) -> io::Result<bool> {
    let trunk = match way {
        Way::Refused(status, why) => {
            writeln!(out, "refused  {status}: {why}")?;
            return Ok(false);
        }
        Way::Trunk(trunk, why) => {
            writeln!(out, "trunk    {}: {why}", trunk.name)?;
            writeln!(out, "limits   {}", limits(trunk))?;
            Some(trunk.name.as_str())
        }
        Way::Unknown(why) => {
            writeln!(out, "trunk    none: {why}")?;
            None
        }
    };
    let called = Called { requested: &args.number, to: "", trunk };
    let line = match route(&config.numbers, &called) {
        Routed::Everything => {
            writeln!(out, "number   any: there is no [numbers], all calls are answered alike")?;
            None
        }
        Routed::Line(line) => {
            writeln!(out, "number   the line {:?} of [numbers]{}", line.pattern, only(line))?;
            Some(line)
        }
        Routed::OtherTrunk(line) => {
            writeln!(out, "refused  403: the line {:?} of [numbers]{}", line.pattern, only(line))?;
            return Ok(false);
        }
        Routed::Unknown => {
            writeln!(out, "refused  404: no line of [numbers] has this number")?;
            return Ok(false);
        }
    };
    let config = match line {
        Some(line) => config.with_profile(&line.profile),
        None => config.clone(),
    };
    writeln!(out, "profile  {}", config.server.profile.display())?;
    match load_profile(&config) {
        Ok((generation, _)) => show_profile(&generation, &Zoned::now(), out)?,
        Err(error) => writeln!(out, "         {error}")?,
    }
    Ok(true)
}

fn limits(trunk: &TrunkConfig) -> String {
    let at_once = trunk.calls_max.map(|most| format!("{most} calls at once"));
    let a_second = trunk.calls_per_s_max.map(|most| format!("{most} new calls a second"));
    let all: Vec<String> = at_once.into_iter().chain(a_second).collect();
    match all.is_empty() {
        true => "none of its own".to_owned(),
        false => all.join(", "),
    }
}

fn only(line: &NumberConfig) -> String {
    line.trunk.as_ref().map(|trunk| format!(", for trunk {trunk} only")).unwrap_or_default()
}

fn show_profile(generation: &Generation, now: &Zoned, out: &mut impl Write) -> io::Result<()> {
    let house = &generation.house;
    writeln!(out, "language {}", house.language)?;
    let weekday = usize::try_from(now.weekday().to_monday_zero_offset()).unwrap_or(0);
    let minute = u16::try_from(i32::from(now.hour()) * 60 + i32::from(now.minute())).unwrap_or(0);
    let date = now.date().to_string();
    let hours = &generation.hours;
    let holiday = hours.holidays.iter().find(|(day, _)| *day == date).map(|(_, name)| name);
    let verdict = match (hours.is_open(weekday, minute, &date), holiday) {
        (true, _) => "open".to_owned(),
        (false, Some(name)) => format!("closed, {name}"),
        (false, None) => "closed".to_owned(),
    };
    let spans = hours.weekly.get(weekday).map_or(&[][..], Vec::as_slice);
    let spans: Vec<String> = spans
        .iter()
        .map(|(from, to)| {
            format!("{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, to / 60, to % 60)
        })
        .collect();
    let today = if spans.is_empty() { "no hours".to_owned() } else { spans.join(", ") };
    writeln!(
        out,
        "hours    {verdict} now ({}; today {today}, by hours.md)",
        now.strftime("%a %H:%M")
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn config(lines: &str) -> Config {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(root.join("frontdoor.toml")).expect("it is there");
        let text = text.replacen("[media]", &format!("{lines}\n[media]"), 1);
        Config::parse(&root.join("frontdoor.toml"), &text, |_| Some("/home/ops".into()))
            .expect("valid")
    }

    fn shown(config: &Config, number: &str, from: Option<&str>) -> (String, bool) {
        let from = from.map(|from| from.parse().expect("an address"));
        let mut out = Vec::new();
        let args = RouteTestArgs { number: number.to_owned(), from };
        let taken = run(&args, config, &mut out).is_ok();
        (String::from_utf8(out).expect("text"), taken)
    }

    #[test]
    fn the_demo_answers_every_number() {
        let (text, taken) = shown(&config(""), "bank", Some("127.0.0.1"));
        for expected in [
            "trunk    none: 127.0.0.1 is in no trunk; ",
            "number   any: ",
            "prompts/bank\n",
            "hours    ",
        ] {
            assert!(taken && text.contains(expected), "{expected}\nnot in\n{text}");
        }
    }

    #[test]
    fn each_rule_is_named() {
        let config = config(
            "accept_unknown = false\n\
             [trunks.main]\nfrom = [\"192.0.2.0/24\"]\ncalls_max = 4\n\
             [trunks.other]\nfrom = [\"198.51.100.1\"]\n\
             [numbers]\n\"+4420*\" = { trunk = \"main\" }\n",
        );
        for (number, from, expected, is_taken) in [
            ("+44 20 7", Some("192.0.2.7"), "trunk    main: 192.0.2.7 is in 192.0.2.0/24", true),
            ("+44 20 7", Some("192.0.2.7"), "limits   4 calls at once\n", true),
            (
                "+44 20 7",
                Some("192.0.2.7"),
                "the line \"4420*\" of [numbers], for trunk main",
                true,
            ),
            ("+44 20 7", Some("198.51.100.1"), "refused  403: the line \"4420*\"", false),
            ("+49", Some("192.0.2.7"), "refused  404: no line", false),
            ("+44 20 7", Some("203.0.113.1"), "refused  403: 203.0.113.1 is in no trunk", false),
            ("+44 20 7", None, "trunk    other: its calls\n", true),
        ] {
            let (text, taken) = shown(&config, number, from);
            assert!(text.contains(expected), "{expected}\nnot in\n{text}");
            assert_eq!(taken, is_taken, "{text}");
        }
    }
}
