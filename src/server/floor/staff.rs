//! Who may take calls: accounts, as the router needs them.

use std::collections::{BTreeMap, BTreeSet};

use crate::acd::{AgentId, AgentProfile, Level, Need, QueueRules, Relaxed, Skill};
use crate::base::QueueName;
use crate::store::{Account, Role, Store, StoreError};

use super::rules::level;

/// Somebody with an account for a desk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    /// What the router knows of them.
    pub profile: AgentProfile,
    /// As colleagues and callers know them.
    pub display_name: String,
    /// Whether calls are counted on them: who gives access to others has a desk, too, and is hardly ever
    /// at it.
    pub is_staff: bool,
}

/// All of them.
pub(super) type Staff = BTreeMap<AgentId, Member>;

/// Loads them. Whoever may not sign in is none of them.
pub(super) async fn load(store: &Store) -> Result<Staff, StoreError> {
    Ok(of_accounts(store.accounts().await?))
}

/// Loads one of them; `None` if they have no desk.
pub(super) async fn member_of(
    store: &Store,
    agent: &AgentId,
) -> Result<Option<Member>, StoreError> {
    let account = store.account(agent.as_str()).await?;
    Ok(account.filter(|account| account.disabled_at.is_none()).and_then(member))
}

fn of_accounts(accounts: Vec<Account>) -> Staff {
    let open = accounts.into_iter().filter(|account| account.disabled_at.is_none());
    open.filter_map(member).map(|member| (member.profile.agent.clone(), member)).collect()
}

fn member(account: Account) -> Option<Member> {
    let is_staff = match account.role {
        Role::Agent | Role::Supervisor => true,
        Role::Admin => !account.skills.is_empty(),
        Role::Operations => return None,
    };
    let skills = account.skills.into_iter();
    let profile = AgentProfile {
        agent: AgentId::new(account.name),
        skills: skills.map(|(skill, held)| (Skill::new(skill), level(held))).collect(),
        languages: account.languages,
    };
    Some(Member { profile, display_name: account.display_name, is_staff })
}

/// Queues that one of these could serve, if need be once its calls have waited.
pub(super) fn staffed<'a>(
    rules: &BTreeMap<QueueName, QueueRules>,
    agents: impl Iterator<Item = &'a AgentProfile> + Clone,
) -> BTreeSet<QueueName> {
    let could = |rules: &&QueueRules| {
        let needs = loosest(rules);
        agents.clone().any(|agent| has(agent, &needs))
    };
    rules.values().filter(could).map(|rules| rules.queue.clone()).collect()
}

/// Whether somebody is good enough at all of these.
fn has(profile: &AgentProfile, needs: &[Need]) -> bool {
    let is_met =
        |need: &Need| profile.skills.get(&need.skill).is_some_and(|held| *held >= need.level);
    needs.iter().all(is_met)
}

/// What is asked for at the end of a long wait.
fn loosest(rules: &QueueRules) -> Vec<Need> {
    let mut needs: BTreeMap<&Skill, Level> =
        rules.needs.iter().map(|need| (&need.skill, need.level)).collect();
    for step in &rules.relax {
        match step.to {
            Relaxed::Level(level) => {
                if let Some(asked) = needs.get_mut(&step.skill) {
                    *asked = level.min(*asked);
                }
            }
            Relaxed::Dropped => {
                needs.remove(&step.skill);
            }
        }
    }
    let needs = needs.into_iter();
    needs.map(|(skill, level)| Need { skill: skill.clone(), level }).collect()
}
