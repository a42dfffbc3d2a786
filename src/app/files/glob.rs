//! Patterns of paths: `?`, `*` and `**`. Knows no files and no requests.

/// A part of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    /// `**`: any characters.
    Anything,
    /// Another character: itself.
    Char(char),
    /// `?`: one character that is no slash.
    One,
    /// `*`: any characters but slashes.
    Several,
}

/// Says of paths whether they are meant.
///
/// One without a slash is of names, in whatever directory; one with a slash is of whole paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Glob {
    tokens: Vec<Token>,
    is_of_names: bool,
}

impl Glob {
    pub(super) fn new(pattern: &str) -> Glob {
        let is_of_names = !pattern.contains('/');
        let mut tokens = Vec::new();
        for char in pattern.strip_prefix('/').unwrap_or(pattern).chars() {
            let token = match char {
                '?' => Token::One,
                '*' => Token::Several,
                char => Token::Char(char),
            };
            match (tokens.last_mut(), token) {
                (Some(last @ (Token::Several | Token::Anything)), Token::Several) => {
                    *last = Token::Anything;
                }
                // `**/` is any directories, or none.
                (Some(Token::Anything), Token::Char('/')) => {}
                _ => tokens.push(token),
            }
        }
        Glob { tokens, is_of_names }
    }

    /// Whether `path` is meant. All places of the pattern that the path may have come to are
    /// followed at once, so it takes a step for each character and each of those.
    pub(super) fn matches(&self, path: &str) -> bool {
        let name = path.rsplit('/').next().unwrap_or_default();
        let text = if self.is_of_names { name } else { path };
        let mut places = vec![false; self.tokens.len() + 1];
        places[0] = true;
        self.pass_over_stars(&mut places);
        for char in text.chars() {
            let mut next = vec![false; places.len()];
            for (place, token) in self.tokens.iter().enumerate().filter(|(place, _)| places[*place])
            {
                match token {
                    Token::Anything => next[place] = true,
                    Token::Several => next[place] |= char != '/',
                    Token::One => next[place + 1] |= char != '/',
                    Token::Char(wanted) => next[place + 1] |= char == *wanted,
                }
            }
            places = next;
            self.pass_over_stars(&mut places);
        }
        places[self.tokens.len()]
    }

    /// Stars may stand for nothing.
    fn pass_over_stars(&self, places: &mut [bool]) {
        for (place, token) in self.tokens.iter().enumerate() {
            if matches!(token, Token::Anything | Token::Several) {
                places[place + 1] |= places[place];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_means_names_or_paths() {
        for (pattern, path, is_meant) in [
            ("*.css", "a.css", true),
            ("*.css", "deep/er/a.css", true),
            ("*.css", "a.css/b", false),
            ("*.css", ".css", true),
            ("?.js", "a.js", true),
            ("?.js", "\u{e9}.js", true),
            ("?.js", "ab.js", false),
            ("a?b", "a/b", false),
            ("/*.css", "a.css", true),
            ("/*.css", "deep/a.css", false),
            ("assets/*", "assets/a", true),
            ("assets/*", "assets/b/a", false),
            ("assets/**", "assets/b/a", true),
            ("assets/**/*.js", "assets/a.js", true),
            ("assets/**/*.js", "assets/b/c/a.js", true),
            ("assets/**/*.js", "other/a.js", false),
            ("**", "any/thing", true),
            ("*", "any/thing", true),
            ("", "a", false),
            ("*a*a*", "banana", true),
            ("*-????????.js", "app-0123abcd.js", true),
            ("*-????????.js", "app-0123.js", false),
        ] {
            assert_eq!(Glob::new(pattern).matches(path), is_meant, "{pattern} {path}");
        }
    }

    #[test]
    fn a_hostile_path_takes_no_longer_than_its_length_says() {
        // Tried one after the other, the ways to match these are without number.
        let glob = Glob::new(&format!("x/{}b", "*a**".repeat(30)));
        assert!(!glob.matches(&format!("x/{}", "a".repeat(4_000))));
    }
}
