//! The queues of all profiles together, as the router needs them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::acd::{Level, Need, QueueRules, RelaxStep, Relaxed, Skill, Strategy};
use crate::base::QueueName;
use crate::prompts::{Generation, Queue, QueueStrategy};

/// The queues in force. Where two profiles have one of the same name it is one queue, by the rules of the
/// profile that comes first.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Queues {
    /// How calls are given to agents.
    pub rules: BTreeMap<QueueName, QueueRules>,
    /// Names as callers hear them.
    pub spoken: BTreeMap<QueueName, String>,
}

impl Queues {
    /// Those of these prompt files.
    pub fn of(generations: &[Arc<Generation>]) -> Self {
        let mut queues = Self::default();
        for queue in generations.iter().flat_map(|generation| generation.queues.values()) {
            if !queues.rules.contains_key(&queue.name) {
                queues.rules.insert(queue.name.clone(), rules_of(queue));
                queues.spoken.insert(queue.name.clone(), queue.spoken.clone());
            }
        }
        queues
    }

    /// The name of a queue as callers hear it.
    pub fn spoken(&self, queue: &QueueName) -> String {
        self.spoken.get(queue).cloned().unwrap_or_else(|| queue.as_str().to_owned())
    }
}

/// A level as a file has it; the linter lets through 1 to 5 only.
pub(super) fn level(level: u8) -> Level {
    Level::new(level).unwrap_or(Level::ONE)
}

fn rules_of(queue: &Queue) -> QueueRules {
    let needs = queue
        .skills
        .iter()
        .map(|need| Need { skill: Skill::new(need.skill.as_str()), level: level(need.level) });
    let relax = queue.relax.iter().map(|rule| RelaxStep {
        after: rule.after,
        skill: Skill::new(rule.skill.as_str()),
        to: rule.to.map_or(Relaxed::Dropped, |to| Relaxed::Level(level(to))),
    });
    QueueRules {
        queue: queue.name.clone(),
        needs: needs.collect(),
        priority: queue.priority,
        strategy: match queue.strategy {
            QueueStrategy::LongestIdle => Strategy::LongestIdle,
            QueueStrategy::BestSkill => Strategy::BestSkill,
        },
        ageing: queue.goes_up_every,
        relax: relax.collect(),
        offer_for: queue.offer_for,
        wrap_up: queue.wrap_up,
        wait_max: queue.wait_max,
        overflow: queue.overflow.clone(),
        answer_within: queue.answer_within,
        len_max: queue.places,
    }
}
