//! How much processor time the control groups of this process grant it, versions 1 and 2.
//! Reads files below a root that is a parameter; knows nothing of threads.

use std::fs;
use std::path::{Component, Path, PathBuf};

/// Processors' worth of time per period that this process may use: the smallest quota among
/// its groups and their ancestors, `None` if none has one. Below 1.0 it is less than one
/// processor.
///
/// `root` is `/` but for tests. A file that cannot be read sets no limit.
pub(super) fn cpu_quota(root: &Path) -> Option<f64> {
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
    let (groups, mounts) = (read("proc/self/cgroup"), read("proc/self/mountinfo"));
    let quotas = mounts.lines().filter_map(Mount::parse).filter_map(|mount| {
        let group = groups.lines().find_map(|line| mount.version.group_in(line))?;
        mount.smallest_quota(root, group)
    });
    quotas.reduce(f64::min)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

impl Version {
    /// The path in a line `id:controllers:path` of `/proc/self/cgroup`, if the line is that of
    /// the group which limits processor time (`cgroups(7)`).
    fn group_in(self, line: &str) -> Option<&str> {
        let mut parts = line.splitn(3, ':');
        let (id, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        let limits = match self {
            Version::One => controllers.split(',').any(|controller| controller == "cpu"),
            Version::Two => id == "0" && controllers.is_empty(),
        };
        limits.then_some(path)
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

/// A mount of the hierarchy that limits processor time.
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
    fn parse(line: &'a str) -> Option<Mount<'a>> {
        let (mount, filesystem) = line.split_once(" - ")?;
        let mut mount = mount.split(' ').skip(3);
        let (group, point) = (mount.next()?, mount.next()?);
        let mut filesystem = filesystem.split(' ');
        let version = match (filesystem.next()?, filesystem.nth(1)) {
            ("cgroup2", _) => Version::Two,
            ("cgroup", Some(options)) if options.split(',').any(|option| option == "cpu") => {
                Version::One
            }
            _ => return None,
        };
        Some(Mount { version, group, point })
    }

    /// The smallest quota from `group` up to the group that is mounted.
    fn smallest_quota(&self, root: &Path, group: &str) -> Option<f64> {
        let top = below(root, self.point);
        let inside = Path::new(group).strip_prefix(self.group).unwrap_or(Path::new(""));
        // A path with `..` is that of a group outside the namespace, where nothing is to be seen.
        let is_plain = inside.components().all(|part| matches!(part, Component::Normal(_)));
        let own = if is_plain { top.join(inside) } else { top.clone() };
        own.ancestors()
            .take_while(|group| group.starts_with(&top))
            .filter_map(|group| self.version.quota_in(group))
            .reduce(f64::min)
    }
}

fn below(root: &Path, absolute: &str) -> PathBuf {
    root.join(absolute.trim_start_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The quota in a tree of the files given, with their contents.
    fn quota_of(files: &[(&str, &str)]) -> Option<f64> {
        let root = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        cpu_quota(root.path())
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
    fn values_that_are_no_limit_set_none() {
        for (granted, period) in [("max", "1000"), ("-1", "1000"), ("0", "1"), ("1", "0"), ("", "")]
        {
            assert_eq!(quota(granted, period), None, "{granted} {period}");
        }
    }
}
