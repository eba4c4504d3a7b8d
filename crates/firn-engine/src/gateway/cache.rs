//! What was made for an answer and may be asked for again, within bounds; the least recently used goes first.

use crate::execute::lock;
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::sync::Mutex;

/// Values by key, of a bounded weight in all.
#[derive(Debug)]
pub struct Cache<K, V>(Mutex<Held<K, V>>);

#[derive(Debug)]
struct Held<K, V> {
    capacity: u64,
    weight: u64,
    clock: u64,
    values: HashMap<K, Entry<V>>,
    by_use: BTreeMap<u64, K>,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    weight: u64,
    used: u64,
}

impl<K: Hash + Eq + Clone, V: Clone> Cache<K, V> {
    /// Of this weight in all.
    pub fn new(capacity: u64) -> Self {
        let (values, by_use) = (HashMap::new(), BTreeMap::new());
        Self(Mutex::new(Held { capacity, weight: 0, clock: 0, values, by_use }))
    }

    /// The value of this key, where it is still there.
    pub fn get(&self, key: &K) -> Option<V> {
        let mut held = lock(&self.0);
        held.clock += 1;
        let now = held.clock;
        let entry = held.values.get_mut(key)?;
        let before = std::mem::replace(&mut entry.used, now);
        let value = entry.value.clone();
        held.by_use.remove(&before);
        held.by_use.insert(now, key.clone());
        Some(value)
    }

    /// Keeps a value of this weight, in place of those that were not used for the longest time. One that weighs more than a
    /// quarter of all is not kept: it would drive out everything else.
    pub fn put(&self, key: K, value: V, weight: u64) {
        let mut held = lock(&self.0);
        held.remove(&key);
        if weight <= held.capacity / 4 {
            held.insert(key, value, weight);
        }
    }

    /// As [`Self::put`], also where it weighs more than everything else may: what costs so much to make is not made again for
    /// each question.
    pub fn put_whatever_its_weight(&self, key: K, value: V, weight: u64) {
        let mut held = lock(&self.0);
        held.remove(&key);
        held.insert(key, value, weight);
    }
}

impl<K: Hash + Eq + Clone, V> Held<K, V> {
    fn insert(&mut self, key: K, value: V, weight: u64) {
        while self.weight.saturating_add(weight) > self.capacity {
            let Some(oldest) = self.by_use.values().next().cloned() else { break };
            self.remove(&oldest);
        }
        self.clock += 1;
        self.weight = self.weight.saturating_add(weight);
        self.by_use.insert(self.clock, key.clone());
        self.values.insert(key, Entry { value, weight, used: self.clock });
    }
}

impl<K: Hash + Eq, V> Held<K, V> {
    fn remove(&mut self, key: &K) {
        if let Some(entry) = self.values.remove(key) {
            self.weight -= entry.weight;
            self.by_use.remove(&entry.used);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_goes_first() {
        let cache = Cache::new(8);
        for key in ["a", "b", "c", "d"] {
            cache.put(key, key, 2);
        }
        assert_eq!(cache.get(&"a"), Some("a"));
        cache.put("e", "e", 2);
        let there: Vec<bool> = ["a", "b", "c", "d", "e"].iter().map(|key| cache.get(key).is_some()).collect();
        assert_eq!(there, [true, false, true, true, true]);
    }

    #[test]
    fn one_that_weighs_more_than_all_may_stays_alone_until_another_comes() {
        let cache = Cache::new(8);
        cache.put("small", 1, 2);
        cache.put_whatever_its_weight("huge", 2, 100);
        assert_eq!((cache.get(&"small"), cache.get(&"huge")), (None, Some(2)));
        cache.put_whatever_its_weight("next", 3, 1);
        assert_eq!((cache.get(&"huge"), cache.get(&"next")), (None, Some(3)));
        assert_eq!(lock(&cache.0).weight, 1);
    }

    #[test]
    fn the_weight_is_that_of_what_is_there() {
        let cache = Cache::new(8);
        cache.put("a", 1, 2);
        cache.put("a", 2, 1);
        cache.put("huge", 3, 3);
        assert_eq!((cache.get(&"a"), cache.get(&"huge")), (Some(2), None));
        let held = lock(&cache.0);
        assert_eq!((held.weight, held.values.len(), held.by_use.len()), (1, 1, 1));
    }
}
