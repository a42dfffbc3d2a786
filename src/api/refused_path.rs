//! Why no file is served for a path, as it is counted.
//! Knows no files.

/// What is wrong with a path. All of them answer as a missing file does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedPath {
    /// A link leads out of the directory, or to itself.
    EscapesRoot,
    /// A name begins with a dot.
    Hidden,
    /// It leads to a device, a pipe or a socket.
    NotAFile,
    /// `..`, an escaped slash, a NUL, an overlong form, or what else no file's path has.
    Traversal,
}

impl RefusedPath {
    /// All of them, in the order of their numbers.
    pub const ALL: [RefusedPath; 4] = [
        RefusedPath::EscapesRoot,
        RefusedPath::Hidden,
        RefusedPath::NotAFile,
        RefusedPath::Traversal,
    ];

    /// Its name in statistics.
    pub const fn name(self) -> &'static str {
        match self {
            RefusedPath::EscapesRoot => "escapes_root",
            RefusedPath::Hidden => "hidden",
            RefusedPath::NotAFile => "not_a_file",
            RefusedPath::Traversal => "traversal",
        }
    }
}
