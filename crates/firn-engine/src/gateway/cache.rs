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
        if weight > held.capacity / 4 {
            return;
        }
        while held.weight + weight > held.capacity {
            let Some(oldest) = held.by_use.values().next().cloned() else { break };
            held.remove(&oldest);
        }
        held.clock += 1;
        let used = held.clock;
        held.weight += weight;
        held.by_use.insert(used, key.clone());
        held.values.insert(key, Entry { value, weight, used });
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
