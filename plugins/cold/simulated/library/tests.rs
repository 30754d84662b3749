use super::*;
use crate::config::FaultConfig;
use crate::journal::Input;

const SECOND: i64 = 1_000_000_000;

fn rules(config: &Config) -> Rules {
    Rules::new(config).unwrap()
}

fn batch(key: &str, paths: &[(&str, &str, u64)]) -> NewBatch {
    let file = |(path, tape, position): &(&str, &str, u64)| {
        Ok(TapeFile {
            root: "a".to_owned(),
            path: (*path).to_owned(),
            len_bytes: 360_000_000,
            tape: (*tape).to_owned(),
            position: *position,
        })
    };
    let files = paths.iter().map(file).collect();
    NewBatch { key: key.to_owned(), files, lifetime_ns: 3600 * SECOND, is_interactive: false }
}

fn paths(library: &mut Library) -> Vec<String> {
    library.take_ended().into_iter().map(|recall| recall.path).collect()
}

#[test]
fn interactive_recalls_come_first_on_their_tape() {
    let rules = rules(&Config { drives: 1, ..Config::default() });
    let mut library = Library::default();
    library.advance(&rules, SECOND);
    library.accept(&rules, batch("1", &[("a", "T", 0), ("b", "T", 1 << 30), ("c", "T", 2 << 30)]));
    library.accept(&rules, NewBatch { is_interactive: true, ..batch("2", &[("c", "T", 2 << 30)]) });
    library.advance(&rules, 1000 * SECOND);
    assert_eq!(paths(&mut library), ["a", "c", "b"]);
    assert_eq!(library.n_recalls(), 3);
}

#[test]
fn drives_work_side_by_side_and_never_on_one_tape() {
    let rules = rules(&Config { drives: 2, ..Config::default() });
    let mut library = Library::default();
    library.advance(&rules, SECOND);
    library.accept(&rules, batch("1", &[("a", "T", 0), ("b", "T", 360_000_000), ("c", "U", 0)]));
    // Mounting takes a minute, reading a file a second.
    library.advance(&rules, 62 * SECOND);
    let mut ended = paths(&mut library);
    ended.sort();
    assert_eq!(ended, ["a", "c"]);
    library.advance(&rules, 63 * SECOND);
    assert_eq!(paths(&mut library), ["b"]);
    assert_eq!(library.n_mounts(), 2);
}

#[test]
fn a_recall_that_somebody_else_still_wants_goes_on() {
    let rules = rules(&Config { drives: 1, ..Config::default() });
    let mut library = Library::default();
    library.advance(&rules, SECOND);
    library.accept(&rules, batch("1", &[("a", "T", 0), ("b", "T", 1 << 30)]));
    library.accept(&rules, batch("2", &[("b", "T", 1 << 30)]));
    let b = Key("a".to_owned(), "b".to_owned());
    library.cancel(&rules, "1", std::slice::from_ref(&b));
    library.advance(&rules, 1000 * SECOND);
    assert_eq!(
        library.progress("1").unwrap(),
        [(Key("a".to_owned(), "a".to_owned()), StageState::Staged), (b.clone(), StageState::Unknown)]
    );
    assert_eq!(library.progress("2").unwrap(), [(b, StageState::Staged)]);
}

#[test]
fn what_nobody_wants_any_more_is_not_begun() {
    let rules = rules(&Config { drives: 1, ..Config::default() });
    let mut library = Library::default();
    library.advance(&rules, SECOND);
    library.accept(&rules, batch("1", &[("a", "T", 0), ("b", "T", 1 << 30)]));
    library.cancel(&rules, "1", &[Key("a".to_owned(), "b".to_owned())]);
    library.advance(&rules, 1000 * SECOND);
    assert_eq!((library.n_recalls(), library.n_waiting()), (1, 0));
}

#[test]
fn batches_are_forgotten_after_their_time() {
    let rules = rules(&Config { keep_batches: Duration::from_secs(100), ..Config::default() });
    let mut library = Library::default();
    library.advance(&rules, SECOND);
    library.accept(&rules, batch("1", &[("a", "T", 0)]));
    library.advance(&rules, 300 * SECOND);
    assert!(library.knows("1"));
    library.accept(&rules, batch("2", &[("b", "T", 0)]));
    assert!(!library.knows("1"));
}

/// A small generator, so that the run is the same every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

fn some_input(dice: &mut Dice, number: u64) -> Input {
    let path = |dice: &mut Dice| format!("f{}", dice.below(40));
    let key = |dice: &mut Dice| Key("a".to_owned(), path(dice));
    match dice.below(10) {
        0 => Input::Release(vec![key(dice)]),
        1 => {
            Input::Cancel { batch: format!("{}", dice.below(number + 1)), files: vec![key(dice), key(dice)] }
        }
        _ => {
            let files: Vec<String> = (0..dice.below(5)).map(|_| path(dice)).collect();
            let tapes = ["T0", "T1", "T2", "T3", "T4"];
            let place = |path: &String| {
                let number: u64 = path[1..].parse().unwrap();
                (tapes[(number % 5) as usize], number << 32)
            };
            let files: Vec<(&str, &str, u64)> =
                files.iter().map(|path| (path.as_str(), place(path).0, place(path).1)).collect();
            Input::Stage(batch(&number.to_string(), &files))
        }
    }
}

#[test]
fn the_same_inputs_give_the_same_library_whoever_looked_in_between() {
    let fault = |fault| FaultConfig {
        path: "f1*".to_owned(),
        fault,
        times: 3,
        share: 0.4,
        delay: Duration::from_secs(30),
    };
    let faults = [FaultKind::Fail, FaultKind::Slow, FaultKind::Lie, FaultKind::Corrupt].map(fault).to_vec();
    let rules = rules(&Config { drives: 3, faults, ..Config::default() });
    let (mut quiet, mut watched) = (Library::default(), Library::default());
    let (mut dice, mut looks) = (Dice(1), Dice(2));
    let mut now_ns = SECOND;
    for number in 0..500 {
        let input = some_input(&mut dice, number);
        let text = serde_json::to_string(&input).unwrap();
        for library in [&mut quiet, &mut watched] {
            library.advance(&rules, now_ns);
            let input: Input = serde_json::from_str(&text).unwrap();
            input.apply(library, &rules);
        }
        let pause_ns = dice.below(40) as i64 * SECOND;
        for _ in 0..looks.below(4) {
            let part_ns = looks.below(1000) as i64 * pause_ns / 1000;
            watched.advance(&rules, now_ns + part_ns.max(watched.now_ns() - now_ns));
        }
        now_ns += pause_ns;
        // A library that was written down and read again is the same one.
        if number % 100 == 50 {
            watched = serde_json::from_str(&serde_json::to_string(&watched).unwrap()).unwrap();
        }
    }
    for library in [&mut quiet, &mut watched] {
        library.advance(&rules, now_ns);
    }
    assert_eq!(quiet.n_recalls(), watched.n_recalls());
    assert_eq!(quiet.take_ended(), watched.take_ended());
    for number in 0..500 {
        let key = number.to_string();
        assert_eq!(quiet.progress(&key), watched.progress(&key), "batch {key}");
    }
}
