use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// Numbers that look random and are the same each time (Knuth's generator).
fn numbers(seed: u64) -> impl Iterator<Item = u64> {
    let mut state = seed;
    std::iter::from_fn(move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        Some(state >> 33)
    })
}

#[test]
fn a_map_does_what_the_map_of_the_standard_library_does() {
    let (mut ours, mut theirs) = (Map::new(), BTreeMap::new());
    let mut numbers = numbers(1);
    for step in 0..5_000 {
        let (key, what) = (numbers.next().unwrap() % 50, numbers.next().unwrap() % 6);
        match what {
            0 | 1 => assert_eq!(ours.insert(key, step), theirs.insert(key, step)),
            2 | 3 => assert_eq!(ours.remove(&key), theirs.remove(&key)),
            4 => assert_eq!(
                ours.get_or_insert_with(key, || step),
                theirs.entry(key).or_insert(step)
            ),
            _ if key == 0 => {
                ours.retain(|key, _| key % 3 != 0);
                theirs.retain(|key, _| key % 3 != 0);
            }
            _ => assert_eq!(ours.get_mut(&key), theirs.get_mut(&key)),
        }
        assert_eq!(ours.get(&key), theirs.get(&key));
        assert_eq!(ours.contains_key(&key), theirs.contains_key(&key));
        assert!(ours.iter().eq(theirs.iter()));
        assert!(ours.keys().eq(theirs.keys()) && ours.values().eq(theirs.values()));
        assert_eq!(
            (ours.len(), ours.is_empty()),
            (theirs.len(), theirs.is_empty())
        );
    }
}

#[test]
fn a_set_does_what_the_set_of_the_standard_library_does() {
    let (mut ours, mut theirs) = (Set::new(), BTreeSet::new());
    let mut numbers = numbers(2);
    for _ in 0..5_000 {
        let (member, what) = (numbers.next().unwrap() % 50, numbers.next().unwrap() % 5);
        match what {
            0 | 1 => assert_eq!(ours.insert(member), theirs.insert(member)),
            2 | 3 => assert_eq!(ours.remove(&member), theirs.remove(&member)),
            _ => {
                ours.extend([member, member + 7, member]);
                theirs.extend([member, member + 7, member]);
            }
        }
        assert!(ours.iter().eq(theirs.iter()));
        assert_eq!(ours.first(), theirs.first());
        let even: Set<u64> = ours.iter().copied().filter(|n| n % 2 == 0).collect();
        assert!(ours.difference(&even).all(|n| n % 2 == 1));
        assert_eq!(ours.difference(&even).count() + even.len(), ours.len());
    }
}

#[test]
fn of_equal_keys_the_last_one_stays() {
    let map: Map<&str, u32> = [("b", 1), ("a", 2), ("b", 3), ("a", 4), ("b", 5)]
        .into_iter()
        .collect();
    assert!(map.into_iter().eq([("a", 4), ("b", 5)]));
}
