//! Which agent takes a call: who can, and who of those.

use std::cmp::Reverse;
use std::time::{Duration, Instant};

use super::agents::Agent;
use super::queue::Entry;
use super::{AgentProfile, Need, QueueRules, Relaxed, Skill, Strategy, Waiter};

/// From which wait on an agent will do for a caller: at once, after skills are asked for less
/// strictly, or never.
pub(super) fn able_after(
    rules: &QueueRules,
    waiter: &Waiter,
    profile: &AgentProfile,
) -> Option<Duration> {
    // Who is sent to a colleague is sent to a person, not to a skill.
    if let Some(only) = &waiter.only {
        return (*only == profile.agent).then_some(Duration::ZERO);
    }
    if !speaks(profile, waiter.language.as_deref()) {
        return None;
    }
    let mut after = Duration::ZERO;
    for need in asked(rules, waiter) {
        after = after.max(need_met_after(rules, need, profile)?);
    }
    Some(after)
}

/// What the queue asks for, and what the caller does besides.
fn asked<'a>(rules: &'a QueueRules, waiter: &'a Waiter) -> impl Iterator<Item = &'a Need> {
    rules.needs.iter().chain(&waiter.needs)
}

/// A step never asks for more than was asked for before it, whatever it says.
fn need_met_after(rules: &QueueRules, need: &Need, profile: &AgentProfile) -> Option<Duration> {
    let level = level_of(profile, &need.skill);
    if level >= need.level.get() {
        return Some(Duration::ZERO);
    }
    let met =
        rules.relax.iter().filter(|step| step.skill == need.skill).filter(|step| match step.to {
            Relaxed::Level(enough) => level >= enough.get(),
            Relaxed::Dropped => true,
        });
    met.map(|step| step.after).min()
}

/// 0 where the agent does not have the skill.
fn level_of(profile: &AgentProfile, skill: &Skill) -> u8 {
    profile.skills.get(skill).map_or(0, |level| level.get())
}

/// Whether an agent speaks what is asked for. `es` will do for `es-US`, and the other way round;
/// `es-ES` will not.
fn speaks(profile: &AgentProfile, language: Option<&str>) -> bool {
    let Some(asked) = language else { return true };
    profile.languages.is_empty()
        || profile.languages.iter().any(|known| covers(known, asked) || covers(asked, known))
}

/// Whether `wide` is `narrow`, or `narrow` without its last parts (RFC 4647, section 3.3.1).
fn covers(wide: &str, narrow: &str) -> bool {
    let mut narrow = narrow.split('-');
    wide.split('-').all(|part| narrow.next().is_some_and(|other| other.eq_ignore_ascii_case(part)))
}

/// From when on a caller can be offered to an agent, if ever.
pub(super) fn open_from(rules: &QueueRules, entry: &Entry, agent: &Agent) -> Option<Instant> {
    let after = able_after(rules, &entry.waiter, &agent.profile)?;
    let able = entry.waiter.since.checked_add(after)?;
    Some(entry.declined_until(&agent.profile.agent).map_or(able, |until| able.max(until)))
}

/// Who of those that are ready is offered the call. Whoever has declined it comes after all who have
/// not.
pub(super) fn choose(
    ready: &[&Agent],
    rules: &QueueRules,
    entry: &Entry,
    now: Instant,
) -> Option<usize> {
    let able = ready
        .iter()
        .enumerate()
        .filter(|(_, agent)| open_from(rules, entry, agent).is_some_and(|from| from <= now));
    let best = able.min_by_key(|(_, agent)| {
        let declined = entry.declined_until(&agent.profile.agent).is_some();
        let skill = match rules.strategy {
            Strategy::LongestIdle => 0,
            Strategy::BestSkill => skill_at(rules, &entry.waiter, &agent.profile),
        };
        (declined, Reverse(skill), agent.idle_since, &agent.profile.agent)
    });
    best.map(|(index, _)| index)
}

/// How good an agent is at all that was asked for at first.
fn skill_at(rules: &QueueRules, waiter: &Waiter, profile: &AgentProfile) -> u32 {
    asked(rules, waiter).map(|need| u32::from(level_of(profile, &need.skill))).sum()
}
