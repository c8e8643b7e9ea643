use std::collections::BTreeMap;

use super::Map;
use crate::sys::errno::Errno;

/// The number of operations in the comparison with std's map. The number is lower under Miri, which takes a thousand
/// times as long.
const STEPS: u32 = if cfg!(miri) { 60 } else { 20_000 };

/// Does the same operations on a [`Map`] and on std's map. There are few keys, so that operations meet the same key
/// again and again.
#[test]
fn it_does_what_the_map_of_std_does() {
    const CAPACITY: usize = 16;
    let mut map = Map::with_capacity(CAPACITY).unwrap();
    let mut model: BTreeMap<u64, u32> = BTreeMap::new();
    let mut state = 1_u64;
    for step in 0..STEPS {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let key = (state >> 33) % 24;
        match (state >> 61) % 4 {
            0 => assert_eq!(map.remove(&key), model.remove(&key), "step {step}"),
            1 => assert_eq!(map.get(&key), model.get(&key).copied(), "step {step}"),
            _ if model.len() < CAPACITY || model.contains_key(&key) => {
                map.insert(key, step).unwrap();
                model.insert(key, step);
            }
            _ => assert_eq!(map.insert(key, step), Err(Errno::NOMEM), "step {step}: one key too many"),
        }
        // Every key that was not removed is still found.
        for key in 0..24 {
            assert_eq!(map.get(&key), model.get(&key).copied(), "step {step}, key {key}");
        }
    }
}

#[test]
fn it_holds_as_many_keys_as_it_was_made_for_and_no_more_than_half_of_its_places() {
    for capacity in [1, 2, 3, 63, 64, 65] {
        let mut map = Map::with_capacity(capacity).unwrap();
        let places = map.places.len();
        assert!(places.is_power_of_two() && places >= 2 * capacity, "{places} places for {capacity}");
        (0..places / 2).for_each(|key| map.insert(key, ()).unwrap());
        assert_eq!(map.insert(usize::MAX, ()), Err(Errno::NOMEM));
        // The value of a key can be replaced even if the map is full.
        map.insert(0, ()).unwrap();
        assert_eq!(map.remove(&0), Some(()));
        map.insert(usize::MAX, ()).unwrap();
    }
}
