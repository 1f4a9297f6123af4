//! Edits of the demo profile, refused and put in force.

use std::path::PathBuf;

use super::*;
use crate::engine::models::ModelStore;

fn file(path: &str, text: &str) -> SourceFile {
    SourceFile { path: path.to_owned(), text: text.to_owned() }
}

#[test]
fn changes_are_told_by_file() {
    let before = [file("faq.md", "a"), file("hours.md", "b"), file("house.md", "c")];
    let after = [file("faq.md", "a"), file("house.md", "C"), file("intents/x.md", "d")];
    let changes = Changes::between(&before, &after);
    assert_eq!(changes.changed, ["house.md"]);
    assert_eq!(changes.added, ["intents/x.md"]);
    assert_eq!(changes.removed, ["hours.md"]);
    assert_eq!(Changes::between(&after, &after), Changes::default());
}

#[test]
fn users_have_names() {
    let users = "root:x:0:0:root:/root:/bin/sh\nalex:x:1000:1000::/home/alex:/bin/sh\nbroken\n";
    assert_eq!(user_name(users, 1000).as_deref(), Some("alex"));
    assert_eq!(user_name(users, 0).as_deref(), Some("root"));
    assert_eq!(user_name(users, 7), None);
}

#[test]
fn the_last_editor_owns_the_newest_file() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("faq.md"), "a").expect("written");
    let none = Changes { removed: vec!["hours.md".to_owned()], ..Changes::default() };
    assert_eq!(none.last_editor(folder.path()), None);
    let some = Changes { changed: vec!["faq.md".to_owned()], ..Changes::default() };
    assert!(some.last_editor(folder.path()).is_some());
}

/// A copy of the demo profile, with its configuration.
struct Place {
    profile: PathBuf,
    config: Config,
    _folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = tempfile::tempdir().expect("a folder");
        let profile = folder.path().join("bank");
        fs::create_dir_all(profile.join("intents")).expect("made");
        for file in read_profile(&root.join("prompts/bank")).expect("the demo profile") {
            fs::write(profile.join(&file.path), &file.text).expect("written");
        }
        let text = fs::read_to_string(root.join("frontdoor.toml")).expect("the demo's");
        let text = text.replace("prompts/bank", &profile.to_string_lossy());
        let path = folder.path().join("frontdoor.toml");
        let config = Config::parse(&path, &text, |name| std::env::var_os(name));
        Self { profile, config: config.expect("valid"), _folder: folder }
    }

    fn edit(&self, file: &str, edit: impl Fn(String) -> String) {
        let path = self.profile.join(file);
        let text = fs::read_to_string(&path).expect("read");
        fs::write(path, edit(text)).expect("written");
    }

    fn reloader(&self) -> Reloader {
        let store = ModelStore::open(self.config.models.cache_dir.clone()).expect("a store");
        let trainer =
            Trainer::open(&store, &self.config.understanding.encoder).expect("the encoder");
        let files = read_profile(&self.profile).expect("read");
        let (generation, _) = parse_profile(&self.config, &files).expect("sound");
        let understander = trainer.train(&Lessons::of(&generation)).expect("trains");
        let pool = UnderstandingPool::start(understander, 4).expect("starts");
        Reloader::new(self.config.clone(), files, Arc::new(generation), trainer, pool)
    }
}

#[tokio::test]
#[ignore = "needs the models"]
async fn a_broken_tree_is_refused_and_a_mended_one_is_for_the_next_call() {
    let place = Place::new();
    let mut reloader = place.reloader();
    let running = reloader.running();
    let call = Running::clone(&running.borrow());
    let odd = "my plastic went for a swim";
    assert!(matches!(reloader.reload_now().await, Reloaded::Unchanged));

    place.edit("intents/lost_card.md", |text| text.replace("## Callers say", "## Callers shout"));
    match reloader.reload_now().await {
        Reloaded::Refused { findings } => {
            assert!(findings.iter().any(|f| f.path.ends_with("lost_card.md")), "{findings:?}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(running.borrow().generation.hash, call.generation.hash);
    assert!(!reloader.reload_if_changed().await, "not refused over and over");

    let added = format!("## Callers say\n- {odd}\n- my plastic is swimming somewhere\n");
    place.edit("intents/lost_card.md", |text| text.replace("## Callers shout\n", &added));
    match reloader.reload_now().await {
        Reloaded::InForce { generation, changes, .. } => {
            assert_eq!(generation, running.borrow().generation.hash);
            assert_eq!(changes.changed, ["intents/lost_card.md"]);
            assert!(changes.added.is_empty() && changes.removed.is_empty(), "{changes:?}");
        }
        other => panic!("{other:?}"),
    }
    let next = Running::clone(&running.borrow());
    assert_ne!(next.generation.hash, call.generation.hash);
    let sure = |running: &Running| {
        let understood = running.understander.understand(odd).expect("understood");
        let wanted = |score: &&crate::nlu::IntentScore| score.intent.as_str() == "lost_card";
        understood.intents.iter().find(wanted).map_or(0.0, |score| score.confidence)
    };
    assert!(sure(&next) > sure(&call), "the call in progress keeps its classifier");
    assert!(matches!(reloader.reload_now().await, Reloaded::Unchanged));
}

#[tokio::test]
#[ignore = "needs the models"]
async fn a_folder_that_is_gone_changes_nothing() {
    let place = Place::new();
    let mut reloader = place.reloader();
    let running = reloader.running();
    let before = running.borrow().generation.hash.clone();
    fs::remove_dir_all(&place.profile).expect("removed");
    assert!(reloader.reload_if_changed().await);
    assert!(matches!(reloader.reload_now().await, Reloaded::Failed(_)));
    assert!(!reloader.reload_if_changed().await, "not said over and over");
    assert_eq!(running.borrow().generation.hash, before);
}
