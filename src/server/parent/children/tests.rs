use std::vec::Vec;

use super::super::tests::{client, nobody};
use super::*;

/// The number of operations in the comparison. The number is lower under Miri, which takes a thousand times as long.
const STEPS: u32 = if cfg!(miri) { 60 } else { 10_000 };
const CAPACITY: u32 = 12;

/// A child of the model: its number, its stage, the times at which it began and came to the stage, and its slot.
type Known = (i32, Stage, Duration, Duration, u32);

/// Checks that the table has the children of the model, each stage in the order in which they came to it.
#[track_caller]
fn assert_same(children: &Children, model: &[Known], step: u32) {
    assert_eq!((children.len(), children.is_empty()), (model.len() as u32, model.is_empty()), "step {step}");
    for stage in Stage::ALL {
        let expected: Vec<Known> = model.iter().copied().filter(|known| known.1 == stage).collect();
        let shown = |child: Child| {
            let number = (0..32).find(|number| nobody(*number) == child.pid).unwrap();
            assert_eq!((child.peer, child.rule), (client(1, number as u16), Some(number as u32)), "step {step}");
            (number, child.stage, child.started, child.since, child.index)
        };
        let forwards: Vec<Known> = children.at(stage).map(shown).collect();
        assert_eq!(forwards, expected, "step {step}: {stage:?}");
        let last = core::iter::successors(children.last(stage), |child| children.before(child));
        let backwards: Vec<Known> = last.map(shown).collect();
        assert!(backwards.iter().rev().eq(&expected), "step {step}: {stage:?} backwards: {backwards:?}");
        assert_eq!(children.len_at(stage), expected.len() as u32, "step {step}: {stage:?}");
        assert_eq!(children.first(stage).map(shown), expected.first().copied(), "step {step}: {stage:?}");
    }
}

/// Does the same operations on the table and on a list, in which the last child is the one that came to its stage last.
#[test]
fn it_does_what_a_list_does() {
    let mut children = Children::with_capacity(CAPACITY).unwrap();
    let mut model: Vec<Known> = Vec::new();
    let mut state = 1_u64;
    for step in 0..STEPS {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let number = ((state >> 33) % 16) as i32;
        let now = Duration::from_secs(step.into());
        let known = model.iter().position(|known| known.0 == number);
        assert_eq!(children.contains(nobody(number)), known.is_some(), "step {step}");
        match ((state >> 60) % 4, known) {
            (0, Some(at)) => {
                let removed = children.remove(nobody(number)).unwrap();
                assert_eq!(removed.index, model.remove(at).4, "step {step}");
                assert_eq!(children.next_index(), removed.index, "the slot that was in use last comes next");
            }
            (0, None) => assert!(children.remove(nobody(number)).is_none(), "step {step}"),
            (1 | 2, known) => {
                let stage = Stage::ALL[(state >> 56) as usize % STAGES];
                children.set_stage(nobody(number), stage, now);
                if let Some(at) = known {
                    let (number, _, started, _, index) = model.remove(at);
                    model.push((number, stage, started, now, index));
                }
            }
            (_, None) => {
                let index = children.next_index();
                let added = children.insert(nobody(number), client(1, number as u16), None, now);
                assert_eq!(added.is_ok(), model.len() < CAPACITY as usize, "step {step}");
                if added.is_ok() {
                    let child = children.at(Stage::Running).find(|child| child.pid == nobody(number)).unwrap();
                    children.set_rule(&child, Some(number as u32));
                    assert!(index < CAPACITY && model.iter().all(|known| known.4 != index), "step {step}: {index}");
                    model.push((number, Stage::Running, now, now, index));
                }
            }
            (_, Some(_)) => {}
        }
        assert_same(&children, &model, step);
    }
}
