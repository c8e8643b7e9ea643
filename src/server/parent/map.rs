//! A hash table of a fixed size.

use core::hash::{Hash, Hasher};

use crate::sys::errno::{Errno, Result};
use crate::sys::memory::ParentOnly;

/// A hash table with open addressing and linear probing, for a fixed number of keys.
///
/// At least half of the places stay empty, so a search looks at two or three places on average. An attacker can choose
/// keys by connecting from chosen addresses. In the worst case a search then looks at every key, as in a list.
pub(super) struct Map<K, V> {
    places: ParentOnly<Option<(K, V)>>,
    length: usize,
}

impl<K: Copy + Eq + Hash, V: Copy> Map<K, V> {
    pub(super) fn with_capacity(capacity: usize) -> Result<Map<K, V>> {
        let places = capacity.checked_mul(2).and_then(usize::checked_next_power_of_two).ok_or(Errno::NOMEM)?;
        // SAFETY: a child never uses the parent's state.
        let mut places = unsafe { ParentOnly::with_capacity(places.max(2)) }?;
        places.fill(None);
        Ok(Map { places, length: 0 })
    }

    /// Returns the place at which the search for a key begins.
    fn home(&self, key: &K) -> usize {
        let mut hasher = Fnv(FNV_BASIS);
        key.hash(&mut hasher);
        // Mix in the upper half: the low bits of FNV depend too much on the last byte.
        let hash = hasher.finish();
        (hash ^ (hash >> 32)) as usize & self.mask()
    }

    fn mask(&self) -> usize {
        self.places.len() - 1
    }

    /// Returns the place that has the key, or the empty place at which the search for the key ends.
    fn find(&self, key: &K) -> usize {
        let mut place = self.home(key);
        while let Some(Some((other, _))) = self.places.get(place) {
            if other == key {
                break;
            }
            place = (place + 1) & self.mask();
        }
        place
    }

    pub(super) fn get(&self, key: &K) -> Option<V> {
        self.places.get(self.find(key)).copied().flatten().map(|(_, value)| value)
    }

    /// Sets the value of a key. Fails with `ENOMEM` when the map is full.
    pub(super) fn insert(&mut self, key: K, value: V) -> Result<()> {
        let place = self.find(&key);
        let half = self.places.len() / 2;
        let place = self.places.get_mut(place).ok_or(Errno::NOMEM)?;
        if place.is_none() {
            if self.length == half {
                return Err(Errno::NOMEM);
            }
            self.length += 1;
        }
        *place = Some((key, value));
        Ok(())
    }

    /// Removes a key and returns its value.
    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        let mut hole = self.find(key);
        let (_, value) = self.places.get_mut(hole)?.take()?;
        self.length -= 1;
        // Moves later keys back into the hole, because a search would stop there.
        let mut place = hole;
        loop {
            place = (place + 1) & self.mask();
            let Some(Some((key, _))) = self.places.get(place).copied() else { break };
            let distance = |from: usize, to: usize| to.wrapping_sub(from) & self.mask();
            if distance(self.home(&key), place) >= distance(hole, place) {
                self.places.swap(hole, place);
                hole = place;
            }
        }
        Some(value)
    }
}

/// The hash function FNV-1a, by Fowler, Noll and Vo. This function suits short keys, and needs no setup and no seed.
struct Fnv(u64);

const FNV_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(FNV_PRIME);
        }
    }
}

#[cfg(test)]
mod tests;
