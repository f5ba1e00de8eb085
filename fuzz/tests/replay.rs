//! Each target takes its seeds, and what some thousand fixed changes make of them, without a fuzzer.

use std::panic::{AssertUnwindSafe, catch_unwind};

use fuzz::{TARGETS, Target};

/// Bytes that readers treat in their own ways.
const SPECIAL: &[u8] = b"\0\n\r\"',;:{}[]()<>&%=-+.*/\\ 09aZ\x1e\x7f\x80\xff";

/// Marsaglia's xorshift: the same numbers on every machine.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end.max(1) as u64) as usize
    }
}

/// Changes a seed in a few places, in the ways a fuzzer would.
fn change(numbers: &mut Numbers, seed: &[u8], other: &[u8]) -> Vec<u8> {
    let mut input = seed.to_vec();
    for _ in 0..=numbers.below(4) {
        let at = numbers.below(input.len() + 1);
        let length = numbers.below(input.len() - at + 1).min(64);
        match numbers.below(7) {
            0 => input.truncate(at),
            1 => drop(input.drain(at..at + length)),
            2 => input.insert(at, SPECIAL[numbers.below(SPECIAL.len())]),
            3 => input.extend_from_within(at..at + length),
            4 if at < input.len() => input[at] = SPECIAL[numbers.below(SPECIAL.len())],
            5 if at < input.len() => input[at] ^= 1 << numbers.below(8),
            _ => {
                let from = numbers.below(other.len() + 1);
                let piece = &other[from..(from + length).min(other.len())];
                input.splice(at..at, piece.iter().copied());
            }
        }
    }
    input
}

fn replay(target: &Target) {
    let seeds = target.seeds();
    assert!(!seeds.is_empty(), "{} has seeds", target.name);
    let mut numbers = Numbers(0x9E37_79B9_7F4A_7C15);
    let run = |input: &[u8]| {
        if catch_unwind(AssertUnwindSafe(|| (target.run)(input))).is_err() {
            panic!("{} fails with b\"{}\"", target.name, input.escape_ascii());
        }
    };
    for seed in &seeds {
        run(seed);
        for _ in 0..target.changes {
            let other = &seeds[numbers.below(seeds.len())];
            run(&change(&mut numbers, seed, other));
        }
    }
}

#[test]
fn every_target_takes_its_seeds_and_what_changes_make_of_them() {
    for target in TARGETS {
        let began = std::time::Instant::now();
        replay(target);
        println!("{}: {:?}", target.name, began.elapsed());
    }
}
