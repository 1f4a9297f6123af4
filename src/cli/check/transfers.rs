//! What a PBX engineer wants to know before callers are put through: to whom, by which way, and whether
//! the prompt files know of it.

use crate::config::{Config, TransferConfig, TransferWay, nearest};
use crate::prompts::{Generation, Pattern};
use crate::server::unknown_transfers;

/// What callers hear when they are put through, beside words that stand in for it.
const WORDS: [Pattern; 3] = [Pattern::PuttingThrough, Pattern::NobodyFree, Pattern::NotPutThrough];

/// Prints what was found; says how much is to be mended. `generations` are those of all profiles, or
/// there is nothing to say about queues.
pub(super) fn run(config: &Config, generations: Option<&[Generation]>) -> usize {
    for (queue, transfer) in &config.transfers {
        println!("ok    transfers.{queue}: {}", words(transfer));
    }
    let Some(generations) = generations else { return 0 };
    let generations: Vec<&Generation> = generations.iter().collect();
    let unknown = unknown_transfers(config, &generations);
    for queue in &unknown {
        println!("WRONG {}", complaint(config, queue, &generations));
    }
    for generation in &generations {
        if let Some(doubt) = doubt(config, generation) {
            println!("      {doubt}");
        }
    }
    unknown.len()
}

/// "attended, to sip:200@pbx.example; rings 25 s; asks whoever answers; bridged if that is refused".
fn words(transfer: &TransferConfig) -> String {
    let mut words = format!("{}, to {}", transfer.way.as_str(), transfer.to);
    words.push_str(&format!("; rings {} s", transfer.ring_s));
    if transfer.screening {
        words.push_str("; asks whoever answers");
    }
    if transfer.bridge_if_refused && transfer.way != TransferWay::Bridge {
        words.push_str("; bridged if that is refused");
    }
    words
}

fn complaint(config: &Config, queue: &str, generations: &[&Generation]) -> String {
    let known: Vec<&str> = generations
        .iter()
        .flat_map(|generation| generation.queues.keys().map(|name| name.as_str()))
        .collect();
    let fix = match nearest(queue, known.iter().copied()) {
        Some(meant) => format!("write [transfers.{meant}]"),
        None => format!("use the name of a queue in queues.md: {}", known.join(", ")),
    };
    let file = config.path.display();
    format!("{file}: transfers.{queue}: no prompt files have a queue of this name. Fix: {fix}")
}

/// What a profile whose callers are put through has no words of its own for.
fn doubt(config: &Config, generation: &Generation) -> Option<String> {
    let mut queues = generation.queues.keys();
    if !queues.any(|queue| config.transfers.contains_key(queue.as_str())) {
        return None;
    }
    let missing: Vec<String> = WORDS
        .iter()
        .filter(|pattern| !generation.patterns.says.contains_key(*pattern))
        .map(|pattern| format!("`## {}`", pattern.heading()))
        .collect();
    (!missing.is_empty()).then(|| {
        format!(
            "the profile {} has no {} in patterns.md: callers who are put through hear other words",
            generation.profile,
            missing.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::server::load_profile;

    fn config(lines: &str) -> Config {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(root.join("frontdoor.toml")).expect("the demo's");
        let more = format!("{text}\n[transfer_rules]\nhosts = [\"pbx.example\"]\n{lines}\n");
        Config::parse(&root.join("frontdoor.toml"), &more, |name| {
            (name == "HOME").then(|| "/home/ops".into())
        })
        .expect("valid")
    }

    #[test]
    fn a_queue_that_is_not_there_is_named_with_the_one_that_was_meant() {
        let config = config(
            "[transfers.crads]\nto = \"sip:200@pbx.example\"\n\
             [transfers.billing]\nto = \"sip:201@pbx.example\"\nway = \"attended\"\n\
             screening = true",
        );
        let (generation, _) = load_profile(&config).expect("the demo profile is sound");
        let generations = [&generation];
        assert_eq!(unknown_transfers(&config, &generations), ["crads"]);
        let said = complaint(&config, "crads", &generations);
        assert!(said.contains("frontdoor.toml: transfers.crads: "), "{said}");
        assert!(said.ends_with("Fix: write [transfers.cards]"), "{said}");
        assert_eq!(
            words(&config.transfers["billing"]),
            "attended, to sip:201@pbx.example; rings 25 s; asks whoever answers; bridged if that is \
             refused"
        );
    }

    #[test]
    fn words_that_a_profile_lacks_are_named() {
        let config = config("[transfers.cards]\nto = \"sip:200@pbx.example\"");
        let (mut generation, _) = load_profile(&config).expect("the demo profile is sound");
        assert_eq!(doubt(&config, &generation), None);
        generation.patterns.says.remove(&Pattern::NobodyFree);
        let said = doubt(&config, &generation).expect("it lacks one");
        assert!(said.contains("the profile bank has no `## Nobody free` in"), "{said}");
    }
}
