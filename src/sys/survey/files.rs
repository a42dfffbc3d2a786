//! Small files of the kernel below a root, and the two forms that many of them have: a word, and a
//! list of processors. Knows not what a file is about.

use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// Something read, or why it is not known.
pub type Fact<T> = Result<T, Unknown>;

/// Why something is not known, in a sentence that names the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown(pub String);

impl Unknown {
    fn of(path: &str, error: &io::Error) -> Unknown {
        let why = match error.kind() {
            ErrorKind::NotFound => "is not there".to_owned(),
            ErrorKind::PermissionDenied => "may not be read".to_owned(),
            _ => format!("cannot be read ({error})"),
        };
        Unknown(format!("/{path} {why}"))
    }

    /// The file is there, and what stands in it has another form than it should.
    pub(super) fn form(path: &str) -> Unknown {
        Unknown(format!("/{path} is not understood"))
    }
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The files below a root.
pub(super) struct Files {
    root: PathBuf,
}

impl Files {
    pub(super) fn below(root: &Path) -> Files {
        Files { root: root.to_owned() }
    }

    /// The text of a file without the blanks around it.
    pub(super) fn read(&self, path: &str) -> Fact<String> {
        match fs::read_to_string(self.root.join(path)) {
            Ok(text) => Ok(text.trim().to_owned()),
            Err(error) => Err(Unknown::of(path, &error)),
        }
    }

    /// A file with a number and nothing else.
    pub(super) fn number(&self, path: &str) -> Fact<u64> {
        self.read(path)?.parse().map_err(|_| Unknown::form(path))
    }

    /// A file with a list of processors as `0-3,8`.
    pub(super) fn cpu_list(&self, path: &str) -> Fact<Vec<usize>> {
        cpu_list(&self.read(path)?).ok_or_else(|| Unknown::form(path))
    }

    pub(super) fn has(&self, path: &str) -> bool {
        self.root.join(path).exists()
    }

    /// The names in a folder, those with numbers in the order of the numbers.
    pub(super) fn names(&self, path: &str) -> Fact<Vec<String>> {
        let entries =
            fs::read_dir(self.root.join(path)).map_err(|error| Unknown::of(path, &error))?;
        let mut names: Vec<String> =
            entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort_by_key(|name| (number_in(name), name.clone()));
        Ok(names)
    }

    /// The files that fit `pattern`, in one part of which `*` stands for any name. Never empty.
    pub(super) fn matching(&self, pattern: &str) -> Fact<Vec<(String, Fact<String>)>> {
        let Some((before, after)) = pattern.split_once('*') else {
            return Ok(vec![(pattern.to_owned(), Ok(self.read(pattern)?))]);
        };
        let (folder, prefix) = before.rsplit_once('/').unwrap_or(("", before));
        let (suffix, rest) = match after.split_once('/') {
            Some((suffix, rest)) => (suffix, format!("/{rest}")),
            None => (after, String::new()),
        };
        let fits = |name: &String| {
            let number = name.strip_prefix(prefix).and_then(|name| name.strip_suffix(suffix));
            number.is_some_and(|number| !number.is_empty())
        };
        let names = self.names(folder)?.into_iter().filter(fits);
        let paths = names.map(|name| format!("{folder}/{name}{rest}"));
        let found: Vec<_> = paths
            .filter(|path| self.has(path))
            .map(|path| (path.clone(), self.read(&path)))
            .collect();
        if found.is_empty() {
            return Err(Unknown(format!("there is no /{pattern}")));
        }
        Ok(found)
    }
}

/// `0-3,8` as numbers; an empty text is an empty list.
pub(super) fn cpu_list(text: &str) -> Option<Vec<usize>> {
    let mut cpus = Vec::new();
    for range in text.trim().split(',').filter(|range| !range.is_empty()) {
        let (from, to) = range.split_once('-').unwrap_or((range, range));
        cpus.extend(from.parse::<usize>().ok()?..=to.parse().ok()?);
    }
    Some(cpus)
}

/// The first number in a name.
fn number_in(name: &str) -> u64 {
    let digits = name.trim_start_matches(|char: char| !char.is_ascii_digit());
    let end = digits.find(|char: char| !char.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_processors_are_read_as_the_kernel_writes_them() {
        assert_eq!(cpu_list("0-3,8\n"), Some(vec![0, 1, 2, 3, 8]));
        assert_eq!(cpu_list("5"), Some(vec![5]));
        assert_eq!(cpu_list(""), Some(vec![]));
        assert_eq!(cpu_list("0-x"), None);
    }

    #[test]
    fn what_is_not_there_is_named() {
        let files = Files::below(Path::new("/nowhere"));
        assert_eq!(files.read("proc/a"), Err(Unknown("/proc/a is not there".to_owned())));
        let unknown = files.matching("sys/cpu*/a").unwrap_err();
        assert_eq!(unknown.to_string(), "/sys is not there");
    }

    #[test]
    fn a_star_is_any_name_and_numbers_are_in_order() {
        let root = tempfile::tempdir().unwrap();
        for name in ["cpu10", "cpu2", "cpufreq", "cpu"] {
            fs::create_dir_all(root.path().join("sys").join(name)).unwrap();
            fs::write(root.path().join("sys").join(name).join("a"), name).unwrap();
        }
        let found = Files::below(root.path()).matching("sys/cpu*/a").unwrap();
        let texts: Vec<_> = found.into_iter().map(|(_, text)| text.unwrap()).collect();
        assert_eq!(texts, ["cpufreq", "cpu2", "cpu10"]);
    }
}
