//! Rust source as the style checks see it: tokens, comments and test code told apart.
//! Knows no rule and no room of the crate.

use std::fs;
use std::path::Path;

/// A word, a number, a string literal or a punctuation mark, and the line it begins on (from 0).
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) line: usize,
}

/// One file: `lines` as written, `code` with comments blank and what stands in quotes replaced
/// by `~`, `comments` with all else blank; `is_test` says it of every line.
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) lines: Vec<String>,
    pub(crate) code: Vec<String>,
    pub(crate) comments: Vec<String>,
    pub(crate) tokens: Vec<Token>,
    pub(crate) is_test: Vec<bool>,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Source {
        let (code, comments) = mask(text);
        let split = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        let tokens = tokenize(&code);
        let lines = split(text);
        let whole = path.starts_with("tests/")
            || path.starts_with("benches/")
            || path.ends_with("/tests.rs")
            || text.contains("\n#![cfg(test)]");
        let mut is_test = vec![whole; lines.len()];
        for (first, last) in test_items(&tokens) {
            is_test[tokens[first].line..=tokens[last].line].fill(true);
        }
        let (code, comments) = (split(&code), split(&comments));
        Source { path: path.to_owned(), lines, code, comments, tokens, is_test }
    }

    /// The first part of the path under `src/`; `None` outside.
    pub(crate) fn room(&self) -> Option<&str> {
        let rest = self.path.strip_prefix("src/")?;
        match rest.split('/').next()? {
            "bin" => Some("main"),
            first => Some(first.strip_suffix(".rs").unwrap_or(first)),
        }
    }

    /// How many modules deep the file stands below the crate's root.
    pub(crate) fn depth(&self) -> usize {
        let parts = self.path.matches('/').count();
        if self.path.ends_with("/mod.rs") { parts - 1 } else { parts }
    }

    /// The text of the token at `index`; empty beyond the ends.
    pub(crate) fn text(&self, index: usize) -> &str {
        self.tokens.get(index).map_or("", |token| &token.text)
    }

    /// Whether the texts from `index` on are `wanted`.
    pub(crate) fn is_at(&self, index: usize, wanted: &[&str]) -> bool {
        wanted.iter().enumerate().all(|(offset, text)| self.text(index + offset) == *text)
    }

    /// Indices of the tokens that are not test code.
    pub(crate) fn shipped(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.tokens.len()).filter(|&index| !self.is_test[self.tokens[index].line])
    }

    /// Names and spans (token indices) of the functions with a body.
    pub(crate) fn functions(&self) -> Vec<(&str, usize, usize)> {
        let heads = (0..self.tokens.len()).filter(|&at| self.text(at) == "fn");
        heads
            .filter(|&at| is_word(self.text(at + 1)))
            .map(|at| (self.text(at + 1), at, item_end(&self.tokens, at)))
            .filter(|&(_, _, end)| self.text(end) == "}")
            .collect()
    }

    /// Index of the token that ends the item at `start`.
    pub(crate) fn item_end(&self, start: usize) -> usize {
        item_end(&self.tokens, start)
    }

    /// The name at `start`, or the first names of the paths in the braces that open there.
    pub(crate) fn first_names(&self, start: usize) -> Vec<String> {
        if self.text(start) != "{" {
            return vec![self.text(start).to_owned()];
        }
        let (mut names, mut depth) = (Vec::new(), 0_usize);
        for at in start..=self.item_end(start) {
            match self.text(at) {
                "{" => depth += 1,
                "}" => depth -= 1,
                text if depth == 1 && ["{", ","].contains(&self.text(at - 1)) => {
                    names.push(text.to_owned());
                }
                _ => {}
            }
        }
        names
    }

    /// Whether a comment that contains `wanted` belongs to `line`: on it, or above it with
    /// nothing but comments, attributes and the beginning of the same statement between.
    pub(crate) fn has_comment(&self, line: usize, wanted: &[&str]) -> bool {
        let says = |line: usize| {
            !self.comments[line].trim().is_empty()
                && wanted.iter().any(|text| self.comments[line].contains(text))
        };
        if says(line) {
            return true;
        }
        for above in (0..line).rev() {
            let code = self.code[above].trim();
            if says(above) && code.is_empty() {
                return true;
            }
            let comment = code.is_empty() && !self.comments[above].trim().is_empty();
            let ends_a_statement = code.is_empty() || code.ends_with([';', '{', '}', ',']);
            if !comment && !code.starts_with("#[") && ends_a_statement {
                return false;
            }
        }
        false
    }

    /// Path prefixes of modules declared `#[cfg(test)] mod name;`, whose files are test code.
    pub(crate) fn test_modules(&self) -> Vec<String> {
        let stem = self.path.strip_suffix(".rs").unwrap_or(&self.path);
        let dir = match stem.rsplit_once('/') {
            Some((dir, "mod" | "lib" | "main")) => dir,
            _ => stem,
        };
        let items = test_items(&self.tokens).into_iter();
        items
            .filter(|&(_, last)| {
                last >= 2 && self.text(last) == ";" && self.text(last - 2) == "mod"
            })
            .map(|(_, last)| format!("{dir}/{}", self.text(last - 1)))
            .collect()
    }
}

/// Every `.rs` file under `root`'s `folders`, by path.
pub(crate) fn load(root: &Path, folders: &[&str]) -> Vec<Source> {
    let mut paths: Vec<_> = folders.iter().map(|folder| root.join(folder)).collect();
    let mut sources = Vec::new();
    while let Some(path) = paths.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).expect("a folder of the project can be listed");
            paths.extend(entries.map(|entry| entry.expect("an entry can be read").path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root).expect("it was found under the root");
            let text = fs::read_to_string(&path).expect("a source file is UTF-8");
            sources.push(Source::new(name.to_str().expect("names are ASCII"), &text));
        }
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    let tests: Vec<_> = sources.iter().flat_map(Source::test_modules).collect();
    for source in &mut sources {
        let path = &source.path;
        if tests.iter().any(|at| *path == format!("{at}.rs") || path.starts_with(&format!("{at}/")))
        {
            source.is_test.fill(true);
        }
    }
    sources
}

/// A word or keyword, not a number, lifetime or mark.
pub(crate) fn is_word(text: &str) -> bool {
    text.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

/// Code with comments blank and literals filled with `~`, and comments with all else blank.
fn mask(text: &str) -> (String, String) {
    let chars: Vec<char> = text.chars().collect();
    let (mut code, mut comments) = (String::new(), String::new());
    let mut at = 0;
    while at < chars.len() {
        let (end, kind) = piece(&chars, at);
        for &char in &chars[at..end] {
            let inner = if char == '\n' { '\n' } else { ' ' };
            code.push(match kind {
                Piece::Code => char,
                Piece::Comment => inner,
                Piece::Literal if char == '\n' => '\n',
                Piece::Literal => '~',
            });
            comments.push(if matches!(kind, Piece::Comment) { char } else { inner });
        }
        if matches!(kind, Piece::Literal) {
            // Its ends become plain quotes; every character of it is one byte by now.
            let first = code.len() - (end - at);
            code.replace_range(first..=first, "\"");
            code.replace_range(code.len() - 1.., "\"");
        }
        at = end;
    }
    (code, comments)
}

#[derive(Clone, Copy)]
enum Piece {
    Code,
    Comment,
    Literal,
}

/// The end and kind of the piece that begins at `at`.
fn piece(chars: &[char], at: usize) -> (usize, Piece) {
    let next = chars.get(at + 1).copied();
    match chars[at] {
        '/' if next == Some('/') => {
            let length = chars[at..].iter().position(|&char| char == '\n');
            (length.map_or(chars.len(), |length| at + length), Piece::Comment)
        }
        '/' if next == Some('*') => (block_comment_end(chars, at), Piece::Comment),
        '"' => (quoted_end(chars, at), Piece::Literal),
        '\'' if next == Some('\\') || chars.get(at + 2) == Some(&'\'') => {
            (quoted_end(chars, at), Piece::Literal)
        }
        'r' if at == 0 || !is_word_char(chars[at - 1]) || matches!(chars[at - 1], 'b' | 'c') => {
            match raw_string_end(chars, at) {
                Some(end) => (end, Piece::Literal),
                None => (at + 1, Piece::Code),
            }
        }
        _ => (at + 1, Piece::Code),
    }
}

fn is_word_char(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

fn block_comment_end(chars: &[char], start: usize) -> usize {
    let (mut at, mut depth) = (start, 0_usize);
    while at + 1 < chars.len() {
        match (chars[at], chars[at + 1]) {
            ('/', '*') => (at, depth) = (at + 2, depth + 1),
            ('*', '/') => (at, depth) = (at + 2, depth - 1),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    chars.len()
}

fn quoted_end(chars: &[char], start: usize) -> usize {
    let mut at = start + 1;
    while at < chars.len() && chars[at] != chars[start] {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

fn raw_string_end(chars: &[char], start: usize) -> Option<usize> {
    let hashes = chars[start + 1..].iter().take_while(|&&char| char == '#').count();
    let open = start + 1 + hashes;
    if chars.get(open) != Some(&'"') {
        return None;
    }
    let closes = |at: &usize| {
        let tail = chars.get(at + 1..at + 1 + hashes);
        chars[*at] == '"' && tail.is_some_and(|tail| tail.iter().all(|&char| char == '#'))
    };
    Some((open + 1..chars.len()).find(closes).map_or(chars.len(), |at| at + 1 + hashes))
}

/// Masked code as tokens; `::` is one.
fn tokenize(code: &str) -> Vec<Token> {
    let chars: Vec<char> = code.chars().collect();
    let (mut tokens, mut at, mut line) = (Vec::new(), 0, 0);
    while at < chars.len() {
        let start = at;
        at += match chars[at] {
            '"' => 2 + run(&chars[at + 1..], |char| char != '"'),
            '\'' => 1 + run(&chars[at + 1..], is_word_char),
            ':' if chars.get(at + 1) == Some(&':') => 2,
            first if first.is_ascii_digit() => number(&chars[at..]),
            first if is_word_char(first) => run(&chars[at..], is_word_char),
            _ => 1,
        };
        let text: String = chars[start..at.min(chars.len())].iter().collect();
        let newlines = text.matches('\n').count();
        if !text.trim().is_empty() {
            tokens.push(Token { text, line });
        }
        line += newlines;
    }
    tokens
}

fn run(chars: &[char], belongs: impl Fn(char) -> bool) -> usize {
    chars.iter().take_while(|&&char| belongs(char)).count()
}

/// Length of the number at the front; a `..` or a method call after it is not part of it.
fn number(chars: &[char]) -> usize {
    let whole = run(chars, is_word_char);
    let fraction =
        chars.get(whole) == Some(&'.') && chars.get(whole + 1).is_some_and(char::is_ascii_digit);
    if fraction { whole + 1 + run(&chars[whole + 1..], is_word_char) } else { whole }
}

/// First and last token of every item under an attribute like `#[cfg(test)]`.
fn test_items(tokens: &[Token]) -> Vec<(usize, usize)> {
    let text = |at: usize| tokens.get(at).map_or("", |token: &Token| token.text.as_str());
    let mut items = Vec::new();
    for at in 0..tokens.len() {
        if text(at) != "#" || text(at + 1) != "[" || text(at + 2) != "cfg" {
            continue;
        }
        let close = item_end(tokens, at + 1);
        let words: Vec<_> = (at + 3..close).map(text).collect();
        if words.contains(&"test") && !words.contains(&"not") {
            items.push((at, item_end(tokens, close + 1)));
        }
    }
    items
}

/// Index of the token that ends the item or bracket at `start`: its `;` or the closing mark of
/// its body. Attributes before an item belong to it.
fn item_end(tokens: &[Token], start: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(start) {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        let closes = token.text == "}" || tokens[start].text == "[";
        if depth == 0 && (closes || token.text == ";") {
            return at;
        }
    }
    tokens.len().saturating_sub(1)
}
