//! What counts as held.

use super::*;
use crate::base::Effort;
use crate::cli::bench::load::Failures;
use crate::cli::bench::talker::HeardStats;

fn step(calls: usize) -> Step {
    Step {
        calls,
        answered: calls as u64,
        latencies_ms: vec![400.0; 20],
        cut_offs: 0,
        unanswered: 0,
        refused: 0,
        failed: Failures::new(),
        heard: HeardStats { packets: 10_000, lost: 0, late: 2, gap_max_ms: 90 },
        speech_percent: 40.0,
        least_effort: Effort::SmallHearing,
        conversing_max: 16.0,
        front_door_cores: 1.5,
        callers_cores: 0.1,
    }
}

#[test]
fn a_step_holds_if_everybody_was_talked_with_in_time() {
    assert!(step(4).holds(), "what callers do not notice may be spared");
    let mut slow = step(4);
    slow.latencies_ms[..2].fill(900.0);
    assert!(!slow.holds());
    let mut lost = step(4);
    lost.heard.lost = 6;
    assert!(!lost.holds());
    assert!(!Step { refused: 1, ..step(4) }.holds());
    assert!(!Step { least_effort: Effort::KeypadMenu, ..step(4) }.holds());
    assert!(!Step { failed: [("no answer".to_owned(), 1)].into(), ..step(4) }.holds());
    assert!(!Step { latencies_ms: Vec::new(), ..step(4) }.holds(), "nothing was measured");
}

#[test]
fn capacity_is_the_last_step_before_the_first_that_does_not_hold() {
    let refused = Step { refused: 3, ..step(12) };
    let steps = [step(4), step(8), refused, step(16)];
    assert_eq!(capacity(&steps), 8);
    assert!(verdict(&steps).starts_with("It talks with 8 callers at once"), "{}", verdict(&steps));
    assert!(verdict(&steps[..2]).starts_with("It talks with 8 or more callers"));
    assert_eq!(capacity(&[Step { refused: 1, ..step(1) }]), 0);
    let quiet = [Step { speech_percent: 20.0, ..step(4) }];
    assert!(verdict(&quiet).contains("less than 35 %"), "{}", verdict(&quiet));
}

#[test]
fn the_report_is_written_with_all_figures() {
    let folder = tempfile::tempdir().expect("a folder");
    let args = CapacityArgs {
        config: "f.toml".into(),
        calls: vec![4, 12],
        seconds: 60,
        recordings: "r.tsv".into(),
        loss_percent: 0.0,
        changes: vec!["[capacity]\nlatency_p95_max_ms = 900".to_owned()],
        out: None,
    };
    let setup = args.setup();
    assert!(setup.changes.starts_with("server.calls_max = 20\n"), "{}", setup.changes);
    let changes: Result<toml::Table, _> = setup.changes.parse();
    changes.expect("what is put over the configuration is TOML");
    let mut report = Report::begin("x");
    write(&mut report, &[step(4), step(12)], &args, folder.path()).expect("written");
    let json = std::fs::read_to_string(folder.path().join("report.json")).expect("JSON");
    let told: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(told["figures"]["steps"][1]["least_effort"], "small_hearing");
    assert!(folder.path().join("report.html").exists());
}

#[test]
fn the_usual_conversation_is_mostly_speech() {
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join(CONVERSATION);
    let all = recordings::read_list(&list, None).expect("all are there");
    let seconds: f64 = all.iter().map(|one| one.said.length().as_secs_f64()).sum();
    assert!(all.len() == 7 && seconds > 20.0, "{seconds} s");
}
