//! Runs every target on its seeds, which include the inputs of earlier findings, and on some variations of them. This
//! needs no fuzzer. `MARTECH_FUZZ_ROUNDS` sets the number of variations of each seed.

use std::{env, fs, path::Path};

use fastrand::Rng;

fn replay(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
    let entries = fs::read_dir(folder).expect("a target has seeds");
    let mut seeds: Vec<_> = entries.map(|seed| seed.expect("it lists").path()).collect();
    seeds.sort();
    assert!(!seeds.is_empty(), "{target} has no seeds");
    let seeds: Vec<_> = seeds.iter().map(|path| (path, fs::read(path).expect("a seed can be read"))).collect();
    let rounds = env::var("MARTECH_FUZZ_ROUNDS").map_or(20, |rounds| rounds.parse().expect("a number of rounds"));
    for (path, seed) in &seeds {
        println!("{}", path.display());
        run(seed);
        for round in 0..rounds {
            println!("{}, variation {round}", path.display());
            let mut random = Rng::with_seed(round);
            let (_, other) = &seeds[random.usize(..seeds.len())];
            run(&vary(&mut random, seed.clone(), other));
        }
    }
}

/// A few changes, as a fuzzer makes them.
fn vary(random: &mut Rng, mut bytes: Vec<u8>, other: &[u8]) -> Vec<u8> {
    for _ in 0..random.usize(1..8) {
        let at = random.usize(..=bytes.len());
        let end = random.usize(at..=bytes.len().min(at + 20));
        match random.u8(..6) {
            0 => drop(bytes.drain(at..end)),
            1 => bytes.extend_from_within(at..end),
            2 => bytes.insert(at, random.u8(..)),
            3 => {
                let begin = random.usize(..=other.len());
                let piece = &other[begin..random.usize(begin..=other.len())];
                bytes.splice(at..end, piece.iter().copied());
            }
            _ => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << random.u8(..8)),
        }
    }
    bytes
}

macro_rules! targets {
    ($($name:ident)*) => {$(
        #[test]
        fn $name() {
            replay(stringify!($name), martech_fuzz::$name::run);
        }
    )*};
}

targets!(body catalog event files import journal money query spool);
