//! What the machine has, as far as this process may use it.

use std::fs;
use std::path::Path;

/// Assumed where a system does not say how much memory it has.
const UNKNOWN_MEMORY: u64 = 4 << 30;

/// Cores that this process may use; at least 1. Respects CPU affinity and cgroup quotas.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Bytes of memory that this process may use: the machine's, or the limit of its cgroup where that is less.
pub fn memory() -> u64 {
    memory_below(Path::new("/"))
}

fn memory_below(root: &Path) -> u64 {
    let machine = fs::read_to_string(root.join("proc/meminfo")).ok().and_then(|text| total_of(&text));
    let machine = machine.unwrap_or(UNKNOWN_MEMORY);
    limits(root).into_iter().fold(machine, u64::min)
}

/// `MemTotal:  24589012 kB`
fn total_of(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// The limits of the cgroup of this process and of those around it, version 2 and version 1.
fn limits(root: &Path) -> Vec<u64> {
    let own = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let mut limits = Vec::new();
    for line in own.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else { continue };
        let (folder, file) = if controllers.is_empty() {
            (root.join("sys/fs/cgroup"), "memory.max")
        } else if controllers.split(',').any(|controller| controller == "memory") {
            (root.join("sys/fs/cgroup/memory"), "memory.limit_in_bytes")
        } else {
            continue;
        };
        // Inside of a container the path may be the host's; then only the folder itself is there.
        let inside = folder.join(path.trim_start_matches('/'));
        for place in inside.ancestors().take_while(|place| place.starts_with(&folder)) {
            let limit = fs::read_to_string(place.join(file)).ok().and_then(|text| text.trim().parse::<u64>().ok());
            limits.extend(limit);
        }
    }
    limits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn the_limit_of_a_container_counts_and_not_the_machine() {
        let root = machine(&[
            ("proc/meminfo", "MemTotal:       16777216 kB\nMemFree: 1 kB\n"),
            ("proc/self/cgroup", "0::/a/b\n"),
            ("sys/fs/cgroup/a/memory.max", "2147483648\n"),
            ("sys/fs/cgroup/a/b/memory.max", "max\n"),
        ]);
        assert_eq!(memory_below(root.path()), 2 << 30);
    }

    #[test]
    fn version_1_of_cgroups_counts_too() {
        let root = machine(&[
            ("proc/meminfo", "MemTotal:       16777216 kB\n"),
            ("proc/self/cgroup", "5:cpu,memory:/docker/x\n1:name=systemd:/\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "1073741824\n"),
        ]);
        assert_eq!(memory_below(root.path()), 1 << 30);
    }

    #[test]
    fn an_unlimited_process_has_the_whole_machine() {
        let root = machine(&[
            ("proc/meminfo", "MemTotal:       16777216 kB\n"),
            ("proc/self/cgroup", "0::/\n4:memory:/\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
        ]);
        assert_eq!(memory_below(root.path()), 16 << 30);
        assert_eq!(memory_below(machine(&[]).path()), UNKNOWN_MEMORY);
    }
}
