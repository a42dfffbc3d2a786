//! How much processor time and memory the control groups of this process grant it, versions 1
//! and 2.
//! Reads files below a root that is a parameter; knows nothing of threads.

use std::fs;
use std::path::{Component, Path, PathBuf};

/// Processors' worth of time per period that this process may use: the smallest quota among
/// its groups and their ancestors, `None` if none has one. Below 1.0 it is less than one
/// processor.
///
/// `root` is `/` but for tests. A file that cannot be read sets no limit.
pub(super) fn cpu_quota(root: &Path) -> Option<f64> {
    over_ancestors(root, "cpu", Version::quota_in, f64::min)
}

/// Periods in which a group of this process, or one above, had used up its time; the most that
/// one of them counted. `None` if none counts. `root` as above.
#[cfg(feature = "doctor")]
pub(super) fn throttled_periods(root: &Path) -> Option<u64> {
    over_ancestors(root, "cpu", Version::throttled_in, u64::max)
}

/// Bytes of memory that this process may use by its groups and their ancestors; `None` if none
/// has a limit. `root` as above.
pub(super) fn memory_max(root: &Path) -> Option<u64> {
    over_ancestors(root, "memory", Version::memory_in, u64::min)
}

/// What `of` finds in the groups of this process for `controller`, two of them made one by `pick`.
fn over_ancestors<T>(
    root: &Path,
    controller: &str,
    of: fn(Version, &Path) -> Option<T>,
    pick: fn(T, T) -> T,
) -> Option<T> {
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
    let (groups, mounts) = (read("proc/self/cgroup"), read("proc/self/mountinfo"));
    let mounts = mounts.lines().filter_map(|line| Mount::parse(line, controller));
    let limits = mounts.filter_map(|mount| {
        let group = groups.lines().find_map(|line| mount.version.group_in(line, controller))?;
        mount.over_ancestors(root, group, of, pick)
    });
    limits.reduce(pick)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

impl Version {
    /// The path in a line `id:controllers:path` of `/proc/self/cgroup`, if the line is that of
    /// the group which `controller` limits (`cgroups(7)`).
    fn group_in<'a>(self, line: &'a str, controller: &str) -> Option<&'a str> {
        let mut parts = line.splitn(3, ':');
        let (id, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        let limits = match self {
            Version::One => controllers.split(',').any(|name| name == controller),
            Version::Two => id == "0" && controllers.is_empty(),
        };
        limits.then_some(path)
    }

    fn memory_in(self, group: &Path) -> Option<u64> {
        let name = match self {
            Version::One => "memory.limit_in_bytes",
            Version::Two => "memory.max",
        };
        fs::read_to_string(group.join(name)).ok()?.trim().parse().ok()
    }

    /// `nr_throttled` of `cpu.stat`, which both versions have.
    #[cfg(feature = "doctor")]
    fn throttled_in(_version: Version, group: &Path) -> Option<u64> {
        let stat = fs::read_to_string(group.join("cpu.stat")).ok()?;
        stat.lines().find_map(|line| line.strip_prefix("nr_throttled ")?.parse().ok())
    }

    fn quota_in(self, group: &Path) -> Option<f64> {
        let read = |name: &str| fs::read_to_string(group.join(name)).ok();
        match self {
            Version::One => {
                quota(read("cpu.cfs_quota_us")?.trim(), read("cpu.cfs_period_us")?.trim())
            }
            Version::Two => {
                let max = read("cpu.max")?;
                let (granted, period) = max.trim().split_once(' ')?;
                quota(granted, period)
            }
        }
    }
}

/// Microseconds granted in each period of microseconds; `max` and -1 are no limit.
fn quota(granted: &str, period: &str) -> Option<f64> {
    let (granted, period): (u32, u32) = (granted.parse().ok()?, period.parse().ok()?);
    (granted > 0 && period > 0).then(|| f64::from(granted) / f64::from(period))
}

/// A mount of the hierarchy of a controller.
#[derive(Debug, PartialEq, Eq)]
struct Mount<'a> {
    version: Version,
    /// The group that is mounted: not the topmost one where a container sees a part only.
    group: &'a str,
    point: &'a str,
}

impl<'a> Mount<'a> {
    /// Reads a line of `/proc/self/mountinfo` (`proc_pid_mountinfo(5)`): id, parent, device,
    /// root, mount point, options, any number of others, `-`, type, source, options.
    fn parse(line: &'a str, controller: &str) -> Option<Mount<'a>> {
        let (mount, filesystem) = line.split_once(" - ")?;
        let mut mount = mount.split(' ').skip(3);
        let (group, point) = (mount.next()?, mount.next()?);
        let mut filesystem = filesystem.split(' ');
        let version = match (filesystem.next()?, filesystem.nth(1)) {
            ("cgroup2", _) => Version::Two,
            ("cgroup", Some(options)) if options.split(',').any(|name| name == controller) => {
                Version::One
            }
            _ => return None,
        };
        Some(Mount { version, group, point })
    }

    /// The same from `group` up to the group that is mounted.
    fn over_ancestors<T>(
        &self,
        root: &Path,
        group: &str,
        of: fn(Version, &Path) -> Option<T>,
        pick: fn(T, T) -> T,
    ) -> Option<T> {
        let top = below(root, self.point);
        let inside = Path::new(group).strip_prefix(self.group).unwrap_or(Path::new(""));
        // A path with `..` is that of a group outside the namespace, where nothing is to be seen.
        let is_plain = inside.components().all(|part| matches!(part, Component::Normal(_)));
        let own = if is_plain { top.join(inside) } else { top.clone() };
        own.ancestors()
            .take_while(|group| group.starts_with(&top))
            .filter_map(|group| of(self.version, group))
            .reduce(pick)
    }
}

fn below(root: &Path, absolute: &str) -> PathBuf {
    root.join(absolute.trim_start_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree of the files given, with their contents.
    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        root
    }

    fn quota_of(files: &[(&str, &str)]) -> Option<f64> {
        cpu_quota(tree(files).path())
    }

    const TWO: (&str, &str) = (
        "proc/self/mountinfo",
        "25 1 0:22 / /proc rw - proc proc rw\n\
         30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n",
    );

    #[test]
    fn without_control_groups_there_is_no_quota() {
        assert_eq!(quota_of(&[]), None);
        assert_eq!(quota_of(&[("proc/self/cgroup", "nonsense\n:\n"), TWO]), None);
    }

    #[test]
    fn the_smallest_quota_of_all_ancestors_counts() {
        let group = ("proc/self/cgroup", "0::/system.slice/web.service/inner\n");
        let inner = ("sys/fs/cgroup/system.slice/web.service/inner/cpu.max", "max 100000\n");
        let service = ("sys/fs/cgroup/system.slice/web.service/cpu.max", "400000 100000\n");
        let slice = ("sys/fs/cgroup/system.slice/cpu.max", "150000 100000\n");
        assert_eq!(quota_of(&[TWO, group, inner]), None);
        assert_eq!(quota_of(&[TWO, group, inner, service]), Some(4.0));
        assert_eq!(quota_of(&[TWO, group, inner, service, slice]), Some(1.5));
    }

    #[test]
    fn a_container_with_its_own_namespace_finds_its_quota_at_the_mount_point() {
        let group = ("proc/self/cgroup", "0::/\n");
        let limit = ("sys/fs/cgroup/cpu.max", "50000 100000\n");
        assert_eq!(quota_of(&[TWO, group, limit]), Some(0.5));
    }

    #[test]
    fn a_group_outside_the_namespace_never_leads_out_of_the_mount() {
        let group = ("proc/self/cgroup", "0::/../../other\n");
        let outside = ("sys/other/cpu.max", "10000 100000\n");
        let limit = ("sys/fs/cgroup/cpu.max", "200000 100000\n");
        assert_eq!(quota_of(&[TWO, group, outside, limit]), Some(2.0));
    }

    const ONE_GROUP: (&str, &str) =
        ("proc/self/cgroup", "5:memory:/docker/ab\n4:cpu,cpuacct:/docker/ab/in\n0::/docker/ab\n");

    #[test]
    fn version_1_is_found_by_its_controller() {
        let mount = (
            "proc/self/mountinfo",
            "31 1 0:9 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n\
             32 1 0:9 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n",
        );
        let group = "sys/fs/cgroup/cpu,cpuacct/docker/ab";
        let file = |name: &str| format!("{group}/{name}");
        let (quota, period) = (file("cpu.cfs_quota_us"), file("cpu.cfs_period_us"));
        let files = |granted| [mount, ONE_GROUP, (&quota, granted), (&period, "100000\n")];
        assert_eq!(quota_of(&files("250000\n")), Some(2.5));
        assert_eq!(quota_of(&files("-1\n")), None);
    }

    #[test]
    fn the_group_that_is_mounted_is_no_part_of_the_path_below_the_mount_point() {
        let mount =
            ("proc/self/mountinfo", "32 1 0:9 /docker/ab /cgroup rw - cgroup cgroup rw,cpu\n");
        let own =
            [("cgroup/in/cpu.cfs_quota_us", "300000"), ("cgroup/in/cpu.cfs_period_us", "1000")];
        assert_eq!(quota_of(&[mount, ONE_GROUP, own[0], own[1]]), Some(300.0));
        let top = [("cgroup/cpu.cfs_quota_us", "7000"), ("cgroup/cpu.cfs_period_us", "1000")];
        assert_eq!(quota_of(&[mount, ONE_GROUP, own[0], own[1], top[0], top[1]]), Some(7.0));
    }

    #[test]
    fn the_smallest_limit_of_memory_counts_in_both_versions() {
        let two = [
            TWO,
            ("proc/self/cgroup", "0::/a/b\n"),
            ("sys/fs/cgroup/a/b/memory.max", "max\n"),
            ("sys/fs/cgroup/a/memory.max", "134217728\n"),
        ];
        assert_eq!(memory_max(tree(&two[..3]).path()), None);
        assert_eq!(memory_max(tree(&two).path()), Some(134_217_728));
        let one = [
            ("proc/self/mountinfo", "31 1 0:9 / /mem rw - cgroup cgroup rw,memory\n"),
            ONE_GROUP,
            ("mem/docker/ab/memory.limit_in_bytes", "5000\n"),
        ];
        assert_eq!(memory_max(tree(&one).path()), Some(5000));
    }

    #[test]
    fn values_that_are_no_limit_set_none() {
        for (granted, period) in [("max", "1000"), ("-1", "1000"), ("0", "1"), ("1", "0"), ("", "")]
        {
            assert_eq!(quota(granted, period), None, "{granted} {period}");
        }
    }
}
